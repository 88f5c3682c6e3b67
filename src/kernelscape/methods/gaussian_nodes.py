"""Gaussians of all widths from those of a few: nodes in the logarithm of sigma, and how exact they are.

A Gaussian whose sigma varies over the image is, at each pixel, nearly a sum of a few Gaussians with fixed sigmas, times
numbers that depend on the pixel's own sigma: Lagrange's polynomials for Chebyshev nodes in ``log sigma``. So a few
separable blurs of the whole image, and one pass that combines them, take the place of a window for every pixel. The
error falls geometrically with the number of nodes, since a Gaussian is analytic in ``log sigma`` up to an imaginary
part of pi/4 [1]_.

Two things disturb the analytic picture, and are taken into account rather than ignored:

* Near 0 all Gaussians are the identity, and no interpolation in the logarithm reaches there. Small sigmas are clipped
  where that makes no difference, or their pixels are computed exactly, with the small windows that they have.
* Where windows follow the map, the kernel jumps where a window gets one sample wider. Either the jumps are part of the
  error (``truncate=4`` allows for about 3e-4), or there are nodes of their own for each radius (`Piece.radius`),
  between which there are none.

How the error is known for all sigmas, not just for those that were tried: the difference between the kernels and their
interpolant is a polynomial in t (``log sigma`` mapped to [-1, 1]) of degree d, but for a tail. A polynomial is nowhere
larger than ``1 / cos(pi d / 2 m)`` times its largest magnitude at m Chebyshev points [2]_; that holds for each sum of
its coefficients with signs, and so for the sum of magnitudes of kernels as well. The tail follows from the largest
magnitude on an ellipse in the complex plane [1]_.

References
----------
.. [1] L. N. Trefethen, Approximation Theory and Approximation Practice, SIAM, 2013, chapters 8 and 15.
.. [2] H. Ehlich and K. Zeller, "Schwankung von Polynomen zwischen Gitterpunkten", Mathematische Zeitschrift 86, 1964,
   pp. 41-44.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np

from kernelscape.expression import DType, Shape
from kernelscape.kernels.certificate import Certificate
from kernelscape.kernels.field import Array
from kernelscape.kernels.gaussian import NARROWEST
from kernelscape.methods import costs

MOST_NODES = 32
BETWEEN = 1 / math.cos(math.pi / 8)
"""How much larger than at m Chebyshev points a polynomial of degree m / 4 can be between them."""
BLEND = 0.3
"""Milliseconds for combining one blurred image of a million samples with the others."""
_LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Radii of the blurs: few different ones, because machine code is made for each."""


