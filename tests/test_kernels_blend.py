"""Kernels between kernels: `Grid` and `Scattered`.

Compared with SciPy's interpolators of numbers: the coefficients of a node are what the interpolator gives where this
node has the value 1 and all others 0. What filters make of the fields is compared elsewhere, in the conformance tests.
"""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy import interpolate
from scipy.spatial import ConvexHull

from kernelscape.errors import ArgumentError, ArgumentTypeError, NotYetSupportedError, ShapeError, UnknownNameError
from kernelscape.kernels import Grid, Scattered
from kernelscape.kernels.grid import METHODS, axis_table
from kernelscape.kernels.scattered import FLAT

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


# -- Scattered ---------------------------------------------------------------------------------------------------------


def scattered(points):
    """A field whose kernels do not matter."""
    return Scattered(np.zeros((len(points), 1, 1)), points)


def pixels(extents):
    return np.stack(np.indices(extents), -1).astype(np.float64)


def assert_nearest_of_hull(points, extents, tolerance=1e-12):
    """The weights are those of each pixel's nearest point in the convex hull, and of few points.

    q is nearest to p in a convex set just where no v in it has (p - q)(v - q) > 0; for p inside that leaves q = p.
    """
    points = np.asarray(points, np.float64)
    weights = coefficients(scattered(points), extents)
    assert weights.min() >= 0
    assert weights.max() <= 1
    assert_near(weights.sum(-1), np.ones(extents), 8 * EPS)
    assert (weights != 0).sum(-1).max() <= 3
    p, q = pixels(extents), weights @ points
    scale = max(*extents, np.ptp(points)) ** 2
    towards = ((p - q)[..., np.newaxis, :] * (points - q[..., np.newaxis, :])).sum(-1)
    assert towards.max() <= tolerance * scale


def pairs(low=-6, high=18):
    places = st.one_of(
        st.tuples(st.integers(low, high), st.integers(low, high)),
        st.tuples(st.floats(low, high, width=32), st.floats(low, high, width=32)),
    )
    return st.lists(places, min_size=3, max_size=14, unique=True)


def assume_triangles(points):
    """Leaves out what is refused, by another measure: points of which no three are a triangle of some area."""
    points = np.asarray(points, np.float64)
    areas = [abs(np.linalg.det([b - a, c - a])) for a, b, c in itertools.combinations(points, 3)]
    assume(max(areas) > 1e-2)
    assume(min(np.hypot(*(a - b)) for a, b in itertools.combinations(points, 2)) > 1e-5)


def has_flat_triangles(points):
    """Whether three points are so nearly on one line that they may count as being on it, and are not."""
    points = np.asarray(points, np.float64)
    extent = np.hypot(*np.ptp(points, axis=0))
    corners = np.array(list(itertools.combinations(points, 3)))
    sides = corners - np.roll(corners, 1, axis=1)
    area = abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0])
    heights = area / np.hypot(sides[..., 0], sides[..., 1]).max(axis=1)
    return ((heights > 1e-14 * extent) & (heights < 2 * FLAT * extent)).any()


@pytest.mark.parametrize(("count", "extents"), [(3, (20, 30)), (8, (13, 70)), (40, (130, 40))])
def test_inside_the_hull_it_is_scipys(count, extents):
    points = RNG.uniform(-2, 2, (count, 2)) + RNG.uniform(0, 1, (count, 2)) * extents
    wanted = interpolate.LinearNDInterpolator(points, np.eye(count))(pixels(extents))
    inside = ~np.isnan(wanted[..., 0])
    assert inside.mean() > 0.05
    assert_near(coefficients(scattered(points), extents)[inside], wanted[inside], 1e-12)


@pytest.mark.parametrize("count", [3, 7, 50])
def test_outside_of_the_hull_it_is_the_nearest_edge(count):
    points = RNG.uniform(20, 60, (count, 2))
    weights = coefficients(scattered(points), (70, 75))
    inside = ~np.isnan(interpolate.LinearNDInterpolator(points, np.zeros(count))(pixels((70, 75))))
    edges = ConvexHull(points).simplices
    for p in np.argwhere(~inside)[::17]:
        best, wanted = np.inf, None
        for a, b in edges:
            along = points[b] - points[a]
            t = np.clip((p - points[a]) @ along / (along @ along), 0, 1)
            distance = np.hypot(*(points[a] + t * along - p))
            if distance < best:
                best, wanted = distance, np.eye(count)[a] * (1 - t) + np.eye(count)[b] * t
        assert_near(weights[tuple(p)], wanted, 1e-12)


