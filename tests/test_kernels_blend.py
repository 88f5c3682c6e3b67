"""Kernels between kernels: `Grid` and `Scattered`.

Compared with SciPy's interpolators of numbers: the coefficients of a node are what the interpolator gives where this
node has the value 1 and all others 0. What filters make of the fields is compared elsewhere, in the conformance tests.
"""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import interpolate

from kernelscape.errors import ArgumentError, ArgumentTypeError, NotYetSupportedError, ShapeError, UnknownNameError
from kernelscape.kernels import Grid
from kernelscape.kernels.grid import METHODS, axis_table

RNG = np.random.default_rng(20)
EPS = np.finfo(np.float64).eps


def assert_near(found, wanted, tolerance=1e-13):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    error = np.abs(found - wanted).max(initial=0)
    assert error <= tolerance, error


def whole(extents):
    return tuple(slice(0, n) for n in extents)


def coefficients(field, extents, region=None):
    """The weights of all nodes, of shape region extents + (nodes,)."""
    bound = field.bound(extents)
    indices, weights = bound.coefficients(region or whole(extents))
    assert indices.dtype == np.int64
    assert weights.dtype == np.float64
    assert indices.shape == weights.shape
    assert indices.min(initial=0) >= 0
    assert indices.max(initial=0) < len(bound.kernels)
    made = np.zeros((*indices.shape[:-1], len(bound.kernels)))
    for term in range(indices.shape[-1]):
        node = indices[..., term, np.newaxis]
        share = np.take_along_axis(made, node, -1) + weights[..., term, np.newaxis]
        np.put_along_axis(made, node, share, -1)
    return made


def line_weights(extent, nodes, method):
    indices, weights = axis_table(extent, np.asarray(nodes, np.float64), method)
    made = np.zeros((extent, len(nodes)))
    for term in range(indices.shape[1]):
        made[np.arange(extent), indices[:, term]] += weights[:, term]
    return made


def test_comparison_can_fail():
    with pytest.raises(AssertionError):
        assert_near([1.0], [1.1])
    with pytest.raises(AssertionError):
        assert_near([1.0], [[1.0]])
    with pytest.raises(AssertionError):
        assert_near([np.nan], [1.0])


# -- Grid: the weights along an axis -----------------------------------------------------------------------------------

NODES = [
    [0.0, 4, 8, 12],
    [1.5, 2.0, 7.25, 7.5, 12.0],
    [-20.0, -3.5, 6.0, 40.0],
    [3.0, 9.0],
    [0.1, 0.2, 0.3, 5.7, 8.9, 9.0],
    [30.0, 31.0, 34.0],
    [-9.0, -4.0, -1.0],
    [5.0, 5.5, 11.0],
]


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_line_is_scipys(nodes, method):
    x = np.arange(13.0).clip(nodes[0], nodes[-1])
    wanted = interpolate.RegularGridInterpolator((nodes,), np.eye(len(nodes)), method)(x)
    assert_near(line_weights(13, nodes, method), wanted)


@pytest.mark.parametrize("nodes", NODES)
def test_cubic_line_is_a_hermite_spline(nodes):
    x, values = np.asarray(nodes), np.eye(len(nodes))
    tangents = np.empty_like(values)
    tangents[0] = (values[1] - values[0]) / (x[1] - x[0])
    tangents[-1] = (values[-1] - values[-2]) / (x[-1] - x[-2])
    tangents[1:-1] = (values[2:] - values[:-2]) / (x[2:] - x[:-2])[:, None]
    wanted = interpolate.CubicHermiteSpline(x, values, tangents)(np.arange(13.0).clip(x[0], x[-1]))
    assert_near(line_weights(13, nodes, "cubic"), wanted)


