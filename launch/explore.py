"""Pictures of what a trained run's codes mean, from a split of its data; of speech recordings too.

  vq-explore --model_dir=log/mnist-tuned-K20-D64 --out=explore
  vq-explore --model_dir=log/fsdd-wavenet-K256-D64 --out=explore

Writes reconstructions.png, single_code.png, random_walk.gif, random_walk_near.gif (as MP4 too, where ffmpeg is found),
interpolation.png, codebook.png and code_map.png; and in the run folder the codebook for TensorBoard's projector.
Of speech: speech.png (waves, spectrograms and codes), sounds/*.wav (those recordings, what their codes are in their own
voice and in the others), code_meaning.png (which digits and speakers each code goes with) and codebook.png.
"""

import os

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
EXPLORE = Group("Exploration")
EXPLORE.path("out", "explore", "the folder to write to")
EXPLORE.enum("split", "test", ("train", "validation", "test"), "which examples")
EXPLORE.integer(
    "image",
    0,
    "number of the image whose codes are changed and walked from, below 100; of speech that of the first recording",
)
EXPLORE.integer("other", None, "number of the image that is interpolated to, below 100; images alone [1]")
EXPLORE.integer("frames", 1000, "images of each random walk; images alone")
EXPLORE.float("guidance", 1.0, common.GUIDANCE)
EXPLORE.integer("seed", 0, "of the walks, and of draws: where the decoder is autoregressive, and of speech")

SHOWN = 100  # images of the split that are looked at
MAX_FRAMES = 100000
GRID = 8  # images with their code maps
FINE, ROWS, COLUMNS = 36, 10, 16  # positions of a grid from which on single_code.png has crops, so many of them
RECORDINGS = 3  # of speech
MAX_PANELS = 4  # codebooks of speech


def _at(name: str) -> str:
    """Where a picture goes, which is printed."""
    path = os.path.join(FLAGS.out, name)
    print(path, flush=True)
    return path


def _print_path(path) -> None:
    if path is not None:  # None: it could not be written
        print(path, flush=True)


def _speech(opened) -> None:
    from vq_estimator import drawing
    from vq_estimator.data import audio
    from vq_estimator.inference import projector
    from vq_estimator.inference import speech_exploration as explore
    from vq_estimator.inference.calibration import calibrate
    from vq_estimator.inference.exploration import codebook
    from vq_estimator.inference.speech_model import SpeechModel

    config, checkpoint, model_dir = opened
    for name in ("other", "frames"):
        if FLAGS[name].present:
            raise VQError(f"{name}: got {FLAGS[name].value}, expected no value: it is of images alone")
    source = common.data_of_run(config, measured=False)
    count = source.splits[FLAGS.split].count
    if not 0 <= FLAGS.image < count:
        raise VQError(f"image: got {FLAGS.image}, expected 0 to {count - 1}, a recording of {FLAGS.split}")
    stride, speakers = config.model.network.stride, config.model.speakers
    with SpeechModel(model_dir, checkpoint.path) as model:
        numbers = explore.some_numbers(FLAGS.image, count, RECORDINGS)
        found = explore.listen(model, source, FLAGS.split, numbers, seed=FLAGS.seed, guidance=FLAGS.guidance)
    sounds = []
    for number, heard in zip(numbers, found):
        label = source.class_names[heard.label] if source.class_names else None
        names = ["original", "reconstruction"] + ["as " + speakers[voice] for voice in heard.voices[1:]]
        every = dict(zip(names, [heard.levels, *heard.versions]))
        who = "-".join(part for part in (f"{number:03d}", label, speakers[heard.speaker]) if part)
        for name, levels in every.items():
            file = "{}-{}.wav".format(who, name.replace(" ", "-"))
            audio.write_wav(os.path.join(FLAGS.out, "sounds", file), levels, config.model.sample_rate)
        shown = [every[name] for name in names[:3]]
        title = f"recording {number} of {FLAGS.split}: " + (f"{label} by " if label else "") + speakers[heard.speaker]
        waves = [audio.from_mu_law(levels) for levels in shown]
        seen = [explore.spectrogram(levels, config.model.sample_rate) for levels in shown]
        sounds.append(drawing.Sound(title, names[:3], waves, seen, heard.codes))
    print(os.path.join(FLAGS.out, "sounds"), flush=True)
    drawing.recordings(_at("speech.png"), sounds, config.model.quantizer.K, config.model.sample_rate, stride)

    encoded, panels = explore.encode_clips(config, checkpoint, source, "train"), []
    for kind, kinds, names in (
        ("digit", encoded.labels, source.class_names),
        ("speaker", encoded.speakers, source.speakers),
    ):
        if len(names) < 2:  # nothing to tell
            continue
        of = explore.meaning(encoded, config.model.quantizer.K, kinds, len(names))
        for level, counts in enumerate(of.counts[:MAX_PANELS]):
            title = f"{kind} and code" + (f" of codebook {level + 1} of {len(of.counts)}" if len(of.counts) > 1 else "")
            bits = of.bits[level], of.chance[level], of.entropy
            title += ": {:.2f} bits of mutual information ({:.2f} by chance, {:.2f} at most)".format(*bits)
            order = explore.order(counts)
            panels.append(drawing.Shares(title, names, explore.shares(counts)[order], counts.sum(-1)[order]))
            print(title, flush=True)
    if panels:
        drawing.code_shares(_at("code_meaning.png"), panels)
    calibration = calibrate(config, checkpoint, source, model_dir)
    view = codebook(config, checkpoint, calibration)
    drawing.codebooks(_at("codebook.png"), view.usage, view.distances, view.plane)
    _print_path(projector.write(config, checkpoint, calibration, model_dir))


