"""The same VQ-VAE in PyTorch, for comparison: the layers, losses and optimizer of a `ModelConfig`.

Written as one would write it there for speed: distances by one matrix product, Adam fused, data in memory as float
tensors before the clock starts, the layers alone under autocast (our quantizer and likelihood are float32 too).
"""

import contextlib
import itertools
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.speed import cases
from vq_estimator.config import MSE, Config, FactorisedDecoder, ModelConfig

MODES = {
    "eager": {},
    "channels_last": dict(channels_last=True),
    "compile": dict(compiled=True),
    "compile, channels_last": dict(compiled=True, channels_last=True),
}


class Residual(nn.Module):
    """x + conv1x1(relu(conv3x3(relu(x))))."""

    def __init__(self, maps: int, inside: int):
        super().__init__()
        self.conv_3x3, self.conv_1x1 = nn.Conv2d(maps, inside, 3, padding=1), nn.Conv2d(inside, maps, 1)

    def forward(self, x):
        return x + self.conv_1x1(F.relu(self.conv_3x3(F.relu(x))))


class Encoder(nn.Module):
    """Pixels [B, C, S, S] in 0..1 to z_e [B, features, h, w]; named as our variables are."""

    def __init__(self, m: ModelConfig):
        super().__init__()
        n, maps = m.network, m.channels
        self.strided, self.rest = [], []
        for i, width in enumerate(n.hidden_channels):
            self.strided.append(_add(self, f"conv_{i + 1}", nn.Conv2d(maps, width, 4, 2, 1)))
            maps = width
        for i in range(n.residual_blocks):
            self.rest.append(_add(self, f"residual_{i + 1}", Residual(maps, n.residual_channels or maps)))
        if maps != m.quantizer.latent_channels:
            self.rest.append(_add(self, "to_codes", nn.Conv2d(maps, m.quantizer.latent_channels, 1)))

    def forward(self, x):
        for layer in self.strided:
            x = F.relu(layer(x))
        for layer in self.rest:
            x = layer(x)
        return x


class Decoder(nn.Module):
    """z_q [B, features, h, w] to the likelihood's parameters [B, outputs, S, S]."""

    def __init__(self, m: ModelConfig, outputs: int):
        super().__init__()
        n, maps = m.network, m.network.hidden_channels[-1]
        self.first, self.transposed, self.last, self._relu = [], [], None, n.residual_relu
        if maps != m.quantizer.latent_channels:
            self.first.append(_add(self, "from_codes", nn.Conv2d(m.quantizer.latent_channels, maps, 1)))
        for i in range(n.residual_blocks):
            self.first.append(_add(self, f"residual_{i + 1}", Residual(maps, n.residual_channels or maps)))
        for i, width in enumerate(tuple(reversed(n.hidden_channels[:-1])) + (n.output_channels or outputs,)):
            layer = nn.ConvTranspose2d(maps, width, 4, 2, 1)
            self.transposed.append(_add(self, f"conv_transpose_{i + 1}", layer))
            maps = width
        if n.output_channels:
            self.last = _add(self, "to_pixels", nn.Conv2d(maps, outputs, 1))

    def forward(self, x):
        for layer in self.first:
            x = layer(x)
        if self._relu:
            x = F.relu(x)
        for layer in self.transposed[:-1]:
            x = F.relu(layer(x))
        x = self.transposed[-1](x)
        return x if self.last is None else self.last(F.relu(x))


def _add(module, name, layer):
    module.add_module(name, layer)
    return layer