def test_half_way_the_lower_node_is_the_nearest():
    assert line_weights(7, [0, 2, 5, 6], "nearest").argmax(1).tolist() == [0, 0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("nodes", [[3.0], [-7.5], [1e300]])
def test_one_node_is_constant(nodes, method):
    assert_near(line_weights(5, nodes, method), np.ones((5, 1)), 0)


def lines():
    places = st.one_of(st.integers(-5, 20).map(float), st.floats(-5, 20, width=32))
    return st.lists(places, min_size=1, max_size=7, unique=True).map(sorted)


@given(lines(), st.sampled_from(METHODS))
def test_weights_along_a_line(nodes, method):
    indices, weights = axis_table(14, np.array(nodes), method)
    terms = {"nearest": 1, "linear": 2, "cubic": 4}[method]
    assert weights.shape == indices.shape == (14, min(terms, len(nodes)))
    assert (np.diff(indices, axis=1) == 1).all()
    assert indices.min() >= 0
    assert indices.max() < len(nodes)
    assert_near(weights.sum(1), np.ones(14), 8 * EPS)
    if method != "cubic":
        assert weights.min() >= 0
    table = line_weights(14, nodes, method)
    for p, row in enumerate(table):
        alone = 0 if p <= nodes[0] else len(nodes) - 1 if p >= nodes[-1] else None
        if p in nodes:
            alone = nodes.index(p)
        if alone is not None:
            assert_near(row, np.eye(len(nodes))[alone], 0)


@given(lines(), st.sampled_from(["linear", "cubic"]), st.floats(-3, 3), st.floats(-3, 3))
def test_straight_lines_stay_straight(nodes, method, slope, start):
    x = np.arange(14.0).clip(nodes[0], nodes[-1])
    assert_near(line_weights(14, nodes, method) @ (start + slope * np.array(nodes)), start + slope * x, 1e-12)


def test_cubics_through_equal_distances_are_parabolas():
    nodes = np.arange(-4.0, 24, 3)
    x = np.arange(16.0)
    assert_near(line_weights(16, nodes, "cubic") @ nodes**2, x**2, 1e-12)


@pytest.mark.parametrize(("method", "factor"), [("linear", 4), ("cubic", 8)])
def test_half_the_distance_is_a_part_of_the_error(method, factor):
    def error(step):
        nodes = np.arange(-2.0 * step, 400, step)
        x = np.arange(256.0)
        return abs(line_weights(256, nodes, method) @ np.sin(nodes / 30) - np.sin(x / 30)).max()

    assert error(16) / error(8) == pytest.approx(factor, rel=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_far_nodes(method):
    for nodes in ([-1e308, 1e308], [-1.7e308, 4.0, 1.7e308], [0.0, 5e-324, 1e-300, 9.0]):
        weights = line_weights(9, nodes, method)
        assert np.isfinite(weights).all()
        assert_near(weights.sum(1), np.ones(9), 8 * EPS)
        for p in {0.0, 4.0} & set(nodes):
            assert_near(weights[int(p)], np.eye(len(nodes))[nodes.index(p)], 0)
    assert_near(line_weights(1, [-1e308, 1e308], "linear"), [[0.5, 0.5]], 0)


# -- Grid: the product over the axes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["linear", "nearest"])
@pytest.mark.parametrize("positions", [([1.5, 2.0, 7.25], [-2.0, 3.0, 4.5, 30.0]), ([4.0], [0.0, 9.0]), ([0.5, 3],)])
def test_grid_is_scipys(positions, method):
    shape, extents = tuple(map(len, positions)), (11, 10)[: len(positions)]
    kernels = RNG.normal(size=(*shape, *(3, 4)[: len(positions)]))
    places = np.stack(np.meshgrid(*(np.arange(n, dtype=float) for n in extents), indexing="ij"), -1)
    low, high = ([x[end] for x in positions] for end in (0, -1))
    # SciPy wants two nodes along each axis.
    padded = tuple(np.array([*x, x[0] + 1]) if len(x) == 1 else x for x in positions)
    repeated = np.pad(kernels, [(0, int(n == 1)) for n in shape] + [(0, 0)] * len(shape), mode="edge")
    wanted = interpolate.RegularGridInterpolator(padded, repeated, method)(places.clip(low, high))
    assert_near(Grid(kernels, positions, method).dense(extents), wanted, 1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_grid_is_the_product_of_its_lines(method):
    positions = ([0.5, 3.0, 4.0, 9.0, 20.0], [2.0, 2.5], [1.0, 4.0, 5.0])
    kernels = RNG.normal(size=(5, 2, 3, 2, 1, 3))
    lines = [line_weights(n, x, method) for n, x in zip((12, 4, 7), positions, strict=True)]
    field = Grid(kernels, positions, method)
    wanted = np.einsum("za,yb,xc->zyxabc", *lines).reshape(12, 4, 7, 30)
    assert_near(coefficients(field, (12, 4, 7)), wanted)
    assert_near(field.dense((12, 4, 7)), np.einsum("za,yb,xc,abcijk->zyxijk", *lines, kernels))
    bound = field.bound((12, 4, 7))
    assert bound.size == (2, 1, 3)
    assert bound.node_shape == (5, 2, 3)
    for n, axis in enumerate(bound.axes):
        assert [a.shape[0] for a in axis] == [(12, 4, 7)[n]] * 2


@pytest.mark.parametrize("method", METHODS)
def test_region_of_a_grid_is_a_part_of_the_whole(method):
    field = Grid(RNG.normal(size=(3, 4, 2, 2)), ([0.5, 3.0, 9.0], [2.0, 2.5, 6, 8]), method)
    indices, weights = field.bound((12, 13)).coefficients(whole((12, 13)))
    for region in [(slice(3, 7), slice(0, 13)), (slice(11, 12), slice(5, 6)), (slice(4, 4), slice(1, 3))]:
        part = field.bound((12, 13)).coefficients(region)
        np.testing.assert_array_equal(part[0], indices[region])
        np.testing.assert_array_equal(part[1], weights[region])


@pytest.mark.parametrize("method", METHODS)
def test_grid_gives_the_kernels_at_its_nodes(method):
    ys, xs = [-3, 0, 4, 11], [1, 2, 8]
    kernels = RNG.normal(size=(4, 3, 3, 3))
    field = Grid(kernels, (ys, xs), method)
    dense = field.dense((12, 10))
    for (n, y), (m, x) in itertools.product(list(enumerate(ys))[1:], enumerate(xs)):
        np.testing.assert_array_equal(dense[y, x], kernels[n, m])
        np.testing.assert_array_equal(field.at(y, x), kernels[n, m])
    np.testing.assert_array_equal(dense[4, 0], kernels[2, 0])
    np.testing.assert_array_equal(dense[11, 9], kernels[3, 2])


@given(lines(), lines(), st.sampled_from(METHODS), st.integers(0, 2**32 - 1))
def test_unit_sums_stay_on_a_grid(ys, xs, method, seed):
    kernels = np.random.default_rng(seed).random((len(ys), len(xs), 3, 2)) + 0.01
    kernels /= kernels.sum(axis=(2, 3), keepdims=True)
    assert_near(Grid(kernels, (ys, xs), method).dense((6, 7)).sum(axis=(2, 3)), np.ones((6, 7)), 64 * EPS)


def test_node_without_weight_does_not_show():
    kernels = np.array([[1.0, 2], [np.nan, np.inf], [3, 4]])
    for method in METHODS:
        found = Grid(kernels, [1.0, 2.0, 4.0], method).dense((6,))
        assert np.isnan(found[:, 0]).tolist() == [False, False, True, True, False, False]


# -- both: dtypes, complex kernels, memory -----------------------------------------------------------------------------


def a_grid(kernels):
    return Grid(kernels.reshape(2, 3, *kernels.shape[1:]), ([0, 4], [1, 2, 7.5]))


MAKERS = [a_grid]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("given_dtype", "wanted"),
    [
        ("float16", "float16"),
        (">f4", "float32"),
        ("float64", "float64"),
        ("uint8", "float64"),
        ("int64", "float64"),
        ("bool", "float64"),
        ("complex64", "complex64"),
        (">c16", "complex128"),
    ],
)
def test_dtype_of_blended_kernels(make, given_dtype, wanted):
    kernels = RNG.integers(0, 2, (6, 3, 3)).astype(given_dtype)
    field = make(kernels)
    assert field.bound((5, 9)).dtype == np.dtype(wanted)
    assert field.dense((5, 9)).dtype == np.dtype(wanted)


@pytest.mark.parametrize("make", MAKERS)
def test_complex_blends(make):
    kernels = RNG.normal(size=(6, 3, 2)) + 1j * RNG.normal(size=(6, 3, 2))
    field = make(kernels)
    np.testing.assert_array_equal(field.real.dense((5, 9)), field.dense((5, 9)).real)
    np.testing.assert_array_equal(field.imag.dense((5, 9)), field.dense((5, 9)).imag)
    real = make(kernels.real)
    assert real.real is real
    assert real.imag is None


@pytest.mark.parametrize("make", MAKERS)
def test_blends_fit_all_images_and_copy_nothing(make):
    kernels = RNG.normal(size=(6, 3, 2))
    field = make(kernels)
    assert field.extents is None
    assert not field.needs_extents
    assert np.shares_memory(field.bound((5, 9)).kernels, kernels)
    assert_near(field.at(2, 3), field.dense((20, 11))[2, 3], 0)
    assert field.dense((0, 4)).shape == (0, 4, 3, 2)
    other = pickle.loads(pickle.dumps(field))
    np.testing.assert_array_equal(other.dense((5, 9)), field.dense((5, 9)))
    pickle.dumps(field.bound((5, 9)))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("kernels", [np.zeros((6, 3, 2))[:, ::-1, ::-1], np.asfortranarray(RNG.normal(size=(6, 3, 2)))])
def test_blends_of_kernels_in_any_memory_order(make, kernels):
    np.testing.assert_array_equal(make(kernels).dense((5, 9)), make(np.ascontiguousarray(kernels)).dense((5, 9)))


def test_positions_are_kept():
    nodes = np.array([1.0, 5.0])
    field = Grid(np.eye(2), nodes)
    nodes[0] = 9
    assert_near(field.at(1), [1.0, 0.0], 0)
    for same in ([1, 5], (1.0, 5), [[1, 5]], (np.array([1, 5], np.uint8),), np.array([[1, 5]])):
        assert_near(Grid(np.eye(2), same).at(2), [0.75, 0.25], 0)


def test_words_of_a_grid():
    kernels = np.zeros((2, 3, 5, 4), np.float32)
    assert repr(Grid(kernels, ([0, 1], [0, 1, 2]))) == "Grid(<float32 2x3 nodes, kernels 5x4>)"
    assert repr(Grid(kernels, ([0, 1], [0, 1, 2]), "nearest")).endswith("kernels 5x4>, method='nearest')")


# -- Grid: bad input ---------------------------------------------------------------------------------------------------

K23 = np.zeros((2, 3, 3, 3))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Grid(K23, ([0, 1], [0, 5, 5])), ArgumentError, r"positions\[1\] must increase.*5\.0 at index 2.*5\.0"),
        (lambda: Grid(K23, ([3, 1], [0, 5, 6])), ArgumentError, r"positions\[0\] must increase.*1\.0 at index 1.*3\.0"),
        (lambda: Grid(K23, ([0, np.nan], [0, 5, 6])), ArgumentError, r"positions\[0\] must be finite; got nan at \(1,"),
        (lambda: Grid(K23, ([0, 1], [-np.inf, 5, 6])), ArgumentError, r"positions\[1\] must be finite; got -inf at"),
        (lambda: Grid(K23, ([0, 1, 2], [0, 5, 6])), ShapeError, r"positions\[0\] .* each of the 2 nodes .*\(3,\)"),
        (lambda: Grid(K23, ([0, 1], [[0, 5, 6]])), ShapeError, r"positions\[1\] must be one-dimensional.*\(1, 3\)"),
        (lambda: Grid(K23, ([0, 1],)), ShapeError, r"each of the 2 axes.*got 1 for kernels with 2x3 nodes"),
        (lambda: Grid(K23, [0, 1]), ShapeError, r"positions\[0\] must be one-dimensional.*\(\)"),
        (lambda: Grid(K23, 5), ArgumentTypeError, r"sequence of arrays.*got 5"),
        (lambda: Grid(K23, np.array(5)), ArgumentTypeError, r"sequence of arrays"),
        (lambda: Grid(K23, (["a", "b"], [0, 1, 2])), ArgumentTypeError, r"positions\[0\] must hold integers"),
        (lambda: Grid(K23, ([0, 1j], [0, 1, 2])), ArgumentTypeError, r"positions\[0\] must hold integers"),
        (lambda: Grid(np.zeros((2, 3)), [0, 1, 2]), ShapeError, r"positions\[0\] .* each of the 2 nodes"),
        (lambda: Grid(np.zeros((2, 3, 3)), [0, 1]), ShapeError, r"an axis of the window for each.*\(2, 3, 3\)"),
        (lambda: Grid(3.0, []), ShapeError, r"an axis of the window for each.*\(\)"),
        (lambda: Grid(np.zeros((0, 3)), []), ShapeError, r"at least one node.*\(0, 3\)"),
        (lambda: Grid(np.zeros((2, 0)), [0, 1]), ShapeError, r"at least one sample.*\(2, 0\)"),
        (lambda: Grid(np.zeros((2, 2), "M8[s]"), [0, 1]), ArgumentTypeError, r"kernels must hold .* datetime64"),
        (lambda: Grid(np.ma.zeros((2, 2)), [0, 1]), NotYetSupportedError, r"kernels is a masked array"),
        (lambda: Grid(K23, ([0, 1], [0, 5, 6]), "linaer"), UnknownNameError, r"did you mean 'linear'"),
        (lambda: Grid(K23, ([0, 1], [0, 5, 6]), 3), UnknownNameError, r"Unknown method 3"),
        (lambda: Grid(K23, ([0, 1], [0, 5, 6])).bound((4, 5, 6)), ShapeError, r"along 2 axes.*extents \(4, 5, 6\)"),
    ],
)
def test_bad_grids(call, error, words):
    with pytest.raises(error, match=words):
        call()
