"""The fields themselves: their weights as arrays, and that their functions can be traced.

Weights are compared with kernels written out pixel by pixel in plain NumPy. `FIELDS` has every kind of field with such
a function of the pixel; each row is checked in NumPy (`at`, `dense`), traced with the values of a pixel (gather) and
traced with a value for each sample of the window (scatter). What single kinds
of fields do and refuse has `test_kernels_kinds.py`; what filters do with fields is not tested here.
"""

import math
import pickle
from dataclasses import dataclass

import numpy as np
import pytest

import kernelscape as ks
from kernelscape.errors import (
    ArgumentError,
    ArgumentTypeError,
    MemoryBudgetError,
    PositionError,
    ShapeError,
)
from kernelscape.geometry import Input, Job, OutputAxis, WindowAxis
from kernelscape.kernels import Chebyshev, Combination, Dense, Disc, Formula, Gaussian, LowRank, Separable
from kernelscape.kernels.field import Blend, Coordinate, Field, Map, Table, offsets_of
from kernelscape.reference import evaluate
from kernelscape.trace import Parameter, trace
from tests.oracle.kernels import (
    assert_weights,
    combined,
    computed_dtype,
    gaussian,
    offsets,
    radius_of,
    traced,
    unit_sum,
)

EXTENTS = (4, 5)
rng = np.random.default_rng(20)
SIGMA = rng.uniform(0.2, 1.6, EXTENTS)
SIGMA[1, 2] = 0.0
SIGMA2 = rng.uniform(0.2, 1.1, EXTENTS).astype(np.float32)
ANGLE = rng.uniform(-4, 4, EXTENTS)
RADIUS = rng.uniform(0, 2.7, EXTENTS)
RADIUS[3, 4] = 0.0
VOLUME = rng.uniform(0.1, 0.6, (2, 3, 4)).astype(np.float32)
WEIGHTS = rng.normal(size=(*EXTENTS, 3, 2))
BASIS = rng.normal(size=(3, 3, 4))
MAPS = rng.normal(size=(3, *EXTENTS)).astype(np.float32)
POLYNOMIALS = rng.normal(size=(3, 3, 2))


# -- kernels written out -----------------------------------------------------------------------------------------------


def isotropic_at(p, size):
    return gaussian([SIGMA[p]] * 2, size=size, own=[radius_of(SIGMA[p])] * 2)


def volume_at(p, size):
    return gaussian([float(VOLUME[p])] * 3, size=size, own=[radius_of(VOLUME[p])] * 3)


def along_axes_at(p, size):
    sigmas = SIGMA[p], float(SIGMA2[p])
    return gaussian(sigmas, size=size, own=[radius_of(s) for s in sigmas])


def along_axes_and_number_at(p, size):
    return gaussian((0.5, SIGMA[p]), size=size, own=[radius_of(0.5, 3), radius_of(SIGMA[p], 3)], normalize=False)


def turned_radii(p):
    first, second, turn = SIGMA[p], float(SIGMA2[p]), ANGLE[p]
    return [
        radius_of(math.sqrt((first * math.cos(turn)) ** 2 + (second * math.sin(turn)) ** 2)),
        radius_of(math.sqrt((first * math.sin(turn)) ** 2 + (second * math.cos(turn)) ** 2)),
    ]


def oriented_at(p, size):
    # A first axis of no width counts as 0.02 samples wide.
    return gaussian((max(SIGMA[p], 0.02), float(SIGMA2[p])), ANGLE[p], size=size, own=turned_radii(p))


def widest_turned():
    radii = np.array([turned_radii(p) for p in np.ndindex(*EXTENTS)])
    return tuple(int(2 * r + 1) for r in radii.max(0))


def disc_at(p, size):
    distance = np.sqrt(sum(d**2.0 for d in offsets(size)))
    return unit_sum(np.clip(RADIUS[p] + 0.5 - distance, 0, 1))