@dataclass(frozen=True, slots=True)
class Family:
    """Gaussians of one parameter: what a field has at a pixel, as a function of the pixel's sigma.

    Kernels are kept for offsets from 0 on: those below are the same, and `times` says how many there are.

    Attributes
    ----------
    reach : tuple of int
        How far the window reaches along each axis; the largest one where windows follow sigma.
    even : tuple of bool
        Where the window's size is even: the last sample on the far side is missing.
    truncate : float or None
        Samples farther than ``int(truncate * sigma + 0.5)`` do not take part; None: all of the window do.
    normalize : bool
    """

    reach: Shape
    even: tuple[bool, ...]
    truncate: float | None
    normalize: bool

    @property
    def ndim(self) -> int:
        """The number of axes along which the kernel is a Gaussian of this sigma."""
        return len(self.reach)

    @property
    def shape(self) -> Shape:
        """Of a kernel, for offsets from 0 on."""
        return tuple(reach + 1 for reach in self.reach)

    def radius(self, sigma: float) -> int:
        """How far the pixel's own window reaches, as the field counts it."""
        return max(self.reach) if self.truncate is None else min(max(self.reach), int(self.truncate * sigma + 0.5))

    def cut(self, radius: int) -> Family:
        """The same with all windows of one radius."""
        even = tuple(e and radius >= r for e, r in zip(self.even, self.reach, strict=True))
        return replace(self, reach=tuple(min(r, radius) for r in self.reach), even=even, truncate=None)

    def times(self, axis: int) -> Array:
        """How many offsets along an axis have each distance."""
        found = np.full(self.reach[axis] + 1, 2.0)
        found[0] = 1.0
        if self.even[axis]:
            found[-1] = 1.0
        return found

    def every(self) -> Array:
        """How many offsets there are for each that is kept, flattened."""
        found: Array = self.products([self.times(axis)[None] for axis in range(self.ndim)])[0]
        return found

    def line(self, axis: int, sigma: Array) -> Array:
        """The weights along an axis for some sigmas, real or complex: for each sigma a row."""
        squares = np.arange(self.reach[axis] + 1.0) ** 2
        rates = -0.5 / (sigma if np.iscomplexobj(sigma) else np.maximum(sigma, NARROWEST)) ** 2
        with np.errstate(under="ignore"):
            found: Array = np.exp(rates[:, None] * squares)
        return found / (found @ self.times(axis))[:, None] if self.normalize else found

    def products(self, lines: list[Array]) -> Array:
        """Kernels from their lines, each flattened to a row."""
        whole = lines[0]
        for line in lines[1:]:
            whole = (whole[:, :, None] * line[:, None, :]).reshape(len(whole), -1)
        return whole

    def kernels(self, sigma: Array) -> Array:
        """The kernels of some sigmas, each flattened to a row."""
        return self.products([self.line(axis, sigma) for axis in range(self.ndim)])


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Nodes for an interval of sigma.

    Attributes
    ----------
    low, high : float
        Sigmas outside count as the nearest of these.
    radius : int or None
        The nodes are for pixels whose own window has this radius; None: for all of the interval.
    places, factors : ndarray
        The nodes in t, and for each ``1 / product of (t_j - t_i)`` over the other ones.
    blurs : tuple of tuple of ndarray
        For each node the kernel along each axis, odd, about its middle; float64.
    error : Certificate
        Of the interpolated kernels with respect to the family's, in the interval.
    family : Family
        With the window that all sigmas of the interval have.
    peak : ndarray
        For each offset from 0 on at least the largest magnitude of the difference.
    envelope : ndarray
        For each offset the largest weight of a node's kernel.
    slope : float
        At least the sum of magnitudes of the derivative of the interpolated kernels in t.
    """

    low: float
    high: float
    radius: int | None
    places: Array
    factors: Array
    blurs: tuple[tuple[Array, ...], ...]
    error: Certificate
    family: Family
    peak: Array
    envelope: Array
    slope: float

    @property
    def middle(self) -> float:
        """The logarithm of sigma at t = 0."""
        return 0.5 * (math.log(self.low) + math.log(self.high))

    @property
    def half(self) -> float:
        """By how much the logarithm of sigma changes between t = 0 and 1."""
        return max(0.5 * (math.log(self.high) - math.log(self.low)), 1e-6)

    @property
    def lebesgue(self) -> float:
        """At least the sum of the magnitudes of Lagrange's polynomials, anywhere."""
        return 2 / math.pi * math.log(len(self.places)) + 1

    def rounding(self, unit: float) -> float:
        """What rounding may add, for an image of ones; `unit` is half the distance of 1 to the next number."""
        taps = max(sum(len(line) + 2 for line in lines) for lines in self.blurs)
        weights = 4 * len(self.places) + 4
        moved = (8 + 4 * max(abs(math.log(self.low)), abs(math.log(self.high)))) / self.half
        return unit * (self.lebesgue * (taps + weights) * self.error.norm + self.slope * moved)

    def cost(self, outputs: int, dtype: DType) -> float:
        """Milliseconds for so many pixels."""
        passes = sum(costs.separable(len(line), outputs, dtype) for lines in self.blurs for line in lines)
        return passes + BLEND * len(self.blurs) * outputs / costs.MILLION * costs.width(dtype) + costs.CALL


# -- interpolation -----------------------------------------------------------------------------------------------------


def chebyshev(count: int) -> Array:
    """Chebyshev points of the first kind, in [-1, 1]."""
    points: Array = np.cos((2 * np.arange(count) + 1) * math.pi / (2 * count))
    return points


def lagrange(places: Array, t: Array) -> tuple[Array, Array]:
    """Lagrange's polynomials for some nodes and their derivatives: of shape ``(points, nodes)``; no point is a node."""
    differences = t[:, None] - places[None, :]
    factors = 1 / _products(places)
    values = factors * differences.prod(1, keepdims=True) / differences
    inverse = 1 / differences
    slopes = values * (inverse.sum(1, keepdims=True) - inverse)
    return values, slopes


def _products(places: Array) -> Array:
    differences = places[:, None] - places[None, :] + np.eye(len(places))
    found: Array = differences.prod(1)
    return found


