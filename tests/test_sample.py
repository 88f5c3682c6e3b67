"""`sample`: the values of the whole filter at a list of points, bit for bit, and nothing else."""

import warnings

import numpy as np
import pytest

import kernelscape as ks
from kernelscape.errors import (
    ArgumentError,
    ArgumentTypeError,
    NotYetSupportedError,
    PerformanceWarning,
    ShapeError,
    TracingError,
)
from tests.conformance.running import bits

RNG = np.random.default_rng(7)
IMAGE = RNG.normal(size=(40, 130)).astype(np.float32)
POINTS = np.stack([RNG.integers(0, n, 300) for n in IMAGE.shape], 1)
POINTS[:6] = [(0, 0), (39, 129), (0, 129), (39, 0), (20, 60), (20, 60)]
ROWS, COLUMNS = POINTS.T
KERNEL = RNG.normal(size=(15, 15)).astype(np.float32)


def assert_bits(found, wanted):
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert bits(found) == bits(wanted), np.argwhere(found != wanted)[:3]


def test_assert_bits_can_fail():
    with pytest.raises(AssertionError):
        assert_bits(np.zeros(2), np.array([0.0, 1.0]))


def weighted(w, k):
    return np.sum(w * k)


@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap", "constant", "shrink", ("shrink", "constant")])
@pytest.mark.parametrize("function", [np.median, np.mean, np.max, lambda w: np.argmin(w), lambda w: w[0]])
def test_functions_and_modes(function, mode):
    words = {"size": (5, 4), "mode": mode, "cval": 7.0}
    assert_bits(ks.sample(function, IMAGE, points=POINTS, **words), ks.apply(function, IMAGE, **words)[ROWS, COLUMNS])


def test_duplicates_and_order():
    full = ks.apply(np.median, IMAGE, size=3)
    assert_bits(ks.sample(np.median, IMAGE, points=POINTS[::-1], size=3), full[ROWS[::-1], COLUMNS[::-1]])
    assert_bits(ks.sample(np.median, IMAGE, points=[(3, 4)] * 5, size=3), full[[3] * 5, [4] * 5])
    assert_bits(ks.sample(np.median, IMAGE, points=POINTS.astype(np.uint8), size=3), full[ROWS, COLUMNS])


def test_many_points_by_several_workers():
    image = RNG.normal(size=(300, 400))
    points = np.argwhere(np.ones(image.shape, bool))
    full = ks.apply(np.median, image, size=5)
    for workers in (1, 2, 5):
        assert_bits(ks.sample(np.median, image, points=points, size=5, workers=workers), full.ravel())


def test_one_kernel_and_several_windows():
    full = ks.correlate(IMAGE, KERNEL)
    assert_bits(ks.sample(weighted, IMAGE, ks.kernel(KERNEL), points=POINTS), full[ROWS, COLUMNS])
    other = ks.window(IMAGE[::-1], size=3, mode="shrink", dilation=2)

    def both(a, b, m, y):
        return np.sum(a) - np.max(b) * m + y

    given = (IMAGE, other, ks.pixel(np.abs(IMAGE)), ks.index(0))
    assert_bits(ks.sample(both, *given, points=POINTS, size=5), ks.apply(both, *given, size=5)[ROWS, COLUMNS])


FIELDS = {
    "gaussian": ks.kernels.Gaussian(RNG.uniform(0.2, 2, IMAGE.shape)),
    "disc": ks.kernels.Disc(RNG.uniform(0.2, 3, IMAGE.shape)),
    "dense": ks.kernels.Dense(RNG.normal(size=(*IMAGE.shape, 3, 5))),
    "dense, planes first": ks.kernels.Dense(np.moveaxis(RNG.normal(size=(3, 5, *IMAGE.shape)), (0, 1), (2, 3))),
    "grid": ks.kernels.Grid(RNG.normal(size=(3, 4, 3, 3)), ([0, 20, 39], [0, 40, 80, 129])),
    "scattered": ks.kernels.Scattered(RNG.normal(size=(4, 3, 3)), [(1, 1), (30, 20), (3, 100), (35, 120)]),
    "constant": ks.kernels.Gaussian(1.5),
}


@pytest.mark.parametrize("name", FIELDS)
def test_kernel_fields(name):
    field = ks.kernel(FIELDS[name])
    full = ks.apply(weighted, IMAGE, field)
    assert_bits(ks.sample(weighted, IMAGE, field, points=POINTS), full[ROWS, COLUMNS])
    assert_bits(ks.sample(weighted, IMAGE, field, points=POINTS[:1]), full[:1, 0])
    assert ks.sample(weighted, IMAGE, field, points=np.zeros((0, 2), int)).shape == (0,)
    halves = ks.sample(lambda w, k: (np.sum(w * k), k[0]), IMAGE, field, points=POINTS, output=np.float64)
    wholes = ks.apply(lambda w, k: (np.sum(w * k), k[0]), IMAGE, field, output=np.float64)
    for half, whole in zip(halves, wholes, strict=True):
        assert_bits(half, whole[ROWS, COLUMNS])


