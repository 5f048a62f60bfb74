"""The commands for speech."""

import os
import shutil
from typing import Any, Dict

from vq_estimator import drawing
from vq_estimator.config import SPEECH_DATASETS
from vq_estimator.data import audio, outputs
from vq_estimator.data.files import atomic_folder
from vq_estimator.data.folder import SOUNDS
from vq_estimator.errors import VQError, counted
from vq_estimator.inference import code_files, projector, speech_code_files, speech_inputs, speech_sampling
from vq_estimator.inference import speech_exploration as explore
from vq_estimator.inference.calibration import calibrate
from vq_estimator.inference.codec import recordings
from vq_estimator.inference.exploration import codebook
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS
from vq_estimator_launch.kinds import Commands, Readers

SPOKEN, SECONDS = 10, 1.0  # number and length of the samples of vq-train-prior, and defaults of vq-sample
RECORDINGS = 3  # number of recordings that vq-explore converts
MAX_PANELS = 4  # largest number of codebooks in code_meaning.png


class SpeechCommands(Commands):
    """The commands for a run on speech."""

    noun, elements = "recordings", "levels"
    reconstructed = "it restores draws from the model"
    suffixes, datasets = SOUNDS.formats.suffixes(), SPEECH_DATASETS
    compressed, decoded = "recordings.vqz", (outputs.FOLDER,)
    samples, samples_kind = "samples", outputs.FOLDER

    @property
    def conversion(self) -> str:
        return f"8-bit mu-law levels at {self.config.model.sample_rate:,} Hz"

    def examples(self, model: Any, flag: str = "input") -> Any:
        readers = Readers(
            f"a split, a folder or a {SOUNDS.formats.names()} file",
            lambda *found: speech_inputs.of_split(model, *found),
            lambda folder: speech_inputs.of_folder(model, folder, FLAGS.max_bad_files),
            lambda *_: speech_inputs.of_file(model, FLAGS[flag].value),
            lambda path: speech_inputs.of_file(model, path),
        )
        return self.read_input(readers, flag)

    def encode(self, model: Any) -> str:
        number = code_files.encode(model, self.examples(model), FLAGS.out)
        stride, rate = self.config.model.network.stride, model.sample_rate
        each = f"one code per {stride} samples ({rate / stride:g} codes per second)"
        return f"{counted(number, 'recordings')}, {each}, in {FLAGS.out}"

    def evaluate(self, model: Any, examples: Any) -> dict:
        for name, default in (("codes", "own"), ("save_reconstructions", False)):
            if FLAGS[name].value != default:
                raise VQError(f"{name}: got {FLAGS[name].value}, expected no value (only image models take --{name})")
        return model.evaluate(examples, FLAGS.speaker)

    def decode(self, model: Any) -> int:
        codes = speech_code_files.load(model, FLAGS.input)
        return speech_code_files.decode(model, codes, FLAGS.out, FLAGS.speaker, FLAGS.seed, FLAGS.guidance)

    def read_lossless(self) -> Any:
        m, speaker = self.config.model, FLAGS.speaker
        readers = Readers(
            f"a split, <data set>:<split>, a folder, a {SOUNDS.formats.names()} file, or a .npy file",
            lambda *found: recordings.of_split(m, *found, speaker),
            lambda folder: recordings.of_folder(folder, m, speaker, FLAGS.max_bad_files),
            lambda *files: recordings.of_files(*files, m, speaker),
            lambda path: recordings.of_npy(path, m, speaker),
        )
        return self.read_input(readers)

    def sample(self) -> None:
        for name, default in (("labels", None), ("top_k", 0)):
            if FLAGS[name].value != default:
                want = "expected no value (speech models take --label and --speaker)"
                raise VQError(f"{name}: got {FLAGS[name].value}, {want}")
        if os.path.exists(FLAGS.out):
            raise VQError(f"out: {FLAGS.out!r} exists; give the name of a folder to make")
        num = SPOKEN if FLAGS.num is None else FLAGS.num
        seconds = SECONDS if FLAGS.seconds is None else FLAGS.seconds
        with self.open() as model:
            asked = FLAGS.label, FLAGS.speaker
            spoken = model.sample(num, seconds, *asked, FLAGS.temperature, FLAGS.seed, FLAGS.guidance)
            names = speech_sampling.sample_names(spoken, model, model.class_names)
        self._write(FLAGS.out, dict(zip(names, spoken.levels)))
        print(f"{counted(num, 'samples')} in {FLAGS.out}")

    def _write(self, out: str, sounds: Dict[str, Any]) -> None:
        """Writes a folder of WAVs from a dictionary of names to levels uint8 [T]."""
        with atomic_folder(out) as folder:
            for name, levels in sounds.items():
                audio.write_wav(os.path.join(folder, name + ".wav"), levels, self.config.model.sample_rate)

    def _draw(self, prior: Any, class_names: Any) -> Dict[str, Any]:
        """Draws samples of a prior for TensorBoard and for the end of its training."""
        with self.open(prior=prior) as model:
            spoken = model.sample(SPOKEN, SECONDS)
            return dict(zip(speech_sampling.sample_names(spoken, model, class_names), spoken.levels))

    def summarize_samples(self, events: str, prior: Any, class_names: Any) -> None:
        sounds = self._draw(prior, class_names)
        speech_sampling.write_summary(events, prior.checkpoint.step, sounds, self.config.model.sample_rate)

    def save_samples(self, folder: str, prior: Any, class_names: Any) -> str:
        path, sounds = os.path.join(folder, self.samples), self._draw(prior, class_names)
        shutil.rmtree(path, ignore_errors=True)
        self._write(path, sounds)
        return path

    def explore(self) -> None:
        for name in ("other", "frames"):
            if FLAGS[name].present:
                raise VQError(f"{name}: got {FLAGS[name].value}, expected no value (only image models take --{name})")
        source = common.data_of_run(self.config, measured=False)
        count = source.count(FLAGS.split)
        if not 0 <= FLAGS.image < count:
            raise VQError(f"image: got {FLAGS.image}, expected 0 to {count - 1}, a recording of {FLAGS.split}")
        with self.open() as model:
            self._draw_recordings(model, source, explore.some_numbers(FLAGS.image, count, RECORDINGS))
            self._draw_meaning(model, source)
            calibration = calibrate(model, source)
            view = codebook(model, calibration)
            drawing.codebooks(self.announce("codebook.png"), view.usage, view.distances, view.plane)
            self.print_path(projector.write(model, calibration))

    def _draw_recordings(self, model: Any, source: Any, numbers: Any) -> None:
        m = self.config.model
        found = explore.listen(model, source, FLAGS.split, numbers, seed=FLAGS.seed, guidance=FLAGS.guidance)
        sounds = []
        for number, heard in zip(numbers, found):
            label, speaker = source.class_names[heard.label] if source.class_names else None, m.speakers[heard.speaker]
            names = ["original", "reconstruction"] + ["as " + m.speakers[voice] for voice in heard.voices[1:]]
            every = dict(zip(names, [heard.levels, *heard.versions]))
            who = "-".join(part for part in (f"{number:03d}", label, speaker) if part)
            for name, levels in every.items():
                file = "{}-{}.wav".format(who, name.replace(" ", "-"))
                audio.write_wav(os.path.join(FLAGS.out, "sounds", file), levels, m.sample_rate)
            shown = [every[name] for name in names[:3]]
            title = f"recording {number} of {FLAGS.split}: " + (f"{label} by " if label else "") + speaker
            waves = [audio.from_mu_law(levels) for levels in shown]
            seen = [explore.spectrogram(levels, m.sample_rate) for levels in shown]
            sounds.append(drawing.Sound(title, names[:3], waves, seen, heard.codes))
        print(os.path.join(FLAGS.out, "sounds"), flush=True)
        path = self.announce("speech.png")
        drawing.recordings(path, sounds, m.quantizer.K, m.sample_rate, m.network.stride)

    def _draw_meaning(self, model: Any, source: Any) -> None:
        K, panels = self.config.model.quantizer.K, []
        encoded = explore.encode_clips(model, source, "train")
        for kind, kinds, names in (
            ("digit", encoded.labels, source.class_names),
            ("speaker", encoded.speakers, source.speakers),
        ):
            if len(names) < 2:  # the codes cannot tell them apart
                continue
            of = explore.meaning(encoded, K, kinds, len(names))
            for level, counts in enumerate(of.counts[:MAX_PANELS]):
                several = f" of codebook {level + 1} of {len(of.counts)}" if len(of.counts) > 1 else ""
                bits = of.bits[level], of.chance[level], of.entropy
                title = f"{kind} and code{several}: "
                title += "{:.2f} bits of mutual information ({:.2f} by chance, {:.2f} at most)".format(*bits)
                order = explore.order(counts)
                panels.append(drawing.Shares(title, names, explore.shares(counts)[order], counts.sum(-1)[order]))
                print(title, flush=True)
        if panels:
            drawing.code_shares(self.announce("code_meaning.png"), panels)
