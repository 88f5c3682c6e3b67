"""Kernels at the nodes of a rectilinear grid, and what lies between them.

Interpolation is a product over the axes. So everything follows from one small table for each axis, which says for each
coordinate which nodes take part and with which weights; a node that does not take part has the weight 0, exactly.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError, unknown_name
from kernelscape.expression import Shape
from kernelscape.kernels import checks
from kernelscape.kernels.dense import own_dtype
from kernelscape.kernels.field import Array, Blend, Field
from kernelscape.kernels.words import shown

METHODS = ("nearest", "linear", "cubic")

AxisTable: TypeAlias = tuple[Array, Array]
"""Indices of nodes along one axis, and their weights: int64 and float64, of shape ``(extent, terms)``."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Grid(Field):
    """Kernels that are known at the nodes of a grid, and interpolated in between.

    Parameters
    ----------
    kernels : array_like
        Of shape ``nodes + size``: first the number of nodes along each window axis, then as many axes of the window;
        ``(gy, gx, kh, kw)`` for images of two dimensions. Integers, float16, float32, float64, complex64 or complex128.
    positions : sequence of array_like
        For each window axis the coordinates of the nodes in pixels, as ``(ys, xs)``: one-dimensional, finite and
        strictly increasing, at any distances. They may lie between the pixels and outside of the image. For kernels
        along one axis the array alone will do.
    method : {"linear", "nearest", "cubic"}
        How kernels follow from those at the nodes; see Notes. The same along all axes.

    Raises
    ------
    ArgumentError
        Positions are NaN or infinite, or do not increase; the axis and the first such place are named.
    ShapeError
        The counts of positions are not those of the nodes; the kernels have an odd number of axes, or one of extent 0.
        An image with another number of window axes is refused when the field is used with it.
    UnknownNameError
        There is no such method.
    ArgumentTypeError, NotYetSupportedError
        Kernels or positions are no arrays of numbers, or carry more than numbers.

    See Also
    --------
    Scattered : kernels at points that do not form a grid.

    Notes
    -----
    Outside of the nodes each axis is held constant: the nearest position on the border of the grid counts. An axis with
    a single node is constant.

    ``"nearest"`` takes the nearest node along each axis; half way between two of them the lower one.

    ``"linear"`` is the product of linear interpolations along the axes: bilinear, trilinear. All weights are in
    [0, 1]. Where kernels depend smoothly on the position, the error is at most ``h**2 / 8`` times the largest second
    derivative along an axis, summed over the axes, h being the distance of the nodes.

    ``"cubic"`` is the product of cubic Hermite interpolations; the derivative at a node is the difference of its two
    neighbours' kernels divided by the neighbours' distance [1]_, and one-sided at the first and the last node. For
    nodes at equal distances the error is of the order ``h**3`` away from the ends of the grid [2]_, elsewhere
    ``h**2``. Weights of nodes may be negative, and so kernels without negative samples may get some.

    The weights of the nodes have the sum 1 with each method. So kernels of unit sum give kernels of unit sum
    everywhere, up to rounding.

    A node whose weight is 0 does not take part; NaN in its kernel does not show. Nothing is copied, except kernels
    whose nodes do not lie one behind the other in memory, on use; do not change the array while the field is in use.

    References
    ----------
    .. [1] E. Catmull and R. Rom, "A class of local interpolating splines", in Computer Aided Geometric Design,
       Academic Press, 1974, pp. 317-326.
    .. [2] R. G. Keys, "Cubic convolution interpolation for digital image processing", IEEE Transactions on Acoustics,
       Speech, and Signal Processing 29(6), 1981, pp. 1153-1160.

    Examples
    --------
    >>> import numpy as np
    >>> from kernelscape.kernels import Grid
    >>> sharp, wide = np.array([0, 1, 0]), np.array([0.25, 0.5, 0.25])
    >>> line = Grid([sharp, wide], [10, 20])
    >>> line.at(15)
    array([0.125, 0.75 , 0.125])
    >>> line.at(3)
    array([0., 1., 0.])

    >>> kernels = np.random.default_rng(0).random((3, 4, 9, 9))
    >>> Grid(kernels, (np.linspace(0, 511, 3), np.linspace(0, 767, 4)), method="cubic")
    Grid(<float64 3x4 nodes, kernels 9x9>, method='cubic')
    """

    kernels: Any
    positions: Any
    method: str = "linear"

    def __post_init__(self) -> None:
        kernels = checks.as_numbers("kernels", self.kernels, complex_too=True)
        if kernels.ndim % 2 or not kernels.ndim:
            raise ShapeError(
                "kernels must have an axis of the window for each axis of the grid, as (gy, gx, kh, kw); got an array "
                f"of shape {kernels.shape}."
            )
        if 0 in kernels.shape:
            raise ShapeError(
                "kernels must have at least one node along each axis, and windows of at least one sample; got an array "
                f"of shape {kernels.shape}."
            )
        if self.method not in METHODS:
            raise unknown_name("method", self.method, METHODS)
        object.__setattr__(self, "kernels", kernels)
        object.__setattr__(self, "positions", _checked_positions(self.positions, self.nodes))

    def __repr__(self) -> str:
        size = self.kernels.shape[len(self.nodes) :]
        words = f"<{self.kernels.dtype} {shown(self.nodes)} nodes, kernels {shown(size)}>"
        return f"Grid({words})" if self.method == "linear" else f"Grid({words}, method={self.method!r})"

    @property
    def nodes(self) -> Shape:
        """Number of nodes along each axis."""
        shape: Shape = self.kernels.shape
        return shape[: len(shape) // 2]

    @property
    def ndim(self) -> int:
        return len(self.nodes)

    @property
    def real(self) -> Field:
        return Grid(self.kernels.real, self.positions, self.method) if self.kernels.dtype.kind == "c" else self

    @property
    def imag(self) -> Field | None:
        return Grid(self.kernels.imag, self.positions, self.method) if self.kernels.dtype.kind == "c" else None

    def bound(self, extents: Shape) -> Blend:
        nodes = self.nodes
        if len(extents) != len(nodes):
            raise ShapeError(
                f"{self!r} has nodes along {len(nodes)} axes and needs an image with as many window axes; got one with "
                f"extents {tuple(extents)}. Name the axes: axes=."
            )
        axes = tuple(axis_table(n, x, self.method) for n, x in zip(extents, self.positions, strict=True))
        size = self.kernels.shape[len(nodes) :]
        return Blend(
            size,
            own_dtype(self.kernels),
            self.kernels.reshape(math.prod(nodes), *size),
            functools.partial(_coefficients, axes, nodes),
            axes,
            nodes,
        )


# -- positions ---------------------------------------------------------------------------------------------------------


def _checked_positions(given: Any, nodes: Shape) -> tuple[Array, ...]:
    """The positions along each axis, in float64."""
    if len(nodes) == 1 and _is_line(given):
        given = (given,)
    if not isinstance(given, (tuple, list, np.ndarray)) or (isinstance(given, np.ndarray) and not given.ndim):
        raise ArgumentTypeError(
            f"positions must be a sequence of arrays, one for each axis, as (ys, xs); got {given!r}."
        )
    if len(nodes) > 1 and len(given) > 0 and _is_line(given):
        raise ShapeError(
            f"positions[0] must be one-dimensional, as positions are one array for each of the {len(nodes)} axes of "
            f"the grid, (ys, xs); got a single line of {len(given)} numbers, each of shape (). Where the positions "
            f"along all axes are these: (line,) * {len(nodes)}."
        )
    if len(given) != len(nodes):
        raise ShapeError(
            f"positions must be one array for each of the {len(nodes)} axes of the grid, as (ys, xs); got {len(given)} "
            f"for kernels with {shown(nodes)} nodes."
        )
    return tuple(
        _checked_line(f"positions[{axis}]", x, n) for axis, (x, n) in enumerate(zip(given, nodes, strict=True))
    )


def _is_line(given: Any) -> bool:
    """Whether these are the positions themselves, not a sequence of arrays of them."""
    if isinstance(given, np.ndarray):
        return given.ndim == 1
    return isinstance(given, (tuple, list)) and not any(
        isinstance(x, (tuple, list)) or getattr(x, "ndim", 0) for x in given
    )


def _checked_line(name: str, given: Any, count: int) -> Array:
    array = checks.as_numbers(name, given)
    if array.ndim != 1 or len(array) != count:
        raise ShapeError(
            f"{name} must be one-dimensional and have a position for each of the {count} nodes that the kernels have "
            f"along this axis; got an array of shape {array.shape}."
        )
    checks.check_values(name, array, "finite")
    line = np.array(array, np.float64)
    stays = np.flatnonzero(line[1:] <= line[:-1])
    if stays.size:
        place = int(stays[0])
        raise ArgumentError(
            f"{name} must increase from node to node; got {line[place + 1].item()!r} at index {place + 1}, after "
            f"{line[place].item()!r}. Sort positions and kernels alike: order = numpy.argsort(positions[axis]), "
            "kernels = numpy.take(kernels, order, axis)."
        )
    return line


# -- interpolation -----------------------------------------------------------------------------------------------------


def axis_table(extent: int, nodes: Array, method: str) -> AxisTable:
    """For each coordinate 0, .., extent - 1 which nodes take part, and with which weights.

    Indices of one coordinate are different and ascending. There are as many terms as the method has (one, two or
    four), or as there are nodes.
    """
    # Whoever is outside of the nodes is at the border, where the weights below are 0 and 1 exactly.
    places = np.arange(extent, dtype=np.float64).clip(nodes[0], nodes[-1])
    if len(nodes) == 1:
        return np.zeros((extent, 1), np.int64), np.ones((extent, 1))
    if not math.isfinite(float(nodes[-1]) - float(nodes[0])):
        nodes, places = nodes / 2, places / 2  # differences are finite then, and their ratios the same
    cells = (np.searchsorted(nodes, places, side="right") - 1).clip(0, len(nodes) - 2).astype(np.int64)
    low, high = nodes[cells], nodes[cells + 1]
    if method == "nearest":
        return (cells + (places - low > high - places))[:, np.newaxis], np.ones((extent, 1))
    t = (places - low) / (high - low)
    if method == "linear":
        return cells[:, np.newaxis] + np.arange(2), np.stack([1 - t, t], axis=-1)
    return _cubic(cells, t, nodes)


def _cubic(cells: Array, t: Array, nodes: Array) -> AxisTable:
    """Cubic Hermite interpolation between the nodes of a cell, tangents written as differences of kernels."""
    extent, count = len(t), len(nodes)
    terms = min(4, count)
    first = (cells - 1).clip(0, count - terms)
    weights = np.zeros((extent, terms))

    def add(node: Array, share: Array) -> None:
        weights[np.arange(extent), node - first] += share

    add(cells, (1 + 2 * t) * (1 - t) ** 2)
    add(cells + 1, t**2 * (3 - 2 * t))
    for node, share in ((cells, t * (1 - t) ** 2), (cells + 1, t**2 * (t - 1))):
        before, after = (node - 1).clip(0), (node + 1).clip(max=count - 1)
        slope = share * ((nodes[cells + 1] - nodes[cells]) / (nodes[after] - nodes[before]))
        add(after, slope)
        add(before, -slope)
    return first[:, np.newaxis] + np.arange(terms), weights


def _coefficients(axes: tuple[AxisTable, ...], nodes: Shape, region: tuple[slice, ...]) -> tuple[Array, Array]:
    """See `Blend.coefficients`: the products of the axes' tables, terms in C order."""
    ndim = len(axes)
    indices: Any = np.zeros((1,) * (2 * ndim), np.int64)
    weights: Any = np.ones((1,) * (2 * ndim))
    for axis, (index, weight) in enumerate(axes):
        # Axes of positions before axes of terms.
        shape = [1] * (2 * ndim)
        shape[axis], shape[ndim + axis] = weight[region[axis]].shape
        indices = indices * nodes[axis] + index[region[axis]].reshape(shape)
        weights = weights * weight[region[axis]].reshape(shape)
    shape = [*weights.shape[:ndim], math.prod(weights.shape[ndim:])]
    return indices.reshape(shape), weights.reshape(shape)