def norm_of(family: Family, sigma: float) -> float:
    """The sum of the weights at some sigma, in the window that a pixel has there."""
    own = family.cut(family.radius(sigma))
    return float(own.kernels(np.array([sigma]))[0] @ own.every())


@functools.lru_cache(512)
def piece(family: Family, low: float, high: float, radius: int | None, tol: float) -> Piece | None:
    """The fewest nodes whose error is at most `tol`, in sums of magnitudes; None where `MOST_NODES` do not do.

    The error is with respect to the family without `truncate`: what that adds says `truncation`.
    """
    if high <= low * (1 + 1e-9):
        return _single(family, high, radius, tol)
    middle, half = 0.5 * (math.log(low) + math.log(high)), 0.5 * (math.log(high) - math.log(low))
    rate = math.log(_ellipse(0.7 / half))
    first = min(MOST_NODES, max(2, int(0.6 * math.log(2 / tol) / rate)))
    for count in range(first, MOST_NODES + 1):
        lines = [_blur(family, math.exp(middle + half * t), tol) for t in chebyshev(count)]
        if _differences(family, middle, half, lines, 2 * count)[0].l1 * BETWEEN > tol:
            continue
        error, peak, slope = _certified(family, middle, half, lines)
        if error.l1 <= tol:
            places = chebyshev(count)
            weights = (places, 1 / _products(places), tuple(lines))
            return Piece(low, high, radius, *weights, error, family, *_shaped(family, peak, lines), slope)
    return None


def _shaped(family: Family, peak: Array, blurs: list[tuple[Array, ...]]) -> tuple[Array, Array]:
    """The largest magnitudes of differences and of nodes' kernels, with the axes of the window."""
    return peak.reshape(family.shape), _embedded(family, blurs).max(0).reshape(family.shape)


def _single(family: Family, sigma: float, radius: int | None, tol: float) -> Piece | None:
    """One node is enough where there is one sigma."""
    lines = _blur(family, sigma, tol)
    left = family.kernels(np.array([sigma]))[0] - _embedded(family, [lines])[0]
    times, norm = family.every(), norm_of(family, sigma)
    sums = float(np.abs(left) @ times), math.sqrt(float(left**2 @ times)), abs(float(left @ times))
    l1, l2, mean = (found + ROUNDING * norm for found in sums)
    error = Certificate(l1, l2, mean, norm)
    nothing = np.zeros(1)
    largest = _shaped(family, np.abs(left), [lines])
    return Piece(sigma, sigma, radius, nothing, nothing + 1, (lines,), error, family, *largest, 0.0)


ROUNDING = 1e-13
"""What rounding of float64 may do to the sums here, as a fraction of a kernel's sum."""


def _blur(family: Family, sigma: float, tol: float) -> tuple[Array, ...]:
    """A node's kernel along each axis, without tails of no importance."""
    found = []
    for axis, reach in enumerate(family.reach):
        half, times = family.line(axis, np.array([sigma]))[0], family.times(axis)
        sums = np.cumsum(half * times)
        enough = [r for r in _LADDER if r < reach and sums[-1] - sums[r] <= 0.01 * tol * sums[-1]]
        half = half[: enough[0] + 1] if enough else half
        line = np.concatenate([half[:0:-1], half])
        if family.even[axis] and not enough:
            line[-1] = 0.0
        found.append(line / line.sum() if family.normalize else line)
    return tuple(found)


def _embedded(family: Family, blurs: list[tuple[Array, ...]]) -> Array:
    """The nodes' kernels for the offsets from 0 on, each flattened to a row."""
    lines = []
    for axis, reach in enumerate(family.reach):
        rows = np.zeros((len(blurs), reach + 1))
        for row, own in zip(rows, blurs, strict=True):
            middle = len(own[axis]) // 2
            row[: middle + 1] = own[axis][middle::-1]
        lines.append(rows)
    return family.products(lines)