class Twin(nn.Module):
    """Encoder, codebooks moved by gradient and decoder; `loss` is what `objectives.terms` gives as the mean total."""

    def __init__(self, config: Config, autocast: bool = False):
        super().__init__()
        self._config, self._autocast = config, autocast
        m, q = config.model, config.model.quantizer
        C = m.channels
        self._mixture = None if isinstance(m.likelihood, MSE) else m.likelihood.components
        outputs = C if self._mixture is None else self._mixture * (1 + 2 * C + C * (C - 1) // 2)
        self.encoder, self.decoder = Encoder(m), Decoder(m, outputs)
        self.quantizer = nn.Module()
        self.quantizer.codebook = nn.Parameter(0.02 * torch.randn(q.L, q.K, q.D))

    def load(self, variables, parts=None) -> None:
        """Takes over our variables, arrays by name, those of all parts or of some.

        Raises:
          ValueError: the two sides do not have the same ones.
        """
        own = {}
        for name, p in self.named_parameters():
            name = name.replace(".weight", ".w").replace(".bias", ".b").replace(".", "/")
            if parts is None or name.split("/")[0] in parts:
                own[name] = p
        variables = {name: v for name, v in variables.items() if parts is None or name.split("/")[0] in parts}
        missing = set(own) ^ set(variables)
        if missing:
            raise ValueError(f"variables: {sorted(missing)} are of one side alone")
        with torch.no_grad():
            for name, p in own.items():
                value = np.asarray(variables[name], np.float32)
                # Filters [k, k, in, out], transposed ones [k, k, out, in], to [out, in, k, k] and [in, out, k, k].
                value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
                p.copy_(torch.from_numpy(np.ascontiguousarray(value)))

    def _layers(self):
        return torch.autocast("cpu", torch.bfloat16) if self._autocast else contextlib.nullcontext()

    def encode_continuous(self, unit):
        """Pixels [B, C, S, S] in 0..1 to z_e float32 [B, h, w, L, D]."""
        q, (height, width, _) = self._config.model.quantizer, self._config.model.grid
        with self._layers():
            z_e = self.encoder(unit)
        return z_e.float().permute(0, 2, 3, 1).reshape(-1, height, width, q.L, q.D)

    def codes(self, z_e):
        """The nearest entries, int64 [B, h, w, L]."""
        codebook = self.quantizer.codebook.detach()
        flat = z_e.detach().flatten(0, 2).transpose(0, 1)  # [L, N, D]
        square = codebook.square().sum(-1)[:, None, :]
        distance = torch.baddbmm(square, flat, codebook.transpose(1, 2), alpha=-2.0)  # [L, N, K]
        return distance.argmin(-1).t().reshape(z_e.shape[:-1])

    def lookup(self, codes):
        """z_q [B, h, w, L, D]."""
        L, K, D = self.quantizer.codebook.shape
        offset = K * torch.arange(L)
        return F.embedding(codes + offset, self.quantizer.codebook.reshape(L * K, D))

    def parameters_of_pixels(self, z_q):
        """z_q [B, h, w, L, D] to the decoder's output, float32 [B, outputs, S, S]."""
        with self._layers():
            out = self.decoder(z_q.flatten(3).permute(0, 3, 1, 2))
        return out.float()

    def loss(self, unit):
        """The mean total of a batch [B, C, S, S] in 0..1."""
        m, o = self._config.model, self._config.objective
        z_e = self.encode_continuous(unit)
        e = self.lookup(self.codes(z_e))
        commitment = (z_e - e.detach()).square().sum(-1).mean()
        moving = (z_e.detach() - e).square().sum(-1).mean()
        out = self.parameters_of_pixels(z_e + (e - z_e).detach())
        if self._mixture is None:
            reconstruction = (torch.sigmoid(out) - unit).square().mean()
        else:
            reconstruction = -self._log_prob(out, unit * 255.0).mean() / m.dims
        latent = moving + o.beta * commitment
        if o.kind == "elbo":
            height, width, L = m.grid
            latent = latent * (height * width * L / m.dims)
        return reconstruction + latent

    def _log_prob(self, out, x):
        """The mixture of discretised logistics: ln p of the levels x [B, C, H, W] in [B]."""
        M, C = self._mixture, self._config.model.channels
        logits, mean, log_scale, coefficients = out.split([M, C * M, C * M, C * (C - 1) // 2 * M], 1)
        mean = ((mean + 1.0) * 127.5).clamp(-256.0, 512.0).unflatten(1, (C, M))  # [B, C, M, H, W]
        log_scale = (log_scale + 3.0).clamp(-3.0, 7.0).unflatten(1, (C, M))
        coefficients = torch.tanh(coefficients).unflatten(1, (-1, M)).split(list(range(1, C)), 1)
        total = F.log_softmax(logits, 1)
        for c in range(C):
            at = mean[:, c]
            if c:
                at = at + (coefficients[c - 1] * (x[:, :c, None] - 127.5)).sum(1)
            level = x[:, c, None]
            inverse = torch.exp(-log_scale[:, c])
            below = (level - 0.5 - at) * inverse
            left, right = F.logsigmoid(below + inverse), F.logsigmoid(-below)
            inside = left + right + torch.log(-torch.expm1(-inverse))
            total = total + torch.where(level <= 0.0, left, torch.where(level >= 255.0, right, inside))
        return torch.logsumexp(total, 1).sum((1, 2))


def use_all_cores() -> None:
    """As many threads as TensorFlow takes by itself."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))


def training_step(case: str, path: str, mode: str):
    """A function that makes one step on the next batch of the images in `path`; and how the twin agrees with us there.

    It begins with our variables; the images stay in memory as floats.
    """
    use_all_cores()
    config, options, given = cases.config_of(case), MODES[mode], np.load(path)
    twin = Twin(config, config.model.precision == "bfloat16")
    twin.load({name.split("/", 1)[1]: given[name] for name in given.files if name.startswith("variables/")})
    unit = torch.from_numpy(given["images"].astype(np.float32) / 255.0).permute(0, 3, 1, 2).contiguous()
    if options.get("channels_last"):
        twin, unit = twin.to(memory_format=torch.channels_last), unit.to(memory_format=torch.channels_last)
    batches = unit.split(config.train.batch_size)
    optimizer = torch.optim.Adam(twin.parameters(), config.optimizer.learning_rate, eps=1e-8, fused=True)
    loss_of = torch.compile(twin.loss) if options.get("compiled") else twin.loss
    with torch.no_grad():
        agreement = {
            "parameters": sum(p.numel() for p in twin.parameters()),
            "loss": twin.loss(batches[0]).item(),
            "our_loss": float(given["loss"]),
        }
    endless = itertools.cycle(batches)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss_of(next(endless)).backward()
        optimizer.step()

    return step, agreement


def calls(model: str, path: str, batches, mode: str):
    """Functions "signature batch" of a provided model's twin, with their inputs; and how it agrees with the SavedModel.

    Images uint8 [B, C, S, S] to codes and back; of an autoregressive decoder there is no twin.
    """
    use_all_cores()
    config, options, given = cases.provided(model), MODES[mode], np.load(os.path.join(path, "twin.npz"))
    variables = {name.split("/", 1)[1]: given[name] for name in given.files if name.startswith("variables/")}
    twin = Twin(config)
    factorised = isinstance(config.model.decoder, FactorisedDecoder)
    twin.load(variables, None if factorised else ("encoder", "quantizer"))
    images = torch.from_numpy(given["images"]).permute(0, 3, 1, 2).contiguous()
    if options.get("channels_last"):
        twin, images = twin.to(memory_format=torch.channels_last), images.contiguous(memory_format=torch.channels_last)

    def encode(images):
        return twin.codes(twin.encode_continuous(images.float() / 255.0))

    def decode(codes):
        unit = torch.sigmoid(twin.parameters_of_pixels(twin.lookup(codes)))
        return (unit * 255.0).round().to(torch.uint8)

    found = {}
    for B in batches:
        x = images[:B]
        with torch.inference_mode():
            codes = encode(x)
        parts = {"encode": (encode, x)}
        if factorised:
            parts.update(decode=(decode, codes), reconstruct=(lambda x: decode(encode(x)), x))
        for name, (function, value) in parts.items():
            function = torch.compile(function, dynamic=False) if options.get("compiled") else function
            found[f"{name} {B}"] = _without_gradient(function, value)
            for _ in range(3):
                found[f"{name} {B}"]()
    with torch.inference_mode():
        same = (encode(images).numpy() == given["codes"]).mean()
    return found, {"same_codes": float(same)}


def _without_gradient(function, value):
    def call():
        with torch.inference_mode():
            return function(value)

    return call


def matmul_step(size: int, precision: str):
    """A function that multiplies two matrices of `size` x `size`."""
    use_all_cores()
    dtype = getattr(torch, precision)
    a, b, out = (torch.randn(size, size).to(dtype) for _ in range(3))
    return lambda: torch.mm(a, b, out=out)
