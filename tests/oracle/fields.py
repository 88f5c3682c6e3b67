"""Kernel fields from their definitions, slowly: every kernel written out, every sample looked up, in float64.

It shares nothing with the library. A field on an image is an array *extents + size*, the kernel of each pixel, which
the functions `dense_of_...` write out. Where a pixel's own window is smaller than the field's, `window_of_...` says
which samples take part; the others are not looked at. `gather` and `scatter` are the two forms:

=================  =============================================
gather, correlate  ``y[p] = sum of conj(K[p][i]) x[p + d i]``
gather, convolve   ``y[p] = sum of K[p][i] x[p - d i]``
scatter, convolve  ``y[p + d i] += K[p][i] x[p]``
scatter, correlate ``y[p - d i] += conj(K[p][i]) x[p]``
=================  =============================================

with i counted from ``size // 2 + origin``. A position outside the array is what the mode shows there: gathered from, or
folded back onto. Under `constant` and `shrink` nothing is there to fold onto.

`where` says which samples count, read through the mode; what `constant` shows outside counts. Of a gather, `min_count`
is about the samples of the whole window and `min_weight` about the weights of the pixel's own; of a scatter both are
about what arrives at an output, counted once for each sample of a kernel.

Not defined, and refused: outputs of a scatter outside of the array, and unit sums of weights that sum to nothing.
"""

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np

from tests.oracle.brute_force import element_at

# -- the two forms -----------------------------------------------------------------------------------------------------


def products(x, kernels, mode="reflect", *, cval=0.0, own=None, where=None, convolve=False, **geometry):
    """Give (weight, sample, takes part) of each tap, where the kernel belongs to the output.

    The kernels' extents are the last axes of `x`; `own` says which samples take part, and has the kernels' shape. Each
    of the three broadcasts to the outputs.
    """
    for weight, sample, inside, counts in _taps(x, kernels, mode, cval, own, where, convolve=convolve, **geometry):
        yield weight, sample, inside & counts


def _taps(x, kernels, mode, cval, own, where, **geometry):
    """(weight, sample, whether it is in the pixel's own window, whether it counts) of each tap."""
    axes = _axes(kernels, mode, **geometry)
    edge = np.ix_(*(np.clip(a.anchors, 0, a.extent - 1) for a in axes))
    kernels, own = kernels[edge], None if own is None else own[edge]
    for tap in np.ndindex(*kernels.shape[len(axes) :]):
        index, padded, missing = _look_up(axes, tap)
        counts = ~missing if where is None else ~missing & (padded | where[(..., *index)])
        inside = np.ones((), bool) if own is None else own[(..., *tap)]
        yield kernels[(..., *tap)], np.where(padded, cval, x[(..., *index)]), inside, counts


def gather(
    x, kernels, mode="reflect", *, cval=0.0, own=None, where=None, normalize=False, min_weight=0.0, min_count=1,
    convolve=False, **geometry,
):  # fmt: skip
    """Sums of products where the kernel belongs to the output; NaN where it is invalid."""
    x, kernels = _wide(x), _wide(kernels)
    kernels = kernels if convolve else kernels.conj()
    total, samples, taken, lost = 0, 0, 0, 0
    there, full = _Share(), _Share()
    with np.errstate(invalid="ignore", over="ignore"):
        for weight, sample, inside, counts in _taps(x, kernels, mode, cval, own, where, convolve=convolve, **geometry):
            total = total + np.where(inside & counts, weight * sample, 0)
            there.add(weight, inside & counts)
            full.add(weight, inside)
            taken, lost, samples = taken + (inside & counts), lost + (inside & ~counts), samples + counts
        enough = (taken > 0) & (samples >= min_count) & there.is_enough(full, min_weight)
        if normalize is True:
            total, enough = total / there.divisor, enough & ~there.is_noise
        elif normalize == "valid":
            whole = lost == 0
            total = np.where(whole, total, total * (full.total / there.divisor))
            enough = enough & (whole | ~there.is_noise & ~full.is_noise)
    return np.where(enough, total, np.nan)


class _Share:
    """A sum of weights, and that of their magnitudes."""

    def __init__(self):
        self.total = self.magnitude = 0

    def add(self, weight, counts):
        self.total = self.total + np.where(counts, weight, 0)
        self.magnitude = self.magnitude + np.where(counts, abs(weight), 0)

    @property
    def is_noise(self):
        return _is_noise(self.total, self.magnitude)

    @property
    def divisor(self):
        """A sum of weights that is rounding noise says nothing."""
        return np.where(self.is_noise, 1, self.total)

    def is_enough(self, full, fraction):
        return ~(self.magnitude < (fraction - 16 * np.finfo(np.float64).eps) * full.magnitude)


