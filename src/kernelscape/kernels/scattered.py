"""Kernels at scattered points, interpolated linearly in the triangles of the points.

Which triangle a pixel belongs to, and with which weights, depends on the pixel alone, never on the region that is asked
for: an image that is filtered in parts is the image that is filtered at once, bit for bit. That is why pixels are not
found by walking from triangle to triangle, whose outcome on edges depends on where the walk began.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from kernelscape.errors import ArgumentError, ShapeError
from kernelscape.expression import Shape
from kernelscape.kernels import checks
from kernelscape.kernels.dense import own_dtype
from kernelscape.kernels.field import Array, Blend, Field
from kernelscape.kernels.words import shown

FLAT = 1e-6
"""Points count as being on one line where they are within this part of their extent of it. It is above the rounding
of coordinates in float32, so that rounding does not decide what lies between points on a straight border."""

_SLACK = 1e-13  # part of the points' extent within which a pixel beside a triangle may be inside; above rounding
_BLOCK = 64  # pixels along each axis that are looked up at once


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Scattered(Field):
    """Kernels that are known at scattered points, and interpolated linearly in between; in two dimensions.

    Parameters
    ----------
    kernels : array_like
        Of shape ``(m, kh, kw)``, at least one kernel. Integers, float16, float32, float64, complex64 or complex128.
        Nothing is copied; do not change the array while the field is in use.
    points : array_like
        Of shape ``(m, 2)``: the coordinates of the points in pixels as (y, x), finite. They may lie between the pixels
        and outside of the image, in any order.

    Raises
    ------
    ArgumentError
        Points are NaN or infinite, repeated or too close to be told apart, or all on one line (three and more); the
        points are named.
    ShapeError
        The kernels are not of shape ``(m, kh, kw)``, with samples, or the points not of shape ``(m, 2)``. An image with
        another number of window axes than two is refused when the field is used with it.
    ArgumentTypeError, NotYetSupportedError
        Kernels or points are no arrays of numbers, or carry more than numbers.

    See Also
    --------
    Grid : kernels at the nodes of a grid, also in other numbers of dimensions.

    Notes
    -----
    The points are triangulated so that no circumcircle of a triangle holds another point (Delaunay [1]_, by Qhull [2]_
    as in `scipy.spatial.Delaunay`). Of four and more points on one such circle, as those of a regular grid, there are
    several triangulations; the one that counts is Qhull's. In a triangle the weights of the three kernels are the
    barycentric coordinates of the pixel.

    Outside of the convex hull of the points, the nearest point of the hull counts: the kernel is interpolated linearly
    between the two ends of the nearest edge of the hull, or is the one of the nearest corner.

    Two points are interpolated linearly along their segment, each pixel being moved to its nearest point there; a
    single point is constant.

    Weights are in [0, 1] and have the sum 1. So kernels of unit sum give kernels of unit sum everywhere, up to
    rounding. At a pixel that is one of the points there is that point's kernel exactly. A point whose weight is 0 does
    not take part; NaN in its kernel does not show.

    Where kernels depend smoothly on the position, the error in a triangle is at most ``r**2 / 2`` times the largest
    second derivative, r being the radius of its circumcircle [3]_.

    Points count as being on one line when they are within a millionth of their extent of it. On a border of the hull
    that is straight within as much, all points of it count.

    References
    ----------
    .. [1] B. Delaunay, "Sur la sphère vide", Bulletin de l'Académie des Sciences de l'URSS, Classe des sciences
       mathématiques et naturelles, 1934, pp. 793-800.
    .. [2] C. B. Barber, D. P. Dobkin and H. Huhdanpaa, "The Quickhull algorithm for convex hulls", ACM Transactions on
       Mathematical Software 22(4), 1996, pp. 469-483.
    .. [3] S. Waldron, "The error in linear interpolation at the vertices of a simplex", SIAM Journal on Numerical
       Analysis 35(3), 1998, pp. 1191-1200.

    Examples
    --------
    >>> import numpy as np
    >>> from kernelscape.kernels import Scattered
    >>> kernels = np.zeros((3, 3, 3))
    >>> kernels[0, 1, 1] = kernels[1, 1, 0] = kernels[2, 0, 1] = 1
    >>> field = Scattered(kernels, [(0, 0), (0, 8), (8, 0)])
    >>> field
    Scattered(<float64 3 points, kernels 3x3>)
    >>> field.at(2, 4)
    array([[0.  , 0.25, 0.  ],
           [0.5 , 0.25, 0.  ],
           [0.  , 0.  , 0.  ]])

    Beside the hull its nearest point counts, here (4, 4):

    >>> np.array_equal(field.at(6, 6), field.at(4, 4))
    True
    """

    kernels: Any
    points: Any
    _mesh: _Mesh | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        kernels = checks.as_numbers("kernels", self.kernels, complex_too=True)
        if kernels.ndim != 3 or 0 in kernels.shape:
            raise ShapeError(
                "kernels must be of shape (m, kh, kw), with at least one kernel of at least one sample; got an array "
                f"of shape {kernels.shape}."
            )
        points = _checked_points(self.points, len(kernels))
        object.__setattr__(self, "kernels", kernels)
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "_mesh", _mesh_of(points) if len(points) > 1 else None)

    def __repr__(self) -> str:
        count = f"{len(self.points)} point{'s' if len(self.points) > 1 else ''}"
        return f"Scattered(<{self.kernels.dtype} {count}, kernels {shown(self.kernels.shape[1:])}>)"

    @property
    def ndim(self) -> int:
        return 2

    @property
    def real(self) -> Field:
        return Scattered(self.kernels.real, self.points) if self.kernels.dtype.kind == "c" else self

    @property
    def imag(self) -> Field | None:
        return Scattered(self.kernels.imag, self.points) if self.kernels.dtype.kind == "c" else None

    def bound(self, extents: Shape) -> Blend:
        if len(extents) != 2:
            raise ShapeError(
                f"{self!r} has points in two dimensions and needs an image with two window axes; got one with extents "
                f"{tuple(extents)}. Name two of them: axes=(0, 1)."
            )
        coefficients = _constant if self._mesh is None else functools.partial(_coefficients, self._mesh)
        size = self.kernels.shape[1:]
        return Blend(size, own_dtype(self.kernels), self.kernels, coefficients, None, (len(self.points),))


# -- points ------------------------------------------------------------------------------------------------------------


def _checked_points(given: Any, count: int) -> Array:
    array = checks.as_numbers("points", given)
    if array.shape != (count, 2):
        raise ShapeError(
            f"points must be of shape ({count}, 2), a pair (y, x) for each of the kernels; got an array of shape "
            f"{array.shape}."
        )
    checks.check_values("points", array, "finite")
    points = np.array(array, np.float64)
    order = np.lexsort(points.T)
    same = np.flatnonzero((points[order[1:]] == points[order[:-1]]).all(axis=1))
    if same.size:
        first, second = sorted(int(i) for i in order[same[0] : same[0] + 2])
        raise ArgumentError(
            f"points must be different; got {_shown(points[first])} both at index {first} and at index {second}. Keep "
            "one of them, or the mean of their kernels."
        )
    return points


def _shown(point: Array) -> str:
    return str(tuple(point.tolist()))


def _on_one_line(points: Array) -> ArgumentError:
    first = ", ".join(_shown(p) for p in points[:4])
    more = f" and {len(points) - 4} more" if len(points) > 4 else ""
    return ArgumentError(
        f"points must not all lie on one line, because kernels are interpolated in the triangles between them; got "
        f"{first}{more}. Add a point beside the line, or leave two points. For kernels that depend on one coordinate "
        "use Grid, with a single node along the other axis."
    )


# -- triangles ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Mesh:
    """What lies between the points: triangles, and the border around them.

    All go round in the same direction: with l the vector along a side or an edge, and d the one from its first end to a
    pixel, ``l[0] * d[1] - l[1] * d[0]`` is positive for a pixel inside. At both ends this is 0 exactly.
    """

    points: Array
    unit: float  # of coordinates, a power of two: 1, but for points so far away that squares would overflow
    extent: float  # of the points, along their longest direction
    corners: Array  # (triangles, 3)
    base: Array  # (triangles, 3, 2): the first end of the side opposite to each corner
    along: Array  # (triangles, 3, 2)
    normal: Array  # (triangles, 3, 2): of length 1, inwards
    border: Array  # (edges, 2)


def _mesh_of(points: Array) -> _Mesh:
    unit = 2.0 ** min(0, 100 - math.frexp(float(abs(points).max()))[1])
    scaled = points * unit
    if len(points) == 2:
        none = np.zeros((0, 3, 2))
        return _Mesh(scaled, unit, 0.0, np.zeros((0, 3), np.int64), none, none, none, np.array([[0, 1]]))
    centred = scaled - scaled.mean(axis=0)
    extent, width = np.ptp(centred @ np.linalg.svd(centred, full_matrices=False)[2].T, axis=0).tolist()
    if width <= FLAT * extent:
        raise _on_one_line(points)
    corners, border = _without_flat_borders(scaled, _triangles(scaled, points), FLAT * extent)
    # What is thinner than the slack belongs to its neighbours.
    corners = corners[_sides(scaled, corners).height.min(axis=1) > _SLACK * extent]
    sides = _sides(scaled, corners)
    normal = np.stack([-sides.along[..., 1], sides.along[..., 0]], axis=-1) / sides.length[..., np.newaxis]
    return _Mesh(scaled, unit, extent, corners, sides.base, sides.along, normal, border)


def _triangles(scaled: Array, points: Array) -> Array:
    """The Delaunay triangles, of shape (triangles, 3), going round in the direction of `_Mesh`."""
    from scipy.spatial import Delaunay

    found = Delaunay(scaled)
    if len(found.coplanar):
        left, _, nearest = (int(i) for i in found.coplanar[0])
        raise ArgumentError(
            f"points must be different; got {_shown(points[left])} at index {left} and {_shown(points[nearest])} at "
            f"index {nearest}, which are too close to be told apart. Keep one of them, or the mean of their kernels."
        )
    corners = found.simplices.astype(np.int64)
    return np.where(_sides(scaled, corners).height[:, :1] < 0, corners[:, ::-1], corners)


class _Sides(NamedTuple):
    """The sides that are opposite to each corner of each triangle; of shape (triangles, 3)."""

    ends: Array  # (triangles, 3, 2)
    base: Array  # (triangles, 3, 2)
    along: Array  # (triangles, 3, 2)
    length: Array
    height: Array  # of the corner above the side; negative where the triangle goes round in the other direction


def _sides(points: Array, corners: Array) -> _Sides:
    ends = np.stack([corners[:, [1, 2, 0]], corners[:, [2, 0, 1]]], axis=-1)
    base = points[ends[..., 0]]
    along = points[ends[..., 1]] - base
    across = points[corners] - base
    area = along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]
    length = np.hypot(along[..., 0], along[..., 1])
    return _Sides(ends, base, along, length, area / length)


def _without_flat_borders(points: Array, corners: Array, least: float) -> tuple[Array, Array]:
    """Triangles without those that rounding made of points on a straight border; and the border's edges.

    Where a point of the border lies inside of it by a rounding error, a triangle without area hides it from the pixels
    outside. Such triangles are taken away, from the border inwards, but never the last one of a point.
    """
    while True:
        sides = _sides(points, corners)
        low, high = sides.ends.min(axis=-1), sides.ends.max(axis=-1)
        _, where, counts = np.unique(low * len(points) + high, return_inverse=True, return_counts=True)
        outer = (counts == 1)[where].reshape(corners.shape)
        longest = sides.length == sides.length.max(axis=1, keepdims=True)
        flat = (outer & longest & (sides.height <= least)).any(axis=1)
        remaining = np.bincount(corners[~flat].ravel(), minlength=len(points)) > 0
        flat &= remaining[corners].all(axis=1)
        if not flat.any():
            return corners, sides.ends[outer]
        corners = corners[~flat]


# -- coefficients ------------------------------------------------------------------------------------------------------


def _constant(region: tuple[slice, ...]) -> tuple[Array, Array]:
    shape = (*(s.stop - s.start for s in region), 1)
    return np.zeros(shape, np.int64), np.ones(shape)


def _coefficients(mesh: _Mesh, region: tuple[slice, ...]) -> tuple[Array, Array]:
    """See `Blend.coefficients`."""
    terms = min(3, len(mesh.points))
    shape = (*(s.stop - s.start for s in region), terms)
    indices, weights = np.empty(shape, np.int64), np.empty(shape)
    for part in itertools.product(*(range(0, n, _BLOCK) for n in shape[:2])):
        block = tuple(slice(i, min(i + _BLOCK, n)) for i, n in zip(part, shape[:2], strict=True))
        lines = [np.arange(b.start + s.start, b.stop + s.start) * mesh.unit for b, s in zip(block, region, strict=True)]
        found = _in_block(mesh, lines[0], lines[1])
        indices[block], weights[block] = (a[..., :terms] for a in found)
    return indices, weights


def _in_block(mesh: _Mesh, ys: Array, xs: Array) -> tuple[Array, Array]:
    """Indices and weights of shape (ys, xs, 3)."""
    owner = _owners(mesh, ys, xs)
    y, x = (np.broadcast_to(a, owner.shape) for a in (ys[:, np.newaxis], xs))
    indices, weights = np.empty((*owner.shape, 3), np.int64), np.empty((*owner.shape, 3))
    inside = owner >= 0
    outside = ~inside
    if inside.any():
        indices[inside], weights[inside] = _in_triangles(mesh, owner[inside], y[inside], x[inside])
    if outside.any():
        indices[outside], weights[outside] = _on_border(mesh, y[outside], x[outside])
    return indices, weights


def _owners(mesh: _Mesh, ys: Array, xs: Array) -> Array:
    """The triangle in which each pixel lies deepest, the first of equals; -1 for pixels outside of all.

    Deepest, and not the first that holds the pixel: on a side, rounding may put it outside of both triangles.
    """
    owner = np.full((len(ys), len(xs)), -1)
    deepest = np.full(owner.shape, -_SLACK * mesh.extent)
    (by, bx), (ny, nx) = (np.moveaxis(a, -1, 0)[..., np.newaxis] for a in (mesh.base, mesh.normal))
    # The distance from a side grows with y or falls, and with x, rounded too: a block's largest is at its corners.
    largest = (ny * (ys[[0, -1]] - by)).max(axis=-1) + (nx * (xs[[0, -1]] - bx)).max(axis=-1)
    for triangle in np.flatnonzero((largest > -_SLACK * mesh.extent).all(axis=1)):
        down = ny[triangle] * (ys - by[triangle])
        right = nx[triangle] * (xs - bx[triangle])
        depth = functools.reduce(np.minimum, down[:, :, np.newaxis] + right[:, np.newaxis, :])
        deeper = depth > deepest
        owner[deeper] = triangle
        np.maximum(depth, deepest, out=deepest)
    return owner


def _in_triangles(mesh: _Mesh, owner: Array, y: Array, x: Array) -> tuple[Array, Array]:
    """Barycentric coordinates: areas of the triangles between a side and the pixel, over their sum."""
    areas = np.empty((len(owner), 3))
    for side in range(3):
        (by, bx), (ly, lx) = mesh.base[:, side].T[:, owner], mesh.along[:, side].T[:, owner]
        areas[:, side] = ly * (x - bx) - lx * (y - by)
    np.maximum(areas, 0.0, out=areas)  # a pixel on a side, but for rounding
    return mesh.corners[owner], areas / areas.sum(axis=1, keepdims=True)


def _on_border(mesh: _Mesh, y: Array, x: Array) -> tuple[Array, Array]:
    """The ends of the nearest edge of the border, and the weights of its point that is nearest to each pixel.

    Where a pixel is in front of an edge, that edge is the nearest, and distances are not asked: those of two edges that
    meet at an obtuse angle are the same in floating point long before the pixel is in front of the other.
    """
    edges = mesh.border[_edges_nearby(mesh, y, x)]
    nearest, place = np.full(len(y), np.inf), np.zeros(len(y))
    chosen, settled = np.zeros(len(y), np.int64), np.zeros(len(y), bool)
    for edge, (first, second) in enumerate(mesh.points[edges]):
        distance, t, in_front = _to_edge(first, second, y, x)
        nearer = np.where(in_front == settled, distance < nearest, in_front)
        chosen[nearer], place[nearer], nearest[nearer] = edge, t[nearer], distance[nearer]
        settled |= in_front
    return edges[chosen][:, [0, 1, 0]], np.stack([1 - place, place, np.zeros_like(place)], axis=-1)


def _edges_nearby(mesh: _Mesh, y: Array, x: Array) -> Array:
    """Edges that may be the nearest to one of the pixels, in order; all that might be confused among them."""
    ends = mesh.points[mesh.border]
    centre = [(float(a.min()) + float(a.max())) / 2 for a in (y, x)]
    radius = math.hypot(float(np.ptp(y)), float(np.ptp(x))) / 2
    distances = np.sqrt(_to_edge(ends[:, 0].T, ends[:, 1].T, *centre)[0])
    # The border is convex but for what was flat.
    return np.flatnonzero(distances <= (distances.min() + 2 * radius) * (1 + 1e-9) + 4 * FLAT * mesh.extent)


def _to_edge(first: Array, second: Array, y: Any, x: Any) -> tuple[Array, Array, Array]:
    """Of pixels and an edge, or a pixel and edges: the distance, where the nearest point of the edge is, and in front.

    The distance is squared; the place goes from 0 at the first end to 1 at the second; in front of an edge is who is
    outside and not beyond its ends.
    """
    ly, lx = second[0] - first[0], second[1] - first[1]
    dy, dx = y - first[0], x - first[1]
    t = (dy * ly + dx * lx) / (ly * ly + lx * lx)
    in_front = (t > 0) & (t < 1) & (ly * dx - lx * dy < 0)
    t = np.clip(t, 0.0, 1.0)
    return (dy - t * ly) ** 2 + (dx - t * lx) ** 2, t, in_front