def _differences(
    family: Family, middle: float, half: float, blurs: list[tuple[Array, ...]], points: int
) -> tuple[Certificate, Array, float]:
    """Norms of what kernels differ by from their interpolant, and of the latter's derivative: the largest at points."""
    nodes, times = _embedded(family, blurs), family.every()
    l1 = l2 = mean = slope = norm = 0.0
    peak = np.zeros(nodes.shape[1])
    every = chebyshev(points)
    step = max(1, _AT_ONCE // nodes.shape[1])
    for t in (every[i : i + step] for i in range(0, points, step)):
        values, slopes = lagrange(chebyshev(len(blurs)), t)
        kernels = family.kernels(np.exp(middle + half * t))
        left = kernels - values @ nodes
        norm, mean = max(norm, float((kernels @ times).max())), max(mean, float(np.abs(left @ times).max()))
        l2 = max(l2, math.sqrt(float((left * left @ times).max())))
        left = np.abs(left)
        l1, peak = max(l1, float((left @ times).max())), np.maximum(peak, left.max(0))
        slope = max(slope, float((np.abs(slopes @ nodes) @ times).max()))
    return Certificate(l1, l2, mean, norm), peak, slope


_AT_ONCE = 1 << 20
"""Numbers in the arrays of kernels that are compared together."""


def _certified(
    family: Family, middle: float, half: float, blurs: list[tuple[Array, ...]]
) -> tuple[Certificate, Array, float]:
    """The same for all points in the interval."""
    degree = 3 * len(blurs)
    found, peak, slope = _differences(family, middle, half, blurs, 4 * degree)
    tail = _tail(family, middle, half, degree)

    def everywhere(number: float) -> float:
        return BETWEEN * (number + tail) + tail + ROUNDING * found.norm

    error = Certificate(everywhere(found.l1), everywhere(found.l2), everywhere(found.mean), found.norm)
    return error, BETWEEN * (peak + tail) + tail, BETWEEN * slope


def _tail(family: Family, middle: float, half: float, degree: int) -> float:
    """At least the sum of magnitudes of what kernels differ by from a polynomial of some degree in t."""
    # Kernels at conjugate points are conjugate.
    circle = np.exp(1j * math.pi * np.arange(97) / 96)
    axes = {(family.reach[axis], family.even[axis]): axis for axis in range(family.ndim)}
    least = math.inf
    for angle in (0.3, 0.45, 0.6, 0.7):
        size = _ellipse(angle / half)
        sigma = np.exp(middle + half * 0.5 * (size * circle + 1 / (size * circle)))
        sums = {key: np.abs(family.line(axis, sigma)) @ family.times(axis) for key, axis in axes.items()}
        # Twice what was found at points so close to each other that it hardly changes from one to the next.
        largest = 2 * float(np.prod([sums[key] for key in zip(family.reach, family.even, strict=True)], axis=0).max())
        least = min(least, 2 * largest * size**-degree / (size - 1))
    return least


def _ellipse(height: float) -> float:
    """The sum of the half axes of an ellipse with foci -1 and 1, from its half axis off the real line."""
    return height + math.sqrt(height * height + 1)


# -- what windows that follow sigma add --------------------------------------------------------------------------------


def truncation(family: Family, highest: float) -> Certificate:
    """How far kernels with windows of their own are from those with the largest window, for all sigmas up to one.

    While the radius stays, what lies outside grows with sigma; so it is largest where the next radius begins.
    """
    assert family.truncate is not None
    l1 = l2 = mean = 0.0
    whole = family.cut(family.radius(highest))
    for radius in range(family.radius(highest) + 1):
        sigma = np.array([min((radius + 0.5) / max(family.truncate, 1e-9), highest)])
        wide = [(whole.line(axis, sigma)[0], whole.times(axis)) for axis in range(whole.ndim)]
        own = [(line[: radius + 1], times[: radius + 1]) for line, times in wide]
        total = math.prod(float(line @ times) for line, times in wide)
        share = math.prod(float(line @ times) for line, times in own) / total
        squares = math.prod(float(line**2 @ times) for line, times in own)
        outside = max(math.prod(float(line**2 @ times) for line, times in wide) - squares, 0.0)
        grown = (1 / share - 1) if family.normalize else 0.0
        l1 = max(l1, total * (1 - share) * (2 if family.normalize else 1))
        l2 = max(l2, math.sqrt(grown * grown * squares + outside))
        mean = max(mean, 0.0 if family.normalize else total * (1 - share))
    norm = norm_of(family, highest)
    small = ROUNDING * norm
    return Certificate(l1 + small, l2 + 1e-8 * norm, mean + small, norm)


def clipped(family: Family, sigma: float) -> float:
    """At most the sum of magnitudes by which a kernel of a smaller sigma differs from that of `sigma`.

    Both have non-negative weights of which the middle one is larger for smaller sigmas, and all others smaller.
    """
    kernel = family.kernels(np.array([sigma]))[0]
    return (2 if family.normalize else 1) * float(kernel[1:] @ family.every()[1:])
