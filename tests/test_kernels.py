"""The fields themselves: their weights, what they refuse, and that their functions can be traced.

Weights are compared with kernels written out pixel by pixel in plain NumPy. `FIELDS` has every kind of field with such
a function of the pixel; each row is checked in NumPy (`at`, `dense`), traced with the values of a pixel (gather) and
traced with a value for each sample of the window (scatter). What filters do with fields is not tested here.
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
    NotYetSupportedError,
    ShapeError,
)
from kernelscape.expression import verify
from kernelscape.geometry import Input, Job, OutputAxis, WindowAxis
from kernelscape.kernels import Chebyshev, Combination, Dense, Disc, Formula, Gaussian, LowRank, Separable
from kernelscape.kernels.checks import PositionError
from kernelscape.kernels.field import Blend, Coordinate, Elements, Field, Map, Table, offsets_of
from kernelscape.reference import evaluate
from kernelscape.trace import Parameter, trace

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


def offsets(size):
    return np.meshgrid(*(np.arange(k) - k // 2 for k in size), indexing="ij")


def unit_sum(weights):
    return weights / weights.sum()


def gaussian(sigmas, angle=0.0, *, size=None, own=None, normalize=True):
    """One kernel, of standard deviations along each axis before it is turned; `own` is its radius along each axis."""
    distances = np.stack(offsets(size), -1).astype(float)
    turn = np.eye(len(sigmas))
    if angle:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    along = distances @ turn  # coordinates along the axes of the kernel
    weights = np.ones(size)
    for a, sigma in enumerate(sigmas):
        on_axis = (abs(along[..., a]) < 1e-9).astype(float)
        weights *= np.exp(-0.5 * (along[..., a] / sigma) ** 2) if sigma else on_axis
    if own is not None:
        weights *= (abs(distances) <= own).all(-1)
    return unit_sum(weights) if normalize else weights


def radius_of(sigma, truncate=4.0):
    return int(truncate * float(sigma) + 0.5)


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


def assert_weights(actual, expected, tolerance=1e-12):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


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
        (lambda: Dense(WEIGHTS).at(1), ArgumentError, r"needs 2 coordinates, .* extents|needs 2 coordinates"),
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


def combined(bound, offsets, values):
    """All that a bound field says of weights, as one array of the window's shape."""
    weights = bound.weights(offsets, *values)
    if bound.scale is not None:
        weights = weights * bound.scale(offsets, *values)
    if bound.takes_part is not None:
        weights = np.where(bound.takes_part(offsets, *values), weights, 0.0)
    return np.broadcast_to(weights, bound.size)


def computed_dtype(array, dtype):
    return np.dtype(dtype) if array.dtype.kind == "f" else array.dtype


def traced(bound, extents, dtype, function):
    """What a function of the offsets and the parts gives at each position, by the definition."""
    parameters, inputs, arrays, tables = [], [], [], []
    point = tuple(WindowAxis(n, 1, 1, 0, "nearest") for n in extents)
    for part in bound.parts:
        if isinstance(part, Map):
            parameters.append(Parameter.pixel(len(arrays), computed_dtype(part.array, dtype)))
            inputs.append(Input(parameters[-1].dtype, point))
            arrays.append(part.array)
        elif isinstance(part, Coordinate):
            parameters.append(Parameter.index(part.axis))
        else:
            assert isinstance(part, Table)
            parameters.append(Parameter.kernel(len(tables), part.array.shape, computed_dtype(part.array, dtype)))
            tables.append(part.array)
    distances = offsets_of(bound.size, tuple(k // 2 for k in bound.size), dtype)
    result = trace(lambda *values: function(distances, values), parameters)
    verify(result.outputs)
    dtypes = tuple(node.dtype for node in result.outputs)
    if not inputs:  # a job has an input
        inputs, arrays = [Input(np.dtype(np.uint8), point)], [np.zeros(extents, np.uint8)]
    job = Job(result.outputs, dtypes, tuple(inputs), (), tuple(OutputAxis(0, 1, n) for n in extents))
    return evaluate(job, arrays, [*tables, *(a.value for a in result.arguments[len(tables) :])])


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


# -- Dense and Separable -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128", ">f4"])
def test_dense_keeps_its_array_and_dtype(dtype):
    weights = WEIGHTS.astype(dtype)
    field = Dense(weights)
    bound = field.bound(EXTENTS)
    (part,) = bound.parts
    assert isinstance(part, Elements)
    assert part.array is weights
    assert bound.dtype == np.dtype(dtype).newbyteorder("=")
    assert field.at(1, 2).dtype == bound.dtype
    np.testing.assert_array_equal(field.at(1, 2), weights[1, 2])


def test_dense_takes_any_memory_order():
    planes = np.ascontiguousarray(np.moveaxis(WEIGHTS, (0, 1), (2, 3)))
    view = np.moveaxis(planes, (2, 3), (0, 1))
    assert Dense(view).bound(EXTENTS).parts[0].array is view
    np.testing.assert_array_equal(Dense(view).dense(), WEIGHTS)
    constant = np.broadcast_to(WEIGHTS[0, 0], WEIGHTS.shape)
    assert Dense(constant).bound(EXTENTS).parts[0].array.strides[:2] == (0, 0)
    np.testing.assert_array_equal(Dense(constant).dense(), constant)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "bool"])