def formula_at(p, size):
    dy, dx = offsets(size)
    return np.exp(-(dy**2 + dx**2) / (p[0] + 1)) * SIGMA[p] + 2.5 * dx


def combination_at(p, size):
    return sum(float(c[p]) * kernel for c, kernel in zip(MAPS, BASIS, strict=True))


def polynomial_at(p, size):
    u = [2 * x / (n - 1) - 1 for x, n in zip(p, EXTENTS, strict=True)]
    return sum(np.polynomial.chebyshev.chebval2d(*u, c) * kernel for c, kernel in zip(POLYNOMIALS, BASIS, strict=True))


@dataclass(frozen=True)
class Row:
    """A field, the size that its window has, and its kernel at each position."""

    name: str
    field: Field
    extents: tuple
    size: tuple
    dtype: str
    kernel: object


def row(name, field, size, dtype, kernel, extents=EXTENTS):
    return Row(name, field, extents, size, dtype, kernel)


def widest(sigma, truncate=4.0):
    return 2 * radius_of(sigma.max(), truncate) + 1


def weights_formula(dy, dx, y, sigma, tilt):
    return np.exp(-(dy**2 + dx**2) / (y + 1)) * sigma + tilt * dx


FIELDS = [
    row("dense", Dense(WEIGHTS), (3, 2), "float64", lambda p, _: WEIGHTS[p]),
    row(
        "separable",
        Separable(WEIGHTS[..., 0], WEIGHTS[:, :, 1, :].astype(np.float32)),
        (3, 2),
        "float64",
        lambda p, _: np.outer(WEIGHTS[p][:, 0], WEIGHTS[p][1].astype(np.float32)),
    ),
    row("isotropic", Gaussian(SIGMA), (widest(SIGMA),) * 2, "float64", isotropic_at),
    row("volume", Gaussian(VOLUME), (widest(VOLUME),) * 3, "float32", volume_at, (2, 3, 4)),
    row("constant", Gaussian(0.8), (7, 7), "float64", lambda _, size: gaussian((0.8, 0.8), size=size)),
    row("sized", Gaussian(SIGMA, size=(4, 3)), (4, 3), "float64", lambda p, s: gaussian([SIGMA[p]] * 2, size=s)),
    row("axes", Gaussian(SIGMA, SIGMA2), (widest(SIGMA), widest(SIGMA2)), "float64", along_axes_at),
    row(
        "axes and a number",
        Gaussian(0.5, SIGMA, truncate=3, normalize=False),
        (5, widest(SIGMA, 3)),
        "float64",
        along_axes_and_number_at,
    ),
    row("oriented", Gaussian(SIGMA, SIGMA2, angle=ANGLE), widest_turned(), "float64", oriented_at),
    row(
        "oriented and sized",
        Gaussian(2.0, 0.7, angle=0.6, size=5),
        (5, 5),
        "float64",
        lambda _, size: gaussian((2.0, 0.7), 0.6, size=size),
    ),
    row("disc", Disc(RADIUS), (2 * math.ceil(RADIUS.max() - 0.5) + 1,) * 2, "float64", disc_at),
    row("sized disc", Disc(RADIUS, size=4), (4, 4), "float64", disc_at),
    row("formula", Formula(weights_formula, (3, 4), ks.index(-2), SIGMA, 2.5), (3, 4), "float64", formula_at),
    row("combination", Combination(BASIS, MAPS), (3, 4), "float64", combination_at),
    row("low rank", LowRank(BASIS.astype(np.float32), MAPS), (3, 4), "float32", combination_at),
    row("polynomial", Combination(BASIS, Chebyshev(POLYNOMIALS)), (3, 4), "float64", polynomial_at),
]
TRACED = [r for r in FIELDS if not isinstance(r.field, Dense | Separable)]  # elements have no parameter of a trace
each_field = pytest.mark.parametrize("row", FIELDS, ids=lambda r: r.name)
each_traced = pytest.mark.parametrize("row", TRACED, ids=lambda r: r.name)


