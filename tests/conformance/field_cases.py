"""Kernel fields by name: how the library makes one, and the array of kernels that it is by definition.

Everything that a field is made of is representable in float32, so that the library computes with the oracle's numbers
in float32 and float64 alike. What is left is rounding, and `bounds` says how far it may go: beside its kernels a case
has its *slack*, by how many epsilons each weight may be off where it has to be computed. Nothing in a slack is
measured; each is first-order error analysis of the formula in the field's definition, with a factor of a few for
another order of the same operations.
"""

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import kernelscape as ks
from tests.oracle import fields
from tests.oracle.fields import Coordinate

ANY = (1, 2, 3)
EXTRA = 8  # roundings of a product, a sum of two, a conversion and the store, and those of complex numbers


@dataclass(frozen=True)
class FieldCase:
    """A field on an image."""

    make: Callable[[], Any]
    """Makes the field with the library."""
    kernels: np.ndarray
    """Of shape extents + size."""
    slack: np.ndarray
    """Of the same shape."""
    own: np.ndarray | None = None
    """Which samples take part; None: all."""

    @property
    def extents(self):
        return self.kernels.shape[: self.kernels.ndim // 2]

    @property
    def size(self):
        return self.kernels.shape[self.kernels.ndim // 2 :]


@dataclass(frozen=True)
class Draw:
    """Numbers for a field on an image of these extents, with windows of about this size."""

    extents: tuple[int, ...]
    size: tuple[int, ...]
    rng: np.random.Generator

    @property
    def ndim(self):
        return len(self.extents)

    def numbers(self, *shape):
        """Weights around 1/2, some negative."""
        return self.rng.normal(0.5, 1, shape).astype(np.float32)

    def positive(self, *shape):
        return self.rng.uniform(0.25, 1, shape).astype(np.float32)

    def map(self, low, high):
        return self.rng.uniform(low, high, self.extents).astype(np.float32)

    @property
    def radius(self):
        """Of windows that grow with a map."""
        return max(max(self.size) // 2, 1)


# -- arrays of kernels -------------------------------------------------------------------------------------------------


def _dense(draw, weights):
    made = fields.dense_of_dense(weights)
    return FieldCase(lambda: ks.kernels.Dense(weights), made, np.zeros(made.shape))


def dense(draw):
    return _dense(draw, draw.numbers(*draw.extents, *draw.size))


def dense_taps_first(draw):
    weights = draw.numbers(*draw.size, *draw.extents)
    return _dense(draw, np.moveaxis(weights, range(draw.ndim), range(draw.ndim, 2 * draw.ndim)))


def dense_broadcast(draw):
    """One kernel for each place along the last axis."""
    weights = draw.numbers(draw.extents[-1], *draw.size)
    return _dense(draw, np.broadcast_to(weights, (*draw.extents, *draw.size)))


def dense_float16(draw):
    return _dense(draw, draw.numbers(*draw.extents, *draw.size).astype(np.float16))


def dense_complex(draw):
    shape = (*draw.extents, *draw.size)
    return _dense(draw, draw.numbers(*shape) + 1j * draw.numbers(*shape))


def dense_positive(draw):
    return _dense(draw, draw.positive(*draw.extents, *draw.size))


def constant(draw):
    return _dense(draw, fields.everywhere(draw.numbers(*draw.size), draw.extents))


def separable(draw):
    factors = [draw.numbers(*draw.extents, k) for k in draw.size]
    made = fields.dense_of_separable(*factors)
    return FieldCase(lambda: ks.kernels.Separable(*factors), made, draw.ndim * abs(made))


# -- Gaussians and discs -----------------------------------------------------------------------------------------------


def _gaussian(draw, sigma, sigma2=None, angle=None, **words):
    normalize = words.pop("normalize", True)
    own = fields.window_of_gaussian(draw.extents, sigma, sigma2, angle, **words)
    size = own.shape[draw.ndim :]
    raw = fields.dense_of_gaussian(draw.extents, sigma, sigma2, angle, normalize=False, **words)
    made = fields.dense_of_gaussian(draw.extents, sigma, sigma2, angle, normalize=normalize, **words)
    if angle is None:
        exponent = fields.exponent_of_gaussian(draw.extents, size, sigma, sigma2)
    else:  # the two terms may come from larger ones that cancel
        narrow = np.minimum(sigma, sigma2)
        exponent = 2 * fields.exponent_of_gaussian(draw.extents, size, narrow)
    slack = raw * (8 + 8 * np.where(raw > 0, exponent, 0))
    if normalize:
        slack = _normalised_slack(draw, raw, slack)
    given = {"sigma2": sigma2, "angle": angle, **words, **({} if normalize else {"normalize": False})}
    given = {name: value for name, value in given.items() if value is not None}
    whole = "size" in words
    return FieldCase(lambda: ks.kernels.Gaussian(sigma, **given), made, slack, None if whole else own)


def _normalised_slack(draw, raw, slack):
    """Weights over their sum, of which as many terms as there are may each be off."""
    axes = tuple(range(draw.ndim, 2 * draw.ndim))
    total = raw.sum(axes, keepdims=True)
    count = int(np.prod(raw.shape[draw.ndim :]))
    return (slack + raw * (slack.sum(axes, keepdims=True) / total + count + 4)) / total


def _sigmas(draw, truncate):
    """Widths from 0 to those whose windows have the radius."""
    sigma = draw.map(0, draw.radius / truncate)
    sigma.flat[0], sigma.flat[-1] = 0, draw.radius / truncate
    return sigma


def gaussian(draw):
    return _gaussian(draw, _sigmas(draw, 2.0), truncate=2.0)


def gaussian_number(draw):
    return _gaussian(draw, 0.75 * draw.radius / 3, truncate=3.0)


def gaussian_raw(draw):
    return _gaussian(draw, _sigmas(draw, 4.0), normalize=False)


def gaussian_sized(draw):
    sigma = draw.map(0.3, 3)
    sigma.flat[:4] = [0, 1e-30, 1e-3, 0.05][: sigma.size]
    return _gaussian(draw, sigma, size=draw.size)


def gaussian_along_axes(draw):
    return _gaussian(draw, _sigmas(draw, 2.5), draw.map(0.1, 1), truncate=2.5)


def gaussian_oriented(draw):
    return _gaussian(draw, draw.map(0.2, draw.radius / 2), draw.map(0.2, 1), draw.map(-4, 4), truncate=2.0)


def gaussian_oriented_sized(draw):
    return _gaussian(draw, draw.map(0.4, 3), draw.map(0.4, 2), draw.map(-4, 4), size=draw.size)


def _disc(draw, radius, **words):
    own = fields.window_of_disc(draw.extents, radius, **words)
    made = fields.dense_of_disc(draw.extents, radius, **words)
    distance = np.sqrt(sum(d.astype(float) ** 2 for d in fields.offsets_of(own.shape[draw.ndim :])))
    radii = np.broadcast_to(radius, draw.extents)[(..., *(None,) * draw.ndim)].astype(float)
    raw = np.where(own, np.clip(radii + 0.5 - distance, 0, 1), 0)
    slack = _normalised_slack(draw, raw, np.where(own, 2 * (radii + 1 + distance), 0))
    return FieldCase(lambda: ks.kernels.Disc(radius, **words), made, slack, None if words else own)


def disc(draw):
    radius = draw.map(0, draw.radius)
    radius.flat[:5] = [0, 0.5, 0.3, 1, draw.radius][: radius.size]
    return _disc(draw, radius)


def disc_number(draw):
    return _disc(draw, draw.radius - 0.375)


def disc_sized(draw):
    return _disc(draw, draw.map(0, draw.radius + 1), size=draw.size)


# -- formulas ----------------------------------------------------------------------------------------------------------


def bump(*values):
    """A bell on offsets, the width from a map, the height from the place."""
    *offsets, width, place, slope = values
    squares = functools.reduce(lambda a, b: a + b, [d * d for d in offsets])
    return np.exp(-squares / width) * (1 + place * slope) - 0.25


def formula(draw):
    width, slope = draw.map(0.5, 3), 0.125
    arguments = lambda place: (width, place, slope)  # noqa: E731
    made = fields.dense_of_formula(draw.extents, bump, draw.size, *arguments(Coordinate(draw.ndim - 1)))
    squares = sum(d.astype(float) ** 2 for d in fields.offsets_of(draw.size))
    slack = (abs(made) + 0.25) * (8 + 4 * squares / width[(..., *(None,) * draw.ndim)])
    return FieldCase(lambda: ks.kernels.Formula(bump, draw.size, *arguments(ks.index(draw.ndim - 1))), made, slack)


def slope_of(*offsets):
    """Not a bell, of offsets alone, and the same along the last axis."""
    return 1.0 - 0.25 * offsets[0]


def formula_of_offsets(draw):
    made = fields.dense_of_formula(draw.extents, slope_of, draw.size)
    return FieldCase(lambda: ks.kernels.Formula(slope_of, draw.size), made, 4 * (1 + abs(made)))


# -- kernels between kernels -------------------------------------------------------------------------------------------


def _blended(draw, make, made, coefficients, kernels, factor):
    """Coefficients may be off by epsilons of 1, not of themselves."""
    used = (coefficients != 0).astype(float)
    slack = factor * fields.blended(used, abs(kernels).astype(float)) + abs(made)
    return FieldCase(make, made, slack)


def _grid(draw, method, positions, kernels):
    made = fields.dense_of_grid(draw.extents, kernels, positions, method)
    coefficients = fields.grid_coefficients(draw.extents, positions, method)
    flat = kernels.reshape(-1, *draw.size)
    return _blended(
        draw, lambda: ks.kernels.Grid(kernels, positions, method=method), made, coefficients, flat, 16 * draw.ndim
    )


def _nodes(draw, count=None):
    """Uneven positions of nodes, some between samples, some outside."""
    wide = max(draw.extents)
    choices = [[-1.5, 1.25, 2.0, wide + 3.0], [0.5, 2.5, wide - 2.25, wide - 0.5], [0.0, wide - 1.0], [1.0]]
    return [np.unique(choices[axis % 4]) for axis in range(draw.ndim)]


def grid(draw, method="linear"):
    positions = tuple(_nodes(draw))
    return _grid(draw, method, positions, draw.numbers(*map(len, positions), *draw.size))


def grid_nearest(draw):
    return grid(draw, "nearest")


def grid_cubic(draw):
    return grid(draw, "cubic")


def grid_even(draw):
    """Equal distances, as of blocks."""
    positions = tuple(np.arange(0.5, n, max(2, n // 6)) for n in draw.extents)
    return _grid(draw, "linear", positions, draw.numbers(*map(len, positions), *draw.size))


def grid_complex(draw):
    positions = tuple(_nodes(draw))
    shape = (*map(len, positions), *draw.size)
    return _grid(draw, "linear", positions, draw.numbers(*shape) + 1j * draw.numbers(*shape))


def scattered(draw):
    """Six points, of which every three are a fat triangle; some pixels are outside of their hull."""
    unit = np.array([[0.1, 0.15], [0.05, 0.9], [0.55, 0.45], [0.8, 0.05], [0.93, 0.86], [0.45, 0.7]])
    points = (unit * np.array(draw.extents)).astype(np.float32).astype(float)
    kernels = draw.numbers(len(points), *draw.size)
    made = fields.dense_of_scattered(draw.extents, kernels, points)
    coefficients = fields.barycentric(draw.extents, points)
    factor = 16 * _condition(points)
    return _blended(draw, lambda: ks.kernels.Scattered(kernels, points), made, coefficients, kernels, factor)


def _condition(points):
    """The square of the largest distance over the least area of a triangle that may be one of the triangulation."""
    corners = [np.array(t) for t in itertools.combinations(points, 3)]
    areas = [abs(np.linalg.det(t[1:] - t[0])) for t in corners]
    return np.ptp(points, 0).max() ** 2 / min(areas)


def combination(draw):
    basis, maps = draw.numbers(3, *draw.size), draw.rng.normal(0, 1, (3, *draw.extents)).astype(np.float32)
    made = fields.dense_of_combination(basis, maps)
    slack = 4 * fields.dense_of_combination(abs(basis), abs(maps))
    return FieldCase(lambda: ks.kernels.Combination(basis, maps), made, slack)


def polynomials(draw):
    basis, degrees = draw.numbers(2, *draw.size), (3, 4, 2)[: draw.ndim]
    coefficients = draw.numbers(2, *degrees)
    made = fields.dense_of_combination(basis, fields.chebyshev_maps(draw.extents, coefficients))
    growth = 8 + 4 * sum(i.astype(float) ** 2 for i in np.indices(degrees))
    size = (abs(coefficients) * growth).sum(tuple(range(1, draw.ndim + 1)))
    slack = np.tensordot(size, abs(basis), 1)
    return FieldCase(
        lambda: ks.kernels.Combination(basis, ks.kernels.Chebyshev(coefficients)),
        made,
        np.broadcast_to(slack, made.shape),
    )


FIELDS = {
    "constant": (constant, ANY),
    "dense": (dense, ANY),
    "dense, taps first": (dense_taps_first, ANY),
    "dense, broadcast": (dense_broadcast, ANY),
    "dense, float16": (dense_float16, ANY),
    "dense, complex": (dense_complex, ANY),
    "dense, positive": (dense_positive, ANY),
    "separable": (separable, ANY),
    "gaussian": (gaussian, ANY),
    "gaussian, a number": (gaussian_number, ANY),
    "gaussian, not normalised": (gaussian_raw, ANY),
    "gaussian, sized": (gaussian_sized, ANY),
    "gaussian, along axes": (gaussian_along_axes, (2,)),
    "gaussian, oriented": (gaussian_oriented, (2,)),
    "gaussian, oriented, sized": (gaussian_oriented_sized, (2,)),
    "disc": (disc, ANY),
    "disc, a number": (disc_number, ANY),
    "disc, sized": (disc_sized, ANY),
    "formula": (formula, ANY),
    "formula of offsets": (formula_of_offsets, ANY),
    "grid": (grid, ANY),
    "grid, nearest": (grid_nearest, ANY),
    "grid, cubic": (grid_cubic, ANY),
    "grid, even": (grid_even, ANY),
    "grid, complex": (grid_complex, ANY),
    "scattered": (scattered, (2,)),
    "combination": (combination, ANY),
    "polynomials": (polynomials, ANY),
}
POSITIVE = [
    "dense, positive", "gaussian", "gaussian, a number", "gaussian, not normalised", "gaussian, sized",
    "gaussian, along axes", "gaussian, oriented", "gaussian, oriented, sized", "disc", "disc, a number", "disc, sized",
]  # fmt: skip
"""Fields whose weights are positive: sums of weights are not noise."""
NORMALISED = [name for name in POSITIVE if name not in ("dense, positive", "gaussian, not normalised")]
"""Fields whose kernels have the sum 1."""


def field_case(name, extents, size, seed=0):
    """The field of a name on an image; None where it has no meaning in so many dimensions."""
    build, dimensions = FIELDS[name]
    if len(extents) not in dimensions:
        return None
    return build(Draw(tuple(extents), tuple(size), np.random.default_rng([seed, *name.encode()])))


# -- what has to come out ----------------------------------------------------------------------------------------------


def expected(case, x, *, form="gather", **words):
    """By definition: results, and by how many epsilons they may be off."""
    return (_gathered if form == "gather" else _scattered)(case, x, **words)


VALIDITY = ("where", "min_count", "min_weight")
"""Words that say which samples count and what is enough: bounds are those of all samples, and so no smaller."""


def _gathered(case, x, *, normalize=False, **words):
    words["own"] = case.own
    value = fields.gather(x, case.kernels, normalize=normalize, **words)
    weights = (case.kernels[0].size + EXTRA) * abs(case.kernels) + case.slack
    counted = {**words, "cval": abs(words.get("cval", 0.0))}
    absolute = {n: w for n, w in counted.items() if n not in VALIDITY}
    bound = fields.gather(_size_of(x), weights, **absolute)
    if normalize:
        # Whether it is enough, weights decide and not their errors.
        counted = {n: w for n, w in counted.items() if n not in ("min_count", "min_weight")}
        ones, counted["cval"] = np.ones(x.shape), 1.0
        share = fields.gather(ones, abs(case.kernels), **counted)
        error = fields.gather(ones, weights, **counted)
        if normalize == "valid":
            everything = {**absolute, "mode": "nearest"}
            full = fields.gather(ones, abs(case.kernels), **everything)
            error, bound = error + fields.gather(ones, weights, **everything) * share / full, bound * full
        with np.errstate(divide="ignore", invalid="ignore"):  # all samples that count may have the weight 0
            bound = (bound + _size_of(value) * (error + EXTRA * share)) / share
    return value, bound


def _scattered(case, x, *, normalize=False, **words):
    words.pop("cval", None)  # nothing is folded back from what is constant outside
    words["own"] = case.own
    value = fields.scatter(x, case.kernels, normalize=normalize, **words)
    words = {n: w for n, w in words.items() if n not in VALIDITY}
    kernels, slack = abs(case.kernels), case.slack
    terms = fields.scatter(np.ones(case.extents), np.ones(case.kernels.shape), **words).max(initial=0)
    if normalize:
        here = {n: w for n, w in words.items() if n not in ("stride", "padding", "convolve")}
        here["convolve"] = not words.get("convolve", False)
        spread = (..., *(None,) * len(case.extents))
        ones = np.ones(case.extents)
        share = fields.gather(ones, kernels, cval=1.0, **here)[spread]
        weights = (kernels[0].size + EXTRA) * kernels + slack
        error = fields.gather(ones, weights, cval=1.0, **here)[spread] / share
        if normalize == "valid":
            everything = {**here, "mode": "nearest"}
            full = fields.gather(ones, kernels, **everything)[spread]
            error, share = error + fields.gather(ones, weights, **everything)[spread] / full, share / full
        kernels, slack = (np.nan_to_num(w / share) for w in (kernels, slack + kernels * (error + EXTRA)))
    return value, fields.scatter(_size_of(x), (terms + EXTRA) * kernels + slack, **words)


def _size_of(x):
    return np.nan_to_num(abs(x))


def assert_within_bound(actual, value, bound, dtype, context=""):
    """Of this dtype, NaN where it has to be, and elsewhere off by no more than `bound` epsilons."""
    __tracebackhide__ = True
    assert actual.dtype == dtype, f"dtype {actual.dtype}, expected {dtype}: {context}"
    assert actual.shape == value.shape, f"shape {actual.shape}, expected {value.shape}: {context}"
    limits = np.finfo(dtype)
    allowed = np.nan_to_num(bound) * float(limits.eps) + 1000 * float(limits.tiny)
    wide = actual.astype(value.dtype if np.iscomplexobj(value) else np.result_type(actual, np.float64))
    with np.errstate(invalid="ignore"):
        wrong = (np.isnan(wide) != np.isnan(value)) | (abs(wide - value) > allowed)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{int(wrong.sum())} of {wrong.size} results are wrong; at {first}: got {actual[first]!r}, by definition "
            f"{value[first]!r}, allowed {allowed[first]:.3g}. {context}"
        )
