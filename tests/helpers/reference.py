"""The location of tf-vqvae's reference results."""

import os

REFERENCE = os.environ.get(
    "VQ_REFERENCE_DIR",
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "reference"),
)