def written_out(row):
    made = np.zeros(row.extents + row.size)
    for p in np.ndindex(*row.extents):
        made[p] = row.kernel(p, row.size)
    return made


def test_weights_that_differ_are_found():
    with pytest.raises(AssertionError):
        assert_weights(np.ones(3), np.array([1, 1, 1 + 1e-6]))
    with pytest.raises(AssertionError):
        assert_weights(np.ones(3), np.ones((1, 3)))


# -- at and dense ------------------------------------------------------------------------------------------------------


@each_field
def test_dense_array_is_the_kernels_written_out(row):
    dense = row.field.dense(row.extents)
    assert dense.dtype == row.dtype
    assert_weights(dense, written_out(row), 1e-12 if row.dtype == "float64" else 1e-6)


@each_field
def test_kernel_at_a_position_is_that_of_the_dense_array(row):
    dense = row.field.dense(row.extents)
    for p in np.ndindex(*row.extents):
        kernel = row.field.at(*p, shape=row.extents)
        assert kernel.dtype == row.dtype
        # NumPy's elementary functions may round differently in arrays of other lengths.
        assert_weights(kernel, dense[p], 1e-14 if row.dtype == "float64" else 1e-6)


@each_field
def test_field_says_what_it_is_and_survives_pickling(row):
    text = repr(row.field)
    assert text.startswith(type(row.field).__name__ + "(")
    assert len(text) < 120
    again = pickle.loads(pickle.dumps(row.field))
    np.testing.assert_array_equal(again.dense(row.extents), row.field.dense(row.extents))


@each_field
def test_field_is_immutable(row):
    name = next(n for n in ("weights", "factors", "sigma", "radius", "function", "basis") if hasattr(row.field, n))
    with pytest.raises(AttributeError):
        setattr(row.field, name, None)


@each_field
def test_bound_says_size_and_dtype(row):
    bound = row.field.bound(row.extents)
    assert bound.size == row.size
    assert bound.dtype == row.dtype
    assert row.field.extents in (None, row.extents)


def test_dense_array_is_made_in_regions_of_any_size(monkeypatch):
    field = Gaussian(SIGMA, SIGMA2)
    whole = field.dense()
    for block in (1, 100, 700):
        monkeypatch.setattr("kernelscape.kernels.checks._BLOCK", block)
        assert_weights(field.dense(), whole, 1e-15)


def test_images_without_pixels_have_no_kernels():
    empty = np.ones((0, 5))
    for field in (Gaussian(empty), Gaussian(empty, 1.0, angle=empty), Disc(empty), Dense(np.ones((0, 5, 1, 1)))):
        assert field.dense().shape[:2] == (0, 5)
        assert field.bound((0, 5)).size[0] == 1
    assert Gaussian(1.0).dense((3, 0)).shape == (3, 0, 9, 9)


def test_negative_positions_count_from_the_end():
    np.testing.assert_array_equal(Dense(WEIGHTS).at(-1, -5), WEIGHTS[3, 0])
    np.testing.assert_array_equal(Gaussian(1.0).at(-1, shape=(3,)), Gaussian(1.0).at(2))
    np.testing.assert_array_equal(Dense(WEIGHTS).at(np.int64(2), np.uint8(3)), WEIGHTS[2, 3])