def scatter(
    x, kernels, mode="reflect", *, normalize=False, convolve=False, own=None, where=None, min_weight=0.0, min_count=1,
    **geometry,
):  # fmt: skip
    """Sums of what the sources send, where the kernel belongs to the source: the Hermitian adjoint of a gather.

    A convolution is the adjoint of a gathered correlation, and the other way round. Where sources are missing, or more
    than one is asked for, NaN stands where too few arrive, or with too little weight.
    """
    x, kernels = _wide(x), _wide(kernels)
    kernels = kernels if convolve else kernels.conj()
    axes = _axes(kernels, mode, convolve=convolve, **geometry)
    extents = tuple(a.extent for a in axes)
    sources = [_Axis(a.extent, a.mode, np.arange(a.extent), -a.offsets) for a in axes]
    if normalize:
        kernels = _with_unit_sums(kernels, sources, own, normalize)
    batch = x.shape[: x.ndim - len(axes)]
    y = np.zeros((*batch, math.prod(extents)), np.result_type(x, kernels))
    count, there, full = (np.zeros(y.shape) for _ in range(3))
    numbers = np.arange(math.prod(extents)).reshape(extents)
    present = np.broadcast_to(True if where is None else where, x.shape)
    with np.errstate(invalid="ignore", over="ignore"):
        for tap in np.ndindex(*kernels.shape[len(axes) :]):
            index, padded, missing = _look_up(sources, tap)
            lands = ~(padded | missing)
            lands = lands if own is None else lands & own[(..., *tap)]
            weight = kernels[(..., *tap)]
            for found, sent in (
                (y, np.where(present, weight * x, 0)),
                (count, np.where(present, 1, 0)),
                (there, np.where(present, abs(weight), 0)),
                (full, np.broadcast_to(abs(weight), x.shape)),
            ):
                np.add.at(found, (..., numbers[index][lands]), sent[..., lands])
        if where is not None or min_count > 1:
            enough = (count >= min_count) & ~(there < (min_weight - 16 * np.finfo(np.float64).eps) * full)
            y = np.where(enough, y, np.nan)
    y = y.reshape(*batch, *extents)
    for a in axes:
        if ((a.anchors < 0) | (a.anchors >= a.extent)).any():
            raise ValueError("what a scatter gives outside of the array is not defined")
    return y[(..., *np.ix_(*(a.anchors for a in axes)))]


def _wide(array):
    return np.asarray(array, np.complex128 if np.iscomplexobj(array) else np.float64)


def _is_noise(share, magnitude):
    return abs(share) <= 16 * np.finfo(np.float64).eps * magnitude


def _with_unit_sums(kernels, sources, own, normalize):
    """Each source's kernel over the sum of its weights that a gather at this place would find.

    With ``normalize="valid"`` rescaled, so that these have the sum of all.
    """
    there, full, lost = _Share(), _Share(), 0
    for tap in np.ndindex(*kernels.shape[len(sources) :]):
        missing = _look_up(sources, tap)[2]
        inside = np.ones(missing.shape, bool) if own is None else own[(..., *tap)]
        there.add(kernels[(..., *tap)], inside & ~missing)
        full.add(kernels[(..., *tap)], inside)
        lost = lost + (inside & missing)
    share = np.where(there.magnitude == 0, 1, there.total)  # nothing of this source is there to be sent
    if (_is_noise(share, there.magnitude) & ((lost > 0) | (normalize is True))).any():
        raise ValueError("what sources send whose weights sum to nothing is not defined")
    factor = 1 / share if normalize is True else np.where(lost == 0, 1, full.total / share)
    return kernels * factor[(..., *(None,) * len(sources))]


# -- geometry ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Axis:
    """Anchors of the outputs, and offsets of the taps from them."""

    extent: int
    mode: str
    anchors: np.ndarray
    offsets: np.ndarray

    @property
    def table(self):
        """For each anchor and tap the index of an element, -1 where there is none."""
        return _table(self.mode, self.extent, tuple(self.anchors.tolist()), tuple(self.offsets.tolist()))


@functools.lru_cache(4096)
def _table(mode, extent, anchors, offsets):
    found = [[element_at(mode, anchor + offset, extent) for offset in offsets] for anchor in anchors]
    rows = [[-1 if index is None else index for index in row] for row in found]
    return np.array(rows, int).reshape(len(anchors), len(offsets))