@given(pairs())
@example([(3.0000000000000004, 5.0), (0, 0), (0, 9), (9, 2), (8, 8.000000000000002)])
@example([(0, 0), (1, -2), (0, 2), (0, 2.00001)])
@example([(0, 0), (1e-9, 1), (-1, 0)])
@example([(0, 0), (0, -3), (-1, 0), (2, 1e-5)])
@example([(y, x) for y in (0, 4, 8) for x in (1, 5, 9)])
def test_weights_of_any_points(points):
    assume_triangles(points)
    assert_nearest_of_hull(points, (13, 14), 10 * FLAT if has_flat_triangles(points) else 1e-12)


@given(st.lists(st.tuples(st.integers(-3, 14), st.integers(-3, 14)), min_size=3, max_size=40, unique=True))
def test_points_on_pixels_are_exact(points):
    assume_triangles(points)
    weights = coefficients(scattered(points), (12, 13))
    for n, (y, x) in enumerate(points):
        if 0 <= y < 12 and 0 <= x < 13:
            assert_near(weights[y, x], np.eye(len(points))[n], 0)


def test_points_on_pixels_give_their_kernels():
    points = RNG.permutation(np.argwhere(np.ones((40, 50))))[:150]
    kernels = RNG.normal(size=(150, 3, 2)).astype(np.float32)
    np.testing.assert_array_equal(Scattered(kernels, points).dense((40, 50))[tuple(points.T)], kernels)


def test_triangles_have_empty_circumcircles_and_the_error_that_is_stated():
    points = RNG.uniform(0, 40, (25, 2))
    indices, weights = scattered(points).bound((40, 40)).coefficients(whole((40, 40)))
    inside = weights.min(-1) > 1e-9
    assert inside.mean() > 0.5
    for p in np.argwhere(inside)[::7]:
        corners = points[indices[tuple(p)]]
        centre = np.linalg.solve(2 * (corners[1:] - corners[0]), (corners[1:] ** 2 - corners[0] ** 2).sum(1))
        radius = np.hypot(*(corners[0] - centre))
        assert np.hypot(*(points - centre).T).min() >= radius * (1 - 1e-9)
        # The squared distance from anywhere has second derivatives of 2 in all directions.
        error = weights[tuple(p)] @ (corners**2).sum(1) - (p**2).sum()
        assert error == pytest.approx(radius**2 - ((p - centre) ** 2).sum(), rel=1e-6)
        assert error <= radius**2 / 2 * 2


@given(pairs(), st.integers(0, 2**32 - 1))
def test_unit_sums_stay_between_points(points, seed):
    assume_triangles(points)
    kernels = np.random.default_rng(seed).random((len(points), 3, 2)) + 0.01
    kernels /= kernels.sum(axis=(1, 2), keepdims=True)
    assert_near(Scattered(kernels, points).dense((6, 7)).sum(axis=(2, 3)), np.ones((6, 7)), 64 * EPS)


@pytest.mark.parametrize(
    "points",
    [
        RNG.uniform(0, 150, (30, 2)),
        RNG.integers(0, 20, (12, 2)) * 8,
        np.argwhere(np.ones((4, 5))) * 37,
        (np.argwhere(np.ones((4, 5))) @ [[0.8, 0.6], [-0.6, 0.8]] * 30 + 20).astype(np.float32),
        RNG.uniform(0, 150, (2, 2)),
        RNG.uniform(0, 150, (1, 2)),
    ],
)
def test_a_pixel_is_the_same_in_every_region(points):
    points = np.unique(points, axis=0)
    bound = scattered(points).bound((150, 140))
    indices, weights = bound.coefficients(whole((150, 140)))
    starts, counts = RNG.integers(0, 130, (20, 2)), RNG.integers(0, 80, (20, 2))
    for start, count in zip(starts, counts, strict=True):
        stop = np.minimum(start + count, (150, 140))
        region = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
        part = bound.coefficients(region)
        np.testing.assert_array_equal(part[0], indices[region])
        np.testing.assert_array_equal(part[1], weights[region])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("angle", [0.1, 0.3, 0.7, 1.2])
