"""Pictures of kernel fields: kernels drawn where they belong, over the image.

Matplotlib is an optional package: it is imported here and nowhere else, when something is drawn.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError, missing_dependency
from kernelscape.kernels.field import Array, Field

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 8
"""Kernels along the longer axis of the image, where nothing is said."""
_LARGEST = 6
"""A kernel that is enlarged on its own takes at most one part in so many of the longer axis."""
_FILLED = 0.9
"""How much of the room between two kernels is drawn on."""
_ONE_SIGN, _BOTH_SIGNS, _NOT_A_NUMBER = "viridis", "RdBu_r", "magenta"

_Position = tuple[int, int]


def contact_sheet(
    field: Field,
    image: Any = None,
    *,
    shape: Any = None,
    at: Any = None,
    spacing: Any = None,
    zoom: Any = None,
    common: bool = False,
    cmap: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw kernels of a field where they belong: what `Field.plot` does."""
    backdrop = None if image is None else _grey(image)
    extents = _extents(field, backdrop, shape)
    positions, room = _positions(extents, at, spacing)
    kernels = [np.asarray(field.at(*position, shape=extents)) for position in positions]
    kernels = [abs(kernel) if kernel.dtype.kind == "c" else kernel for kernel in kernels]
    size = kernels[0].shape
    factor = _default_zoom(positions, room, size, extents) if zoom is None else _checked_zoom(zoom)
    axes = _axes(ax)
    if backdrop is not None:
        axes.imshow(backdrop, cmap="gray")
    places = [_place(position, size, factor) for position in positions]
    _draw(axes, kernels, places, common, cmap)
    left, right, bottom, top = zip(*places, (-0.5, extents[1] - 0.5, extents[0] - 0.5, -0.5), strict=True)
    axes.set_xlim(min(left), max(right))
    axes.set_ylim(max(bottom), min(top))
    axes.set_aspect("equal")
    return axes


def _axes(given: Axes | None) -> Axes:
    try:
        import matplotlib.axes
        import matplotlib.pyplot
    except ImportError:
        raise missing_dependency("matplotlib", "drawing kernel fields", "kernelscape[plot]") from None
    if given is None:
        return matplotlib.pyplot.subplots()[1]
    if not isinstance(given, matplotlib.axes.Axes):
        raise ArgumentTypeError(f"ax must be matplotlib's Axes, as ax of fig, ax = plt.subplots(); got {given!r}.")
    return given


# -- what is drawn where -----------------------------------------------------------------------------------------------


def _grey(image: Any) -> Array:
    """An image as one number for each pixel; opacity is dropped."""
    array = np.asarray(image)
    if array.dtype.kind not in "biuf":
        raise ArgumentTypeError(f"The image to draw on must hold real numbers; got dtype {array.dtype}.")
    if array.ndim == 3 and array.shape[2] in (3, 4):
        return np.asarray(array[..., :3].mean(axis=2))
    if array.ndim != 2:
        raise ShapeError(
            f"The image to draw on must be of shape (H, W), or (H, W, 3) for colours; got shape {array.shape}."
        )
    return array.astype(float) if array.dtype.kind == "b" or array.dtype == np.float16 else array


def _extents(field: Field, image: Array | None, shape: Any) -> _Position:
    """The extents of the image, which the field, the picture behind it or the caller says."""
    said: dict[str, tuple[int, ...]] = {}
    if field.extents is not None:
        said["the field's maps"] = field.extents
    if image is not None:
        said["the image"] = image.shape
    if shape is not None:
        said["shape="] = _integers("shape", shape, (-1,), least=1)[0]
    if not said:
        raise ArgumentError(
            f"{field!r} fits images of all extents; say over which to draw it: plot(image), or plot(shape=(H, W))."
        )
    if len(set(said.values())) > 1:
        raise ShapeError(f"The extents must agree; got {', '.join(f'{e} from {name}' for name, e in said.items())}.")
    (extents,) = set(said.values())
    if len(extents) != 2:
        raise ShapeError(
            f"Kernels are drawn over images of two dimensions; got extents {extents}. Single kernels are arrays: "
            "field.at(...)."
        )
    if 0 in extents:
        raise ShapeError(f"There is nothing to draw in an image without pixels; got extents {extents}.")
    return extents[0], extents[1]