def test_integers_are_computed_as_floats(dtype):
    weights = (WEIGHTS * 3).astype(dtype)
    bound = Dense(weights).bound(EXTENTS)
    assert bound.dtype == np.float64
    assert bound.weights(offsets_of((3, 2), (1, 1), np.float32), weights[0, 0]).dtype == np.float32
    np.testing.assert_array_equal(Dense(weights).dense(), weights.astype(np.float64))


@pytest.mark.parametrize(
    ("make", "array"),
    [
        (lambda a: Dense(a), WEIGHTS + 1j * WEIGHTS[::-1]),
        (lambda a: Combination(a, MAPS), (BASIS + 1j * BASIS[::-1]).astype(np.complex64)),
    ],
)
def test_complex_fields_have_real_and_imaginary_parts(make, array):
    field = make(array)
    assert field.bound(EXTENTS).dtype == array.dtype
    assert type(field.real) is type(field)
    real = field.real
    assert real.real is real
    assert real.imag is None
    whole = field.dense()
    assert whole.dtype == array.dtype
    np.testing.assert_array_equal(field.real.dense() + 1j * field.imag.dense(), whole)


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        (np.ones((4, 5, 3)), ShapeError, r"axis of the window for each axis of the image.*\(4, 5, 3\)"),
        (3.0, ShapeError, r"got an array of shape \(\)"),
        (np.ones((4, 5, 0, 3)), ShapeError, r"at least one sample; got an array of shape \(4, 5, 0, 3\)"),
        (np.ma.masked_array(np.ones((4, 3))), NotYetSupportedError, "weights is a masked array, whose mask would be"),
        (np.ones((4, 3), dtype="S1"), ArgumentTypeError, r"weights must hold integers, float16.*; got dtype \|S1"),
        (np.ones((4, 3), np.longdouble), ArgumentTypeError, "got dtype (float128|longdouble)"),
        ("kernel", ArgumentTypeError, "must be a number or an array; got 'kernel'"),
        ([[1.0], [1.0, 2.0]], ArgumentError, "rows of equal lengths"),
    ],
)
def test_dense_refuses_other_arrays(weights, error, words):
    with pytest.raises(error, match=words):
        Dense(weights)


@pytest.mark.parametrize("extents", [(5, 4), (4,), (4, 5, 3)])
def test_dense_refuses_other_images(extents):
    with pytest.raises(ShapeError) as caught:
        Dense(WEIGHTS).bound(extents)
    assert str(extents) in str(caught.value)
    assert "(4, 5, 3, 2)" in str(caught.value)


def test_separable_factors_are_views_on_their_axes():
    columns, rows = WEIGHTS[..., 0], WEIGHTS[:, :, 1, :]
    bound = Separable(columns, rows).bound(EXTENTS)
    assert [p.array.shape for p in bound.parts] == [(4, 5, 3, 1), (4, 5, 1, 2)]
    assert all(np.shares_memory(p.array, WEIGHTS) for p in bound.parts)
    values = [p.array[1, 2] for p in bound.parts]
    distances = offsets_of(bound.size, (1, 1))
    first, second = bound.factors(distances, *values)
    np.testing.assert_array_equal(first * second, bound.weights(distances, *values))


