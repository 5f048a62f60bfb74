"""The keys of eval/<split>.json."""

KEYS = {
    "split",
    "input",
    "sha256",
    "speakers",
    "examples",
    "dims_per_example",
    "dataset_source",
    "global_step",
    "likelihood",
    "likelihood_scale",
    "codes",
    "reconstruction",
    "mse",
    "psnr_db",
    "normalized_mse",
    "codebook",
    "original_nll",
    "bits_per_dim",
    "prior",
}