def _axes(kernels, mode, *, convolve=False, origin=0, stride=1, dilation=1, padding="same"):
    ndim = kernels.ndim // 2
    if isinstance(padding, tuple) and all(isinstance(p, int) for p in padding):
        padding = [padding] * ndim  # (before, after) of every axis
    words = [_per_axis(word, ndim) for word in (mode, origin, stride, dilation, padding)]
    made = []
    for extent, size, m, o, s, d, p in zip(kernels.shape[:ndim], kernels.shape[ndim:], *words, strict=True):
        offsets = d * (np.arange(size) - (size // 2 + o))
        made.append(_axis(extent, m, -offsets if convolve else offsets, s, p))
    return made


def _axis(extent, mode, offsets, stride, padding):
    """The anchors follow from how far the windows may reach out of the array: (before, after)."""
    low, high = int(offsets.min()), int(offsets.max())
    if padding == "same":
        anchors = np.arange(0, extent, stride)
    else:
        words = {"valid": (0, 0), "full": (high - low,) * 2}
        before, after = words[padding] if isinstance(padding, str) else padding
        anchors = np.arange(-before - low, extent + after - high, stride)
    return _Axis(extent, mode, anchors, offsets)


def _per_axis(word, ndim):
    return tuple(word) if isinstance(word, tuple | list) else (word,) * ndim


def _look_up(axes, tap):
    """Index of the samples of a tap, which of them are padding, and which do not exist at all."""
    index = np.ix_(*(a.table[:, t] for a, t in zip(axes, tap, strict=True)))
    shape = np.broadcast_shapes(*(i.shape for i in index))
    padded, missing = np.zeros(shape, bool), np.zeros(shape, bool)
    for a, i in zip(axes, index, strict=True):
        padded |= i < 0
        missing |= (i < 0) & (a.mode == "shrink")
    return tuple(i.clip(0) for i in index), padded & ~missing, missing


# -- kernels written out -----------------------------------------------------------------------------------------------


def everywhere(kernel, extents):
    """The same kernel at every pixel."""
    kernel = np.asarray(kernel)
    return np.broadcast_to(kernel, (*extents, *kernel.shape))


def dense_of_dense(kernels):
    return np.array(kernels, np.complex128 if np.iscomplexobj(kernels) else np.float64)


def dense_of_separable(*factors):
    """Products of one line of weights per axis, each of shape extents + (size,)."""
    ndim = len(factors)
    product = 1.0
    for axis, factor in enumerate(factors):
        lines = dense_of_dense(factor)
        product = product * lines.reshape(
            *lines.shape[:ndim], *(lines.shape[-1] if a == axis else 1 for a in range(ndim))
        )
    return product


def offsets_of(size):
    """The offsets from the middle, an array of shape `size` for each axis."""
    return np.meshgrid(*(np.arange(k) - k // 2 for k in size), indexing="ij")


def _map(number, extents):
    """A number or map, with an axis for each axis of a kernel."""
    return np.broadcast_to(np.asarray(number, np.float64), extents)[(..., *(None,) * len(extents))]


def _within(radii, size, extents):
    """For a radius map per axis: the samples no farther than that along any axis, and the size that they take up."""
    radii = [np.broadcast_to(r, extents).astype(int) for r in radii]
    size = tuple(2 * int(r.max()) + 1 for r in radii) if size is None else size
    own = np.ones((*extents, *size), bool)
    for d, r in zip(offsets_of(size), radii, strict=True):
        own &= abs(d) <= _map(r, extents)
    return own


def _size(size, ndim):
    return (size,) * ndim if isinstance(size, int) else tuple(size)


def window_of_gaussian(extents, sigma, sigma2=None, angle=None, *, size=None, truncate=4.0):
    """Without a size: samples no farther than `truncate` standard deviations along the axis."""
    if size is not None:
        return np.ones((*extents, *_size(size, len(extents))), bool)
    first = np.broadcast_to(np.asarray(sigma, np.float64), extents)
    if sigma2 is None:
        spreads = [first] * len(extents)
    else:
        second, turn = np.asarray(sigma2, np.float64), np.asarray(0.0 if angle is None else angle, np.float64)
        along_y = np.sqrt((first * np.cos(turn)) ** 2 + (second * np.sin(turn)) ** 2)
        along_x = np.sqrt((first * np.sin(turn)) ** 2 + (second * np.cos(turn)) ** 2)
        spreads = [first, np.broadcast_to(second, extents)] if angle is None else [along_y, along_x]
    return _within([np.floor(truncate * s + 0.5) for s in spreads], None, extents)


def exponent_of_gaussian(extents, size, sigma, sigma2=None, angle=None):
    """Half of the squared distance in standard deviations; along an axis of no width all but the centre is inf."""
    offsets = offsets_of(size)
    if sigma2 is None:
        terms = [(d, _map(sigma, extents)) for d in offsets]
    else:
        turn = _map(0.0 if angle is None else angle, extents)
        dy, dx = offsets
        along = dy * np.cos(turn) + dx * np.sin(turn)
        across = dx * np.cos(turn) - dy * np.sin(turn)
        terms = [(along, _map(sigma, extents)), (across, _map(sigma2, extents))]
    total = 0.0
    for distance, spread in terms:
        none = np.where(distance == 0, 0.0, np.inf)
        total = total + np.where(spread > 0, (distance / np.where(spread > 0, spread, 1)) ** 2 / 2, none)
    return total


def dense_of_gaussian(extents, sigma, sigma2=None, angle=None, *, size=None, truncate=4.0, normalize=True):
    own = window_of_gaussian(extents, sigma, sigma2, angle, size=size, truncate=truncate)
    weights = np.where(own, np.exp(-exponent_of_gaussian(extents, own.shape[len(extents) :], sigma, sigma2, angle)), 0)
    return _unit_sums(weights, len(extents)) if normalize else weights


def _unit_sums(weights, ndim):
    return weights / weights.sum(axis=tuple(range(ndim, 2 * ndim)), keepdims=True)


def window_of_disc(extents, radius, *, size=None):
    """Without a size: samples within the radius, and half a sample more for the edge."""
    if size is not None:
        return np.ones((*extents, *_size(size, len(extents))), bool)
    reach = np.maximum(np.ceil(np.asarray(radius, np.float64) - 0.5), 0)
    return _within([reach] * len(extents), None, extents)


def dense_of_disc(extents, radius, *, size=None):
    own = window_of_disc(extents, radius, size=size)
    distance = np.sqrt(sum(d.astype(float) ** 2 for d in offsets_of(own.shape[len(extents) :])))
    return _unit_sums(np.where(own, np.clip(_map(radius, extents) + 0.5 - distance, 0, 1), 0), len(extents))


@dataclass(frozen=True)
class Coordinate:
    """An argument of a formula: the pixel's coordinate along an axis."""

    axis: int


def dense_of_formula(extents, function, size, *arguments):
    """The function called for each pixel, with the offsets and the numbers that the arguments are at the pixel."""
    size = _size(size, len(extents))
    offsets = [d.astype(np.float64) for d in offsets_of(size)]
    made = np.zeros((*extents, *size))
    for p in np.ndindex(*extents):
        values = [
            p[a.axis] if isinstance(a, Coordinate) else np.broadcast_to(a, extents)[p].astype(np.float64)
            for a in arguments
        ]
        made[p] = function(*offsets, *values)
    return made


# -- kernels between kernels -------------------------------------------------------------------------------------------


def dense_of_grid(extents, kernels, positions, method="linear"):
    """Tensor-product interpolation of kernels of shape nodes + size, held constant outside of the nodes."""
    kernels = dense_of_dense(kernels)
    return blended(grid_coefficients(extents, positions, method), kernels.reshape(-1, *kernels.shape[len(extents) :]))


def grid_coefficients(extents, positions, method):
    """Of shape extents + (all nodes in C order,)."""
    coefficients, ndim = np.ones(()), len(extents)
    for axis, (extent, nodes) in enumerate(zip(extents, positions, strict=True)):
        line = line_coefficients(extent, nodes, method)
        shape = [1] * (2 * ndim)
        shape[axis], shape[ndim + axis] = line.shape
        coefficients = coefficients * line.reshape(shape)
    return coefficients.reshape(*extents, -1)


def blended(coefficients, kernels):
    """Sums of coefficient times kernel, for coefficients of shape extents + (kernels,).

    A kernel whose coefficient is 0 does not take part, whatever it holds.
    """
    spread = (..., *(None,) * (kernels.ndim - 1))
    total = np.zeros((*coefficients.shape[:-1], *kernels.shape[1:]), kernels.dtype)
    for n, kernel in enumerate(kernels):
        share = coefficients[..., n][spread]
        with np.errstate(invalid="ignore"):
            total = total + np.where(share != 0, share * kernel, 0)
    return total


def line_coefficients(extent, nodes, method):
    """For each coordinate 0, .., extent - 1 the coefficients of the nodes; held constant outside."""
    nodes = [float(x) for x in nodes]
    made = np.zeros((extent, len(nodes)))
    for p in range(extent):
        if p <= nodes[0]:
            made[p, 0] = 1
        elif p >= nodes[-1]:
            made[p, -1] = 1
        else:
            j = max(j for j, x in enumerate(nodes) if x <= p)
            for node, share in _between(nodes, j, p, method):
                made[p, node] += share
    return made


def _between(nodes, j, p, method):
    width = nodes[j + 1] - nodes[j]
    t = (p - nodes[j]) / width
    if method == "nearest":
        return [(j, 1.0) if p - nodes[j] <= nodes[j + 1] - p else (j + 1, 1.0)]
    if method == "linear":
        return [(j, 1 - t), (j + 1, t)]
    values = [(j, (1 + 2 * t) * (1 - t) ** 2), (j + 1, t**2 * (3 - 2 * t))]
    slopes = [(j, width * t * (1 - t) ** 2), (j + 1, width * t**2 * (t - 1))]
    return values + [(node, share * part) for at, share in slopes for node, part in _tangent(nodes, at)]


def _tangent(nodes, at):
    """A finite difference as (node, coefficient): central inside, one-sided at the ends."""
    low, high = max(at - 1, 0), min(at + 1, len(nodes) - 1)
    return [(high, 1 / (nodes[high] - nodes[low])), (low, -1 / (nodes[high] - nodes[low]))]


def dense_of_scattered(extents, kernels, points):
    return blended(barycentric(extents, points), dense_of_dense(kernels))


def barycentric(extents, points):
    """Coefficients of the points at each pixel of a plane: in its Delaunay triangle, or on the hull's nearest edge.

    A triangle of the triangulation is one whose circumcircle holds no other point.
    """
    points = [tuple(map(float, p)) for p in points]
    triangles = [t for t in itertools.combinations(range(len(points)), 3) if _is_empty(points, t)]
    edges = [e for e in itertools.combinations(range(len(points)), 2) if _is_border(points, e)]
    made = np.zeros((*extents, len(points)))
    for p in np.ndindex(*extents):
        found = [(_in_triangle(p, [points[i] for i in t]), t) for t in triangles]
        shares, nodes = max(found, key=lambda triangle: min(triangle[0]))
        if min(shares) < 0:
            found = [(_on_edge(p, [points[i] for i in e]), e) for e in edges]
            (_, shares), nodes = min(found, key=lambda edge: edge[0][0])
        made[p][list(nodes)] = shares
    return made


def _cross(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _is_empty(points, triangle):
    a, b, c = (points[i] for i in triangle)
    area = _cross(a, b, c)
    if area == 0:
        return False
    rows = [[x[0] - q[0], x[1] - q[1], (x[0] - q[0]) ** 2 + (x[1] - q[1]) ** 2] for q in points for x in (a, b, c)]
    determinants = np.linalg.det(np.array(rows).reshape(len(points), 3, 3))
    return not any(d * area > 0 for n, d in enumerate(determinants) if n not in triangle)


def _is_border(points, edge):
    """All other points are on one side."""
    sides = {_cross(points[edge[0]], points[edge[1]], q) > 0 for n, q in enumerate(points) if n not in edge}
    return len(sides) == 1


def _in_triangle(p, corners):
    a, b, c = corners
    area = _cross(a, b, c)
    return (_cross(p, b, c) / area, _cross(a, p, c) / area, _cross(a, b, p) / area)


def _on_edge(p, ends):
    """Distance to an edge, and the coefficients of its ends at its point nearest to p."""
    (ay, ax), (by, bx) = ends
    t = ((p[0] - ay) * (by - ay) + (p[1] - ax) * (bx - ax)) / ((by - ay) ** 2 + (bx - ax) ** 2)
    t = min(max(t, 0.0), 1.0)
    return math.hypot(p[0] - ay - t * (by - ay), p[1] - ax - t * (bx - ax)), (1 - t, t)


def dense_of_combination(basis, maps):
    """Basis kernels of shape (m, size...), maps of shape (m, extents...)."""
    return np.einsum("m...,mk->...k", _wide(maps), _wide(basis).reshape(len(basis), -1)).reshape(
        *np.shape(maps)[1:], *np.shape(basis)[1:]
    )


def chebyshev_maps(extents, coefficients):
    """Maps of shape (m, extents...) from Chebyshev coefficients of shape (m, degrees...), over [-1, 1] on each axis."""
    maps = _wide(coefficients)
    for axis, extent in enumerate(extents):
        u = 2 * np.arange(extent) / (extent - 1) - 1 if extent > 1 else np.zeros(1)
        degrees = maps.shape[1 + axis]
        polynomials = np.cos(np.arange(degrees) * np.arccos(u.clip(-1, 1))[:, None])
        maps = np.moveaxis(np.tensordot(polynomials, maps, (1, 1 + axis)), 0, 1 + axis)
    return maps