def test_separable_in_one_and_three_dimensions():
    lines = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(Separable(lines).dense(), lines)
    factors = [rng.normal(size=(2, 3, 2, k)) for k in (1, 2, 3)]
    expected = np.einsum("xyza,xyzb,xyzc->xyzabc", *factors)
    assert_weights(Separable(*factors).dense(), expected)


@pytest.mark.parametrize(
    ("factors", "error", "words"),
    [
        ((), ArgumentTypeError, r"one factor for each window axis, as Separable\(columns, rows\)"),
        ((np.ones((4, 5, 3)),), ShapeError, r"With 1 factors each must have 1 axes.*factor 0 of shape \(4, 5, 3\)"),
        ((np.ones((4, 5, 3)), np.ones((4, 6, 3))), ShapeError, r"same extents.*\(4, 5, 3\), \(4, 6, 3\)"),
        ((np.ones((4, 5, 3)), np.ones((4, 5, 0))), ShapeError, r"must have weights; got factor 1"),
        ((np.ones((4, 3), complex),), ArgumentTypeError, "factor 0 of Separable must hold.*got dtype complex128"),
    ],
)
def test_separable_refuses_other_factors(factors, error, words):
    with pytest.raises(error, match=words):
        Separable(*factors)


def test_separable_refuses_other_images():
    with pytest.raises(ShapeError, match=r"2 factors of shape \(5, 4\) .* got shapes \(4, 5, 3\), \(4, 5, 2\)"):
        Separable(WEIGHTS[..., 0], WEIGHTS[:, :, 0]).bound((5, 4))