def test_only_the_kernels_at_the_points_are_made(monkeypatch):
    """Of an interpolated grid, those in the rows that have points."""
    from kernelscape.api import expansion

    made = []
    lowered = expansion.lowered

    def counting(blend, extents, low, high, dtype):
        made.append((low, high))
        return lowered(blend, extents, low, high, dtype)

    monkeypatch.setattr(expansion, "lowered", counting)
    ks.sample(weighted, IMAGE, ks.kernel(FIELDS["grid"]), points=[(17, 3), (19, 100)])
    assert made == [(17, 20)]


def test_batch_axes():
    stack = RNG.normal(size=(3, *IMAGE.shape))
    full = ks.apply(np.mean, stack, size=3, axes=(1, 2))
    assert_bits(ks.sample(np.mean, stack, points=POINTS, size=3, axes=(1, 2)), full[:, ROWS, COLUMNS])
    colours = np.moveaxis(stack, 0, -1)
    full = ks.apply(np.mean, colours, size=3, axes=(0, 1))
    assert_bits(ks.sample(np.mean, colours, points=POINTS, size=3, axes=(0, 1)), full[ROWS, COLUMNS])
    apart = np.moveaxis(stack, 0, 1)
    full = ks.apply(np.mean, apart, size=3, axes=(0, 2))
    assert_bits(ks.sample(np.mean, apart, points=POINTS, size=3, axes=(0, 2)), full[ROWS, :, COLUMNS])
    turned = ks.apply(np.mean, IMAGE, size=(3, 5), axes=(1, 0))
    assert_bits(ks.sample(np.mean, IMAGE, points=POINTS[:, ::-1], size=(3, 5), axes=(1, 0)), turned[ROWS, COLUMNS])


def test_whole_axes_have_no_column():
    colours = RNG.normal(size=(*IMAGE.shape, 3))

    def vector(w):
        return np.median(w, axis=(0, 1))

    full = ks.apply(vector, colours, size=(3, 3, None))
    assert_bits(ks.sample(vector, colours, points=POINTS, size=(3, 3, None)), full[ROWS, COLUMNS])


def test_one_axis():
    full = ks.apply(np.max, IMAGE[0], size=4)
    assert_bits(ks.sample(np.max, IMAGE[0], points=COLUMNS, size=4), full[COLUMNS])
    assert_bits(ks.sample(np.max, IMAGE[0], points=COLUMNS[:, None], size=4), full[COLUMNS])


def test_stencils():
    made = ks.stencil(np.median, size=5, mode="wrap")
    assert_bits(ks.sample(made, IMAGE, points=POINTS), made(IMAGE)[ROWS, COLUMNS])


def test_outputs():
    full = ks.apply(np.mean, IMAGE, size=3, output=np.uint8)[ROWS, COLUMNS]
    assert_bits(ks.sample(np.mean, IMAGE, points=POINTS, size=3, output=np.uint8), full)
    for output in (np.zeros(300, np.uint8), np.zeros(600, np.uint8)[::-2], np.zeros(300, np.uint8)[::-1]):
        assert ks.sample(np.mean, IMAGE, points=POINTS, size=3, output=output) is output
        assert_bits(output, full)
    swapped = np.zeros(300, ">i4")
    ks.sample(np.mean, IMAGE, points=POINTS, size=3, output=swapped)
    assert (swapped == ks.apply(np.mean, IMAGE, size=3, output=np.int32)[ROWS, COLUMNS]).all()
    grid = np.zeros(300, np.float32)
    assert ks.sample(weighted, IMAGE, ks.kernel(FIELDS["grid"]), points=POINTS, output=grid) is grid
    assert_bits(grid, ks.apply(weighted, IMAGE, ks.kernel(FIELDS["grid"]))[ROWS, COLUMNS])
    line = IMAGE[0].copy()
    full = ks.apply(np.median, line, size=3)
    assert ks.sample(np.median, line, points=np.arange(130)[::-1], size=3, output=line) is line
    assert_bits(line, full[::-1])
    with pytest.raises(ShapeError, match=r"shape \(300,\); got an array of shape \(299,\)"):
        ks.sample(np.mean, IMAGE, points=POINTS, size=3, output=np.zeros(299))


def test_invalid_outputs():
    words = {"size": 5, "mode": "shrink", "min_count": 20}
    full = ks.apply(np.sum, IMAGE, **words)[ROWS, COLUMNS]
    assert np.isnan(full).any()
    assert_bits(ks.sample(np.sum, IMAGE, points=POINTS, **words), full)
    nothing = {"size": 3, "min_count": 10}
    assert np.isnan(ks.sample(np.sum, IMAGE, points=POINTS, **nothing)).all()
    holes = IMAGE.copy()
    holes[20, 60] = np.nan
    with pytest.raises(ArgumentError, match="NaN"):
        ks.sample(np.mean, holes, points=[(21, 61)], size=3, output=np.int16)
    assert ks.sample(np.mean, holes, points=[(30, 61)], size=3, output=np.int16).dtype == np.int16
    with pytest.raises(ArgumentError, match="contains NaN"):
        ks.sample(np.mean, holes, points=[(30, 61)], size=3, nan_policy="raise")


