import pytest

from vq_estimator.errors import VQError
from vq_estimator.training import precision


def test_float32_can_always_be_had():
    precision.check("float32", "1.15.5", cpu_features="", gpu=False)


@pytest.mark.parametrize("flags, gpu", [("sse avx512_bf16", False), ("amx_bf16", False), ("sse", True)])
def test_bfloat16_where_the_hardware_has_it(flags, gpu):
    precision.check("bfloat16", "2.15.1", cpu_features=flags, gpu=gpu)


def test_bfloat16_is_refused_with_one_line():
    with pytest.raises(
        VQError, match="^precision: got bfloat16 on TensorFlow 1.15.5, expected float32 or TensorFlow 2.12"
    ):
        precision.check("bfloat16", "1.15.5", cpu_features="avx512_bf16", gpu=False)
    with pytest.raises(VQError, match="^precision: got bfloat16 on a processor without avx512_bf16 or amx_bf16"):
        precision.check("bfloat16", "2.15.1", cpu_features="sse avx2", gpu=False)


def test_unreadable_cpuinfo_is_no_flags(tmp_path):
    assert precision._cpu_features(str(tmp_path / "none")) == ""
