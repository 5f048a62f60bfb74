"""A trained speech model in a Python program: recordings to codes and back, in any of its voices, and new speech."""

import math
import os
from typing import List, Optional, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import arguments
from vq_estimator.data import formats
from vq_estimator.errors import VQError
from vq_estimator.inference import evaluation, sampling, speech_inputs, speech_segments
from vq_estimator.inference.examples import Examples
from vq_estimator.inference.interruption import interruptible
from vq_estimator.inference.sampling import Label
from vq_estimator.inference.speech_sampling import (
    BATCH,
    MAX_SAMPLES,
    SpeechSamples,
    check_length,
    conditions,
    draw_codes,
    draw_seed,
    seeds,
)
from vq_estimator.inference.trained_model import TrainedModel
from vq_estimator.progress import ProgressBar

BUCKET = 16  # lengths in codes are padded to multiples of it, because each new length is compiled


class SpeechModel(TrainedModel):
    """A trained VQ-VAE for speech, and its prior if there is one, in a graph and a session of their own.

    A recording is uint8 [T], mu-law levels at `config.model.sample_rate` (`read` and `data.audio` make them). Its codes
    are int32 [n, L], where n is T divided by the downsampling factor, rounded up. `close()`, or a `with` block, frees
    the session. The attributes are those of `TrainedModel`; `config.model.speakers` names the voices.
    """

    kind = "speech"

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.config.model.sample_rate

    def speaker(self, name: Label) -> int:
        """Returns the number of a voice, given its number or its name; see `arguments.class_number`.

        Raises:
          VQError: there is no such voice.
        """
        return speech_inputs.speaker_number(self.config.model, name)

    def read(self, path: str) -> np.ndarray:
        """Reads a sound file as a recording.

        Raises:
          VQError: the file cannot be read.
        """
        path = arguments.path("input", path, f"the path of a {formats.SOUNDS.names()} file")
        return speech_inputs.read(self, path)

    def encode(self, levels: np.ndarray) -> np.ndarray:
        """Encodes a recording to codes; a long one in segments, so that memory is bounded."""
        return speech_segments.encode(self, self._checked(levels))

    def decode(
        self, codes: np.ndarray, speaker: Label, seed: int = 0, temperature: float = 1.0, guidance: float = 1.0
    ) -> np.ndarray:
        """Decodes codes to a recording in a voice, uint8 [n * downsampling factor]; a draw that `seed` determines.

        A `temperature` below 1 makes it less noisy than speech is. A `guidance` above 1 strengthens the conditioning on
        codes and speaker, compared with a draw from p(x | z_q, speaker); see `decoders.Waveform.image`.
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
        """Decodes several recordings; each is what `decode` returns, up to the rounding of sums.

        Args:
          codes: for each recording its codes int32 [n, L].
          speakers: the voice of each.
          seed: one seed for all, which are then drawn with the same noise, so that they differ only by codes and
            speakers; or a seed for each, for example from `speech_sampling.seeds`.
          temperature: see `decode`.
          guidance: see `decode`.

        Raises:
          VQError: an invalid value, or a guidance other than 1 for a run that was trained without it.
        """
        self.check_open()
        each = [seed] * len(codes) if np.isscalar(seed) or seed is None else seed
        codes = self.check_codes(codes)
        speakers = self._checked_speakers(speakers)
        if len(speakers) != len(codes):
            raise VQError(f"speakers: got {len(speakers)}, expected {len(codes)}, one for each of the codes")
        each = arguments.listed("seed", each, "an integer, or a list of them")
        each = [sampling.check_part_seed(one) for one in each]
        if len(each) != len(codes):
            raise VQError(f"seed: got {len(each)}, expected {len(codes)}, one for each of the codes")
        temperature, guidance = sampling.check_temperature(temperature), self.check_guidance(guidance)
        guided = guidance != 1.0
        feeds, levels = self.op(("decode", guided), lambda: self._decoder(guided))
        t, stride, drawn = self.connect(), self.config.model.network.stride, [None] * len(codes)
        lengths = [-(-len(c) // BUCKET) * BUCKET for c in codes]
        order = sorted(range(len(codes)), key=lambda i: lengths[i])
        while order:
            same = [i for i in order[:BATCH] if lengths[i] == lengths[order[0]]]
            order = order[len(same) :]
            padded = [np.pad(codes[i], [(0, lengths[i] - len(codes[i])), (0, 0)], mode="edge") for i in same]
            feed = {t.codes: np.stack(padded)[:, np.newaxis], t.speakers: [speakers[i] for i in same]}
            feed.update(zip(feeds, ([each[i] for i in same], temperature, guidance)))
            for i, recording in zip(same, interruptible(self.session.run, levels, feed)[:, 0, :, 0]):
                drawn[i] = recording[: len(codes[i]) * stride]
        return drawn

    def convert(
        self,
        levels: np.ndarray,
        speaker: Label,
        seed: int = 0,
        temperature: float = 1.0,
        guidance: float = 1.0,
        draws: int = 1,
    ) -> np.ndarray:
        """Converts a recording to another voice: its codes, decoded for a speaker, uint8 [T].

        With several `draws`, the first of which has `seed` itself, the one of the greatest `voice_margin` is returned.

        Raises:
          VQError: an invalid value, or several draws with a model of one voice.
        """
        draws, seed, (speaker,) = self.check_draws(draws), sampling.check_seed(seed), self._checked_speakers([speaker])
        temperature, guidance = sampling.check_temperature(temperature), self.check_guidance(guidance)
        codes, drawn = self.encode(levels), []
        hidden = {"disable": True} if draws == 1 else {}  # False would override the variable TQDM_DISABLE
        for i in ProgressBar(range(draws), unit="draw", desc="convert", **hidden):
            drawn.append(self.decode(codes, speaker, draw_seed(seed, i), temperature, guidance)[: len(levels)])
        return drawn[0] if draws == 1 else self.best_draw(drawn, codes, speaker)

    def best_draw(self, found: Sequence[np.ndarray], codes: np.ndarray, speaker: Label) -> np.ndarray:
        """Returns the recording with the greatest `voice_margin`, of several drawn from the same codes and speaker."""
        found = arguments.listed("found", found, "a list of recordings, one or more")
        if not found:
            raise VQError("found: got no recording, expected one or more")
        return found[int(np.argmax([self.voice_margin(levels, codes, speaker) for levels in found]))]

    def voice_margin(self, levels: np.ndarray, codes: np.ndarray, speaker: Label) -> float:
        """Computes the log-likelihood margin of a voice over the mean of the other voices, in bits per sample.

        That is (log2 p(x | z_q, speaker) - mean over the other voices s of log2 p(x | z_q, s)) / T, given the codes
        [n, L].

        Raises:
          VQError: the model has one voice, or a value is invalid.
        """
        self.check_draws(2)
        (speaker,) = self._checked_speakers([speaker])
        levels, codes = self._checked(levels), self._checked_codes(codes)
        want = -(-len(levels) // self.config.model.network.stride)
        if len(codes) != want:
            raise VQError(f"codes: got {len(codes)}, expected the {want} that reach for {len(levels)} samples")
        log_p = speech_segments.log_prob(self, levels, codes, range(len(self.config.model.speakers)))
        return float(log_p[speaker] - np.delete(log_p, speaker).mean()) / (len(levels) * math.log(2.0))

    def bits_per_sample(self, levels: np.ndarray, speaker: Label) -> float:
        """Computes -log2 p(x | z_q, speaker) / T of a recording; the rate of its codes is not included."""
        (speaker,) = self._checked_speakers([speaker])
        levels = self._checked(levels)
        return float(
            -speech_segments.log_prob(self, levels, self.encode(levels), [speaker])[0] / (len(levels) * math.log(2.0))
        )

    def evaluate(
        self,
        recordings: Union[str, "os.PathLike[str]", Examples],
        speaker: Optional[str] = None,
        max_bad_files: int = 100,
    ) -> dict:
        """Evaluates any recordings, with the metrics of `vq-evaluate --split`.

        The likelihood of a recording is conditioned on its speaker, who is named by the nearest folder; for other
        recordings on the voice in which they are likeliest. The results are written as by `ImageModel.evaluate`.

        Args:
          recordings: the path of a folder or of a sound file; or Examples.
          speaker: the name of the speaker of all recordings, instead of the folders' names.
          max_bad_files: number of unreadable files in a folder that are skipped; more are an error.

        Returns:
          The content of the `.json`.

        Raises:
          VQError: the run has not been evaluated on its own data, or a value is invalid.
        """
        self.check_open()
        most, calibration = arguments.integer("max_bad_files", max_bad_files), self.calibrated()
        if not isinstance(recordings, Examples):
            recordings = speech_inputs.of_path(self, arguments.path("recordings", recordings), most)
        examples = speech_inputs.with_speakers(self, recordings, speaker)
        return evaluation.evaluate_examples(
            self, examples, calibration, measured=speech_segments.measure(self, examples)
        )

    def likeliest_speaker(self, levels: np.ndarray) -> int:
        """Returns the voice in which a recording is likeliest."""
        levels = self._checked(levels)
        return int(
            np.argmax(
                speech_segments.log_prob(self, levels, self.encode(levels), range(len(self.config.model.speakers)))
            )
        )

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
        """Draws new speech: codes from the prior, decoded.

        Args:
          num: number of recordings.
          seconds: duration of each, rounded up to complete codes.
          label: the class of all, for a class-conditional prior; None takes the classes in turn.
          speaker: the voice of all; None takes the voices in turn. Both are a number or a name, see
            `arguments.class_number`.
          temperature: above 0; below 1 the draws of the codes prefer more probable ones.
          seed: determines all draws.
          guidance: see `decode`.

        Raises:
          VQError: the run has no prior, or a value is invalid.
        """
        self.check_open()
        if self.prior is None:
            raise VQError("prior: the run has none; train it with vq-train-prior")
        num = arguments.integer("num", num, 1, MAX_SAMPLES, f"1 to {MAX_SAMPLES:,}")
        seconds = check_length(seconds)
        temperature, seed = sampling.check_temperature(temperature), sampling.check_seed(seed)
        guidance = self.check_guidance(guidance)
        number = None if speaker is None else self._checked_speakers([speaker])[0]
        speakers, labels = conditions(self, num, label, number, self.class_names)
        codes = draw_codes(self, labels, seconds, temperature, seed)
        levels = self.decode_all(list(codes), list(speakers), seeds(seed, num), guidance=guidance)
        return SpeechSamples(np.stack(levels), codes, speakers, labels if self.prior.config.codes.classes else None)

    def _decoder(self, guided: bool) -> Tuple[Tuple[tf.Tensor, ...], tf.Tensor]:
        """Returns the placeholders (seeds, temperature and, if `guided`, guidance), and the levels drawn."""
        draw, heat = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.float32, [])
        guidance = (tf.placeholder(tf.float32, []),) if guided else ()
        given = dict(compiled=True, temperature=heat, guidance=guidance[0] if guided else None)
        t = self.connect()
        return (draw, heat, *guidance), self.vqvae.decode(t.codes, draw, speakers=t.speakers, **given)

    def check_guidance(self, guidance: float) -> float:
        """Returns a guidance as a float; VQError if it is invalid or the run was trained without guidance."""
        return speech_inputs.check_guidance(self.config.model, guidance)

    def check_draws(self, draws: int) -> int:
        """Returns a number of draws as an integer; VQError if it is invalid, or the model has one voice to compare."""
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
        """Returns the codes of several recordings as int32; VQError if the list is empty or has invalid codes."""
        codes = arguments.listed("codes", codes, "a list of arrays, one for each recording")
        if not codes:
            raise VQError("codes: got none, expected those of one recording or more")
        return [self._checked_codes(c) for c in codes]

    def _checked_codes(self, codes: np.ndarray) -> np.ndarray:
        q = self.config.model.quantizer
        return arguments.codes("codes", codes, ("n", q.L), q.K)
