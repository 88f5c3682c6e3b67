"""Folds in passes: rows of groups that windows share, against NumPy on each window and against the direct method."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import kernelscape as ks
from kernelscape.methods.passes import group_sizes, parts_of, reads

RNG = np.random.default_rng(71)
FLOATS = RNG.normal(3, 2, (40, 150)).astype(np.float32)
DTYPES = ("bool", "uint8", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64")


def covariance(a, b):
    return np.mean((a - np.mean(a)) * (b - np.mean(b)))


FUNCTIONS = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "any": lambda w: np.any(w > 4),
    "all": lambda w: np.all(w > -4),
    "count": np.count_nonzero,
    "clipped": lambda w: np.sum(np.clip(w, 1, 5)),
    "var": np.var,
    "std": lambda w: np.std(w, ddof=1),
    "energy": lambda w: np.sum(np.square(w.astype(np.float64))),
    "together": lambda w: np.mean(w) + np.std(w) + np.max(w),
}


def image(dtype, shape, seed=5):
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 40, shape) % 256 - 64 * (np.dtype(dtype).kind == "i")).astype(dtype)


def by_windows(function, array, size, mode="reflect"):
    """NumPy's function of each window; windows lie as in `ks.apply`."""
    size = np.broadcast_to(size, array.ndim)
    names = {"reflect": "symmetric", "nearest": "edge", "wrap": "wrap", "mirror": "reflect"}
    padded = np.pad(array, [(k // 2, k - 1 - k // 2) for k in size], names[mode])
    windows = sliding_window_view(padded, tuple(size))
    result = np.empty(array.shape, np.asarray(function(np.zeros(size, array.dtype))).dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for place in np.ndindex(array.shape):
            result[place] = function(windows[place])
    return result


def assert_near(found, wanted, scale):
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, wanted)
    else:
        eps = np.finfo(np.float32 if found.dtype == np.float16 else found.dtype).eps
        more = np.finfo(found.dtype).eps if found.dtype == np.float16 else 0
        limit = 40 * eps * scale + (more + 40 * eps) * np.abs(wanted.astype(np.float64))
        assert (np.abs(found.astype(np.float64) - wanted) <= limit).all()


def test_near_can_fail():
    with pytest.raises(AssertionError):
        assert_near(np.array([1.001], np.float32), np.array([1], np.float32), 1)


@pytest.mark.parametrize("extent", [*range(1, 40), 63, 64, 101, 255])
def test_groups_cover_a_window_once(extent):
    sizes = group_sizes(extent)
    parts = parts_of(extent, sizes)
    ends = [p.start + p.count * p.size for p in parts]
    assert [p.start for p in parts] == [0, *ends[:-1]]
    assert ends[-1] == extent
    assert all(p.size == math.prod(sizes[: p.level]) for p in parts)
    assert reads(extent, sizes) <= extent


def test_what_a_window_costs_hardly_grows():
    small, middle, large = (reads(extent, group_sizes(extent)) for extent in (15, 31, 101))
    assert large < 2.5 * small
    assert middle < 16


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_windows(name, dtype):
    function, array = FUNCTIONS[name], image(dtype, (9, 37))
    for size in (7, (12, 5)):
        found = ks.apply(function, array, size=size, method="passes")
        wanted = by_windows(function, array, size)
        assert_near(found, wanted, math.prod(np.broadcast_to(size, 2)) * 256.0 if name in ("sum", "energy") else 256.0)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((200,), 9), ((70,), 40), ((6, 9, 35), (3, 4, 5)), ((5, 4, 3, 20), (2, 3, 3, 5)), ((3, 20, 5, 4), (3, 5, 2, 2))],
)
@pytest.mark.parametrize("name", ["sum", "max", "var", "any", "clipped"])
def test_any_number_of_dimensions(shape, size, name):
    array = image(np.float64, shape)
    found = ks.apply(FUNCTIONS[name], array, size=size, method="passes")
    assert_near(found, by_windows(FUNCTIONS[name], array, size), 1e5)


@settings(max_examples=60)
@given(data=st.data())
def test_any_geometry_is_that_of_the_direct_method(data):
    draw = data.draw
    shape = draw(st.sampled_from([(33,), (9, 70), (30, 31), (4, 7, 40)]))
    ndim = len(shape)
    size = tuple(draw(st.integers(1, 12 if ndim < 3 else 4)) for _ in shape)
    array = image(draw(st.sampled_from(["uint8", "int16", "float32", "float64"])), shape)
    if draw(st.booleans()):
        array = np.asfortranarray(array)
    words = {
        "size": size,
        "mode": draw(st.sampled_from(["reflect", "mirror", "nearest", "wrap", "constant", "valid"])),
        "dilation": tuple(draw(st.integers(1, 3)) for _ in shape),
        "stride": (*(draw(st.integers(1, 3)) for _ in shape[1:]), 1),
        "origin": tuple(draw(st.integers(-(k // 2), (k - 1) // 2)) for k in size),
    }
    if words["mode"] == "valid" and any(
        (k - 1) * d >= n for k, d, n in zip(size, words["dilation"], shape, strict=True)
    ):
        words["mode"] = "wrap"
    function = FUNCTIONS[draw(st.sampled_from(["sum", "mean", "max", "var", "together", "any"]))]
    stencil = ks.stencil(function, **words)
    applies = {c.name for c in stencil.plan(array).candidates if c.applies}
    if "passes" not in applies or array.flags.f_contiguous > array.flags.c_contiguous:
        return
    found = ks.apply(function, array, method="passes", **words)
    assert_near(found, ks.apply(function, array, method="direct", **words), math.prod(size) * 1e4)


@pytest.mark.parametrize("name", ["mean", "max", "var", "together"])
def test_nan_and_infinities_stay_in_their_windows(name):
    array = FLOATS.copy()
    array[7, 30], array[20, 90], array[33, 5], array[12, 140] = np.nan, np.inf, -np.inf, np.nan
    found = ks.apply(FUNCTIONS[name], array, size=(7, 15), method="passes")
    with np.errstate(invalid="ignore"):
        wanted = by_windows(FUNCTIONS[name], array, (7, 15))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(wanted))


def test_two_inputs():
    a, b = FLOATS, FLOATS[::-1, ::-1] + FLOATS
    found = ks.apply(covariance, a, b, size=9, method="passes")
    wanted = ks.apply(covariance, a.astype(np.float64), b.astype(np.float64), size=9, method="direct")
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())
    assert ks.apply(lambda a, b: np.sum(a**2 - b**2), a, b, size=9, method="passes").dtype == np.float32


def test_colours():
    array = image(np.uint8, (20, 33, 3))
    found = ks.apply(np.mean, array, size=9, axes=(0, 1), method="passes")
    for colour in range(3):
        wanted = ks.apply(np.mean, np.ascontiguousarray(array[..., colour]), size=9, method="direct")
        np.testing.assert_array_equal(found[..., colour], wanted)


@pytest.mark.parametrize("name", ["mean", "max", "var"])
def test_bits_do_not_depend_on_the_work_being_cut(name):
    function, array = FUNCTIONS[name], RNG.normal(0, 1, (300, 520)).astype(np.float32)
    whole = ks.apply(function, array, size=17, method="passes", workers=1)
    for workers in (2, 3, 5):
        np.testing.assert_array_equal(ks.apply(function, array, size=17, method="passes", workers=workers), whole)
    at = RNG.random(array.shape) < 0.001
    at[100:140, 200:300] = True
    some = ks.apply(function, array, size=17, at=at, otherwise=-1, method="passes")
    np.testing.assert_array_equal(some, np.where(at, whole, np.float32(-1)))
    rows, columns = np.array([0, 299, 17, 17]), np.array([519, 0, 5, 5])
    points = ks.sample(function, array, points=np.stack([rows, columns], 1), size=17, method="passes")
    np.testing.assert_array_equal(points, whole[rows, columns])


@pytest.mark.parametrize("words", [{"checked": True}, {"target": "x86-64"}, {"target": "x86-64-v3"}], ids=str)
def test_the_checked_build_and_older_processors(words):
    array = FLOATS[:, :77]
    for name, size in (("together", (9, 5)), ("var", (31, 33)), ("any", 11)):
        wanted = ks.apply(FUNCTIONS[name], array, size=size, method="direct")
        with ks.configure(**words):
            found = ks.apply(FUNCTIONS[name], array, size=size, mode="reflect", method="passes")
        assert_near(found, wanted, 50.0)


def test_missing_samples():
    where = RNG.random(FLOATS.shape) < 0.7
    for name in ("mean", "max"):
        found = ks.apply(FUNCTIONS[name], FLOATS, size=15, where=where, method="passes")
        assert_near(found, ks.apply(FUNCTIONS[name], FLOATS, size=15, where=where, method="direct"), 10.0)


def test_windows_larger_than_the_image():
    array = image(np.int16, (3, 5))
    for name in ("sum", "max", "var"):
        found = ks.apply(FUNCTIONS[name], array, size=(31, 40), mode="wrap", method="passes")
        assert_near(found, ks.apply(FUNCTIONS[name], array, size=(31, 40), mode="wrap", method="direct"), 256.0)
    assert ks.apply(np.mean, np.zeros((0, 5)), size=31).shape == (0, 5)
    assert ks.apply(np.mean, np.full((1, 1), 7.0), size=31, method="passes") == 7


@pytest.mark.parametrize("mean", [0, 1e3, 1e6])
def test_a_variance_is_never_negative_and_right_for_data_with_a_large_mean(mean):
    array = (RNG.normal(mean, 1, (60, 90))).astype(np.float32)
    exact = by_windows(np.var, array.astype(np.float64), 11)
    found = ks.apply(np.var, array, size=11, method="passes")
    assert (found >= 0).all()
    np.testing.assert_allclose(found, exact, rtol=2e-6)
    assert not ks.apply(np.var, np.full((40, 40), np.float32(mean + 0.1)), size=11, method="passes").any()


def test_where_windows_have_gaps_at_the_border_passes_do_not_apply():
    with pytest.raises(ks.errors.ArgumentError, match="may lack samples"):
        ks.apply(np.mean, FLOATS, size=15, mode="shrink", method="passes")


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16"])
def test_moments_of_integers_are_exact(dtype):
    array = image(dtype, (6, 11)) if dtype != "uint16" else (image(dtype, (6, 11)) + 65000).astype(dtype)
    found = ks.apply(np.var, array, size=5)
    padded = np.pad(array, 2, "symmetric")
    for place in np.ndindex(array.shape):
        samples = [int(v) for v in padded[place[0] : place[0] + 5, place[1] : place[1] + 5].ravel()]
        exact = Fraction(25 * sum(v * v for v in samples) - sum(samples) ** 2, 625)
        assert found[place] == pytest.approx(float(exact), rel=4e-16)


def test_means_of_integers_are_rounded_as_their_exact_value():
    """Every sum of a window, and halves in particular: to even, whatever the float in between."""
    for taps, dtype in ((2, np.uint8), (6, np.int8), (9, np.uint8), (25, np.uint8), (4, np.uint16), (16, np.int16)):
        limits = np.iinfo(dtype)
        array = np.concatenate([RNG.integers(limits.min, limits.max, 60_000, dtype, endpoint=True), np.arange(255) % 3])
        array = array.astype(dtype)
        found = ks.apply(np.mean, array, size=taps, mode="nearest", output=dtype)
        sums = sliding_window_view(np.pad(array, (taps // 2, taps - 1 - taps // 2), "edge").astype(int), taps).sum(1)
        down, left = np.divmod(sums, taps)
        wanted = down + ((2 * left > taps) | ((2 * left == taps) & (down % 2 == 1)))
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("height", [63, 65, 66, 69, 70, 75])
@pytest.mark.parametrize("dilation", [2, 3])
def test_last_rows_of_dilated_windows(height, dilation):
    """A tile has rows apart; those behind the last output must leave no row that another tile takes for its own."""
    array = image("float32", (height, 60))
    found = ks.apply(np.max, array, size=9, dilation=dilation, method="passes", workers=1)
    np.testing.assert_array_equal(found, ks.apply(np.max, array, size=9, dilation=dilation, method="direct"))
