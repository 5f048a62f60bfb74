"""Trains a VQ-VAE of images or of speech and evaluates it.

  vq-train --dataset=mnist --K=20 --D=64
  vq-train --dataset=fsdd

The same command resumes a run that was stopped. At its end the run folder holds eval/validation.json, eval/test.json
and of images reconstructions.png.
"""

import os
import sys

from vq_estimator import config as config_lib
from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

MODEL = Group("Model (without a value: the preset's; in brackets that of original and tuned)")
MODEL.enum(
    "dataset",
    "mnist",
    config_lib.DATASETS,
    "what to train on; images: your own, below --data_dir; fsdd: spoken digits; wav: your own recordings",
)
MODEL.enum(
    "preset",
    None,
    config_lib.PRESETS,
    "original: tf-vqvae's set-up to the letter; tuned: ours, on the same code grid; autoregressive: for the lowest "
    "bits/dim; of CIFAR-10 also factorised (independent pixels), paper (8x8x10 codes) and sonnet (its notebook); "
    "of images imagenet too, another name of original; of speech wavenet alone [original, of speech wavenet]",
)
MODEL.integer("K", None, "entries of a codebook [20, CIFAR-10 10, images 512]")
MODEL.integer("D", None, "numbers in an entry, which sets the widths of the network too [64, CIFAR-10 256, images 128]")
MODEL.integer("L", None, "codes at each position: codebooks, of residual its stages, of fsq its groups of numbers [1]")
MODEL.enum(
    "quantizer",
    None,
    config_lib.QUANTIZERS,
    "vq: a codebook for each part of a position's numbers; residual: each for what those before it leave; "
    "fsq: numbers rounded to levels, no codebook [vq]",
)
MODEL.string("levels", None, "of fsq: the levels of each number; their product is K, their number D [8,5,5,5]")
MODEL.enum(
    "gradient", None, config_lib.GRADIENTS, "how it passes the quantizer; rotation: of vq alone [straight_through]"
)
MODEL.integer(
    "image_size", None, "side of the images, a multiple of the network's stride [24, CIFAR-10 32, images 128]"
)
MODEL.integer("channels", None, "of images: 3 (colour) or 1 (grey) [3]")
MODEL.string(
    "widths",
    None,
    "feature maps of each layer that halves the image, first to last [D/4,D/2,D, tuned: D/2,D,D, CIFAR-10 D,D, "
    "images D/2,D]",
)
MODEL.integer(
    "residual_blocks", None, "residual blocks of encoder and decoder [original: 0, tuned and CIFAR-10: 2, images 4]"
)
MODEL.integer("residual_width", None, "feature maps inside a residual block; 0: as many as around it [0]")
MODEL.bool("residual_relu", None, "a ReLU after the decoder's residual blocks [no, images: yes]")
MODEL.integer(
    "output_width", None, "feature maps of the decoder at the image's size before the likelihood's; 0: none [0]"
)
MODEL.bool(
    "linear_path", None, "a linear convolution beside the encoder and one beside the decoder [no, factorised: yes]"
)
MODEL.enum(
    "initializer", None, config_lib.INITIALIZERS, "normal: tf-vqvae's deviation 0.02; he: by fan-in [normal, tuned: he]"
)
MODEL.enum(
    "codebook", None, config_lib.CODEBOOKS, "codebook by gradient or by moving average [original: gradient, tuned: ema]"
)
MODEL.float("codebook_decay", None, "decay of the moving average [ema: 0.99]")
MODEL.integer(
    "kmeans_steps", None, "first steps in which k-means on the batch sets the codebook [gradient: 0, ema: 10]"
)
MODEL.float(
    "restart_below", None, "share of a fair share of use below which an entry is restarted [gradient: 0, ema: 0.03]"
)
MODEL.enum(
    "decoder",
    None,
    config_lib.DECODERS,
    "factorised: pixels independent given the codes; autoregressive: each given those before it too [factorised]",
)
MODEL.enum(
    "decoder_kind", None, config_lib.PIXEL_LAYERS, "of the autoregressive decoder's layers; residual: faster [residual]"
)
MODEL.integer("decoder_layers", None, "layers of the autoregressive decoder [6]")
MODEL.integer("decoder_maps", None, "feature maps of each [64]")
MODEL.integer("decoder_features", None, "feature maps of the codes at each pixel that it is given [32]")
MODEL.enum("likelihood", None, config_lib.LIKELIHOODS, "p(x | z_q) [mse: squared error, evaluated as a Gaussian]")
MODEL.integer("components", None, "components of the logistic_mixture [3]")
MODEL.bool("binarize", None, "pixels of 128 and more white, the others black: for the bernoulli likelihood [no]")
MODEL.integer("sample_rate", None, "speech: samples a second, to which recordings are brought [8,000]")
MODEL.integer("window", None, "speech: samples that are trained on at once [2,048]")
MODEL.integer("downsampling", None, "speech: samples for each code, a power of 2 [64]")
MODEL.integer("wavenet_cycles", None, "speech: of the decoder's dilations [2]")
MODEL.integer("wavenet_layers", None, "speech: dilations 1, 2, 4 .. of a cycle, so many [9]")
MODEL.integer("wavenet_maps", None, "speech: feature maps of the decoder's layers [32]")
MODEL.integer("wavenet_skip", None, "speech: feature maps of the sum that all layers add to [64]")
MODEL.integer("wavenet_features", None, "speech: feature maps of the codes and the speaker [64]")
MODEL.float("wavenet_drop_condition", None, "speech: share of the windows without codes and speaker, for guidance [0]")
MODEL.enum("precision", None, config_lib.PRECISIONS, "of the layers; quantizer and likelihood are float32 [float32]")