# -- Gaussian ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [None, 5, 4, (1, 6)])
@pytest.mark.parametrize("words", [{}, {"sigma2": 0}, {"sigma2": 0, "angle": 0.7}])
def test_sigma_of_zero_is_the_identity(size, words):
    kernel = Gaussian(0.0, size=size, **words).at(2, 3)
    expected = np.zeros(kernel.shape)
    expected[tuple(k // 2 for k in kernel.shape)] = 1
    np.testing.assert_array_equal(kernel, expected)


@pytest.mark.parametrize(("angle", "along"), [(0.0, 0), (math.pi / 2, 1), (math.pi, 0), (-math.pi / 2, 1)])
def test_oriented_gaussian_of_no_width_is_a_line(angle, along):
    kernel = Gaussian(1.5, 0.0, angle=angle).at(0, 0)
    assert kernel.shape == ((13, 1) if along == 0 else (1, 13))
    assert_weights(kernel.ravel(), gaussian((1.5,), size=(13,)), 1e-12)


def test_angle_turns_from_axis_0_to_axis_1():
    kernel = Gaussian(2.0, 0.5, angle=math.pi / 4).at(0, 0)
    centre = kernel.shape[0] // 2
    assert kernel[centre + 1, centre + 1] > 10 * kernel[centre + 1, centre - 1]
    np.testing.assert_array_equal(Gaussian(2.0, 0.5, angle=0.0).at(0, 0), Gaussian(2.0, 0.5).at(0, 0))


def test_constant_gaussian_is_scipys():
    from scipy.ndimage import gaussian_filter

    impulse = np.zeros((15, 15))
    impulse[7, 7] = 1
    assert_weights(Gaussian(1.7).at(0, 0), gaussian_filter(impulse, 1.7, mode="constant"), 1e-15)
    narrow = gaussian_filter(impulse, (1.7, 0.6), mode="constant", truncate=2.5)
    assert_weights(Gaussian(1.7, 0.6, truncate=2.5).at(0, 0), narrow[3:12, 5:10], 1e-15)


def test_gaussian_of_numbers_is_one_kernel():
    bound = Gaussian(1.0, 2.0, angle=0.3).bound((8, 9))
    assert all(isinstance(p, Table) for p in bound.parts)
    assert bound.takes_part is None
    assert bound.reach is None
    assert Gaussian(1.0).bound((3, 4, 5)).size == (9, 9, 9)


@pytest.mark.parametrize(
    ("sigma", "dtype"),
    [(2, "float64"), (np.float32(2), "float32"), (np.full(3, 2, np.float16), "float32"), (np.full(3, 2), "float64")],
)
def test_dtype_of_a_gaussian_is_that_of_its_map(sigma, dtype):
    field = Gaussian(sigma, truncate=1)
    assert field.at(0).dtype == dtype
    assert_weights(field.at(0), gaussian((2,), size=(5,)), 1e-7)
    assert Gaussian(np.float32([2.0]), truncate=1).bound((1,)).dtype == np.float32


def test_extreme_sigmas_give_numbers():
    sigma = np.array([0.0, 5e-324, 1e-30, 0.019, 0.0201, 1e150, 1e308])
    with np.errstate(over="raise", invalid="raise"):
        dense = Gaussian(sigma, size=5).dense()
    np.testing.assert_array_equal(dense[:4], [[0, 0, 1, 0, 0]] * 4)
    assert_weights(dense[4:], np.array([[0, 0, 1, 0, 0], [0.2] * 5, [0.2] * 5]))
    bound = Gaussian(sigma, size=5).bound((7,))
    with np.errstate(over="ignore"):
        (found,) = traced(bound, (7,), "float32", lambda d, values: combined(bound, d, values))
    assert_weights(found, dense, 1e-6)


@pytest.mark.parametrize(("largest", "dtype"), [(63.0, np.uint8), (64.0, np.uint16), (20000.0, np.uint32)])
def test_own_radii_take_few_bytes(largest, dtype):
    bound = Gaussian(np.array([0.5, largest], np.float32)).bound((2,))
    radius = bound.parts[1].array
    assert radius.dtype == dtype
    assert radius.tolist() == [2, 4 * largest]
    assert bound.size == (8 * largest + 1,)
    assert bound.reach().tolist() == [2, 4 * largest]


def test_own_radii_of_a_broadcast_map_take_no_memory():
    sigma = np.broadcast_to(np.linspace(0, 3, 5)[:, None], (5, 10**9))
    field = Gaussian(sigma)
    radius = field.bound(sigma.shape).parts[1].array
    assert radius.shape == sigma.shape
    assert radius.strides[1] == 0
    assert_weights(field.at(1, 10**9 - 1), gaussian((0.75, 0.75), size=(25, 25), own=[3, 3]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_radius_is_that_of_exact_arithmetic(dtype):
    # 4 s + 0.5 is a whole number, or just not
    edges = np.array([0.125, 0.375, 1.125, 7.875, 2.375], dtype)
    sigma = np.concatenate([edges, np.nextafter(edges, dtype(0)), np.nextafter(edges, dtype(9))])
    field = Gaussian(sigma)
    assert field.bound(sigma.shape).parts[1].array.tolist() == [radius_of(s) for s in sigma]


@pytest.mark.parametrize("bad", [-1.0, -1e-300, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["sigma", "sigma2", "radius"])
def test_sigmas_and_radii_that_mean_nothing_are_refused(name, bad):
    given = np.ones((6, 7))
    given[2, 3] = given[4, 0] = bad
    make = {"sigma": Gaussian, "sigma2": lambda s: Gaussian(np.ones((6, 7)), s), "radius": Disc}[name]
    words = rf"{name} must be finite and at least 0 everywhere; got {bad} at \(2, 3\)"
    with pytest.raises(ArgumentError, match=words.replace("-", r"\-").replace("inf e", "inf e")):
        make(given)
    with pytest.raises(ArgumentError, match=rf"{name} must be finite and at least 0; got"):
        make(bad)


def test_first_offence_is_named_in_any_block(monkeypatch):
    sigma = np.ones((3, 4, 5))
    sigma[2, 1, 4] = sigma[2, 2, 0] = -1
    for block in (1, 3, 7, 20, 1000):
        monkeypatch.setattr("kernelscape.kernels.checks._BLOCK", block)
        with pytest.raises(ArgumentError, match=r"got -1\.0 at \(2, 1, 4\)"):
            Gaussian(sigma)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Gaussian(1.0, angle=0.5), ArgumentError, r"angle turns the axes.*angle=0\.5 and no sigma2"),
        (
            lambda: Gaussian(1.0, 2.0, angle=[[0.0, math.nan]]),
            ArgumentError,
            r"angle must be finite everywhere.*\(0, 1\)",
        ),
        (lambda: Gaussian(np.ones((3, 4)), np.ones((4, 3))), ShapeError, r"one shape.*\(3, 4\) and sigma2 .*\(4, 3\)"),
        (lambda: Gaussian(np.ones(3), 1.0), ShapeError, r"in two dimensions; got maps of shape \(3,\)"),
        (lambda: Gaussian(1.0, 1.0).bound((5,)), ShapeError, "two dimensions; got an image with 1 window axes"),
        (lambda: Gaussian(1j), ArgumentTypeError, "sigma must hold integers.*got dtype complex128"),
        (lambda: Gaussian("wide"), ArgumentTypeError, "sigma must be a number or an array; got 'wide'"),
        (lambda: Gaussian(None), ArgumentTypeError, "sigma must be a number or an array; got None"),
        (lambda: Gaussian(1.0, truncate=-1), ArgumentError, "truncate must be finite and at least 0; got -1"),
        (lambda: Gaussian(1.0, truncate="4"), ArgumentTypeError, "truncate must be a number; got '4'"),
        (lambda: Gaussian(1.0, normalize="valid"), ArgumentTypeError, "normalize must be True or False; got 'valid'"),
        (lambda: Gaussian(1.0, size=0), ArgumentError, "size must be at least 1"),
        (lambda: Gaussian(1.0, size=(3, 2.5)), ArgumentTypeError, r"size must be made of integers; got \(3, 2\.5\)"),
        (lambda: Gaussian(1.0, size=(3, 5)).bound((9,)), ShapeError, "each of the 1 window axes"),
        (lambda: Gaussian(1.0, size=()), ShapeError, "got an empty sequence"),
        (
            lambda: Gaussian(1e9),
            ArgumentError,
            r"radius below 2\*\*30 .* got truncate=4\.0 times a sigma of 1000000000",
        ),
        (lambda: Gaussian(SIGMA).bound((5, 4)), ShapeError, r"maps of shape \(4, 5\).*got an image with \(5, 4\)"),
        (lambda: Gaussian(SIGMA).bound((4, 5, 3)), ShapeError, r"got an image with \(4, 5, 3\)"),
        (lambda: Disc(RADIUS).bound((5, 4)), ShapeError, r"Disc has maps of shape \(4, 5\).*\(5, 4\)"),
        (lambda: Disc(1.0, size=-3), ArgumentError, "size must be at least 1"),
        (lambda: Disc([1.0, 2e9]), ArgumentError, r"got a disc of radius 2000000000\.0. Give the field a size="),
    ],
)
def test_gaussians_and_discs_refuse(make, error, words):
    with pytest.raises(error, match=words):
        make()


# -- Disc --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [0, 0.0, 0.2, 0.5])
@pytest.mark.parametrize("size", [None, 4, 5])
def test_disc_of_no_radius_is_the_identity(radius, size):
    kernel = Disc(radius, size=size).at(0, 0)
    expected = np.zeros(kernel.shape)
    expected[tuple(k // 2 for k in kernel.shape)] = 1
    np.testing.assert_array_equal(kernel, expected)


def test_disc_has_a_linear_edge_of_one_sample():
    kernel = Disc(3.25).at(0)
    assert_weights(kernel / kernel[3], np.array([0.75, 1, 1, 1, 1, 1, 0.75]))
    assert Disc(2.5).at(0).shape == (5,)
    assert Disc(2.51).at(0).shape == (7,)


def test_disc_changes_continuously():
    radii = np.linspace(0, 3, 301)
    kernels = Disc(radii, size=9).dense()
    assert abs(np.diff(kernels, axis=0)).max() < 0.02


# -- Formula -----------------------------------------------------------------------------------------------------------


def test_formula_of_the_coordinate_alone_fits_any_image():
    field = Formula(lambda dy, dx, y: np.exp(-(dy**2 + dx**2) / (y + 1)), (5, 5), ks.index(0))
    assert field.extents is None
    dy, dx = offsets((5, 5))
    np.testing.assert_allclose(field.at(99, 7), np.exp(-(dy**2.0 + dx**2.0) / 100), rtol=1e-14)
    assert field.dense((3, 2)).shape == (3, 2, 5, 5)


def test_formula_gets_floats_and_bools():
    seen = []

    def function(d, *arguments):
        seen.append([a.dtype for a in arguments])
        return 1.0 + 0 * d

    field = Formula(function, 3, ks.index(0), 2, np.arange(4), np.arange(4) > 1, np.ones(4, np.float16))
    bound = field.bound((4,))
    values = [np.int64(1), np.int64(2), np.int64(1), np.bool_(True), np.float32(1)]
    bound.weights(offsets_of((3,), (1,), np.float32), *values)
    assert [str(t) for t in seen[0]] == ["float32", "float32", "float32", "bool", "float32"]


@pytest.mark.parametrize("weight", [1, 2.5, True])
def test_formula_may_give_a_number(weight):
    np.testing.assert_array_equal(Formula(lambda d: weight, 3).at(0), np.full(3, float(weight)))
    bound = Formula(lambda d: weight, 3).bound((4,))
    (found,) = traced(bound, (4,), "float32", lambda d, values: combined(bound, d, values))
    np.testing.assert_array_equal(found, np.full((4, 3), np.float32(weight)))


def test_formula_may_give_integers():
    np.testing.assert_array_equal(Formula(lambda d: d > 0, 3).at(0), [0.0, 0.0, 1.0])


def test_formula_says_its_name():
    import functools

    class Weights:
        def __call__(self, d, power):
            return abs(d) ** power

    assert repr(Formula(Weights(), 3, 2.0)) == "Formula(Weights, 3, 2.0)"
    assert repr(Formula(functools.partial(weights_formula, tilt=1), (3, 4), ks.index(1), SIGMA)) == (
        "Formula(weights_formula, (3, 4), index(1), <float64 4x5>)"
    )


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Formula(3, 3), ArgumentTypeError, "function must be callable.*got 3"),
        (lambda: Formula(np.exp, "3"), ArgumentTypeError, "size must be made of integers; got"),
        (lambda: Formula(np.exp, 0), ArgumentError, "size must be at least 1"),
        (lambda: Formula(np.exp, 3, "x"), ArgumentTypeError, "argument 0 of the function must be a number or an array"),
        (lambda: Formula(np.exp, 3, 1, 2j), ArgumentTypeError, "argument 1 of the function must hold.*complex128"),
        (
            lambda: Formula(np.exp, 3, ks.pixel(SIGMA)),
            ArgumentTypeError,
            "must be a number or an array; got PixelArgument",
        ),
        (lambda: Formula(np.exp, 3, np.ones(3), np.ones(4)), ShapeError, r"argument 0 of shape \(3,\) and argument 1"),
        (lambda: Formula(np.exp, 3, np.ones(3)).bound((4,)), ShapeError, r"Formula has maps of shape \(3,\)"),
        (lambda: Formula(np.exp, (3, 3)).bound((4,)), ShapeError, "each of the 1 window axes"),
        (
            lambda: Formula(np.exp, 3, ks.index(1)).bound((4,)),
            ArgumentError,
            r"ks\.index\(1\) names an axis of an image with 1",
        ),
        (lambda: Formula(lambda d: None, 3).at(0), ArgumentTypeError, "must give real weights.*got None"),
        (lambda: Formula(lambda d: 1j * d, 3).at(0), ArgumentTypeError, "must give real weights"),
        (lambda: Formula(lambda d: [1, 2, 3], 3).at(0), ArgumentTypeError, r"must give real weights.*got \[1, 2, 3\]"),
        (lambda: Formula(lambda d: np.ones(4), 3).at(0), ShapeError, r"window's shape \(3,\); got shape \(4,\)"),
        (
            lambda: Formula(lambda d, e: np.ones((3, 2)), 3).at(0, 0),
            ShapeError,
            r"window's shape \(3, 3\); got shape \(3, 2\)",
        ),
    ],
)
def test_formula_refuses(make, error, words):
    with pytest.raises(error, match=words):
        make()


# -- Combination -------------------------------------------------------------------------------------------------------


def test_combination_takes_maps_as_they_are():
    bound = Combination(BASIS, MAPS).bound(EXTENTS)
    *maps, table = bound.parts
    assert all(isinstance(m, Map) and np.shares_memory(m.array, MAPS) for m in maps)
    assert np.shares_memory(table.array, BASIS)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (9, 2)])