def _single_code(config, checkpoint, code_map) -> None:
    from vq_estimator import drawing
    from vq_estimator.inference import exploration as explore

    size, (height, width, _) = config.model.image_size, config.model.grid
    fine = height * width > FINE
    rows = ROWS if fine else max(8, min(64, 2048 // size))  # of large images fewer
    columns = COLUMNS if fine else max(8, min(32, 1024 // size))
    changed = explore.single_code(code_map, config.model.quantizer.K, rows, columns)
    images = explore.single_code_images(config, checkpoint, changed, FLAGS.seed)
    if fine:
        images = explore.crops(changed, images)
    names, values = explore.position_names(changed), [str(v) for v in changed.values]
    own, title = explore.unchanged(changed, code_map), "position, and what is around it" if fine else "position"
    zoom = max(2, 64 // images.shape[2])
    drawing.table(_at("single_code.png"), images, names, values, title, "its code is changed to", own, zoom)


def main() -> None:
    import numpy as np

    from vq_estimator import drawing
    from vq_estimator.config import SpeechConfig
    from vq_estimator.data import outputs
    from vq_estimator.inference import evaluation, projector, sampling
    from vq_estimator.inference import exploration as explore
    from vq_estimator.inference.calibration import calibrate

    if not os.path.isdir(FLAGS.out):
        outputs.output_kind("out", FLAGS.out, (outputs.FOLDER,), outputs.FOLDER)
    common.check_writable("out")
    opened = common.open_run()
    sampling.check_seed(FLAGS.seed)
    if isinstance(opened.config.model, SpeechConfig):
        _speech(opened)
        return
    common.check_no_guidance()
    config, checkpoint, model_dir = opened
    for name in ("image", "other"):
        if FLAGS[name].value is not None and not 0 <= FLAGS[name].value < SHOWN:
            raise VQError(f"{name}: got {FLAGS[name].value}, expected a number from 0 to {SHOWN - 1}")
    if not 1 <= FLAGS.frames <= MAX_FRAMES:
        raise VQError(f"frames: got {FLAGS.frames}, expected 1 to {MAX_FRAMES}")
    source = common.data_of_run(config, measured=False)
    K, seed = config.model.quantizer.K, FLAGS.seed
    found = explore.encode_first(config, checkpoint, source, SHOWN, FLAGS.split)
    n = len(found.images)
    other = min(1, n - 1) if FLAGS.other is None else FLAGS.other
    for name, number in (("image", FLAGS.image), ("other", other)):
        if number >= n:
            raise VQError(f"{name}: got {number}, expected 0 to {n - 1}, an image of {FLAGS.split}")

    def decode(codes):
        return explore.decode(config, checkpoint, codes, seed)

    both = evaluation.reconstructions(config, checkpoint, source, FLAGS.split)
    drawing.save_png(_at("reconstructions.png"), both, zoom=2)

    first = found.codes[FLAGS.image]
    _single_code(config, checkpoint, first)

    calibration = calibrate(config, checkpoint, source, model_dir)
    view = explore.codebook(config, checkpoint, calibration)
    for name, near in (("random_walk", None), ("random_walk_near", explore.neighbours(view.entries))):
        walk = decode(explore.random_walk(first, FLAGS.frames, K, seed, near))
        drawing.save_gif(_at(name + ".gif"), walk)
        if drawing.save_mp4(os.path.join(FLAGS.out, name + ".mp4"), walk):
            print(os.path.join(FLAGS.out, name + ".mp4"))

    between = explore.interpolate(config, checkpoint, found.images[FLAGS.image], found.images[other], seed=seed)
    shares = [f"{share:.2f}" for share in np.linspace(0.0, 1.0, len(between.continuous))]
    drawing.table(_at("interpolation.png"), np.stack(between), ["z_e", "quantised"], shares, zoom=3)
    drawing.codebooks(_at("codebook.png"), view.usage, view.distances, view.plane)
    drawing.code_maps(_at("code_map.png"), found.images[:GRID:2], found.codes[:GRID:2], K)
    _print_path(projector.write(config, checkpoint, calibration, model_dir))


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
