"""Grids of windows beside `torch.nn.functional.conv1d`, `conv2d` and `conv3d`, where PyTorch is installed.

Compared are shapes and every element, exactly: images and kernels are whole numbers. Drawn are one to three window
axes, batch axes, even and odd sizes, strides, dilations and a padding for each side (`torch.nn.functional.pad`). A grid
without outputs has to be an error here and there.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kernelscape as ks
from tests.oracle import grids
from tests.oracle.comparison import assert_same
from tests.oracle.grids import draw_grid

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is too large to be asked for by the tests")


def few(count):
    """So many examples here, and in proportion where hypothesis is asked for more than its 100."""
    return settings(max_examples=count * settings.default.max_examples // 100)


def torch_correlation(x, kernel, **words):
    """Images with any batch axes in front, correlated one by one."""
    images = torch.from_numpy(x.reshape(-1, 1, *x.shape[x.ndim - kernel.ndim :]))
    if not isinstance(words.get("padding", "same"), str):
        sides = [side for pair in words.pop("padding")[::-1] for side in pair]
        images = torch.nn.functional.pad(images, sides)
    function = getattr(torch.nn.functional, f"conv{kernel.ndim}d")
    found = function(images, torch.from_numpy(kernel)[None, None], **words).numpy()
    return found.reshape(*x.shape[: x.ndim - kernel.ndim], *found.shape[2:])


@few(100)
@given(random=st.randoms(use_true_random=False))
def test_a_correlation_is_that_of_torch(random):
    grid = draw_grid(random)
    x, k = grid.arrays(np.float64)
    words = {"stride": grid.stride, "dilation": grid.dilation, "padding": grid.padding}
    if min(grid.counts) < 1:
        with pytest.raises(RuntimeError):
            torch_correlation(x, k, **words)
        with pytest.raises(ks.errors.ShapeError, match="no output remains"):
            ks.correlate(x, k, **grid.words)
        return
    wanted = torch_correlation(x, k, **words)
    assert_same(grids.correlation(x, k, grid), wanted)
    assert_same(ks.correlate(x, k, **grid.words), wanted)
    assert_same(ks.apply(lambda w, v: np.sum(w * v), x, ks.kernel(k), **grid.words), wanted)


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")  # PyTorch's, about its own speed
def test_the_same_of_torch(size, dilation):
    rng = np.random.default_rng(size)
    x, k = (rng.integers(-9, 10, shape).astype(np.float64) for shape in ((2, 17, 30), (size, size)))
    wanted = torch_correlation(x, k, padding="same", dilation=dilation)
    how = {"axes": (1, 2), "mode": "constant", "dilation": dilation}
    assert_same(ks.correlate(x, k, padding=grids.torch_same(size, dilation), **how), wanted)
    if size % 2 or dilation == 1:
        assert_same(ks.correlate(x, k, origin=size % 2 - 1, **how), wanted)


def test_channels_are_a_window_axis_and_filters_are_stacked():
    rng = np.random.default_rng(0)
    x, filters = (rng.integers(-9, 10, shape).astype(np.float64) for shape in ((2, 3, 12, 13), (4, 3, 3, 2)))
    wanted = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(filters), stride=(2, 3), padding=(1, 2))
    how = {"axes": (1, 2, 3), "mode": "constant", "stride": (1, 2, 3), "padding": ["valid", 1, 2]}
    assert_same(np.concatenate([ks.correlate(x, f, **how) for f in filters], axis=1), wanted.numpy())
