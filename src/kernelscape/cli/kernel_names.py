"""Kernels and footprints that have a name on the command line: one entry each.

Kernels are meant for correlation: a derivative is positive where the image grows along the axis, and nothing is
flipped. Smoothing kernels sum to one, so that brightness is kept. Sizes are bounded, because a slip of the keyboard
(``gaussian:15000``) must not fill the memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, unknown_name

_LARGEST_EXTENT = 1001

Array = NDArray[Any]


@dataclass(frozen=True)
class Named:
    """A kernel or a footprint of this name.

    Parameters
    ----------
    make : callable
        Takes the numbers after the colon.
    summary : str
        One line of help.
    parameters : str
        What stands after the colon, for the help and for errors; empty when nothing does.
    counts : tuple of int
        How many numbers may stand there.
    """

    make: Callable[..., Array]
    summary: str
    parameters: str = ""
    counts: tuple[int, ...] = (0,)


def _sobel_like(middle: float, outer: float) -> Callable[[], Array]:
    return lambda: np.outer([outer, middle, outer], [-1.0, 0.0, 1.0])


def _along_y(make: Callable[[], Array]) -> Callable[[], Array]:
    return lambda: np.ascontiguousarray(make().T)


def _fixed(*rows: tuple[float, ...]) -> Callable[[], Array]:
    return lambda: np.array(rows, dtype=np.float64)


def _laplacian(neighbours: float = 4) -> Array:
    if neighbours == 4:
        return np.array([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    if neighbours == 8:
        return np.array([[1.0, 1.0, 1.0], [1.0, -8.0, 1.0], [1.0, 1.0, 1.0]])
    raise ArgumentError(f"laplacian has 4 or 8 neighbours; got {neighbours:g}.")


def _extent(value: float) -> int:
    if value != int(value) or not 1 <= value <= _LARGEST_EXTENT:
        raise ArgumentError(f"An extent must be a whole number from 1 to {_LARGEST_EXTENT}; got {value:g}.")
    return int(value)


def _radius(value: float, reach: float = 1.0) -> int:
    if not 0 <= value * reach <= _LARGEST_EXTENT // 2:
        raise ArgumentError(f"A radius must be between 0 and {_LARGEST_EXTENT // 2 / reach:g}; got {value:g}.")
    return int(value * reach + (0.5 if reach != 1.0 else 0.0))


def _squares(radius: int) -> Array:
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(rows**2 + columns**2)


def _gaussian(sigma: float) -> Array:
    if sigma <= 0:
        raise ArgumentError(f"sigma must be above 0; got {sigma:g}.")
    radius = _radius(sigma, 4.0)  # where SciPy cuts off, too
    line = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(np.outer(line, line) / line.sum() ** 2)


def _laplacian_of_gaussian(sigma: float) -> Array:
    smooth = _gaussian(sigma)
    squares = _squares(len(smooth) // 2)
    weights = smooth * (squares / sigma**2 - 2.0) / sigma**2
    return np.asarray(weights - weights.mean())  # cut off, it would no longer be zero on a constant image


def _box(rows: float, columns: float | None = None) -> Array:
    mask = _box_mask(rows, columns)
    return np.asarray(mask / mask.sum())


def _disk(radius: float) -> Array:
    mask = _disk_mask(radius)
    return np.asarray(mask / mask.sum())


def _box_mask(rows: float, columns: float | None = None) -> Array:
    return np.ones((_extent(rows), _extent(rows if columns is None else columns)), dtype=bool)


def _disk_mask(radius: float) -> Array:
    return np.asarray(_squares(_radius(radius)) <= radius**2)


def _cross_mask(radius: float) -> Array:
    reach = _radius(radius)
    mask = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=bool)
    mask[reach, :] = mask[:, reach] = True
    return mask


def _diamond_mask(radius: float) -> Array:
    reach = _radius(radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(abs(rows) + abs(columns) <= radius)


_SOBEL = _sobel_like(2.0, 1.0)
_PREWITT = _sobel_like(1.0, 1.0)
_SCHARR = _sobel_like(10.0, 3.0)

KERNELS: Mapping[str, Named] = {
    "sobel-x": Named(_SOBEL, "derivative along the columns' axis, smoothed 1 2 1"),
    "sobel-y": Named(_along_y(_SOBEL), "derivative along the rows' axis, smoothed 1 2 1"),
    "prewitt-x": Named(_PREWITT, "the same, smoothed 1 1 1"),
    "prewitt-y": Named(_along_y(_PREWITT), "the same, smoothed 1 1 1"),
    "scharr-x": Named(_SCHARR, "the same, smoothed 3 10 3"),
    "scharr-y": Named(_along_y(_SCHARR), "the same, smoothed 3 10 3"),
    "laplacian": Named(_laplacian, "sum of the second differences", ":4 or :8 neighbours", (0, 1)),
    "sharpen": Named(_fixed((0, -1, 0), (-1, 5, -1), (0, -1, 0)), "the image minus its Laplacian"),
    "emboss": Named(_fixed((-2, -1, 0), (-1, 1, 1), (0, 1, 2)), "light from the upper left"),
    "gaussian": Named(_gaussian, "Gaussian blur, cut off at 4 sigma", ":sigma", (1,)),
    "log": Named(_laplacian_of_gaussian, "Laplacian of a Gaussian", ":sigma", (1,)),
    "box": Named(_box, "mean over a rectangle", ":size or :rows,columns", (1, 2)),
    "disk": Named(_disk, "mean over a disk", ":radius", (1,)),
}

FOOTPRINTS: Mapping[str, Named] = {
    "disk": Named(_disk_mask, "pixels at most this far from the centre", ":radius", (1,)),
    "diamond": Named(_diamond_mask, "the same, in steps along the axes", ":radius", (1,)),
    "cross": Named(_cross_mask, "the centre's row and column", ":radius", (1,)),
    "box": Named(_box_mask, "a rectangle", ":size or :rows,columns", (1, 2)),
}


def named(kind: str, text: str, table: Mapping[str, Named]) -> Array:
    """Make what a text such as ``"gaussian:1.5"`` names.

    Parameters
    ----------
    kind : str
        What is being named, for errors: ``"kernel"`` or ``"footprint"``.
    text : str
        A name of the table, and numbers after a colon.
    table : mapping
        `KERNELS` or `FOOTPRINTS`.

    Raises
    ------
    ArgumentError
        For an unknown name, and for numbers that do not fit.

    Examples
    --------
    >>> named("kernel", "box:1,2", KERNELS)
    array([[0.5, 0.5]])
    """
    name, _, rest = text.partition(":")
    if name not in table:
        raise unknown_name(kind, name, [*table, "FILE.npy"])
    entry = table[name]
    try:
        numbers = [float(number) for number in rest.split(",")] if rest else []
    except ValueError:
        numbers = [math.nan]
    if len(numbers) not in entry.counts or not all(math.isfinite(number) for number in numbers):
        raise ArgumentError(f"The {kind} {name!r} is written {name}{entry.parameters}; got {text!r}.")
    return entry.make(*numbers)
