"""The prior p(z) over code maps: a gated PixelCNN over the positions, autoregressive over the L codes in each.

For codes in one row (speech) a WaveNet can replace the PixelCNN; it works for any number of positions.

    p(z) = product of p(z_il | z_j for positions j < i, z_i1 .. z_i,l-1) over positions i in raster order and l = 1 .. L

Each factor is a softmax over K values, so p(z) is normalised over all code maps.

#### References
van den Oord et al. (2016), arXiv 1606.05328; van den Oord et al. (2017), arXiv 1711.00937, sections 3.3 and 4.3.
"""

from typing import Callable, Dict, List, Optional, Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import CodesConfig, PriorNetworkConfig
from vq_estimator.config.prior import PRIOR_KINDS
from vq_estimator.config.registry import load_object
from vq_estimator.nn import code_sampling
from vq_estimator.nn.code_sampling import Sampling
from vq_estimator.nn.likelihoods.pixels import uniform
from vq_estimator.nn.module import Module
from vq_estimator.nn.pixelcnn import PixelCNN
from vq_estimator.nn.stepwise import POSITION, SEED, Traced, seed_inputs
from vq_estimator.nn.wavenet import WaveNet


class CodePrior(Module):
    """p(z), or p(z | class).

    Args:
      config: the configuration of the network.
      codes: grid [h, w, L], K and the number of classes (0: unconditional).
    """

    def __init__(self, config: PriorNetworkConfig, codes: CodesConfig, name: str = "prior"):
        super().__init__(name)
        self._config, self._codes = config, codes
        maps = config.channels
        if config.stacks:
            self._positions = WaveNet(config.stacks, config.layers, maps, maps, maps, name="positions")
        else:
            self._positions = PixelCNN(config.layers, maps, maps, name="positions")

    @staticmethod
    def of(config: PriorNetworkConfig, codes: CodesConfig) -> "CodePrior":
        """Makes the prior of the kind that `config` names."""
        return load_object(PRIOR_KINDS[config.kind])(config, codes)

    def _connect(self, function, *args):
        return function(*args)

    def log_prob(self, codes: tf.Tensor, labels: Optional[tf.Tensor] = None, training_seed=None) -> tf.Tensor:
        """Computes ln p of each code given the codes before it, in a teacher-forced pass.

        Args:
          codes: int32 [B, h, w, L].
          labels: int32 [B], for a class-conditional prior.
          training_seed: int [2], the seed of dropout; None disables dropout.

        Returns:
          float32 [B, h, w, L] in nats; the sum over an example is ln p(z).
        """
        return self._template(self._log_prob, codes, labels, training_seed)

    def logits(self, codes: tf.Tensor, labels: Optional[tf.Tensor] = None) -> tf.Tensor:
        """Computes the logits of each code given the codes before it, float32 [B, h, w, L, K]; see `log_prob`."""
        return self._template(self._all_logits, codes, labels)

    def sample(
        self, batch: tf.Tensor, labels: Optional[tf.Tensor], how: Sampling, width: Optional[tf.Tensor] = None
    ) -> tf.Tensor:
        """Draws code maps int32 [batch, h, w, L] by incremental sampling inside the graph.

        Args:
          batch: int32 [].
          labels: int32 [batch], for a class-conditional prior.
          how: seed, temperature and top-k.
          width: w, if it differs from the grid's; only for a WaveNet.
        """
        c = self._codes
        _, columns, L = c.grid

        def choose(logits, i, j, level):
            return code_sampling.draw(logits, c.K, how, (i * columns + j) * L + level)

        return self.scan(batch, labels, choose, width)

    def step_functions(self) -> List[Traced]:
        """Makes the functions that draw codes position by position in another runtime; see `nn.stepwise`.

        `prior_condition` takes labels int32 [B], which an unconditional prior ignores, and for codes in one row their
        number `columns`. What is drawn is the codes of a position, int32 [B, L].
        """
        return self._template(self._step_functions)

    def _step_functions(self):
        c, weights = self._codes, self._weights()
        L, channels = c.grid[-1], c.grid[-1] * self._config.embedding
        given = {"labels": tf.placeholder(tf.int32, [None])}
        if self._config.stacks:
            given["columns"] = tf.placeholder(tf.int32, [])
        condition = self._condition(
            weights, tf.shape(given["labels"])[0], given["labels"], given.get("columns", c.grid[1])
        )
        seeds, temperature = seed_inputs(), tf.placeholder(tf.float32, [])

        def draw(logits, i, j, level):
            return code_sampling.draw(logits, c.K, Sampling(seeds[SEED], temperature), seeds[POSITION] * L + level)

        def choose(features):
            embedded, codes = self._position(weights, features, draw, 0, 0)
            return {**seeds, "temperature": temperature}, embedded, codes

        if self._config.stacks:
            return self._positions.step_functions("prior", condition, given, channels, choose)
        first = Traced("prior_condition", given, {"condition": condition})
        return [first, *self._positions.step_functions("prior", condition, channels, choose)]

    def scan(
        self, batch: tf.Tensor, labels: Optional[tf.Tensor], choose: Callable, width: Optional[tf.Tensor] = None
    ) -> tf.Tensor:
        """Generates code maps int32 [batch, h, w, L] in raster order, each code given the codes before it.

        Args:
          batch, labels, width: see `sample`.
          choose: a function (logits [batch, K], row, column, level 0 .. L-1) -> the code, int32 [batch].
        """
        return self._template(self._scan, batch, labels, choose, False, width)

    def tail_log_prob(self, codes: tf.Tensor, labels: Optional[tf.Tensor], first: tf.Tensor) -> tf.Tensor:
        """Computes `log_prob` of the rows from `first` on, of code maps that agree in the rows before.

        Args:
          codes: int32 [B, h, w, L], which differ in the rows from `first` on only.
          labels: int32 [B], all the same; for a class-conditional prior.
          first: int32 [], the row.

        Returns:
          float32 [B, h - first, w, L] in nats.
        """
        return self._template(self._tail_log_prob, codes, labels, first)

    def choose_position(
        self, codes: tf.Tensor, labels: Optional[tf.Tensor], row: tf.Tensor, column: tf.Tensor, choose: Callable
    ) -> Tuple[tf.Tensor, tf.Tensor]:
        """Chooses the codes of one position, given those before it in `codes`, in one full pass.

        Args:
          codes: int32 [B, h, w, L]; those of the position and of later ones are not used.
          labels: int32 [B], for a class-conditional prior.
          row, column: int32 [], the position.
          choose: see `scan`.

        Returns:
          The codes int32 [B, L], and the logits [B, L, K] that each was chosen by.
        """
        return self._template(self._choose_position, codes, labels, row, column, choose)

    def incremental_log_prob(self, codes: tf.Tensor, labels: Optional[tf.Tensor] = None) -> tf.Tensor:
        """Computes `log_prob` by the incremental steps of `sample`."""

        def given(logits, i, j, level):
            return codes[:, i, j, level]

        return self._template(self._scan, tf.shape(codes)[0], labels, given, True, tf.shape(codes)[2])

    def _weights(self) -> Dict[str, tf.Tensor]:
        """Reads all variables outside the network over positions, once, before any loop."""
        c, maps, n = self._codes, self._config.channels, self._config.embedding
        height, width, L = c.grid
        shapes = {}  # shape and standard deviation of the initial values
        if not self._config.stacks:
            shapes["position"] = ([1, height, width, maps], 0.1)
        if c.classes:
            shapes["class"] = ([c.classes, maps], 0.3)
        for i in range(L):
            shapes[f"embedding_{i}"] = ([c.K, n], 1.0)
            shapes[f"code_{i}_w1"] = ([maps, maps], maps**-0.5)
            shapes[f"code_{i}_b1"] = ([maps], 0.0)
            shapes[f"code_{i}_w2"] = ([maps, c.K], maps**-0.5)
            shapes[f"code_{i}_b2"] = ([c.K], 0.0)
            if i:
                shapes[f"code_{i}_before"] = ([i * n, maps], (i * n) ** -0.5)
        values = {}
        for name, (shape, deviation) in shapes.items():
            start = tf.random_normal_initializer(stddev=deviation) if deviation else tf.zeros_initializer()
            values[name] = self.variable(name, shape, start).read_value()
        return values

    def _condition(self, weights, batch, labels, columns):
        """Returns the condition [B, h, w, maps]: the class's vector plus, for a PixelCNN, the position's."""
        height, width, _ = self._codes.grid
        if self._config.stacks:
            width = None
            condition = tf.zeros(tf.stack([1, 1, columns, self._config.channels]))
        else:
            condition = weights["position"]
        if self._codes.classes:
            if labels is None:
                raise ValueError("labels: got none, expected one for each example of a class-conditional prior")
            condition += tf.gather(weights["class"], labels)[:, tf.newaxis, tf.newaxis]
        condition += tf.zeros(tf.stack([batch, 1, 1, 1]))
        condition.set_shape([None, height, width, self._config.channels])
        return condition

    @staticmethod
    def _logits(weights, features, embedded):
        """Computes the logits [..., K] of the next code from `features` [..., maps] and the embeddings before it."""
        name = f"code_{len(embedded)}_"
        h = tf.tensordot(features, weights[name + "w1"], 1) + weights[name + "b1"]
        if embedded:
            h += tf.tensordot(tf.concat(embedded, -1), weights[name + "before"], 1)
        return tf.tensordot(tf.nn.relu(h), weights[name + "w2"], 1) + weights[name + "b2"]

    def _embedded(self, weights, codes) -> List[tf.Tensor]:
        """Returns the embeddings [..., embedding] of each of the L codes [..., L] of a position."""
        return [tf.gather(weights[f"embedding_{level}"], codes[..., level]) for level in range(self._codes.grid[-1])]

    def _all_logits(self, codes, labels, training_seed=None):
        L, weights = self._codes.grid[-1], self._weights()
        embedded = self._embedded(weights, codes)
        batch, columns = tf.shape(codes)[0], tf.shape(codes)[2]
        features = self._positions(tf.concat(embedded, -1), self._condition(weights, batch, labels, columns))
        if training_seed is not None and self._config.dropout:
            keep = 1.0 - self._config.dropout
            kept = tf.cast(uniform(tf.shape(features), training_seed) < keep, tf.float32)
            features *= kept / keep
        return tf.stack([self._logits(weights, features, embedded[:level]) for level in range(L)], -2)

    def _log_prob(self, codes, labels, training_seed):
        logits = self._all_logits(codes, labels, training_seed)
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=codes, logits=logits)

    def _tail_log_prob(self, codes, labels, first):
        weights, label = self._weights(), None if labels is None else labels[:1]  # the same for all maps
        condition = self._condition(weights, 1, label, tf.shape(codes)[2])
        features = self._positions.tail(tf.concat(self._embedded(weights, codes), -1), condition, first)
        codes = codes[:, first:]
        embedded = self._embedded(weights, codes)
        logits = tf.stack([self._logits(weights, features, embedded[:level]) for level in range(len(embedded))], -2)
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=codes, logits=logits)

    def _choose_position(self, codes, labels, row, column, choose):
        weights, all_logits = self._weights(), []
        condition = self._condition(weights, tf.shape(codes)[0], labels, tf.shape(codes)[2])
        features = self._positions(tf.concat(self._embedded(weights, codes), -1), condition)[:, row, column]

        def keep(logits, i, j, level):
            all_logits.append(logits)
            return choose(logits, i, j, level)

        _, chosen = self._position(weights, features, keep, row, column)
        return chosen, tf.stack(all_logits, 1)

    def _position(self, weights, features, choose, i, j, probabilities=False):
        """Chooses the codes of a position; returns their embeddings [B, C], and the codes or ln p of each, [B, L]."""
        codes, terms, embedded = [], [], []
        for level in range(self._codes.grid[-1]):
            logits = self._logits(weights, features, embedded)
            code = choose(logits, i, j, level)
            if probabilities:
                terms.append(-tf.nn.sparse_softmax_cross_entropy_with_logits(labels=code, logits=logits))
            codes.append(code)
            embedded.append(tf.gather(weights[f"embedding_{level}"], code))
        return tf.concat(embedded, -1), tf.stack(terms if probabilities else codes, -1)

    def _scan(self, batch, labels, choose, probabilities, columns=None):
        """Returns the codes that `choose` chooses, or ln p of each if `probabilities`."""
        L, weights = self._codes.grid[-1], self._weights()

        def position(features, i, j):
            return self._position(weights, features, choose, i, j, probabilities)

        kept = (L, tf.float32 if probabilities else tf.int32)
        columns = self._codes.grid[1] if columns is None else columns
        condition = self._condition(weights, batch, labels, columns)
        return self._positions.scan(condition, L * self._config.embedding, kept, position)