@pytest.mark.parametrize("degrees", [(0, 0), (1, 0), (0, 4), (5, 3)])
def test_polynomials_are_numpys(shape, degrees):
    coefficients = rng.normal(size=(2, degrees[0] + 1, degrees[1] + 1))
    basis = np.array([[[1.0]], [[0.0]]])
    u, v = (2 * np.arange(n) / (n - 1) - 1 if n > 1 else np.zeros(1) for n in shape)
    expected = np.polynomial.chebyshev.chebgrid2d(u, v, coefficients[0])
    field = Combination(basis, Chebyshev(coefficients))
    assert_weights(field.dense(shape)[..., 0, 0], expected, 1e-12)


def test_polynomials_in_one_and_three_dimensions():
    line = Combination([[1.0]], Chebyshev([[0.0, 0.0, 1.0]])).dense((5,))
    assert_weights(line[:, 0], np.array([1.0, -0.5, -1.0, -0.5, 1.0]))
    coefficients = rng.normal(size=(1, 2, 3, 2))
    u = [np.linspace(-1, 1, n) for n in (3, 4, 5)]
    cube = Combination(np.ones((1, 1, 1, 1)), Chebyshev(coefficients)).dense((3, 4, 5))
    assert_weights(cube[..., 0, 0, 0], np.polynomial.chebyshev.chebgrid3d(*u, coefficients[0]))


