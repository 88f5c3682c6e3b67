"""Arrays with unusual strides are read where they lie: no copy of the whole is made, and results are those of a copy.

Memory is counted by `tracemalloc`, to which NumPy reports every array: also the rows that workers copy into, and the
tables that they follow.
"""

import tracemalloc

import numpy as np
import pytest

import kernelscape as ks
from tests.oracle.comparison import assert_same

EXTENT = 1500
VIEWS = {
    "steps": lambda rng: rng.integers(0, 255, (2 * EXTENT, 3 * EXTENT), np.uint8)[::2, ::3],
    "wide steps": lambda rng: rng.integers(0, 255, (EXTENT, 11 * EXTENT), np.uint8)[:, ::11],
    "Fortran order": lambda rng: rng.integers(0, 255, (EXTENT, EXTENT)).astype(np.float32).T,
    "backwards": lambda rng: rng.integers(0, 255, (EXTENT, EXTENT)).astype(np.float32)[::-1, ::-1],
    "backwards in steps": lambda rng: rng.integers(0, 255, (2 * EXTENT, 2 * EXTENT), np.uint8)[::-2, ::-2],
    "one colour of three": lambda rng: rng.integers(0, 255, (EXTENT, EXTENT, 3)).astype(np.float32)[..., 1],
    "big-endian": lambda rng: rng.integers(0, 255, (EXTENT, EXTENT)).astype(">f4"),
    "one row for all": lambda rng: np.broadcast_to(rng.integers(0, 255, EXTENT).astype(np.float32), (EXTENT, EXTENT)),
    "odd addresses": lambda rng: rng.integers(0, 255, (EXTENT, EXTENT + 1), np.uint8)[:, 1:],
}
CALLS = {
    "correlate": lambda x, **how: ks.correlate(
        x, np.arange(12, dtype=np.float32).reshape(3, 4), dtype=np.float32, **how
    ),
    "strided": lambda x, **how: ks.correlate(x, np.ones((5, 5), np.float32), dtype=np.float32, stride=(2, 3), **how),
    "dilated": lambda x, **how: ks.correlate(x, np.ones((3, 3), np.float32), dtype=np.float32, dilation=4, **how),
    "largest": lambda x, **how: ks.apply(lambda w: np.max(w), x, size=3, mode="shrink", **how),
    "median": lambda x, **how: ks.apply(lambda w: np.median(w), x, size=3, stride=2, **how),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_never_copied_whole(view, name):
    x, call = VIEWS[view](np.random.default_rng(0)), CALLS[name]
    output = call(np.ascontiguousarray(x))
    wanted, small = output.copy(), x[:40, :50]
    assert_same(call(small, output=np.empty_like(call(small))), call(np.ascontiguousarray(small)))
    call(x, output=output)  # what is compiled and kept is no copy
    tracemalloc.start()
    try:
        call(x, output=output, workers=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_same(output, wanted)
    assert peak < x.size * x.itemsize / 2


def test_a_copy_would_be_noticed():
    x = VIEWS["one colour of three"](np.random.default_rng(0))
    tracemalloc.start()
    try:
        np.ascontiguousarray(x)
        assert tracemalloc.get_traced_memory()[1] >= x.size * x.itemsize
    finally:
        tracemalloc.stop()
