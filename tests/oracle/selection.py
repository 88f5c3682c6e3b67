"""Selections by their definition, from the result of the whole filter: ``at=`` and ``otherwise=`` in NumPy."""

import numpy as np


def rounded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """As outputs are stored: to integers halves go to even, and what is too large to the largest."""
    if dtype.kind not in "iu" or values.dtype.kind == "b":
        with np.errstate(all="ignore"):
            return values.astype(dtype)
    limits = np.iinfo(dtype)
    if values.dtype.kind in "iu":
        bounds = np.iinfo(values.dtype)
        return np.clip(values, max(limits.min, bounds.min), min(limits.max, bounds.max)).astype(dtype)
    wide = np.rint(values.astype(np.float64))
    inside = (wide >= limits.min) & (wide < 2.0 ** (8 * dtype.itemsize - (dtype.kind == "i")))
    ends = np.where(wide < 0, limits.min, limits.max).astype(dtype)
    return np.where(inside, np.where(inside, wide, 0).astype(dtype), ends)


def selected(full: np.ndarray, at: np.ndarray, elsewhere: np.ndarray | float) -> np.ndarray:
    """The whole filter's result where `at` is 1, what stands elsewhere where it is 0, blended in between."""
    dtype = full.dtype
    other = rounded(np.broadcast_to(np.asarray(elsewhere), full.shape), dtype)
    weight = at.reshape(at.shape + (1,) * (full.ndim - at.ndim))
    if at.dtype.kind == "b":
        return np.where(weight, full, other)
    mixed = np.result_type(dtype if dtype.kind == "f" else np.float64, dtype, np.float32)
    share = weight.astype(mixed)
    with np.errstate(all="ignore"):
        between = share * full.astype(mixed) + (1 - share) * other.astype(mixed)
    return np.where(weight == 1, full, np.where(weight == 0, other, rounded(between, dtype)))


def nearest(image: np.ndarray, *anchors: np.ndarray) -> np.ndarray:
    """The samples of an image at anchors along its first axes, or nearest to them."""
    places = [np.clip(a, 0, n - 1) for a, n in zip(anchors, image.shape, strict=False)]
    return image[np.ix_(*places)]
