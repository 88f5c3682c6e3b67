"""The oracle of kernel fields, itself tested: against SciPy and NumPy where they have a word for it, else by hand.

Compared within rounding of float64. What SciPy cannot say (a kernel of its own for each pixel, `shrink`, scatters) is
compared with sums written out sample by sample, and scatters with the adjoint's equation.
"""

import itertools

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from scipy import interpolate, ndimage, signal

from tests.oracle import fields
from tests.oracle.brute_force import WindowSpec
from tests.oracle.comparison import assert_near
from tests.oracle.fields import Coordinate, everywhere, gather, scatter

RNG = np.random.default_rng(3)
MODES = ["reflect", "mirror", "nearest", "wrap", "constant"]
ALL_MODES = [*MODES, "shrink"]
PAIRS = [(False, ndimage.correlate), (True, ndimage.convolve)]
WAYS = [pytest.param(False, id="correlate"), pytest.param(True, id="convolve")]
SHAPES = [((11,), (4,)), ((5,), (12,)), ((7, 9), (3, 4)), ((4, 5), (6, 9)), ((4, 5, 6), (3, 2, 5))]


def normal(*shape, is_complex=False):
    return RNG.normal(size=shape) + (1j * RNG.normal(size=shape) if is_complex else 0)


# -- constant kernels --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("extents", "size"), SHAPES)
@pytest.mark.parametrize(("convolve", "theirs"), PAIRS, ids=["correlate", "convolve"])
@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
def test_a_constant_kernel_gathered_is_scipy(convolve, theirs, extents, size, mode, is_complex):
    x, kernel = normal(*extents, is_complex=is_complex), normal(*size, is_complex=is_complex)
    found = gather(x, everywhere(kernel, extents), mode, cval=1.5, convolve=convolve)
    assert_near(found, theirs(x, kernel, mode=mode, cval=1.5))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 4), (4, 5)])
