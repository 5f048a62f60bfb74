"""Draws new images, or new speech, from a trained VQ-VAE and its prior.

vq-sample --model_dir=log/mnist-tuned-K20-D64 --num=100 --out=samples.png
vq-sample --model_dir=log/fsdd-wavenet-K256-D64 --num=20 --out=samples
"""

import os

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags(data=False)
SAMPLES = Group("Samples")
SAMPLES.integer("num", None, "how many, a multiple of the number of classes [100, or 10 of each class; speech 10]")
SAMPLES.integer("label", None, "of which class, where the prior is class-conditional")
SAMPLES.string(
    "labels",
    None,
    "of which classes, such as 0,1,2, in equal numbers, each from a new row [all; without --num the first 10]",
)
SAMPLES.float("temperature", 1.0, "above 0; below 1 the codes drawn are likelier ones")
SAMPLES.integer("top_k", 0, "images: draw each code from the likeliest so many; 0: from all")
SAMPLES.string("speaker", None, "speech: the voice of all [each in turn]")
SAMPLES.float("seconds", None, "speech: how long each is [1]")
SAMPLES.float("guidance", 1.0, common.GUIDANCE)
SAMPLES.integer("seed", 0, "decides every draw")
SAMPLES.path("out", None, "the picture to write, or of speech a folder to make, of WAVs [samples.png, samples]")

MOST = 10000  # images in a picture


def _labels():
    if FLAGS.label is not None and FLAGS.labels is not None:
        raise VQError("label: got --labels beside it, expected one of the two")
    if FLAGS.label is not None:
        return [FLAGS.label]
    if FLAGS.labels is None:
        return None
    try:
        return [int(label) for label in FLAGS.labels.split(",")]
    except ValueError:
        raise VQError(f"labels: got {FLAGS.labels!r}, expected integers such as 0,1,2") from None


def _sample_speech(found) -> None:
    from vq_estimator.data import audio
    from vq_estimator.data.files import atomic_folder
    from vq_estimator.inference import speech_model
    from vq_estimator.training import run_folder

    for name, default in (("labels", None), ("top_k", 0)):
        if FLAGS[name].value != default:
            raise VQError(f"{name}: got {FLAGS[name].value}, expected no value: speech has --label and --speaker")
    if os.path.exists(FLAGS.out):
        raise VQError(f"out: {FLAGS.out!r} exists; give the name of a folder to make")
    num = 10 if FLAGS.num is None else FLAGS.num
    seconds = 1.0 if FLAGS.seconds is None else FLAGS.seconds
    with speech_model.SpeechModel(found.model_dir, found.checkpoint.path) as model:
        speaker = None if FLAGS.speaker is None else model.speaker(FLAGS.speaker)
        spoken = model.sample(num, seconds, FLAGS.label, speaker, FLAGS.temperature, FLAGS.seed, FLAGS.guidance)
        names = speech_model.sample_names(spoken, model, run_folder.class_names(found.model_dir))
        with atomic_folder(FLAGS.out) as folder:
            for name, levels in zip(names, spoken.levels):
                audio.write_wav(os.path.join(folder, name + ".wav"), levels, model.sample_rate)
    print(f"{num} samples in {FLAGS.out}")


def main() -> None:
    from vq_estimator import drawing
    from vq_estimator.config import SpeechConfig
    from vq_estimator.data import outputs
    from vq_estimator.inference import sampling
    from vq_estimator.inference import trained_prior as prior_lib
    from vq_estimator.training import run_folder

    found = common.open_run()
    config, checkpoint, model_dir = found
    speech = isinstance(config.model, SpeechConfig)
    if FLAGS.out is None:
        FLAGS.out = "samples" if speech else "samples.png"
    kind = outputs.FOLDER if speech else outputs.PICTURE
    common.check_writable("out")
    outputs.output_kind("out", FLAGS.out, (kind,), kind if speech else "")
    if speech:
        _sample_speech(found)
        return
    if FLAGS.speaker is not None:
        raise VQError(f"speaker: got {FLAGS.speaker!r}, expected no value: images have no speaker")
    common.check_no_guidance()
    if FLAGS.seconds is not None:
        raise VQError(f"seconds: got {FLAGS.seconds}, expected no value: images take no time")
    prior = prior_lib.find(model_dir, checkpoint)
    if prior is None:
        raise VQError(f"prior: {model_dir!r} has none; train it with vq-train-prior --model_dir={model_dir}")
    asked, num, classes = _labels(), FLAGS.num, prior.config.codes.classes
    if num is None:
        asked = sampling.shown_classes(classes) if asked is None else asked
        num = 10 * len(asked) if asked and FLAGS.label is None else 100
    if num > MOST:
        raise VQError(f"num: got {num}, expected at most {MOST}: they are one picture")
    labels = sampling.labels_for(classes, num, asked)
    samples = sampling.sample(config, checkpoint, prior, num, labels, FLAGS.temperature, FLAGS.top_k, FLAGS.seed)
    drawing.save_png(FLAGS.out, sampling.picture(samples), zoom=2)
    print(f"{num} samples in {FLAGS.out}")
    names = run_folder.class_names(model_dir)
    if labels is not None and len(names) == classes:
        print("classes: " + ", ".join(f"{label} {names[label]}" for label in dict.fromkeys(labels.tolist())))


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