TRAINING = Group("Training (without a value: the preset's; in brackets that of original and tuned)")
TRAINING.enum("objective", None, config_lib.OBJECTIVES, "original: means as tf-vqvae; elbo: nats per dimension")
TRAINING.enum(
    "reconstruction_loss",
    None,
    config_lib.RECONSTRUCTION_LOSSES,
    "the reconstruction term [original: squared_error, tuned: cross_entropy]",
)
TRAINING.float("beta", None, "weight of the commitment term [0.25]")
TRAINING.integer("max_steps", None, "steps in all [original: 60,000, tuned: 10,000, CIFAR-10 250,000, images 50,000]")
TRAINING.integer("batch_size", None, "images in a step [32, CIFAR-10 128, images 16]")
TRAINING.float("learning_rate", None, "of Adam [original: 0.0002, tuned: 0.002, of CIFAR-10 and images 0.0005]")
TRAINING.integer(
    "decay_steps",
    None,
    "steps in which the learning rate falls by decay_rate; 0: never [original: 0, of images 25,000; tuned: 1,500, "
    "of CIFAR-10 and images 0]",
)
TRAINING.float("decay_rate", None, "see decay_steps [0.5]")
TRAINING.integer("warmup_steps", None, "first steps, in which the learning rate rises from 0 [0]")
TRAINING.float(
    "final_decay", None, "last share of max_steps, in which the learning rate falls to 1 % [0, tuned of images 0.3]"
)
TRAINING.float("clip_norm", None, "cuts the gradients' global norm; 0: never [0]")
TRAINING.float(
    "average_decay",
    None,
    "of the moving average of the weights that evaluation and export use, but for an EMA codebook, which goes on "
    "moving: then it may cost bits; 0: none [0]",
)
TRAINING.bool("flip", None, "mirror images left to right at random [no]")
TRAINING.string(
    "warm_start",
    None,
    "run folder or provided model ({}) whose weights training begins with, as far as they fit; no k-means start "
    "then unless --kmeans_steps asks for it".format(", ".join(common.PROVIDED)),
)
TRAINING.integer("seed", None, "of the initial weights, the order of the data and every draw [0]")
common.deterministic_flag(TRAINING)

SCALE = Group("Scale (docs/scaling.md)")
SCALE.enum(
    "distribution",
    "none",
    config_lib.DISTRIBUTIONS,
    "mirrored: all GPUs of this machine; multi_worker: the machines of TF_CONFIG in step with each other; "
    "parameter_server: those of TF_CONFIG, each at its own pace. The batch is shared out, except by parameter_server, "
    "whose workers each take a whole one",
)
SCALE.integer("cpu_devices", 1, "of mirrored without a GPU: parts of the CPU, to try it; not faster")

OUTPUT = Group("Output")
OUTPUT.string("model_dir", None, "the run folder [log/<dataset>-<preset>-[<quantizer>-]K<K>-D<D>]")
OUTPUT.bool("overwrite", False, "remove a run that is in model_dir and start anew")
OUTPUT.string("checkpoint", "latest", "checkpoint of the final evaluation: latest, best (by validation), or a path")
OUTPUT.integer(
    "save_checkpoints_steps", None, "steps between checkpoints, of which five are kept [1,000, CIFAR-10 500]"
)
OUTPUT.integer("save_summary_steps", None, "steps between summaries for TensorBoard [1,000]")
OUTPUT.integer(
    "eval_steps",
    None,
    "steps between evaluations on validation, at checkpoints [5,000, tuned: 2,000, CIFAR-10 and images 2,500]",
)
OUTPUT.integer(
    "log_steps", None, "steps between updates of the figures beside the progress bar [100, CIFAR-10 and images 10]"
)
common.data_flags()
CACHE = Group("Cache")
CACHE.enum(
    "cache",
    "auto",
    ("auto", "memory", "tfrecord"),
    "images: where training has them, in memory or in a TFRecord file, of which each batch is read; the order is the "
    "same; auto: in memory up to 1 GiB",
)

