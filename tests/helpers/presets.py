"""Every preset of every data set."""

from vq_estimator import config as c

ALL = [(dataset, preset) for dataset in c.DATASETS for preset in c.PRESETS_OF[dataset]]