@pytest.mark.parametrize("position", [(4, 0), (0, 5), (-5, 0), (0, -6)])
def test_position_outside_is_refused(position):
    with pytest.raises(PositionError, match=r"position \(.*\) is outside an image with extents \(4, 5\)") as caught:
        Dense(WEIGHTS).at(*position)
    assert isinstance(caught.value, IndexError)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Dense(WEIGHTS).at(), ArgumentTypeError, r"one coordinate for each window axis, as at\(y, x\)"),
        (lambda: Dense(WEIGHTS).at(1.0, 2), ArgumentTypeError, r"needs integers, .* got \(1\.0, 2\)"),
        (lambda: Dense(WEIGHTS).at(True, 2), ArgumentTypeError, "needs integers"),
        (
            lambda: Dense(WEIGHTS).at(1),
            ArgumentError,
            r"needs 2 coordinates, one for each axis of an image with \(4, 5\); got \(1,\)",
        ),
        (lambda: Gaussian(1.0).at(-1), ArgumentError, r"counts from the end .* shape=\(H, W\)"),
        (lambda: Combination(BASIS, Chebyshev(POLYNOMIALS)).at(0, 0), ArgumentError, r"depend on the image's extents"),
        (lambda: Combination(BASIS, Chebyshev(POLYNOMIALS)).dense(), ArgumentError, r"say which: dense\(\(H, W\)\)"),
        (lambda: Gaussian(1.0).dense(), ArgumentError, r"Gaussian\(sigma=1\.0\) fits images of all extents"),
        (lambda: Gaussian(1.0).dense((3, 4.5)), ArgumentTypeError, r"must be made of integers; got \(3, 4\.5\)"),
        (lambda: Gaussian(1.0).dense((3, -4)), ShapeError, r"none negative; got \(3, -4\)"),
        (lambda: Dense(WEIGHTS).dense((5, 4)), ShapeError, r"maps of shape \(4, 5\); got dense\(\) .* \(5, 4\)"),
        (lambda: Gaussian(SIGMA).at(0, 0, shape=(5, 5)), ShapeError, r"maps of shape \(4, 5\); got at\(\)"),
    ],
)
def test_wrong_questions_are_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_dense_array_above_the_memory_budget_is_refused():
    sigma = np.broadcast_to(np.float32(3.75), (8192, 8192))
    words = r"shape \(8192, 8192, 31, 31\) and dtype float32 would take 258\.0 GB; the memory budget is 0\.5 GB"
    with ks.configure(memory_budget=500_000_000), pytest.raises(MemoryBudgetError, match=words) as caught:
        Gaussian(sigma).dense()
    assert "memory_budget=257966473216" in str(caught.value)
    assert isinstance(caught.value, MemoryError)


def test_blends_are_materialized_without_the_kernels_that_have_no_weight():
    kernels = np.array([[1.0, 2.0], [10.0, 20.0], [math.nan, math.inf]])

    class Ends(Field):
        __slots__ = ()

        def bound(self, extents):
            def coefficients(region):
                share = np.arange(region[0].start, region[0].stop) / 4
                index = np.broadcast_to([0, 1, 2], (len(share), 3))
                return index, np.stack([1 - share, share, 0 * share], -1)

            return Blend((2,), np.dtype(np.float32), kernels, coefficients, None, (3,))

    dense = Ends().dense((5,))
    assert dense.dtype == np.float32
    assert_weights(dense, np.stack([(1 - t) * kernels[0] + t * kernels[1] for t in np.arange(5) / 4]), 1e-7)
    np.testing.assert_array_equal(Ends().at(3), dense[3])


# -- traced ------------------------------------------------------------------------------------------------------------


@each_traced
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_traced_weights_are_the_kernels(row, dtype):
    bound = row.field.bound(row.extents)
    (found,) = traced(bound, row.extents, dtype, lambda d, values: combined(bound, d, values))
    assert found.dtype == dtype
    # Angles are turned, and polynomials summed, in the dtype that is computed in.
    assert_weights(found, written_out(row), 1e-6 if row.dtype == "float32" or dtype == "float32" else 1e-12)


@each_traced
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_pixels_own_window_is_the_same_in_all_precisions(row, dtype):
    bound = row.field.bound(row.extents)
    if bound.takes_part is None:
        assert bound.reach is None
        assert bound.own_factors is None
        return
    (found,) = traced(
        bound, row.extents, dtype, lambda d, values: np.broadcast_to(bound.takes_part(d, *values), row.size)
    )
    assert found.dtype == bool
    reach = bound.reach()
    assert reach.shape == row.extents
    distances = np.stack([abs(d) for d in offsets(row.size)])
    for p in np.ndindex(*row.extents):
        assert distances[:, found[p]].max() == reach[p]
        outside = row.kernel(p, row.size)[~found[p]]
        assert not outside.any()


