"""A trained run of speech in a Python program: recordings to codes and back, in any of its voices, and new speech."""

import math
import os
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm import tqdm

from vq_estimator.config import arguments
from vq_estimator.data import audio, formats
from vq_estimator.errors import VQError
from vq_estimator.inference import evaluation, sampling, speech_inputs
from vq_estimator.inference.sampling import Label
from vq_estimator.inference.session import Batch, Examples, interruptible
from vq_estimator.inference.trained_model import TrainedModel
from vq_estimator.nn.code_prior import Sampling

BATCH = 16  # recordings that are drawn at once
MOST = 10000  # recordings that one call of `sample` makes
BUCKET = 16  # codes: lengths are brought to multiples of it, since each new one is compiled for
AT_ONCE = 256  # codes of a recording whose likelihood in all voices is computed in one pass
SEGMENT = 4096  # codes that are made at once of a long recording
AROUND = 16  # codes on either side of a segment that its codes may depend on
MAX_SECONDS = 600  # of new speech


class SpeechSamples(NamedTuple):
    """New speech.

    Attributes:
      levels: uint8 [N, T], mu-law.
      codes: int32 [N, n, L].
      speakers: int32 [N].
      labels: int32 [N], what the codes are conditional on, or None.
    """

    levels: np.ndarray
    codes: np.ndarray
    speakers: np.ndarray
    labels: Optional[np.ndarray]


