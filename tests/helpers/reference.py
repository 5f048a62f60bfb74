"""Where what tf-vqvae computes lies."""

import os

REFERENCE = os.environ.get(
    "VQ_REFERENCE_DIR",
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "reference"),
)