def test_all_points_of_a_straight_border_count(dtype, angle):
    """Of a turned grid, rounding puts some border points inside of the hull."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    count = (6, 7)
    points = (np.argwhere(np.ones(count)) @ turn * 10 + 50).astype(dtype)
    weights = coefficients(scattered(points), (120, 110))
    # In the grid's own coordinates: pixels beside its sides lie on them, between two neighbours.
    u, v = np.moveaxis((pixels((120, 110)) - 50) / 10 @ turn.T, -1, 0)
    beside = (u < -0.01) & (v > 0) & (v < 6)
    assert beside.sum() > 100
    for p in np.argwhere(beside)[::5]:
        row = weights[tuple(p)].reshape(count)
        assert_near(row[0], line_weights_at(v[tuple(p)], 7), 1e-5)
        assert row[1:].max() <= 1e-5


def line_weights_at(place, count):
    return np.clip(1 - abs(np.arange(count) - place), 0, None)


def test_a_flat_triangle_that_a_point_has_alone_is_kept():
    points = [(0, 0), (1, -2), (0, 2), (0, 2.00001)]
    weights = coefficients(scattered(points), (4, 12))
    assert_near(weights[0, 3:], np.broadcast_to(np.eye(4)[3], (9, 4)), 0)


@pytest.mark.parametrize("distance", [1e-12, 1e-9])
def test_close_points_leave_no_needles(distance):
    rng = np.random.default_rng(4)
    for turn in np.linspace(0.1, 6, 20):
        points = rng.permutation(np.argwhere(np.ones((12, 12))))[:6].astype(float)
        points[5] = points[0] + distance * np.array([np.cos(turn), np.sin(turn)])
        field = scattered(points)
        weights = coefficients(field, (12, 12))
        assert_near(weights.sum(-1), np.ones((12, 12)), 8 * EPS)
        assert_near(weights[tuple(points[0].astype(int))][[0, 5]].sum(), 1, 1e-11)
        # As wide as rounding may move a pixel: the neighbours hold what is in there.
        mesh = field._mesh
        areas = abs(np.linalg.det(mesh.along[:, :2]))
        assert (areas / np.hypot(*np.moveaxis(mesh.along, -1, 0)).max(1)).min() > 1e-13 * mesh.extent


def test_two_points_are_a_segment():
    field = Scattered([[[0.0, 1]], [[1, 0]]], [(2, 1), (6, 4)])
    dense = field.dense((9, 9))
    y, x = np.indices((9, 9))
    t = (((y - 2) * 4 + (x - 1) * 3) / 25).clip(0, 1)
    assert_near(dense[..., 0, 0], t)
    np.testing.assert_array_equal(dense[[2, 6], [1, 4], 0], [[0, 1], [1, 0]])
    np.testing.assert_array_equal(dense[[0, 8], [0, 8], 0], [[0, 1], [1, 0]])
    assert field.bound((9, 9)).coefficients(whole((9, 9)))[1].shape == (9, 9, 2)
    assert_nearest_of_hull([(0.3, 20.5), (7.7, -3.1)], (12, 15))


def test_one_point_is_constant():
    kernel = RNG.normal(size=(1, 3, 2))
    dense = Scattered(kernel, [(700, -3)]).dense((4, 5))
    np.testing.assert_array_equal(dense, np.broadcast_to(kernel[0], (4, 5, 3, 2)))
    assert_near(coefficients(scattered([(0.5, 0.5)]), (2, 3)), np.ones((2, 3, 1)), 0)


def test_point_without_weight_does_not_show():
    kernels = np.arange(5.0)[:, None, None] + np.zeros((5, 2, 2))
    kernels[0] = np.nan
    points = [(0, 0), (0, 6), (4, 0), (4, 6), (2, 2.5)]
    found = np.isnan(Scattered(kernels, points).dense((5, 7))[..., 0, 0])
    assert found.tolist() == (coefficients(scattered(points), (5, 7))[..., 0] != 0).tolist()
    assert not found[4].any()
    assert not found[:, 6].any()
    assert not found[2, 3]
    assert found[1, 1]


@pytest.mark.parametrize(
    "points",
    [
        np.array([[-1, -1], [-1, 1], [1, 0.5]]) * 1e300,
        np.array([[-1, -1], [-1, 1], [1, 0.5], [0.2, 0.1]]) * 1.7e308,
        np.array([[0, 0], [5, 1e200], [1e200, 7]]),
        np.array([[0, 0], [5, 1e200]]),
    ],
)
def test_far_points(points):
    weights = coefficients(scattered(points), (9, 9))
    assert_near(weights.sum(-1), np.ones((9, 9)), 8 * EPS)
    assert weights.min() >= 0
    if not points[0].any():
        assert_near(weights[0, 0], np.eye(len(points))[0], 0)
        assert_near(weights[8, 8], np.eye(len(points))[0], 1e-15)


def test_points_far_from_zero():
    points = RNG.uniform(0, 30, (12, 2)) + np.array([4e6, 9e6])
    rows, columns = slice(4_000_000, 4_000_030), slice(9_000_000, 9_000_030)
    indices, weights = scattered(points).bound((5_000_000, 10_000_000)).coefficients((rows, columns))
    near = points - [4e6, 9e6]
    wanted = interpolate.LinearNDInterpolator(near, np.eye(12))(pixels((30, 30)))
    inside = ~np.isnan(wanted[..., 0])
    found = (weights[..., np.newaxis] * np.eye(12)[indices]).sum(-2)
    assert_near(found[inside], wanted[inside], 1e-6)


def test_points_are_kept():
    points = np.array([[0.0, 0], [0, 4], [4, 0]])
    field = Scattered(np.eye(3)[:, None], points)
    points[1] = 9
    assert_near(field.at(0, 2), [[0.5, 0.5, 0]], 0)
    assert_near(field.at(3, 9), [[0, 1.0, 0]], 0)


def test_words_of_scattered_kernels():
    assert repr(a_scattered(np.zeros((6, 3, 4), np.float16))) == "Scattered(<float16 6 points, kernels 3x4>)"
    assert repr(scattered([(0, 0)])) == "Scattered(<float64 1 point, kernels 1x1>)"


K4 = np.zeros((4, 3, 3))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: scattered([(0, 0), (1, 1), (2, 2)]), ArgumentError, r"on one line.*\(0\.0, 0\.0\), \(1\.0, 1\.0\)"),
        (lambda: scattered([(0.1 * n, 0.3 * n) for n in range(9)]), ArgumentError, r"on one line.* and 5 more\. Add"),
        (lambda: scattered(np.float32([(0.1 * n, 0.7 + n / 3) for n in range(9)])), ArgumentError, r"on one line"),
        (lambda: scattered([(0, 0), (7, 0), (3, 1e-7)]), ArgumentError, r"on one line"),
        (
            lambda: scattered([(0, 3), (5, 5), (1, 1), (5, 5)]),
            ArgumentError,
            r"\(5\.0, 5\.0\) both at index 1 and at .* 3",
        ),
        (lambda: scattered([(0.0, 3), (-0.0, 3)]), ArgumentError, r"both at index 0 and at index 1"),
        (lambda: scattered([(0, 0), (0, 9), (9, 0), (9, 1e-15)]), ArgumentError, r"index [23].*too close to be told"),
        (
            lambda: Scattered(K4, [(0, 0), (0, 1), (np.nan, 1), (2, 2)]),
            ArgumentError,
            r"points must be finite; got nan at",
        ),
        (lambda: Scattered(K4, [(0, 0), (0, 1), (4, np.inf), (2, 2)]), ArgumentError, r"got inf at \(2, 1\)"),
        (
            lambda: Scattered(K4, [(0, 0), (0, 1), (1, 1)]),
            ShapeError,
            r"shape \(4, 2\).*got an array of shape \(3, 2\)",
        ),
        (lambda: Scattered(K4, np.zeros((2, 4))), ShapeError, r"shape \(4, 2\).*\(2, 4\)"),
        (lambda: Scattered(K4, np.zeros((4, 3))), ShapeError, r"shape \(4, 2\).*\(4, 3\)"),
        (lambda: Scattered(K4, 5), ShapeError, r"shape \(4, 2\).*\(\)"),
        (lambda: Scattered(K4, [(0, 0), (1,), (2, 2), (3, 3)]), ArgumentError, r"points must have rows of equal"),
        (lambda: Scattered(K4, [(0, 1j)] * 4), ArgumentTypeError, r"points must hold integers"),
        (lambda: Scattered(K4[0], [(0, 0)]), ShapeError, r"shape \(m, kh, kw\).*\(3, 3\)"),
        (lambda: Scattered(K4[None], [(0, 0)]), ShapeError, r"shape \(m, kh, kw\)"),
        (lambda: Scattered(np.zeros((0, 3, 3)), np.zeros((0, 2))), ShapeError, r"at least one kernel.*\(0, 3, 3\)"),
        (lambda: Scattered(np.zeros((1, 0, 3)), [(0, 0)]), ShapeError, r"at least one sample.*\(1, 0, 3\)"),
        (lambda: Scattered(K4.astype(object), [(0, 0)]), ArgumentTypeError, r"kernels must hold .* object"),
        (lambda: scattered([(0, 0)]).bound((4, 5, 6)), ShapeError, r"two window axes.*\(4, 5, 6\)"),
    ],
)
def test_bad_scattered_kernels(call, error, words):
    with pytest.raises(error, match=words):
        call()


# -- both: dtypes, complex kernels, memory -----------------------------------------------------------------------------


def a_grid(kernels):
    return Grid(kernels.reshape(2, 3, *kernels.shape[1:]), ([0, 4], [1, 2, 7.5]))


def a_scattered(kernels):
    return Scattered(kernels, [(0, 0), (0, 7.5), (4, 1), (3, 9), (2, 4), (8, 5)])


MAKERS = [a_grid, a_scattered]


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
