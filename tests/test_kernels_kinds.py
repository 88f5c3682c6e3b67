"""What each kind of field does that others do not, and what it refuses, with the words of the message."""

import functools
import math
import re

import numpy as np
import pytest

import kernelscape as ks
from kernelscape.errors import ArgumentError, ArgumentTypeError, NotYetSupportedError, ShapeError
from kernelscape.kernels import Chebyshev, Combination, Dense, Disc, Formula, Gaussian, LowRank, Separable
from kernelscape.kernels.field import Elements, Map, Table, offsets_of
from tests.oracle.kernels import assert_weights, combined, gaussian, offsets, radius_of, traced

EXTENTS = (4, 5)
rng = np.random.default_rng(21)
SIGMA = rng.uniform(0.2, 1.6, EXTENTS)
RADIUS = rng.uniform(0, 2.7, EXTENTS)
WEIGHTS = rng.normal(size=(*EXTENTS, 3, 2))
BASIS = rng.normal(size=(3, 3, 4))
MAPS = rng.normal(size=(3, *EXTENTS)).astype(np.float32)
POLYNOMIALS = rng.normal(size=(3, 3, 2))


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
    words = re.escape(f"{name} must be finite and at least 0 everywhere; got {bad} at (2, 3)")
    with pytest.raises(ArgumentError, match=words):
        make(given)
    with pytest.raises(ArgumentError, match=re.escape(f"{name} must be finite and at least 0; got {bad}")):
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
    class Weights:
        def __call__(self, d, power):
            return abs(d) ** power

    assert repr(Formula(Weights(), 3, 2.0)) == "Formula(Weights, 3, 2.0)"
    assert repr(Formula(functools.partial(np.multiply, 1), (3, 4), ks.index(1), SIGMA)) == (
        "Formula(multiply, (3, 4), index(1), <float64 4x5>)"
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


def test_kernels_of_numbers_follow_the_numbers():
    image = rng.random((6, 7))
    sigma = np.array(1.0)
    field = Gaussian(sigma, size=3)
    for value in (1.0, 2.0, 1.0, 0.5):
        sigma[...] = value
        np.testing.assert_array_equal(ks.correlate(image, field), ks.correlate(image, Gaussian(value, size=3).at(0, 0)))


def test_kernels_of_numbers_follow_the_users_function():
    image, factor = np.ones((4, 4)), [1.0]
    field = Formula(lambda dy, dx: factor[0] * (dy == 0) * (dx == 0), size=3)
    assert ks.correlate(image, field)[1, 1] == 1
    factor[0] = 3.0
    assert ks.correlate(image, field)[1, 1] == 3