def _integers(name: str, given: Any, shape: tuple[int, ...], *, least: int) -> list[tuple[int, ...]]:
    """Rows of integers; `shape` is what the array of one row must have, -1 for any extent."""
    array = np.asarray(given)
    if array.dtype.kind not in "iu":
        raise ArgumentTypeError(
            f"{name} must be made of integers; got {given!r}. For points between the pixels: "
            "numpy.rint(points).astype(int)."
        )
    wanted = array.ndim == len(shape) and all(w in (-1, n) for w, n in zip(shape, array.shape, strict=True))
    if not wanted or not array.size:
        shown = ", ".join("m" if n == -1 else str(n) for n in shape)
        raise ShapeError(f"{name} must be an array of shape ({shown}); got shape {array.shape}.")
    if array.min() < least:
        raise ArgumentError(f"{name} must be at least {least}; got {given!r}.")
    rows = array.reshape(-1, array.shape[-1]).tolist()
    return [tuple(row) for row in rows]


def _positions(extents: _Position, at: Any, spacing: Any) -> tuple[list[_Position], _Position | None]:
    """Where kernels are drawn, and how far they are apart where that is known beforehand."""
    if at is not None:
        if spacing is not None:
            raise ArgumentError("plot() takes at or spacing, not both: at says each position by itself.")
        return _given_positions(extents, at), None
    if spacing is None:
        step = math.ceil(max(extents) / _ACROSS)
        steps = step, step
    else:
        given = (spacing, spacing) if np.ndim(spacing) == 0 else spacing
        down, right = _integers("spacing", given, (2,), least=1)[0]
        steps = down, right
    grid = itertools.product(_line(extents[0], steps[0]), _line(extents[1], steps[1]))
    return list(grid), (min(steps[0], extents[0]), min(steps[1], extents[1]))


def _line(extent: int, step: int) -> range:
    """Positions along one axis, at some distance from each other, in the middle of the image."""
    count = max(1, extent // step)
    first = (extent - 1 - step * (count - 1)) // 2
    return range(first, first + step * count, step)


def _given_positions(extents: _Position, at: Any) -> list[_Position]:
    rows = _integers("at", [at] if np.ndim(at) == 1 else at, (-1, 2), least=-max(extents))
    found: dict[_Position, None] = {}
    for y, x in rows:
        if not (-extents[0] <= y < extents[0] and -extents[1] <= x < extents[1]):
            raise ArgumentError(f"at must be positions inside the image, which has extents {extents}; got {(y, x)}.")
        found[y % extents[0], x % extents[1]] = None
    return list(found)


def _checked_zoom(zoom: Any) -> float:
    if isinstance(zoom, (bool, np.bool_)) or not isinstance(zoom, (int, float, np.integer, np.floating)):
        raise ArgumentTypeError(f"zoom must be a number; got {zoom!r}.")
    if not 0 < zoom < math.inf:
        raise ArgumentError(f"zoom must be finite and above 0; got {zoom!r}.")
    return float(zoom)


def _default_zoom(
    positions: Sequence[_Position], room: _Position | None, size: tuple[int, ...], extents: _Position
) -> float:
    """As large as the kernels of a grid can be drawn without touching each other; elsewhere half of them do not."""
    largest = max(extents) / _LARGEST / max(size)
    if room is not None:
        return min(largest, _FILLED * min(r / k for r, k in zip(room, size, strict=True)))
    if len(positions) == 1:
        return largest
    from scipy.spatial import cKDTree

    # Two kernels do not touch where they are apart along one axis.
    points = np.asarray(positions) / size
    distances = np.asarray(cKDTree(points).query(points, k=[2], p=np.inf)[0])
    return min(largest, _FILLED * float(np.median(distances)))


def _place(position: _Position, size: tuple[int, ...], zoom: float) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of a kernel: its centre, sample ``k // 2``, lies on its pixel."""
    (y, x), (height, width) = position, size
    return (
        x - zoom * (width // 2 + 0.5),
        x + zoom * (width - width // 2 - 0.5),
        y + zoom * (height - height // 2 - 0.5),
        y - zoom * (height // 2 + 0.5),
    )


def _draw(
    axes: Axes, kernels: list[Array], places: list[tuple[float, float, float, float]], common: bool, cmap: Any
) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    signed = any((kernel < 0).any() for kernel in kernels)
    colours = colormaps.get_cmap(cmap if cmap is not None else _BOTH_SIGNS if signed else _ONE_SIGN)
    colours = colours.with_extremes(bad=_NOT_A_NUMBER)
    highest = [_highest(kernel) for kernel in kernels]
    if common:
        highest = [max(highest)] * len(kernels)
    for kernel, place, most in zip(kernels, places, highest, strict=True):
        # What is next to nothing in float64 has no room in float32, in which matplotlib computes colours.
        shown = np.asarray(kernel / (most or 1.0), np.float64)
        axes.imshow(
            shown,
            extent=place,
            cmap=colours,
            norm=Normalize(-1 if signed else 0, 1),
            alpha=(kernel != 0).astype(float),
            interpolation="nearest",
        )


def _highest(kernel: Array) -> float:
    finite = abs(kernel[np.isfinite(kernel)])
    return float(finite.max(initial=0))
