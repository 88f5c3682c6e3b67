"""`feather` against its formula with distances to all pixels outside, one by one."""

import re

import numpy as np
import pytest
from scipy import ndimage

import kernelscape as ks
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError
from tests.oracle.comparison import assert_near, assert_same

RNG = np.random.default_rng(9)


def distances(mask, sampling=1.0):
    """Of each pixel to the nearest one outside of the mask, infinite without such a pixel."""
    places = np.argwhere(np.ones_like(mask)) * sampling
    outside = np.argwhere(~mask) * sampling
    if not len(outside):
        return np.full(mask.shape, np.inf)
    return np.linalg.norm(places[:, None] - outside, axis=-1).min(axis=1).reshape(mask.shape)


def blob(shape, share=0.5, seed=9):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 1.5)
    return noise > np.quantile(noise, 1 - share)


def assert_is_formula(weights, mask, width, sampling=1.0):
    assert weights.dtype == np.float32
    d = distances(mask, sampling)
    wanted = 0.5 - 0.5 * np.cos(np.pi * np.minimum(d / width, 1))
    assert_near(weights, wanted, 2e-7)
    assert not weights[~mask].any()
    assert (weights[d >= width] == 1).all()
    between = (d > 0) & (d < width)
    assert ((weights[between] > 0) & (weights[between] < 1)).all()


@pytest.mark.parametrize("width", [0.5, 1, 1.2, 2, 3.5, 7, 40, np.float32(2.5), np.int64(3)])
@pytest.mark.parametrize("shape", [(31,), (17, 23), (7, 9, 8)])
def test_formula(shape, width):
    for share in (0.1, 0.5, 0.97):
        mask = blob(shape, share)
        assert_is_formula(ks.feather(mask, width), mask, width)


@pytest.mark.parametrize("sampling", [(0.5, 2.0), [2, 1], np.array([1.0, 0.375]), 3, 0.25])
def test_sampling(sampling):
    mask = blob((15, 18), 0.6)
    spacing = np.broadcast_to(np.asarray(sampling, float), 2)
    for width in (0.2, 0.9, 2.5, 6):
        assert_is_formula(ks.feather(mask, width, sampling=sampling), mask, width, spacing)


@pytest.mark.parametrize("width", [0, 0.5, 1])
def test_a_narrow_margin_gives_the_mask(width):
    mask = RNG.random((20, 30)) < 0.5
    assert_same(ks.feather(mask, width), mask.astype(np.float32))


@pytest.mark.parametrize("width", [0, 3, 1e6])
def test_all_or_nothing(width):
    for shape in ((5, 6), (0, 4), (1,)):
        assert_same(ks.feather(np.ones(shape, bool), width), np.ones(shape, np.float32))
        assert_same(ks.feather(np.zeros(shape, bool), width), np.zeros(shape, np.float32))


def test_the_border_of_the_image_is_no_border_of_the_mask():
    mask = np.zeros((9, 12), bool)
    mask[:, 6:] = True
    weights = ks.feather(mask, 4)
    assert_same(weights, np.broadcast_to(weights[0], mask.shape))
    assert_near(weights[0, 5:], 0.5 - 0.5 * np.cos(np.pi * np.array([0, 1, 2, 3, 4, 4, 4]) / 4), 1e-7)


@pytest.mark.parametrize("corner", [(slice(0, 3), slice(0, 4)), (slice(6, None), slice(7, None)), (slice(2, 7),) * 2])
def test_masks_at_corners(corner):
    mask = np.zeros((9, 11), bool)
    mask[corner] = True
    assert_is_formula(ks.feather(mask, 3), mask, 3)


def test_weights_rise_with_the_distance_and_are_symmetric():
    weights = ks.feather(np.arange(30) > 3, 20)
    assert (np.diff(weights) >= 0).all()
    assert_near(weights[3:24] + weights[23:2:-1], np.ones(21), 2e-7)


def test_any_layout_of_the_mask():
    mask = blob((12, 10), 0.6)
    wanted = ks.feather(mask, 3)
    wide = np.zeros((24, 20), bool)
    wide[::2, ::-2] = mask
    for other in (np.asfortranarray(mask), wide[::2, ::-2], mask.tolist()):
        assert_same(ks.feather(other, 3), wanted)


def test_a_join_is_seamless():
    """Outside of the mask nothing changes, deep inside all does, and no step is as large as that of the mask."""
    image = np.zeros((40, 40), np.float32)
    mask = np.hypot(*np.mgrid[-20:20, -20:20]) < 15
    weights = ks.feather(mask, 10)
    joined = weights * np.float32(1) + (1 - weights) * image
    assert not joined[~mask].any()
    assert (joined[distances(mask) >= 10] == 1).all()
    assert np.abs(np.diff(joined, axis=0)).max() < 0.2


@pytest.mark.parametrize(
    ("mask", "words", "error", "text"),
    [
        (np.ones((3, 3)), {"width": 2}, ArgumentTypeError, "mask must be boolean; got <float64 3x3>. Say which"),
        (np.ones((3, 3), np.uint8), {"width": 2}, ArgumentTypeError, "for example mask > 0"),
        (True, {"width": 2}, ShapeError, "at least one axis"),
        (np.ones(3, bool), {"width": -1}, ArgumentError, "width must be at least 0, and finite; got -1"),
        (np.ones(3, bool), {"width": np.nan}, ArgumentError, "finite; got nan"),
        (np.ones(3, bool), {"width": np.inf}, ArgumentError, "finite; got inf"),
        (np.ones(3, bool), {"width": (1, 2)}, ArgumentTypeError, "width must be a number; got (1, 2)"),
        (np.ones(3, bool), {"width": True}, ArgumentTypeError, "width must be a number; got True"),
        (np.ones(3, bool), {"width": 2, "sampling": (1, 1)}, ShapeError, "one for each of the 1 axes"),
        (np.ones(3, bool), {"width": 2, "sampling": 0}, ArgumentError, "sampling must be positive, and finite; got 0"),
        (np.ones(3, bool), {"width": 2, "sampling": [np.nan]}, ArgumentError, "sampling must be positive"),
        (np.ones(3, bool), {"width": 2, "sampling": "2"}, ArgumentTypeError, "sampling must be a number; got '2'"),
    ],
)
def test_refusals(mask, words, error, text):
    with pytest.raises(error, match=re.escape(text)):
        ks.feather(mask, **words)