@pytest.mark.parametrize(("convolve", "theirs"), PAIRS, ids=["correlate", "convolve"])
def test_every_origin_is_scipys(convolve, theirs, size):
    x, kernel = normal(6, 7), normal(*size)
    for origin in itertools.product(*(range(-(k // 2), (k - 1) // 2 + 1) for k in size)):
        found = gather(x, everywhere(kernel, x.shape), origin=origin, convolve=convolve)
        assert_near(found, theirs(x, kernel, origin=origin))


@pytest.mark.parametrize("mode", ["wrap", "constant"])
@pytest.mark.parametrize(("extents", "size"), SHAPES)
@pytest.mark.parametrize(("convolve", "theirs"), PAIRS, ids=["correlate", "convolve"])
def test_a_constant_kernel_scattered_is_scipy_under_wrap_and_zeros(convolve, theirs, extents, size, mode):
    x, kernel = normal(*extents, is_complex=True), normal(*size, is_complex=True)
    found = scatter(x, everywhere(kernel, extents), mode, convolve=convolve)
    assert_near(found, theirs(x, kernel, mode=mode))


def test_stride_dilation_and_paddings():
    x, kernel = normal(8, 9), normal(3, 2)
    field = everywhere(kernel, x.shape)
    assert_near(gather(x, field, stride=(2, 3)), ndimage.correlate(x, kernel)[::2, ::3])
    assert_near(scatter(x, field, stride=(2, 3)), scatter(x, field)[::2, ::3])
    spread = np.zeros((5, 3))
    spread[::2, ::2] = kernel
    for convolve, theirs in PAIRS:  # the centre of the spread kernel: twice that of the kernel
        wanted = theirs(x, spread, origin=(0, 1), mode="wrap")
        assert_near(gather(x, field, "wrap", dilation=2, convolve=convolve), wanted)
        assert_near(scatter(x, field, "wrap", dilation=2, convolve=convolve), wanted)
    for padding in ("valid", "full", "same"):
        origin = (0, -1) if padding == "same" else 0
        found = gather(x, field, "constant", convolve=True, padding=padding, origin=origin)
        assert_near(found, signal.convolve2d(x, kernel, padding))
        if padding != "same":  # where SciPy's window of an even size is moved by one sample
            assert_near(gather(x, field, "constant", padding=padding), signal.correlate2d(x, kernel, padding))
    assert_near(scatter(x, field, convolve=True, padding="valid"), scatter(x, field, convolve=True)[1:-1, :-1])
    padded = np.pad(x, ((1, 0), (2, 3)))
    wanted = signal.correlate2d(padded, kernel, "valid")[::2, ::2]
    assert_near(gather(x, field, "constant", padding=[(1, 0), (2, 3)], stride=2), wanted)
    assert gather(x, field, padding=(1, 1)).shape == (8, 10)


def test_a_scatter_has_no_outputs_outside():
    with pytest.raises(ValueError, match="outside of the array is not defined"):
        scatter(normal(5), normal(5, 3), padding="full")
    with pytest.raises(ValueError, match="sum to nothing"):
        scatter(np.ones(2), everywhere([0.1, 0.2, -0.3], (2,)), normalize=True)


# -- kernels of their own ----------------------------------------------------------------------------------------------


def written_out(x, kernels, modes, origin, dilation, convolve, normalize=False):
    """A gather of a real field in two dimensions, sample by sample."""
    size = kernels.shape[2:]
    spec = WindowSpec(size, origin, dilation, modes, 0.5)
    result = np.zeros(x.shape)
    for p in np.ndindex(*x.shape):
        total = share = 0.0
        for tap in np.ndindex(*size):
            offset = tuple(d * (i - c) for i, c, d in zip(tap, spec.centre, dilation, strict=True))
            value, exists = spec.sample(x, p, tuple(-o for o in offset) if convolve else offset)
            if exists:
                total, share = total + kernels[(*p, *tap)] * value, share + kernels[(*p, *tap)]
        result[p] = total / share if normalize else total
    return result


@pytest.mark.parametrize("modes", [*((m, m) for m in ALL_MODES), ("wrap", "shrink"), ("constant", "mirror")])
@pytest.mark.parametrize("convolve", WAYS)
def test_a_gather_sample_by_sample(modes, convolve):
    x, kernels = normal(4, 5), RNG.uniform(0.1, 1, (4, 5, 3, 4))
    for normalize in (False, True):
        words = {"origin": (1, -1), "dilation": (1, 2), "convolve": convolve}
        found = gather(x, kernels, modes, cval=0.5, normalize=normalize, **words)
        assert_near(found, written_out(x, kernels, modes, normalize=normalize, **words))


@pytest.mark.parametrize("modes", [*((m, m) for m in ALL_MODES), ("wrap", "shrink"), ("constant", "mirror")])
@pytest.mark.parametrize("size", [(3, 3), (4, 2), (7, 11)])
@pytest.mark.parametrize("convolve", WAYS)
@pytest.mark.parametrize("normalize", [False, True])
def test_a_scatter_is_the_hermitian_adjoint(modes, size, convolve, normalize):
    x, y = normal(4, 5, is_complex=True), normal(4, 5, is_complex=True)
    kernels = normal(4, 5, *size, is_complex=True) + 3
    own = RNG.random(kernels.shape) < 0.7
    own[..., size[0] // 2 + 1, size[1] // 2] = True
    words = {"normalize": normalize, "own": own, "origin": (1, 0), "dilation": (2, 1)}
    there = np.vdot(y, gather(x, kernels, modes, convolve=convolve, **words))
    back = np.vdot(scatter(y, kernels, modes, convolve=not convolve, **words), x)
    assert_near(np.array(there), np.array(back))


@pytest.mark.parametrize("mode", ALL_MODES)
def test_an_impulse_shows_the_kernel(mode):
    kernels = normal(6, 7, 3, 4, is_complex=True)
    for p in [(2, 3), (3, 4), (2, 5)]:
        impulse = np.zeros((6, 7))
        impulse[p] = 1
        wanted = np.zeros((6, 7), complex)
        wanted[p[0] - 1 : p[0] + 2, p[1] - 2 : p[1] + 2] = kernels[p]
        assert_near(scatter(impulse, kernels, mode, convolve=True), wanted)
        turned = np.zeros((6, 7), complex)
        if p[1] < 5:
            turned[p[0] - 1 : p[0] + 2, p[1] - 1 : p[1] + 3] = kernels[p].conj()[::-1, ::-1]
            assert_near(scatter(impulse, kernels, mode), turned)


def test_what_falls_outside_is_folded_back():
    kernels = everywhere(np.array([1.0, 10, 100, 1000]), (3,))
    impulse = np.array([1.0, 0, 0])  # what a convolution sends to -2, -1, 0 and 1
    folded = {
        "reflect": [110, 1001, 0],
        "mirror": [100, 1010, 1],
        "nearest": [111, 1000, 0],
        "wrap": [100, 1001, 10],
        "constant": [100, 1000, 0],
        "shrink": [100, 1000, 0],
    }
    for mode, wanted in folded.items():
        assert_near(scatter(impulse, kernels, mode, convolve=True), np.array(wanted, float))


def test_normalised_sources_send_what_their_gather_would_divide_by():
    kernels = everywhere(np.array([1.0, 2, 4]), (3,))
    sent = scatter(np.eye(3), kernels, "shrink", convolve=True, normalize=True)
    assert_near(sent, np.array([[2 / 6, 4 / 6, 0], [1 / 7, 2 / 7, 4 / 7], [0, 1 / 3, 2 / 3]]))
    sent = scatter(np.ones(3), kernels, "constant", convolve=True, normalize=True)
    assert_near(sent, np.array([3.0, 7.0, 6.0]) / 7)


def test_samples_that_take_no_part_are_not_looked_at():
    kernels, own = np.ones((3, 3)), np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
    x = np.array([np.nan, 1.0, 2.0])
    assert_near(gather(x, kernels, "wrap", own=own), np.array([np.nan, np.nan, 2.0]))
    assert_near(scatter(x, kernels, "wrap", own=own, convolve=True), np.array([np.nan, 1.0, 3.0]))
    assert_near(gather(x, kernels, "wrap", own=np.zeros((3, 3), bool)), np.full(3, np.nan))


def test_sums_of_weights_that_are_noise_say_nothing():
    assert_near(gather(np.ones(2), everywhere([0.1, 0.2, -0.3], (2,)), normalize=True), np.full(2, np.nan))


def test_batch_axes():
    x, kernels = normal(2, 3, 5, 6), normal(5, 6, 3, 2)
    for form in (gather, scatter):
        found = form(x, kernels, "mirror")
        for b in np.ndindex(2, 3):
            assert_near(found[b], form(x[b], kernels, "mirror"))


# -- kernels from their definitions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_gaussians_of_one_width_are_scipys(ndim):
    x = normal(*(9, 8, 10)[:ndim])
    for sigma, truncate in [(1.0, 4.0), (0.7, 3.0), (0.1, 4.0), (2.3, 2.0)]:
        kernels = fields.dense_of_gaussian(x.shape, sigma, truncate=truncate)
        assert_near(gather(x, kernels), ndimage.gaussian_filter(x, sigma, truncate=truncate))
    kernels = fields.dense_of_gaussian((9, 8), 0.8, 1.7)
    x = normal(9, 8)
    assert_near(gather(x, kernels), ndimage.gaussian_filter(x, (0.8, 1.7)))


def test_each_pixel_has_its_own_gaussian():
    sigma = np.array([0.0, 0.5, 2.0])
    kernels = fields.dense_of_gaussian((3,), sigma)
    assert kernels.shape == (3, 17)
    assert_near(kernels[0], np.eye(17)[8])
    weights = np.exp(-2.0 * np.arange(-2, 3) ** 2)
    assert_near(kernels[1], np.pad(weights / weights.sum(), 6))
    assert fields.window_of_gaussian((3,), sigma).sum(-1).tolist() == [1, 5, 17]
    raw = fields.dense_of_gaussian((3,), sigma, size=4, normalize=False)
    assert_near(raw[2], np.exp(-(np.array([-2, -1, 0, 1]) ** 2) / 8))
    assert fields.window_of_gaussian((3,), sigma, size=4).all()
    assert_near(fields.dense_of_gaussian((3, 3), 0.0, 1.0, size=3)[0, 0, [0, 2]], np.zeros((2, 3)))


def test_oriented_gaussians():
    turn, size = 0.4, (9, 9)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    covariance = 4.0 * np.outer(along, along) + 0.25 * np.outer(across, across)
    d = np.stack(fields.offsets_of(size), -1)
    wanted = np.exp(-np.einsum("...i,ij,...j", d, np.linalg.inv(covariance), d) / 2)
    found = fields.dense_of_gaussian((2, 2), 2.0, 0.5, turn, size=size, normalize=False)
    assert_near(found[1, 1], wanted)
    assert_near(fields.dense_of_gaussian((2, 2), 2.0, 0.5, turn, size=size)[0, 1], wanted / wanted.sum())
    reach = [int(4 * np.sqrt(v) + 0.5) for v in np.diag(covariance)]
    assert fields.window_of_gaussian((2, 2), 2.0, 0.5, turn).shape[2:] == tuple(2 * r + 1 for r in reach)
    assert_near(fields.dense_of_gaussian((2, 2), 2.0, 0.5, 0.0)[0, 0], fields.dense_of_gaussian((2, 2), 2.0, 0.5)[0, 0])


def test_discs():
    assert_near(fields.dense_of_disc((1,), 0.0), np.ones((1, 1)))
    assert_near(fields.dense_of_disc((1,), 0.5), np.ones((1, 1)))
    assert_near(fields.dense_of_disc((1,), 1.25), np.array([[0.75, 1, 0.75]]) / 2.5)
    disc = np.array(
        [[1.5 - np.sqrt(2), 0.5, 1.5 - np.sqrt(2)], [0.5, 1, 0.5], [1.5 - np.sqrt(2), 0.5, 1.5 - np.sqrt(2)]]
    )
    found = fields.dense_of_disc((2, 2), np.array([[1.0, 0], [0, 0]]))
    assert_near(found[0, 0], disc / disc.sum())
    assert_near(found[1, 1], np.pad([[1.0]], 1))
    assert fields.window_of_disc((2, 2), np.array([[1.0, 0], [0, 0]])).sum(axis=(2, 3)).tolist() == [[9, 1], [1, 1]]
    assert fields.dense_of_disc((1, 1, 1), 1.6).shape[3:] == (5, 5, 5)
    assert_near(fields.dense_of_disc((1,), 0.6, size=4), np.array([[0, 0.1, 1, 0.1]]) / 1.2)


def test_formulas_are_called_pixel_by_pixel():
    widths = RNG.uniform(1, 2, (2, 3))
    found = fields.dense_of_formula(
        (2, 3), lambda dy, dx, w, x, n: dx * w + n * x - dy, (3, 2), widths, Coordinate(1), 0.5
    )
    dy, dx = fields.offsets_of((3, 2))
    assert_near(found[1, 2], dx * widths[1, 2] + 0.5 * 2 - dy)
    assert_near(fields.dense_of_formula((2,), lambda d: 1.0, 3), np.ones((2, 3)))


def test_separable_kernels():
    columns, rows = normal(4, 5, 3), normal(4, 5, 2)
    assert_near(fields.dense_of_separable(columns, rows), columns[..., :, None] * rows[..., None, :])
    lines = [normal(2, 3, 2, k) for k in (3, 2, 4)]
    assert_near(fields.dense_of_separable(*lines), np.einsum("abci,abcj,abck->abcijk", *lines))


def test_grids_are_interpolated():
    kernels, positions = normal(3, 4, 2, 3), ([0.5, 2.0, 6.25], [-1.0, 2.5, 4.0, 20.0])
    p = np.stack(np.meshgrid(np.arange(8.0).clip(0.5, 6.25), np.arange(9.0), indexing="ij"), -1)
    wanted = interpolate.RegularGridInterpolator(positions, kernels)(p)
    assert_near(fields.dense_of_grid((8, 9), kernels, positions), wanted)
    for line, nodes in zip(((7,), (8,)), positions, strict=True):
        weights = normal(len(nodes))
        x = np.asarray(nodes)
        tangents = np.diff(weights) / np.diff(x)
        tangents = np.array([tangents[0], *((weights[2:] - weights[:-2]) / (x[2:] - x[:-2])), tangents[-1]])
        spline = interpolate.CubicHermiteSpline(x, weights, tangents)
        found = fields.line_coefficients(*line, nodes, "cubic") @ weights
        assert_near(found, spline(np.arange(*line).clip(x[0], x[-1])))
    found = fields.line_coefficients(6, [0.0, 2.0, 5.0], "nearest")
    assert_near(found.argmax(1), np.array([0, 0, 1, 1, 2, 2]))
    cubic = fields.dense_of_grid((8, 9), kernels, positions, "cubic")
    factors = [fields.line_coefficients(n, x, "cubic") for n, x in zip((8, 9), positions, strict=True)]
    assert_near(cubic, np.einsum("ya,xb,abij->yxij", *factors, kernels))
    assert_near(fields.dense_of_grid((3,), normal(1, 2), ([4.0],), "cubic").std(0), np.zeros(2))


def test_kernels_without_share_may_be_nan():
    kernels = np.array([[1.0, 2], [np.nan, 5], [3, 4]])
    found = fields.dense_of_grid((5,), kernels, ([0.0, 1.0, 3.0],))
    assert np.isnan(found).any(axis=1).tolist() == [False, True, True, False, False]


def test_scattered_kernels_inside_the_hull():
    points, values = RNG.uniform(0, 12, (9, 2)), normal(9)
    wanted = interpolate.LinearNDInterpolator(points, values)(*np.indices((12, 13)))
    inside = ~np.isnan(wanted)
    assert 30 < inside.sum() < 150
    found = fields.dense_of_scattered((12, 13), values[:, None, None], points)[..., 0, 0]
    assert_near(found[inside], wanted[inside])


def test_scattered_kernels_outside_of_the_hull():
    points = np.array([[2.0, 2], [2, 8], [9, 4], [4, 4]])
    along = np.linspace(0, 1, 2001)[:, None]
    border = np.concatenate([a + along * (b - a) for a, b in itertools.pairwise(points[[0, 1, 2, 0]])])
    shares = fields.barycentric((12, 11), points)
    assert_near(shares.sum(-1), np.ones((12, 11)))
    for p in [(0, 0), (0, 5), (11, 0), (3, 10), (8, 8), (10, 4)]:
        nearest = border[np.hypot(*(border - p).T).argmin()]
        assert_near(shares[p] @ points, nearest, 1e-2)
        assert shares[p][3] == 0


def test_combinations():
    basis, maps = normal(3, 2, 4), normal(3, 5, 6)
    assert_near(fields.dense_of_combination(basis, maps), np.einsum("mij,myx->yxij", basis, maps))
    coefficients = normal(2, 3, 4)
    u, v = np.linspace(-1, 1, 5)[:, None], np.linspace(-1, 1, 6)[None]
    for n, found in enumerate(fields.chebyshev_maps((5, 6), coefficients)):
        assert_near(found, chebyshev.chebval2d(*np.broadcast_arrays(u, v), coefficients[n]))
    assert_near(fields.chebyshev_maps((1,), [[1.0, 5.0, 2.0]]), np.array([[-1.0]]))
