"""Converts a recording to another voice, or reconstructs it in its own, through the codes of a trained model.

vq-convert-speech --pretrained=fsdd --input=in.wav --speaker=theo --out=out.wav
vq-convert-speech --pretrained=fsdd --input=in.wav --reconstruct --out=out.wav
"""

from vq_estimator.data import formats
from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags(data=False)
CONVERT = Group("Conversion")
CONVERT.path("input", None, f"a {formats.SOUNDS.names()} file of any sample rate; channels are averaged")
CONVERT.string("speaker", None, "speaker to convert to, by name or number")
CONVERT.bool("reconstruct", False, "keep the voice: use the likeliest of the run's speakers")
CONVERT.float("temperature", 1.0, "sampling temperature, above 0; below 1 gives less noise")
CONVERT.float("guidance", 1.0, common.GUIDANCE)
CONVERT.integer("draws", 1, "conversions to draw; the one with the greatest margin for the speaker is written")
CONVERT.integer("seed", 0, "random seed")
CONVERT.path("out", "converted.wav", "WAV file to write")


def main() -> None:
    from vq_estimator.data import audio, outputs
    from vq_estimator.inference import sampling
    from vq_estimator.inference.speech_model import SpeechModel

    if not FLAGS.input:
        raise VQError("input: got none, expected --input=IN.wav")
    if (FLAGS.speaker is None) != FLAGS.reconstruct:
        got = "both" if FLAGS.reconstruct else "none"
        raise VQError(f"speaker: got {got} of --speaker=NAME and --reconstruct, expected one of the two")
    outputs.output_kind("out", FLAGS.out, (outputs.SOUND,))
    common.check_writable("out", file=True)
    sampling.check_seed(FLAGS.seed)
    sampling.check_temperature(FLAGS.temperature)
    sampling.check_guidance(FLAGS.guidance)
    sampling.check_draws(FLAGS.draws)
    run = common.open_run()
    with SpeechModel(run.model_dir, run.checkpoint.path) as model:
        model.check_guidance(FLAGS.guidance)
        model.check_draws(FLAGS.draws)
        speaker = None if FLAGS.reconstruct else model.speaker(FLAGS.speaker)
        levels = model.read(FLAGS.input)
        if speaker is None:
            speaker = model.likeliest_speaker(levels)
        said = model.convert(levels, speaker, FLAGS.seed, FLAGS.temperature, FLAGS.guidance, FLAGS.draws)
        audio.write_wav(FLAGS.out, said, model.sample_rate)
        seconds, voice = len(levels) / model.sample_rate, model.config.model.speakers[speaker]
    print(f"{seconds:.2f} seconds in the voice of {voice} in {FLAGS.out}")


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