def test_functions_that_numpy_calls():
    calls = []

    def counting(w, valid):
        calls.append(1)
        return float(w[valid].max())

    words = {"size": 3, "mode": "shrink"}
    full = ks.apply(np.max, IMAGE, **words).astype(np.float64)[ROWS, COLUMNS]
    assert_bits(ks.sample(counting, IMAGE, points=POINTS, method="numpy", **words), full)
    assert len(calls) == len(POINTS)

    def opaque(w, k):
        return float((np.asarray(w) * np.asarray(k)).sum())

    with pytest.warns(PerformanceWarning, match="could not be traced"):
        found = ks.sample(opaque, IMAGE, ks.kernel(FIELDS["grid"]), points=POINTS[:20])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        assert_bits(found, ks.apply(opaque, IMAGE, ks.kernel(FIELDS["grid"]))[ROWS[:20], COLUMNS[:20]])
    with pytest.raises(TracingError):
        ks.sample(opaque, IMAGE, ks.kernel(KERNEL), points=POINTS, method="traced")


def test_the_checked_build_finds_nothing():
    with ks.configure(checked=True):
        for mode in ("shrink", "wrap"):
            full = ks.apply(np.median, IMAGE, size=(3, 7), mode=mode)
            assert_bits(ks.sample(np.median, IMAGE, points=POINTS, size=(3, 7), mode=mode), full[ROWS, COLUMNS])
        full = ks.apply(weighted, IMAGE, ks.kernel(FIELDS["dense"]))
        assert_bits(ks.sample(weighted, IMAGE, ks.kernel(FIELDS["dense"]), points=POINTS), full[ROWS, COLUMNS])


def test_the_checked_build_finds_a_broken_table(monkeypatch):
    from kernelscape.errors import BoundsError
    from kernelscape.execute.points import PointTables

    usual = PointTables._window

    def broken(self, row, number):
        usual(self, row, number)
        self.low[:], self.high[:] = [0] * len(self.low), list(self.counts)

    monkeypatch.setattr(PointTables, "_window", broken)
    with ks.configure(checked=True), pytest.raises(BoundsError, match="outside its buffers"):
        ks.sample(lambda w: np.max(w) + 17, IMAGE, points=[(0, 0)], size=9)


BAD = {
    "outside": (ArgumentError, r"\(40, 130\); got \(40, 0\) as point 1 \(2 are outside\)", [(0, 0), (40, 0), (0, -1)]),
    "fractions": (ArgumentTypeError, r"integers.*float64.*np.rint", [(0.5, 1)]),
    "truth": (ArgumentTypeError, "integers.*bool", np.ones((2, 2), bool)),
    "columns": (ShapeError, r"shape \(m, 2\); got shape \(1, 3\)", [(1, 2, 3)]),
    "one point": (ShapeError, r"shape \(m, 2\); got shape \(2,\)", (1, 2)),
    "deep": (ShapeError, r"shape \(m, axes\)", [[[1, 2]]]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_points(name):
    kind, text, points = BAD[name]
    with pytest.raises(kind, match=text):
        ks.sample(np.max, IMAGE, points=points, size=3)
    with pytest.raises(kind, match=text):
        ks.sample(weighted, IMAGE, ks.kernel(FIELDS["grid"]), points=points)


def test_refused():
    with pytest.raises(ArgumentError, match=r"stride=1, padding='same'.*stride=2"):
        ks.sample(ks.stencil(np.max, size=3, stride=2), IMAGE, points=POINTS)
    with pytest.raises(ArgumentError, match="padding='full'"):
        ks.sample(ks.stencil(np.max, size=3, padding="full"), IMAGE, points=POINTS)
    with pytest.raises(ArgumentError, match="and a selection"):
        ks.sample(ks.stencil(np.max, size=3, at=IMAGE > 0), IMAGE, points=POINTS)
    with pytest.raises(ArgumentError, match="keywords of its own; got size"):
        ks.sample(ks.stencil(np.max, size=3), IMAGE, points=POINTS, size=3)
    with pytest.raises(ArgumentError, match="mode='valid' leaves out"):
        ks.sample(np.max, IMAGE, points=POINTS, size=3, mode="valid")
    with pytest.raises(ArgumentTypeError, match=r"sample\(\) has no keyword argument 'point'; did you mean 'points'"):
        ks.sample(np.max, IMAGE, points=POINTS, size=3, point=1)
    with pytest.raises(NotYetSupportedError, match="progress"):
        ks.sample(np.max, IMAGE, points=POINTS, size=3, progress=print)
    with pytest.raises(ArgumentError, match="workers"):
        ks.sample(np.max, IMAGE, points=POINTS, size=3, workers=0)


def test_no_points():
    for empty in ([], np.zeros((0, 2), int)):
        found = ks.sample(np.median, IMAGE, points=empty, size=3)
        assert_bits(found, np.zeros(0, np.float32))
    assert ks.sample(lambda w: w[0], IMAGE, points=[], size=3).shape == (0, 3)
