"""Kernel fields where the answer is known without an oracle, and what is refused before anything is computed.

Constant fields are SciPy's filters, impulses show the kernels, unit sums keep constants and flux, a second moment adds
up, an interpolation is of second order, and a job said in three ways gives one image.
"""

import itertools
import math
import re

import numpy as np
import pytest
from scipy import ndimage

import kernelscape as ks
from tests.conformance.field_cases import FIELDS, NORMALISED, assert_within_bound, field_case
from tests.oracle.comparison import assert_near

MODES = ("reflect", "mirror", "nearest", "wrap", "constant")
PAIRS = [(ks.correlate, ndimage.correlate), (ks.convolve, ndimage.convolve)]


# -- constant fields ---------------------------------------------------------------------------------------------------


def constant_fields(kernel, extents):
    """One kernel at every pixel, said in several ways."""
    zero = [0.0] * len(extents)
    m = kernel.ndim
    yield ks.kernels.Dense(np.broadcast_to(kernel, (*extents, *kernel.shape)))
    yield ks.kernels.Dense(np.ascontiguousarray(np.broadcast_to(kernel, (*extents, *kernel.shape))))
    yield ks.kernels.Grid(kernel[(None,) * m], tuple([z] for z in zero))
    yield ks.kernels.Grid(np.stack([kernel] * 2**m).reshape(*(2,) * m, *kernel.shape), tuple([1.0, 3.5] for _ in zero))
    yield ks.kernels.Combination(kernel[None], np.ones((1, *extents)))
    yield ks.kernels.Combination(kernel[None], ks.kernels.Chebyshev(np.ones((1,) * (m + 1))))
    if m == 2:
        corners = np.array([[0.0, 0.0], [0.0, 5.0], [6.0, 1.0]])
        yield ks.kernels.Scattered(np.stack([kernel] * 3), corners)