class SpeechModel(TrainedModel):
    """A trained VQ-VAE of speech, and its prior where it has one, in a graph and a session of their own.

    A recording is uint8 [T], mu-law levels at `config.model.sample_rate` (`data.audio` reads files and makes them); its
    codes are int32 [n, L], n the smallest number of them that reaches for T. `close()`, or a `with` block, frees the
    session.
    Its attributes are those of `TrainedModel`; `config.model.speakers` are the voices.
    """

    kind = "speech"

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        return self.config.model.sample_rate

    def speaker(self, name: Label) -> int:
        """The number of a voice that is given by its number or its name; see `arguments.class_number`.

        Raises:
          VQError: there is no such voice.
        """
        return speech_inputs.speaker_number(self.config.model, name)

    def read(self, path: str) -> np.ndarray:
        """A sound file as a recording.

        Raises:
          VQError: it can't be read.
        """
        path = arguments.path("input", path, f"the path of a {formats.SOUNDS.names()} file")
        return speech_inputs.read(self, path)

    def encode(self, levels: np.ndarray) -> np.ndarray:
        """A recording to its codes; a long one in parts, so that memory is bounded."""
        levels, stride, t = self._checked(levels), self.config.model.network.stride, self.connect()
        parts, n, compute = [], -(-len(levels) // stride), self.compiled(t.codes, [t.images])
        for first in range(0, n, SEGMENT):
            begin, end = max(first - AROUND, 0), min(first + SEGMENT + AROUND, n)
            part = levels[begin * stride : end * stride]
            codes = compute(part[np.newaxis, np.newaxis, :, np.newaxis])[0, 0]
            parts.append(codes[first - begin :][: min(SEGMENT, n - first)])
        return np.concatenate(parts)

    def decode(
        self, codes: np.ndarray, speaker: Label, seed: int = 0, temperature: float = 1.0, guidance: float = 1.0
    ) -> np.ndarray:
        """Codes to a recording in a voice, uint8 [n * samples of a code]; the same arguments give the same one.

        Below 1 the `temperature` makes it less noisy than speech is; above 1 the `guidance` makes it more of what codes
        and speaker say than a draw from p(x | z_q, speaker) is (see `decoders.Waveform.image`).
        """
        return self.decode_all([codes], [speaker], seed, temperature, guidance)[0]

    def decode_all(
        self,
        codes: Sequence[np.ndarray],
        speakers: Sequence[Label],
        seed: Union[int, Sequence[int]] = 0,
        temperature: float = 1.0,
        guidance: float = 1.0,
    ) -> List[np.ndarray]:
        """The same for several; each is what `decode` would give, up to the rounding of sums.

        `seed`: of all, which are then drawn with the same noise, so that what differs between them is due to codes and
        speakers; or of each, such as `seeds` makes.

        Raises:
          VQError: a value that can't be, or another guidance than 1 of a run that was trained without it.
        """
        self.check_open()
        each = [seed] * len(codes) if np.isscalar(seed) or seed is None else seed
        codes = self.check_codes(codes)
        speakers = self._checked_speakers(speakers)
        if len(speakers) != len(codes):
            raise VQError(f"speakers: got {len(speakers)}, expected {len(codes)}, one for each of the codes")
        each = [
            sampling.check_part_seed(one) for one in arguments.listed("seed", each, "an integer, or a list of them")
        ]
        if len(each) != len(codes):
            raise VQError(f"seed: got {len(each)}, expected {len(codes)}, one for each of the codes")
        temperature, guidance = sampling.check_temperature(temperature), self.check_guidance(guidance)
        guided = guidance != 1.0
        feeds, levels = self.op(("decode", guided), lambda: self._decoder(guided))
        t, lengths, found = self.connect(), [-(-len(c) // BUCKET) * BUCKET for c in codes], [None] * len(codes)
        order = sorted(range(len(codes)), key=lambda i: lengths[i])
        while order:
            same = [i for i in order[:BATCH] if lengths[i] == lengths[order[0]]]
            order = order[len(same) :]
            whole = [np.pad(codes[i], [(0, lengths[i] - len(codes[i])), (0, 0)], mode="edge") for i in same]
            given = {t.codes: np.stack(whole)[:, np.newaxis], t.speakers: [speakers[i] for i in same]}
            given.update(zip(feeds, ([each[i] for i in same], temperature, guidance)))
            drawn = interruptible(self.session.run, levels, given)[:, 0, :, 0]
            for i, one in zip(same, drawn):
                found[i] = one[: len(codes[i]) * self.config.model.network.stride]
        return found

    def convert(
        self,
        levels: np.ndarray,
        speaker: Label,
        seed: int = 0,
        temperature: float = 1.0,
        guidance: float = 1.0,
        draws: int = 1,
    ) -> np.ndarray:
        """What a recording says, in another voice: its codes, decoded for a speaker; as long as it is.

        `draws`: so many are drawn, the first with `seed` itself, and that of the greatest `voice_margin` is taken.

        Raises:
          VQError: a value that can't be, or several draws of a model of one voice.
        """
        draws, seed, (speaker,) = self.check_draws(draws), sampling.check_seed(seed), self._checked_speakers([speaker])
        temperature, guidance = sampling.check_temperature(temperature), self.check_guidance(guidance)
        codes, found = self.encode(levels), []
        hidden = {"disable": True} if draws == 1 else {}  # False would override the variable TQDM_DISABLE
        for i in tqdm(range(draws), unit="draw", desc="convert", **hidden):
            one = self.decode(codes, speaker, draw_seed(seed, i), temperature, guidance)
            found.append(one[: len(levels)])
        return found[0] if draws == 1 else self.best_draw(found, codes, speaker)

    def best_draw(self, found: Sequence[np.ndarray], codes: np.ndarray, speaker: Label) -> np.ndarray:
        """Of several recordings that were drawn from codes for a speaker, that of the greatest `voice_margin`."""
        found = arguments.listed("found", found, "a list of recordings, one or more")
        if not found:
            raise VQError("found: got no recording, expected one or more")
        return found[int(np.argmax([self.voice_margin(levels, codes, speaker) for levels in found]))]

    def voice_margin(self, levels: np.ndarray, codes: np.ndarray, speaker: Label) -> float:
        """By how many bits a sample a recording is likelier in a voice than it is, on the mean, in the others.

        All given the same codes [n, L], such as it was drawn from: (log2 p(x | z_q, speaker) - the mean of log2 p(x |
        z_q, s) over the other voices s) / T.

        Raises:
          VQError: the model has one voice, or a value that can't be.
        """
        self.check_draws(2)
        (speaker,) = self._checked_speakers([speaker])
        levels, codes = self._checked(levels), self._checked_codes(codes)
        want = -(-len(levels) // self.config.model.network.stride)
        if len(codes) != want:
            raise VQError(f"codes: got {len(codes)}, expected the {want} that reach for {len(levels)} samples")
        log_p = self._log_prob(levels, codes, range(len(self.config.model.speakers)))
        return float(log_p[speaker] - np.delete(log_p, speaker).mean()) / (len(levels) * math.log(2.0))

    def bits_per_sample(self, levels: np.ndarray, speaker: Label) -> float:
        """-log2 p(x | z_q, speaker) of a recording, for each sample; what its codes cost is not in it."""
        (speaker,) = self._checked_speakers([speaker])
        levels = self._checked(levels)
        return float(-self._log_prob(levels, self.encode(levels), [speaker])[0] / (len(levels) * math.log(2.0)))

    def evaluate(
        self,
        recordings: Union[str, "os.PathLike[str]", Examples],
        speaker: Optional[str] = None,
        max_bad_files: int = 100,
    ) -> dict:
        """Evaluates recordings that the run need not have seen, with the figures that `vq-evaluate --split` has.

        A recording is priced in the voice of its speaker: the one whose name its nearest folder has, else the one in
        which it is likeliest. The results are written as those of `ImageModel.evaluate`.

        Args:
          recordings: the path of a folder, or of a WAV or FLAC file; or Examples.
          speaker: the name of the speaker of all, whatever their folders say.
          max_bad_files: unreadable files of a folder that are left out; more are an error.

        Returns:
          What the `.json` holds.

        Raises:
          VQError: the run has not been evaluated on its own data, or a value that can't be.
        """
        self.check_open()
        most, calibration = arguments.integer("max_bad_files", max_bad_files), self.calibrated()
        if not isinstance(recordings, Examples):
            recordings = speech_inputs.of_path(self, arguments.path("recordings", recordings), most)
        examples = speech_inputs.with_speakers(self, recordings, speaker)
        return evaluation.evaluate_examples(self, examples, calibration, measured=self._measure(examples))

    def _measure(self, examples: Examples) -> Iterator[Tuple[Batch, evaluation.Measured]]:
        """Each recording and what it costs, in bounded memory however long it is."""
        with tqdm(total=examples.total, unit=self.config.model.example, desc="evaluate " + examples.name) as bar:
            for batch in examples.batches():
                levels = batch.images[0, 0, :, 0]
                codes = self.encode(levels)
                if batch.speakers is None:
                    every = self._log_prob(levels, codes, range(len(self.config.model.speakers)))
                    speaker = int(np.argmax(every))
                    nats = -every[speaker]
                else:
                    speaker = int(batch.speakers[0])
                    nats = -self._log_prob(levels, codes, [speaker])[0]
                voices = np.array([speaker], np.int32)
                yield batch, evaluation.Measured(None, np.array([nats]), None, codes[np.newaxis, np.newaxis], voices)
                bar.update()

    def _log_prob(self, levels: np.ndarray, codes: np.ndarray, speakers: Sequence[int]) -> np.ndarray:
        """log p(x | z_q, speaker) of a recording in each of some voices, in nats, float64.

        Of a long one a voice at a time, so that memory is bounded, and of a very long one in parts: that of a part
        given what is before it is that of both less that of what is before it.
        """
        if len(speakers) > 1 and len(codes) > AT_ONCE:
            return np.concatenate([self._log_prob(levels, codes, [one]) for one in speakers])
        stride, t = self.config.model.network.stride, self.connect()
        log_prob = self.op("log_prob of levels", lambda: t.likelihood.log_prob(t.images))
        before = -(-self.vqvae.decoder.receptive_field // stride) + AROUND  # codes that a part may depend on

        def log_p(first, last, end):
            of, x = codes[np.newaxis, np.newaxis, first : last + AROUND], levels[first * stride : end * stride]
            feed = {t.codes: np.repeat(of, len(speakers), 0), t.speakers: list(speakers)}
            feed[t.images] = np.repeat(x[np.newaxis, np.newaxis, :, np.newaxis], len(speakers), 0)
            return self.session.run(log_prob, feed).astype(np.float64)

        total = np.zeros(len(speakers))
        for start in range(0, len(codes), SEGMENT):
            first, last = max(start - before, 0), min(start + SEGMENT, len(codes))
            total += log_p(first, last, last) - (log_p(first, last, start) if start else 0.0)
        return total

    def likeliest_speaker(self, levels: np.ndarray) -> int:
        """The voice in which a recording is likeliest."""
        levels = self._checked(levels)
        return int(np.argmax(self._log_prob(levels, self.encode(levels), range(len(self.config.model.speakers)))))

    def sample(
        self,
        num: int,
        seconds: float = 1.0,
        label: Optional[Label] = None,
        speaker: Optional[Label] = None,
        temperature: float = 1.0,
        seed: int = 0,
        guidance: float = 1.0,
    ) -> SpeechSamples:
        """New speech: codes drawn from the prior, decoded.

        Args:
          num: how many.
          seconds: how long each is, rounded up to whole codes.
          label: the class that all have, where the prior is conditional on the data's classes; None: in turn.
          speaker: the voice of all; None: in turn. Both are given by number or by name, see `arguments.class_number`.
          temperature: above 0; below 1 the codes drawn are more probable ones.
          seed: of the draws.
          guidance: of the samples, see `decode`.

        Raises:
          VQError: the run has no prior, or a value that can't be.
        """
        self.check_open()
        if self.prior is None:
            raise VQError("prior: the run has none; train it with vq-train-prior")
        of, voices = self.prior.config.codes, len(self.config.model.speakers)
        num = arguments.integer("num", num, 1, MOST, f"1 to {MOST:,}")
        want = f"a number above 0, up to {MAX_SECONDS}"
        seconds = arguments.real("seconds", seconds, 0, MAX_SECONDS, want, above=True)
        temperature, seed = sampling.check_temperature(temperature), sampling.check_seed(seed)
        guidance = self.check_guidance(guidance)
        speaker = None if speaker is None else self._checked_speakers([speaker])[0]
        each = {"class": of.classes, "speaker": 0, "both": of.classes // max(voices, 1)}[of.condition]
        if label is not None:
            if not each:
                raise VQError(f"label: got {label!r}, expected none: the prior knows no classes")
            label = arguments.class_number("label", label, each, self.class_names)
        numbers = np.arange(num)
        labels = np.full(num, label) if label is not None else numbers % max(each, 1)
        speakers = np.full(num, speaker) if speaker is not None else numbers // max(each, 1) % voices
        given = {"class": labels, "speaker": speakers, "both": speakers * max(each, 1) + labels}[of.condition]
        n = math.ceil(seconds * self.sample_rate / self.config.model.network.stride)
        codes = self._draw_codes(given.astype(np.int32), n, temperature, seed)
        levels = self.decode_all(list(codes), list(speakers), seeds(seed, num), guidance=guidance)
        return SpeechSamples(np.stack(levels), codes, speakers.astype(np.int32), given if of.classes else None)

    def _draw_codes(self, labels: np.ndarray, n: int, temperature: float, seed: int) -> np.ndarray:
        def build():
            of = tf.placeholder(tf.int32, [BATCH])
            width, heat, draw = (tf.placeholder(t, []) for t in (tf.int32, tf.float32, tf.int64))
            given = of if self.prior.config.codes.classes else None
            codes = self.code_prior.sample(tf.constant(BATCH), given, Sampling(draw, heat), width)
            return of, width, heat, draw, codes

        of, width, heat, draw, codes = self.op("sample", build)
        parts = []
        for start in range(0, len(labels), BATCH):
            some = np.zeros(BATCH, np.int32)
            some[: len(labels[start : start + BATCH])] = labels[start : start + BATCH]
            feed = {of: some, width: n, heat: temperature, draw: sampling.part_seed(seed, start // BATCH)}
            parts.append(self.session.run(codes, feed)[:, 0])
        return np.concatenate(parts)[: len(labels)]

    def _decoder(self, guided: bool) -> Tuple[Tuple[tf.Tensor, ...], tf.Tensor]:
        """(seeds, temperature and, where it is guided, guidance) to be fed, and what is drawn."""
        draw, heat = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.float32, [])
        guidance = (tf.placeholder(tf.float32, []),) if guided else ()
        given = dict(compiled=True, temperature=heat, guidance=guidance[0] if guided else None)
        t = self.connect()
        return (draw, heat, *guidance), self.vqvae.decode(t.codes, draw, speakers=t.speakers, **given)

    def check_guidance(self, guidance: float) -> float:
        """A guidance as a plain float; VQError where the run's speech can't be drawn by it."""
        checked = sampling.check_guidance(guidance)
        if checked != 1.0 and not self.config.model.decoder.condition_dropout:
            want = "1: the run was trained without --wavenet_condition_dropout"
            raise VQError(f"guidance: got {guidance}, expected {want}")
        return checked

    def check_draws(self, draws: int) -> int:
        """A number of draws as a plain integer; VQError where the best of so many can't be taken."""
        draws = sampling.check_draws(draws)
        if draws > 1 and len(self.config.model.speakers) < 2:
            raise VQError(f"draws: got {draws}, expected 1: the run has one voice, and they are chosen between voices")
        return draws

    def _checked_speakers(self, speakers: Sequence[Label]) -> List[int]:
        return [self.speaker(one) for one in arguments.listed("speakers", speakers, "a list of numbers or names")]

    @staticmethod
    def _checked(levels: np.ndarray) -> np.ndarray:
        return arguments.array("levels", levels, "uint8", ("T",), ", mu-law levels")

    def check_codes(self, codes: Sequence[np.ndarray]) -> List[np.ndarray]:
        """Codes of some recordings as int32; VQError where there are none, or some are none of the model's."""
        codes = arguments.listed("codes", codes, "a list of arrays, one for each recording")
        if not codes:
            raise VQError("codes: got none, expected those of one recording or more")
        return [self._checked_codes(c) for c in codes]

    def _checked_codes(self, codes: np.ndarray) -> np.ndarray:
        q = self.config.model.quantizer
        return arguments.codes("codes", codes, ("n", q.L), q.K)


def seeds(seed: int, num: int, first: int = 0) -> List[int]:
    """A seed for each of some recordings, from number `first` on; the first of all has `seed` itself."""
    return [sampling.part_seed(seed, i) for i in range(first, first + num)]


def draw_seed(seed: int, number: int) -> int:
    """The seed of draw `number` of one recording; the first one's is `seed` itself, no other is one of `seeds`."""
    return seed + (number << 52)


def sample_names(spoken: SpeechSamples, model: SpeechModel, class_names: Sequence[str]) -> List[str]:
    """A name for each of some new speech: its number, the class where the prior knows some, and the voice."""
    of, names = model.prior.config.codes, []
    for i, speaker in enumerate(spoken.speakers):
        voice = model.config.model.speakers[speaker]
        label = None
        if of.classes and of.condition != "speaker":
            number = int(spoken.labels[i]) % (
                of.classes // (len(model.config.model.speakers) if of.condition == "both" else 1)
            )
            label = class_names[number] if number < len(class_names) else str(number)
        names.append("-".join(part for part in (f"{i:03d}", label, voice) if part))
    return names


def write_summary(folder: str, step: int, sounds: Dict[str, np.ndarray], sample_rate: int) -> None:
    """Adds recordings uint8 [T] by their names to TensorBoard's events in `folder`."""
    with tf.Graph().as_default(), tf.Session() as session:
        for name, levels in sounds.items():
            waves = audio.from_mu_law(levels)[np.newaxis, :, np.newaxis]
            tf.summary.audio(name, tf.constant(waves), sample_rate)
        summary = session.run(tf.summary.merge_all())
    writer = tf.summary.FileWriterCache.get(folder)
    writer.add_summary(summary, step)
    writer.flush()