def test_parts_of_a_low_rank_field_are_low_rank():
    field = LowRank(BASIS + 1j, MAPS)
    assert type(field.real) is LowRank
    assert type(field.imag) is LowRank


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: Combination(BASIS, MAPS[:2]),
            ShapeError,
            r"one coefficient for each.*3 kernels.*and 2 maps.*\(2, 4, 5\)",
        ),
        (lambda: LowRank(BASIS[:1], MAPS), ShapeError, r"A LowRank needs one coefficient.*1 kernels.*3 maps"),
        (lambda: Combination(BASIS, 1.0), ShapeError, "no maps"),
        (lambda: Combination(BASIS, Chebyshev(POLYNOMIALS[:1])), ShapeError, "3 kernels .* and 1 polynomials"),
        (lambda: Combination(BASIS, MAPS[:, 0]), ShapeError, "have 2 axes, and so must the image; got maps with 1"),
        (lambda: Combination(BASIS, Chebyshev(POLYNOMIALS[..., 0])), ShapeError, "got polynomials with 1"),
        (lambda: Combination(np.ones(3), MAPS), ShapeError, r"shape \(m, kh, kw\).*got shape \(3,\)"),
        (lambda: Combination(np.ones((3, 0, 2)), MAPS), ShapeError, r"none of extent 0; got shape \(3, 0, 2\)"),
        (lambda: Combination(BASIS, MAPS * 1j), ArgumentTypeError, "coefficients must hold integers.*complex64"),
        (lambda: Combination("x", MAPS), ArgumentTypeError, "basis must be a number or an array; got 'x'"),
        (lambda: Combination(BASIS, MAPS).bound((5, 4)), ShapeError, r"maps of shape \(4, 5\).*\(5, 4\)"),
        (lambda: Combination(BASIS, MAPS).bound((5,)), ShapeError, "basis kernels have 2 axes.*1 window axes"),
        (lambda: Chebyshev([1.0, 2.0]), ShapeError, r"shape \(m, n_0, n_1, \.\.\.\).*got shape \(2,\)"),
        (lambda: Chebyshev(np.ones((2, 0))), ShapeError, r"none of extent 0; got shape \(2, 0\)"),
        (lambda: Chebyshev([[1j]]), ArgumentTypeError, "coefficients must hold integers"),
    ],
)
def test_combination_refuses(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_nan_goes_where_it_belongs():
    maps = MAPS.copy()
    maps[1, 2, 3] = math.nan
    missing = np.isnan(Combination(BASIS, maps).dense()).any((2, 3))
    assert missing.sum() == 1
    assert missing[2, 3]
