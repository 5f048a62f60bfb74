"""Small priors of a trained VQ-VAE."""

import shutil

from vq_estimator import config as c
from vq_estimator.inference import extraction
from vq_estimator.inference.session import open_run


def prior_config(run, digits, classes=0, **settings):
    model_dir = run[1]
    of = extraction.codes_config(open_run(model_dir), digits, classes > 0)
    given = dict(layers=1, channels=16, max_steps=100, save_checkpoints_steps=50, eval_steps=100, learning_rate=5e-3)
    given.update(settings)
    return c.make_prior_config(of, **given)


def copy_of(run, tmp_path_factory):
    config, model_dir, codes = run
    copy = str(tmp_path_factory.mktemp("copies") / "run")
    shutil.copytree(model_dir, copy)
    return config, copy, codes