@pytest.mark.parametrize("size", [(3, 4), (4,), (2, 3, 3)])
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=["correlate", "convolve"])
def test_a_constant_field_is_scipy(ours, theirs, size):
    rng = np.random.default_rng(0)
    extents = (7, 8, 9)[: len(size)]
    x, kernel = rng.normal(size=extents), rng.normal(size=size)
    origin = tuple((k - 1) // 2 - k // 2 for k in size)
    for field in constant_fields(kernel, extents):
        for mode in MODES:
            assert_near(ours(x, field, mode=mode, cval=2.0), theirs(x, kernel, mode=mode, cval=2.0), 1e-13)
        for mode in ("wrap", "constant"):
            assert_near(ours(x, field, mode=mode, form="scatter"), theirs(x, kernel, mode=mode), 1e-13)
        assert_near(ours(x, field, origin=origin), theirs(x, kernel, origin=origin), 1e-13)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_a_gaussian_of_one_width_is_scipys(ndim, mode):
    x = np.random.default_rng(1).normal(size=(21, 16, 13)[:ndim])
    for sigma, truncate in [(0.6, 4.0), (2.0, 3.0), (0.0, 4.0)]:
        wanted = ndimage.gaussian_filter(x, sigma, mode=mode, truncate=truncate) if sigma else x
        for given in (sigma, np.full(x.shape, sigma)):
            field = ks.kernels.Gaussian(given, truncate=truncate)
            assert_near(ks.correlate(x, field, mode=mode), wanted, 1e-13)
            assert_near(ks.convolve(x, field, mode=mode), wanted, 1e-13)
    if ndim == 2:
        wanted = ndimage.gaussian_filter(x, (0.7, 1.9), mode=mode)
        assert_near(ks.correlate(x, ks.kernels.Gaussian(0.7, 1.9), mode=mode), wanted, 1e-13)
        turned = ks.kernels.Gaussian(1.9, 0.7, angle=np.pi / 2)
        assert_near(ks.correlate(x, turned, mode=mode), wanted, 1e-13)


@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize("kind", ["Gaussian", "Disc"])
def test_zero_is_the_identity(kind, form):
    make = getattr(ks.kernels, kind)
    for shape, dtype in itertools.product([(9,), (6, 7), (3, 4, 5)], (np.float32, np.float64)):
        x = np.random.default_rng(2).normal(size=shape).astype(dtype)
        zero = np.zeros(shape, dtype)
        for field in (make(0.0), make(zero), make(zero, size=3)):
            np.testing.assert_array_equal(ks.convolve(x, field, form=form), x)
        mixed = zero.copy()
        mixed.flat[0] = 1.3
        found = ks.correlate(x, make(mixed), form="gather")
        np.testing.assert_array_equal(found.flat[1:], x.flat[1:])


# -- fields show themselves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIELDS)
def test_fields_show_their_kernels(name):
    for extents, size in [((6, 7), (3, 4)), ((5,), (8,)), ((3, 2, 4), (2, 3, 3))]:
        case = field_case(name, extents, size, seed=6)
        if case is None:
            continue
        field = case.make()
        dense = field.dense(extents)
        assert_within_bound(dense, case.kernels, case.slack + 4 * abs(case.kernels), dense.dtype)
        for p in [(0,) * len(extents), tuple(n - 1 for n in extents), tuple(n // 2 for n in extents)]:
            np.testing.assert_array_equal(field.at(*p, shape=extents), dense[p])


@pytest.mark.parametrize("name", FIELDS)
def test_impulses_show_the_kernels(name):
    """Also at the edges, where the rest of the kernel has nowhere to go, or comes in on the other side."""
    extents = (11, 13)
    case = field_case(name, extents, (3, 4), seed=7)
    field, kernels = case.make(), case.kernels
    height, width = case.size
    for p in [(5, 6), (0, 0), (10, 12), (1, 11), (6, 0)]:
        impulse = np.zeros(extents)
        impulse[p] = 1
        y, x = p[0] - height // 2, p[1] - width // 2
        room = np.zeros((3 * 11, 3 * 13), kernels.dtype)
        room[11 + y : 11 + y + height, 13 + x : 13 + x + width] = kernels[p]
        for mode in ("constant", "shrink"):
            found = ks.convolve(impulse, field, form="scatter", mode=mode)
            assert_near(found, room[11:22, 13:26], 1e-12)
        wrapped = room.reshape(3, 11, 3, 13).sum(axis=(0, 2))
        assert_near(ks.convolve(impulse, field, form="scatter", mode="wrap"), wrapped, 1e-12)
    for tap in np.ndindex(*case.size):
        impulse = np.zeros(extents)
        impulse[5 + tap[0] - height // 2, 6 + tap[1] - width // 2] = 1
        found = ks.correlate(impulse, field)[5, 6]
        assert abs(found - kernels[(5, 6, *tap)].conj()) < 1e-12


def test_a_field_that_is_too_large_is_not_written_out():
    for field in (ks.kernels.Gaussian(4.0), ks.kernels.Formula(lambda dy, dx: dy * dx, 33)):
        with pytest.raises(MemoryError, match=r"584.* GB|544.* GiB"):
            field.dense((8192, 8192))


# -- sums and moments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NORMALISED)
def test_unit_sums_keep_constants_and_flux(name):
    case = field_case(name, (24, 26), (3, 4), seed=8)
    field, reach = case.make(), list(case.size)
    constant = np.full((24, 26), 3.7)
    for mode in ("reflect", "mirror", "nearest", "wrap"):
        assert_near(ks.correlate(constant, field, mode=mode), constant, 1e-13)
    assert_near(ks.correlate(constant, field, mode="shrink", normalize=True), constant, 1e-13)
    x = np.zeros((24, 26))
    inside = tuple(slice(k, n - k) for k, n in zip(reach, x.shape, strict=True))
    x[inside] = np.random.default_rng(3).uniform(0, 1, x[inside].shape)
    for mode in ("reflect", "constant", "shrink"):
        assert ks.convolve(x, field, form="scatter", mode=mode).sum() == pytest.approx(x.sum(), rel=1e-13)


@pytest.mark.parametrize("kind", ["grid", "scattered"])
def test_kernels_between_unit_sums_have_unit_sums(kind):
    kernels = np.random.default_rng(4).uniform(0, 1, (6, 3, 3))
    kernels /= kernels.sum(axis=(1, 2), keepdims=True)
    if kind == "grid":
        fields = [
            ks.kernels.Grid(kernels.reshape(2, 3, 3, 3), ([2.5, 9.0], [1.0, 4.0, 17.0]), method=method)
            for method in ("linear", "nearest", "cubic")
        ]
    else:
        points = [[3.0, 4], [2, 15], [9, 9], [15, 3], [17, 16], [8, 13]]
        fields = [ks.kernels.Scattered(kernels, points)]
    for field in fields:
        assert_near(field.dense((20, 21)).sum(axis=(2, 3)), np.ones((20, 21)), 1e-13)
        assert_near(ks.correlate(np.ones((20, 21)), field), np.ones((20, 21)), 1e-13)


def test_second_moments_add_up():
    """Of x squared comes x squared + sigma squared: the Gaussian's own variance, sampled, is right to 1e-12 here."""
    sigma = np.random.default_rng(5).uniform(1.4, 2.4, (60, 61))
    y, x = np.indices(sigma.shape) - 30.0
    inside = (slice(20, -20), slice(20, -20))
    found = ks.correlate(x**2, ks.kernels.Gaussian(sigma, truncate=8.0))
    assert_near(found[inside], (x**2 + sigma**2)[inside], 1e-10)
    found = ks.correlate(y**2, ks.kernels.Gaussian(sigma, sigma + 0.25, truncate=8.0))
    assert_near(found[inside], (y**2 + sigma**2)[inside], 1e-10)
    turn = np.random.default_rng(6).uniform(0, 6, sigma.shape)
    field = ks.kernels.Gaussian(sigma, sigma / 1.125, angle=turn, truncate=8.0)
    covariance = (sigma**2 - (sigma / 1.125) ** 2) * np.sin(turn) * np.cos(turn)
    assert_near(ks.correlate(x * y, field)[inside], (x * y + covariance)[inside], 1e-10)
    assert_near(ks.correlate(x**2, field)[inside], ks.convolve(x**2, field)[inside], 1e-10)


def test_half_the_spacing_is_a_quarter_of_the_error():
    """Kernels that vary smoothly, interpolated between fewer and fewer nodes; widths from 0.8 to 1.6."""
    extents = (65, 65)
    y, x = np.indices(extents)

    def width(y, x):
        return 1.2 + 0.4 * np.sin(y / 18.0) * np.cos(x / 21.0)

    image = np.random.default_rng(7).normal(size=extents)
    exact = ks.correlate(image, ks.kernels.Gaussian(width(y, x), size=9))
    errors = []
    for spacing in (16, 8, 4):
        nodes = np.arange(0, 65, spacing, dtype=float)
        kernels = ks.kernels.Gaussian(width(*np.meshgrid(nodes, nodes, indexing="ij")), size=9).dense((len(nodes),) * 2)
        errors.append(np.sqrt(np.mean((ks.correlate(image, ks.kernels.Grid(kernels, (nodes, nodes))) - exact) ** 2)))
    assert 3.7 < errors[0] / errors[1] < 4.3
    assert 3.8 < errors[1] / errors[2] < 4.2


# -- one job, said in three ways ---------------------------------------------------------------------------------------


def plain_loops(image, weight):
    """A gather under zeros, in loops as one writes them."""
    height, width = image.shape
    result = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            total = 0.0
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        total += weight(y, x, dy, dx) * image[y + dy, x + dx]
            result[y, x] = total
    return result


def test_weights_that_depend_on_the_row():
    image = np.random.default_rng(8).normal(size=(100, 100))
    wanted = plain_loops(image, lambda y, x, dy, dx: math.exp(-(dx**2 + dy**2) / (y + 1)))
    y, dy, dx = np.ogrid[:100, -2:3, -2:3]
    dense = np.broadcast_to(np.exp(-(dx**2 + dy**2) / (y + 1))[:, None], (100, 100, 5, 5))
    formula = ks.kernels.Formula(lambda dy, dx, y: np.exp(-(dx**2 + dy**2) / (y + 1)), 5, ks.index(0))
    assert_near(ks.correlate(image, ks.kernels.Dense(dense), mode="constant"), wanted, 1e-13)
    assert_near(ks.correlate(image, ks.kernels.Dense(dense.copy()), mode="constant"), wanted, 1e-13)
    assert_near(ks.correlate(image, formula, mode="constant"), wanted, 1e-13)
    found = ks.apply(lambda w, k: np.sum(w * k), image, ks.kernel(formula), mode="constant")
    assert_near(found, wanted, 1e-13)


def test_four_kernels_in_the_corners():
    image = np.random.default_rng(9).normal(size=(100, 100))
    d = np.arange(-2, 3) ** 2
    kernels = np.array([np.exp(-(d[:, None] + d) / (2 * s**2)) for s in (0.2, 0.4, 0.6, 0.8)]).reshape(2, 2, 5, 5)
    kernels /= kernels.sum(axis=(2, 3), keepdims=True)

    def weight(y, x, dy, dx):
        v, u = y / 99, x / 99
        corners = kernels[:, :, dy + 2, dx + 2]
        return (1 - v) * ((1 - u) * corners[0, 0] + u * corners[0, 1]) + v * (
            (1 - u) * corners[1, 0] + u * corners[1, 1]
        )

    wanted = plain_loops(image, weight)
    grid = ks.kernels.Grid(kernels, ([0, 99], [0, 99]))
    t = np.arange(100) / 99
    ends = np.stack([1 - t, t], 1)
    dense = np.einsum("ya,xb,abij->yxij", ends, ends, kernels)
    assert_near(ks.correlate(image, grid, mode="constant"), wanted, 1e-13)
    assert_near(ks.correlate(image, ks.kernels.Dense(dense), mode="constant"), wanted, 1e-13)
    assert_near(grid.dense((100, 100)), dense, 1e-13)
    for form, call in itertools.product(("gather", "scatter"), (ks.correlate, ks.convolve)):
        assert_near(call(image, grid, form=form), call(image, ks.kernels.Dense(dense), form=form), 1e-13)


def test_the_edge_of_a_disc_is_one_sample_wide_and_linear():
    radii = np.linspace(0, 4, 81)
    kernels = ks.kernels.Disc(radii).dense((81,))
    line = np.clip(radii[:, None] + 0.5 - abs(np.arange(-4, 5)), 0, 1)
    assert_near(kernels, line / line.sum(1, keepdims=True), 1e-13)


# -- what is refused ---------------------------------------------------------------------------------------------------

X = np.ones((5, 7))
KERNELS = np.ones((2, 3, 3, 3))
POINTS = [[0.0, 0.0], [0.0, 4.0], [4.0, 0.0]]


def bad(value, shape=(5, 7)):
    made = np.ones(shape)
    made[3, 4] = value
    return made


REFUSED = {
    "dense of other extents": (lambda: ks.kernels.Dense(np.ones((5, 6, 3, 3))), ["(5, 7)", "(5, 6"]),
    "dense with an axis missing": (lambda: ks.kernels.Dense(np.ones((5, 7, 3))), ["(5, 7, 3)"]),
    "dense without taps": (lambda: ks.kernels.Dense(np.ones((5, 7, 0, 3))), ["(5, 7, 0, 3)"]),
    "separable of other extents": (
        lambda: ks.kernels.Separable(np.ones((5, 7, 3)), np.ones((7, 5, 3))), ["(5, 7, 3)", "(7, 5, 3)"],
    ),
    "sigma of other extents": (lambda: ks.kernels.Gaussian(np.ones((7, 5))), ["(5, 7)", "(7, 5)"]),
    "maps of two shapes": (
        lambda: ks.kernels.Gaussian(np.ones((5, 7)), np.ones((5, 6))), ["sigma2", "(5, 7)", "(5, 6)"],
    ),
    "negative sigma": (lambda: ks.kernels.Gaussian(-1.0), ["sigma", "-1.0"]),
    "negative sigma somewhere": (lambda: ks.kernels.Gaussian(bad(-0.5)), ["sigma", "-0.5", "(3, 4)"]),
    "infinite sigma": (lambda: ks.kernels.Gaussian(np.inf), ["sigma", "inf", "finite"]),
    "infinite sigma somewhere": (lambda: ks.kernels.Gaussian(bad(np.inf)), ["sigma", "inf", "(3, 4)"]),
    "negative sigma2": (lambda: ks.kernels.Gaussian(1.0, bad(-0.5)), ["sigma2", "-0.5", "(3, 4)"]),
    "infinite angle": (lambda: ks.kernels.Gaussian(1.0, 2.0, angle=bad(np.inf)), ["angle", "inf", "(3, 4)"]),
    "angle alone": (lambda: ks.kernels.Gaussian(1.0, angle=1.0), ["angle", "sigma2"]),
    "negative radius": (lambda: ks.kernels.Disc(-1.0), ["radius", "-1.0"]),
    "infinite radius somewhere": (lambda: ks.kernels.Disc(bad(np.inf)), ["radius", "inf", "(3, 4)"]),
    "radius of other extents": (lambda: ks.kernels.Disc(np.ones((7, 5))), ["(5, 7)", "(7, 5)"]),
    "positions that fall": (
        lambda: ks.kernels.Grid(KERNELS, ([4.0, 0.0], [0.0, 2.0, 3.0])), ["positions", "increase", "4.0"],
    ),
    "positions that repeat": (
        lambda: ks.kernels.Grid(KERNELS, ([0.0, 4.0], [0.0, 2.0, 2.0])), ["positions", "increase", "2.0"],
    ),
    "positions that are NaN": (
        lambda: ks.kernels.Grid(KERNELS, ([0.0, 4.0], [0.0, 2.0, np.nan])), ["positions", "nan"],
    ),
    "too few positions": (lambda: ks.kernels.Grid(KERNELS, ([0.0, 4.0], [0.0, 2.0])), ["positions", "3", "2"]),
    "positions of one axis only": (lambda: ks.kernels.Grid(KERNELS, ([0.0, 4.0],)), ["positions"]),
    "unknown method": (
        lambda: ks.kernels.Grid(KERNELS, ([0.0, 4.0], [0.0, 2.0, 4.0]), method="bicubic"), ["'bicubic'", "'cubic'"],
    ),
    "points in a line": (
        lambda: ks.kernels.Scattered(KERNELS[0], [[0.0, 0], [1, 1], [2, 2]]), ["points", "line"],
    ),
    "points that repeat": (
        lambda: ks.kernels.Scattered(np.ones((4, 3, 3)), [*POINTS, POINTS[1]]), ["points", "(0.0, 4.0)"],
    ),
    "infinite points": (
        lambda: ks.kernels.Scattered(KERNELS[0], [[0.0, 0], [1, np.inf], [2, 2]]), ["points", "inf"],
    ),
    "no points": (lambda: ks.kernels.Scattered(KERNELS[0, :0], POINTS[:0]), ["kernels", "(0, 3, 3)"]),
    "more kernels than points": (lambda: ks.kernels.Scattered(np.ones((4, 3, 3)), POINTS), ["points", "4", "3"]),
    "more coefficients than kernels": (
        lambda: ks.kernels.Combination(np.ones((2, 3, 3)), np.ones((3, 5, 7))), ["coefficients", "2", "3"],
    ),
    "coefficients of other extents": (
        lambda: ks.kernels.Combination(np.ones((2, 3, 3)), np.ones((2, 7, 5))), ["(5, 7)", "(7, 5)"],
    ),
    "more polynomials than kernels": (
        lambda: ks.kernels.Combination(np.ones((2, 3, 3)), ks.kernels.Chebyshev(np.ones((3, 2, 2)))),
        ["coefficients", "2", "3"],
    ),
    "formula with a map of other extents": (
        lambda: ks.kernels.Formula(lambda dy, dx, s: dy * s, 3, np.ones((7, 5))), ["(5, 7)", "(7, 5)"],
    ),
    "formula of the wrong shape": (lambda: ks.kernels.Formula(lambda dy, dx: np.ones(4), 3), ["(3, 3)", "(4,)"]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_fields_are_refused_in_words(name):
    """When the field is made, or at the latest when it meets an image."""
    make, words = REFUSED[name]
    for call in (ks.correlate, lambda x, field: ks.convolve(x, field, form="scatter")):
        with pytest.raises((ValueError, TypeError)) as caught:
            call(X, make())
        assert isinstance(caught.value, ks.KernelscapeError), repr(caught.value)
        text = str(caught.value)
        assert [word for word in words if word not in text] == [], text


MEETINGS = {
    "fewer axes than the image": (
        lambda: ks.correlate(np.ones((5, 7, 3)), ks.kernels.Dense(np.ones((5, 7, 3, 3)))), "axes=(0, 1)",
    ),
    "two dimensions only": (lambda: ks.correlate(np.ones((3, 4, 5)), ks.kernels.Gaussian(1.0, 2.0)), "axes=(0, 1)"),
    "points in a volume": (
        lambda: ks.correlate(np.ones((3, 4, 5)), ks.kernels.Scattered(KERNELS[0], POINTS)), "axes=(0, 1)",
    ),
    "named axes that are too many": (
        lambda: ks.correlate(np.ones((3, 4, 5)), ks.kernels.Gaussian(1.0, 2.0), axes=(0, 1, 2)), "2 window axes",
    ),
    "maps of the last axes": (lambda: ks.correlate(np.ones((3, 5, 7)), ks.kernels.Disc(X)), "axes=(1, 2)"),
    "unknown form": (lambda: ks.correlate(X, ks.kernels.Gaussian(1.0), form="scater"), "'scatter'"),
    "an argument that is no map": (
        lambda: ks.correlate(X, ks.kernels.Formula(lambda dy, dx, s: dy * s, 3, "wide")), "'wide'",
    ),
    "outside of the image": (lambda: ks.kernels.Gaussian(np.ones((5, 7))).at(5, 0), "(5, 7)"),
    "too few coordinates": (lambda: ks.kernels.Gaussian(np.ones((5, 7))).at(2), "(5, 7)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MEETINGS)
def test_what_does_not_fit_together_is_refused_in_words(name):
    call, words = MEETINGS[name]
    with pytest.raises((ValueError, TypeError, IndexError), match=re.escape(words)) as caught:
        call()
    assert isinstance(caught.value, ks.KernelscapeError)


def test_nothing_is_computed_before_it_is_refused():
    output = np.full((5, 7), -1.0)
    with pytest.raises(ValueError, match="sigma"):
        ks.correlate(X, ks.kernels.Gaussian(bad(-0.5)), output=output)
    assert (output == -1).all()
