"""Rank filters of scikit-image: windows that are cropped at the border, and masks of the samples that count.

``skimage.filters.rank`` works on histograms of 8-bit images. Its border is ``mode="shrink"``, its ``mask=`` is
``where=``; where no sample counts it has 0, which is ``invalid=0`` here. Its mean is rounded down, and its median of an
even number of samples is the upper one.
"""

import numpy as np
import pytest
from skimage.filters import rank
from skimage.morphology import disk

import kernelscape as ks

FILTERS = {
    "minimum": np.min,
    "maximum": np.max,
    "mean": lambda w: np.sum(w) // np.maximum(ks.count(w), 1),
    "median": lambda w: np.sort(w, axis=None)[ks.count(w) // 2],
    "majority": ks.majority,
    "entropy": ks.entropy,
    "pop": ks.count,
}
FOOTPRINTS = {
    "square": np.ones((5, 5), bool),
    "disc": disk(3).astype(bool),
    "row": np.ones((1, 7), bool),
    "without its centre": np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool),
    "lopsided": np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1]], bool),
    "wider than the image": np.ones((25, 3), bool),
}


def image_and_mask():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 9, (19, 45)).astype(np.uint8)
    image[4:9, 10:30] = 200
    mask = rng.random(image.shape) < 0.6
    mask[8:17, 5:22] = False
    return image, mask


def assert_as_rank(name, footprint, mask):
    __tracebackhide__ = True
    image, _ = image_and_mask()
    options = {} if mask is None else {"mask": mask.astype(np.uint8)}
    wanted = getattr(rank, name)(image, footprint.astype(np.uint8), **options)
    found = ks.apply(
        FILTERS[name], image, footprint=footprint, mode="shrink", where=mask, invalid=0, output=wanted.dtype,
        method="traced",
    )  # fmt: skip
    if name == "entropy":
        np.testing.assert_allclose(found, wanted, atol=1e-12)
    else:
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("shape", FOOTPRINTS)
@pytest.mark.parametrize("name", FILTERS)
def test_cropped_windows(name, shape):
    assert_as_rank(name, FOOTPRINTS[shape], None)


@pytest.mark.parametrize("shape", FOOTPRINTS)
@pytest.mark.parametrize("name", FILTERS)
def test_masks(name, shape):
    assert_as_rank(name, FOOTPRINTS[shape], image_and_mask()[1])


def test_a_segment_is_denoised_and_nothing_else():
    """Inside, only its own samples count; outside, not a bit changes."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:40, :60]
    segment = (y - 20) ** 2 / 200 + (x - 30) ** 2 / 500 < 1
    noise = rng.normal(0, 4, segment.shape)
    image = np.where(segment, 100, 220) + noise
    image = np.clip(image, 0, 255).astype(np.uint8)
    found = ks.apply(np.median, image, size=7, where=segment, at=segment, output=np.uint8, invalid=0)
    assert found[~segment].tobytes() == image[~segment].tobytes()
    assert found[segment].max() < 120  # 220 is nowhere near
    other = np.where(segment, image, rng.integers(0, 256, image.shape)).astype(np.uint8)
    again = ks.apply(np.median, other, size=7, where=segment, at=segment, output=np.uint8, invalid=0)
    assert again[segment].tobytes() == found[segment].tobytes()
    bled = ks.apply(np.median, image, size=7, at=segment, output=np.uint8, invalid=0)
    assert bled[segment].max() > 120
    spread = np.std(found[segment].astype(float))
    assert spread < np.std(image[segment].astype(float)) / 3
    odd = np.array(
        [np.median(image[r : r + 7, c : c + 7][segment[r : r + 7, c : c + 7]]) for r, c in ((17, 27), (7, 27))]
    )
    np.testing.assert_array_equal([found[20, 30], found[10, 30]], np.rint(odd))