@each_traced
def test_factors_multiply_to_the_weights(row):
    bound = row.field.bound(row.extents)
    if bound.factors is None:
        return
    weights, *factors = traced(
        bound,
        row.extents,
        "float64",
        lambda d, values: (np.broadcast_to(bound.weights(d, *values), row.size), *bound.factors(d, *values)),
    )
    product = math.prod(factors[1:], start=factors[0])
    assert_weights(product, weights, 1e-15)
    for axis, factor in enumerate(factors):
        assert factor.shape == row.extents + tuple(k if a == axis else 1 for a, k in enumerate(row.size))
    if bound.takes_part is not None:
        whole, *lines = traced(
            bound,
            row.extents,
            "float64",
            lambda d, values: (bound.takes_part(d, *values), *bound.own_factors(d, *values)),
        )
        np.testing.assert_array_equal(math.prod(lines[1:], start=lines[0]), whole)


@each_traced
def test_terms_sum_to_the_weights(row):
    bound = row.field.bound(row.extents)
    assert (bound.terms is None) == (not isinstance(row.field, Combination))
    if bound.terms is not None:
        coefficients = traced(
            bound, row.extents, "float64", lambda d, values: tuple(c for c, _ in bound.terms(d, *values))
        )
        kernels = row.field.basis
        assert_weights(np.einsum("m...,mij->...ij", np.array(coefficients), kernels), written_out(row), 1e-6)


def value_at(part, p, dtype):
    """What a part is at a pixel, in the dtype that is computed in."""
    found = np.asarray(p[part.axis] if isinstance(part, Coordinate) else part.array)
    found = found[p] if isinstance(part, Map) else found
    return found.astype(computed_dtype(found, dtype))


def own_weights(bound, distances, values):
    """The weights before they are scaled, 0 outside the own window; of the window's shape."""
    weights = bound.weights(distances, *values)
    inside = True if bound.takes_part is None else bound.takes_part(distances, *values)
    return np.broadcast_to(np.where(inside, weights, 0.0), bound.size)


@each_traced
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_with_a_value_for_each_sample(row, dtype):
    """At each sample stands the weight that a pixel with the sample's own values has there."""
    bound = row.field.bound(row.extents)
    distances = offsets_of(row.size, tuple(k // 2 for k in row.size), dtype)
    sources = {tap: tuple(int(rng.integers(n)) for n in row.extents) for tap in np.ndindex(*row.size)}
    expected = np.zeros(row.size)
    windows = [np.empty(row.size, value_at(part, (0,) * len(row.size), dtype).dtype) for part in bound.parts]
    for tap, p in sources.items():
        values = [value_at(part, p, dtype) for part in bound.parts]
        expected[tap] = own_weights(bound, distances, values)[tap]
        for window, part, value in zip(windows, bound.parts, values, strict=True):
            if not isinstance(part, Table):
                window[tap] = value
    windows = [
        value_at(part, None, dtype) if isinstance(part, Table) else window
        for window, part in zip(windows, bound.parts, strict=True)
    ]
    parameters = [Parameter.kernel(slot, w.shape, w.dtype) for slot, w in enumerate(windows)]
    result = trace(lambda *values: own_weights(bound, distances, values), parameters)
    point = (WindowAxis(1, 1, 1, 0, "nearest"),)
    job = Job(result.outputs, (np.dtype(dtype),), (Input(np.dtype("u1"), point),), (), (OutputAxis(0, 1, 1),))
    captured = [a.value for a in result.arguments[len(windows) :]]
    (found,) = evaluate(job, [np.zeros(1, np.uint8)], [*windows, *captured])
    assert_weights(found[0], expected, 2e-6 if dtype == "float32" else 1e-12)
