"""`feather`: a mask with soft edges, as weights of a blend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kernelscape.api.arguments import Array, as_array
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError
from kernelscape.kernels.words import in_words


def feather(mask: ArrayLike, width: float, *, sampling: float | Sequence[float] | None = None) -> Array:
    """Give weights that rise from 0 outside of a mask to 1 inside, within a margin of some width.

    With d the distance of a pixel to the nearest one outside of the mask, its weight is the raised cosine
    ``(1 - cos(pi * d / width)) / 2``, and 1 from ``d = width`` on.

    Parameters
    ----------
    mask : array_like of bool
        In any number of dimensions.
    width : float
        Of the margin, which lies inside of the mask, in pixels or in the units of `sampling`. Up to 1 pixel the weights
        are the mask itself.
    sampling : float or sequence of float, optional
        Distance between neighbouring pixels, along all axes or along each; 1 by default.

    Returns
    -------
    ndarray of float32
        Of the mask's shape. Exactly 0 outside of the mask, exactly 1 where `d` is at least `width`. The border of the
        image is not a border of the mask: nothing is known beyond it.

    Raises
    ------
    ArgumentTypeError
        The mask is not boolean, or `width` or `sampling` are no numbers.
    ArgumentError, ShapeError
        `width` is negative or not finite, `sampling` is not positive, or has not one entry for each axis.

    See Also
    --------
    scipy.ndimage.distance_transform_edt : the distances, exact and Euclidean [1]_.

    Notes
    -----
    ``weights * new + (1 - weights) * old`` joins two images without a seam: the weights are smooth, of slope 0 at both
    ends of the margin. Their profile is the taper of Tukey's window [2]_.

    References
    ----------
    .. [1] C. R. Maurer, R. Qi, V. Raghavan, "A linear time algorithm for computing exact Euclidean distance transforms
       of binary images in arbitrary dimensions", IEEE Trans. Pattern Anal. Mach. Intell. 25, 265-270 (2003).
    .. [2] F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", Proc. IEEE
       66, 51-83 (1978).

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.feather(np.array([0, 0, 1, 1, 1, 1, 1, 1], bool), 4).round(2)
    array([0.  , 0.  , 0.15, 0.5 , 0.85, 1.  , 1.  , 1.  ], dtype=float32)
    """
    inside = as_array(mask)
    if inside.dtype != np.bool_:
        raise ArgumentTypeError(
            f"mask must be boolean; got {in_words(inside)}. Say which values are inside, for example mask > 0."
        )
    if not inside.ndim:
        raise ShapeError(f"mask must have at least one axis; got {mask!r}.")
    margin, spacing = _number("width", width), _spacing(sampling, inside.ndim)
    if margin < 0 or not math.isfinite(margin):
        raise ArgumentError(f"width must be at least 0, and finite; got {width!r}.")
    weights = np.zeros(inside.shape, np.float32)
    if inside.all() or margin <= min(spacing):
        weights[inside] = 1  # without a pixel outside there is no distance; else none is less than a pixel
    elif inside.any():
        place = _surroundings(inside)
        weights[place] = _weights(inside[place], margin, spacing)
    return weights


def _weights(inside: Array, margin: float, spacing: tuple[float, ...]) -> Array:
    from scipy.ndimage import distance_transform_edt

    distance = np.asarray(distance_transform_edt(inside, sampling=spacing))
    np.minimum(distance / margin, 1, out=distance)
    # The same as (1 - cos) / 2, and precise where it is small.
    found: Array = np.sin(distance * (math.pi / 2)) ** 2
    return found


def _surroundings(inside: Array) -> tuple[slice, ...]:
    """The bounding box of a mask and one pixel around it, where the nearest pixel outside of it lies."""
    places = []
    for axis in range(inside.ndim):
        others = tuple(a for a in range(inside.ndim) if a != axis)
        taken = np.flatnonzero(inside.any(axis=others))
        places.append(slice(max(0, int(taken[0]) - 1), int(taken[-1]) + 2))
    return tuple(places)


def _number(name: str, given: Any) -> float:
    if isinstance(given, bool | np.bool_) or not isinstance(given, int | float | np.integer | np.floating):
        raise ArgumentTypeError(f"{name} must be a number; got {in_words(given)}.")
    return float(given)


def _spacing(given: Any, ndim: int) -> tuple[float, ...]:
    if isinstance(given, np.ndarray):
        given = given.tolist()
    entries = tuple(given) if isinstance(given, list | tuple) else (1.0 if given is None else given,) * ndim
    if len(entries) != ndim:
        raise ShapeError(f"sampling must be a number, or one for each of the {ndim} axes; got {given!r}.")
    found = tuple(_number("sampling", entry) for entry in entries)
    if not all(0 < entry < math.inf for entry in found):
        raise ArgumentError(f"sampling must be positive, and finite; got {given!r}.")
    return found