SETTINGS = [
    "warm_start",
    "warmup_steps",
    "final_decay",
    "clip_norm",
    "average_decay",
    "flip",
    "likelihood",
    "components",
    "binarize",
    "objective",
    "K",
    "D",
    "L",
    "quantizer",
    "levels",
    "gradient",
    "image_size",
    "channels",
    "widths",
    "residual_blocks",
    "residual_width",
    "residual_relu",
    "output_width",
    "linear_path",
    "initializer",
    "decoder",
    "decoder_kind",
    "decoder_layers",
    "decoder_maps",
    "decoder_features",
    "sample_rate",
    "window",
    "downsampling",
    "wavenet_cycles",
    "wavenet_layers",
    "wavenet_maps",
    "wavenet_skip",
    "wavenet_features",
    "wavenet_drop_condition",
    "codebook",
    "codebook_decay",
    "kmeans_steps",
    "restart_below",
    "precision",
    "reconstruction_loss",
    "beta",
    "max_steps",
    "batch_size",
    "learning_rate",
    "decay_steps",
    "decay_rate",
    "seed",
    "save_checkpoints_steps",
    "save_summary_steps",
    "eval_steps",
    "log_steps",
]


def main() -> None:
    from vq_estimator import drawing, pretrained
    from vq_estimator.inference import evaluation, projector, session
    from vq_estimator.inference.calibration import calibrate
    from vq_estimator.training import distribution, run_folder, trainer, warm_start

    common.be_deterministic()
    shared = distribution.make(FLAGS.distribution, os.environ.get("TF_CONFIG"), FLAGS.cpu_devices)
    if shared.cluster and FLAGS.overwrite:
        raise VQError(
            "overwrite: got it in a cluster, whose processes would not see it at once; remove the run yourself"
        )
    settings = {name: FLAGS[name].value for name in SETTINGS}
    config = config_lib.make_config(FLAGS.dataset, FLAGS.preset, **settings)
    model_dir = FLAGS.model_dir or config_lib.default_model_dir(config)
    if FLAGS.checkpoint not in ("latest", run_folder.BEST):
        run_folder.find_checkpoint(model_dir, FLAGS.checkpoint)  # a wrong path is said before training, not after
    # A run that is resumed goes on with the data that it began with.
    resumed = not FLAGS.overwrite and os.path.isfile(os.path.join(model_dir, run_folder.CONFIG))
    wanted = None
    if resumed:  # of what differs in a flag it is not the data's turn to complain
        old = run_folder.load_config(model_dir)
        wanted = old.dataset_source
        run_folder.refuse_other(model_dir, config_lib.with_data(config, wanted, getattr(old.model, "speakers", ())))
    source = common.locate_data(config, wanted, FLAGS.cache)
    speech = isinstance(config.model, config_lib.SpeechConfig)
    config = config_lib.with_data(config, session.source_name(source), source.speakers if speech else ())
    warm = None
    if FLAGS.warm_start and not (resumed and run_folder.latest_checkpoint(model_dir)):
        known = FLAGS.warm_start in pretrained.names() and not os.path.isdir(FLAGS.warm_start)
        warm = warm_start.of_run(pretrained.folder(FLAGS.warm_start) if known else FLAGS.warm_start)
    result = trainer.train(config, source, model_dir, FLAGS.overwrite, warm=warm, shared=shared)
    if shared.task != "chief":  # which does the rest
        return
    run_folder.keep_class_names(model_dir, source.class_names if speech else source.spec.class_names)
    if result.stopped_by is not None:
        same = "the same command without --overwrite" if FLAGS.overwrite else "the same command"
        print(f"stopped at step {result.step}; run {same} to resume", file=sys.stderr)
        sys.exit(128 + result.stopped_by)
    checkpoint = run_folder.find_checkpoint(model_dir, FLAGS.checkpoint)
    results = [evaluation.evaluate(config, checkpoint, source, model_dir, s) for s in ("validation", "test")]
    projector.write(config, checkpoint, calibrate(config, checkpoint, source, model_dir), model_dir)
    print(evaluation.table(results))
    print(f"\nrun folder       {model_dir}")
    if not speech:
        picture = os.path.join(model_dir, "reconstructions.png")
        drawing.save_png(picture, evaluation.reconstructions(config, checkpoint, source), zoom=2)
        print(f"reconstructions  {picture}")
    print(f"TensorBoard      tensorboard --logdir {model_dir}")


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
