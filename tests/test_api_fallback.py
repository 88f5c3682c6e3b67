"""Functions that cannot be traced: the same results through NumPy, after one warning that points at the caller's line.

The oracle is the function itself on sliding windows.
"""

import linecache
import math
import warnings

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import kernelscape as ks
from kernelscape.api import fallback
from tests.oracle.comparison import assert_near, assert_same

RNG = np.random.default_rng(5)
IMAGE = RNG.integers(0, 50, (6, 8)).astype(np.float64)


def spectrum(w):
    """What no tracer knows: a Fourier transform."""
    return np.abs(np.fft.fft2(w))[1, 1]


def windows(array, size=(3, 3)):
    return sliding_window_view(np.pad(array, [(k // 2, k - 1 - k // 2) for k in size], mode="symmetric"), size)


def by_hand(function, array):
    found = windows(array)
    return np.array([[function(found[y, x].copy()) for x in range(array.shape[1])] for y in range(array.shape[0])])


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ks.PerformanceWarning)
        yield


# -- the warning ------------------------------------------------------------------------------------------------------


def caught(call):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = call()
    return result, found


def test_one_warning_names_the_line_and_what_to_write_instead():
    result, (warning,) = caught(lambda: ks.apply(lambda w: math.sqrt(np.sum(w)), IMAGE, size=3))
    assert_near(result, np.sqrt(windows(IMAGE).sum((-2, -1))))
    text = str(warning.message)
    assert warning.category is ks.PerformanceWarning
    assert "could not be traced and runs through NumPy" in text
    assert f"{__file__}:" in text
    assert "math.sqrt(np.sum(w))" in text
    assert "This can:" in text
    assert "np.sqrt(" in text


def test_every_way_in_points_at_the_line_of_the_caller():
    f = ks.stencil(spectrum, size=3)
    calls = [
        lambda: ks.apply(spectrum, IMAGE, size=3),  # this line
        lambda: f(IMAGE),  # this line
    ]
    for call in calls:
        for _ in range(3):  # the second call is kept, and the third found again
            _, (warning,) = caught(call)
            assert warning.filename == __file__
            assert linecache.getline(__file__, warning.lineno).strip().endswith("# this line")


def test_traced_functions_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        middle = ks.apply(np.median, IMAGE, size=3)
        found = ks.apply(spectrum, IMAGE, size=3, method="numpy")
    assert middle[1, 1] == np.median(IMAGE[:3, :3])
    assert found[1, 1] == spectrum(IMAGE[:3, :3])


def test_method_traced_raises():
    with pytest.raises(ks.TracingError, match=r"This cannot be traced"):
        ks.apply(spectrum, IMAGE, size=3, method="traced")
    with pytest.raises(ks.TracingError):
        ks.stencil(spectrum, size=3).plan(IMAGE)
    with pytest.raises(ValueError, match="method='numpy' has no plan"):
        ks.stencil(spectrum, size=3, method="numpy").plan(IMAGE)


def test_errors_of_the_function_itself_are_raised_as_they_are():
    def broken(w):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ks.apply(broken, IMAGE, size=3)


# -- results ----------------------------------------------------------------------------------------------------------


def test_pixel_by_pixel_on_copies(quiet):
    seen = []

    def function(w):
        seen.append(w)
        w.flags.writeable = True
        w[0, 0] = -1
        return float(w.sum())

    before = IMAGE.copy()
    found = ks.apply(function, IMAGE, size=3, method="numpy")
    assert_near(found, windows(IMAGE).sum((-2, -1)) - windows(IMAGE)[..., 0, 0] - 1)
    assert_same(IMAGE, before)
    assert len(seen) == IMAGE.size


def test_results_in_pieces(quiet, monkeypatch):
    whole = ks.apply(spectrum, IMAGE, size=3)
    monkeypatch.setattr(fallback, "_SAMPLES_AT_ONCE", 63)
    assert_same(ks.apply(spectrum, IMAGE, size=3), whole)
    assert_near(whole, by_hand(spectrum, IMAGE))


def test_function_with_axis_is_called_on_many_windows_at_once(quiet):
    shapes = []

    def function(w, *, axis):
        shapes.append((w.shape, axis))
        return np.fft.fftn(w, axes=axis).real.max(axis=axis)

    found = ks.apply(function, IMAGE, size=(3, 2))
    assert shapes[-1] == ((48, 3, 2), (-2, -1))
    assert_near(found, windows(IMAGE, (3, 2)).sum((-2, -1)))
    ks.apply(function, np.ones((2, 5)), size=(1, 2), axes=(0, 1))
    with pytest.raises(TypeError):
        ks.apply(function, np.ones(5), size=2)  # fftn wants a sequence of axes, and one axis is a number
    assert shapes[-1] == ((5, 2), -1)


def test_axis_and_maps_go_one_by_one(quiet):
    def function(w, gain, axis=None):
        return float(np.sum(w, axis=axis)) * gain

    found = ks.apply(function, IMAGE, ks.pixel(IMAGE), size=3)
    assert_near(found, windows(IMAGE).sum((-2, -1)) * IMAGE)


def test_all_kinds_of_arguments(quiet):
    def function(a, b, m, k, y, factor, *, shift):
        assert isinstance(factor, float)
        return float((a * k).sum()) + float(b[0]) * m + 1000 * y * factor + shift

    weights = np.arange(9.0).reshape(3, 3)
    arguments = (
        IMAGE,
        ks.window(IMAGE.astype(">f4"), footprint=[[1]]),
        ks.pixel(IMAGE),
        ks.kernel(weights),
        ks.index(0),
        2.0,
    )
    found = ks.apply(function, *arguments, size=3, kwargs={"shift": 0.5}, stride=(1, 2))
    wanted = (windows(IMAGE) * weights).sum((-2, -1)) + IMAGE * IMAGE + 2000.0 * np.arange(6)[:, None] + 0.5
    assert_near(found, wanted[:, ::2])


def test_batch_axes_whole_axes_and_order(quiet):
    film = RNG.integers(0, 9, (2, 5, 3, 4)).astype(np.float64)

    def function(w):
        return float(w.sum()), [float(w.min()), float(w.max())]

    for method in ("auto", "numpy"):
        sums, extremes = ks.apply(function, film, size=(3, None, 2), axes=(1, 2, 3), method=method)
        traced = ks.apply(np.sum, film, size=(3, None, 2), axes=(1, 2, 3))
        assert_same(sums, traced)
        assert extremes.shape == (2, 5, 4, 2)
        assert_same(extremes[..., 1], ks.apply(np.max, film, size=(3, None, 2), axes=(1, 2, 3)))


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, np.longdouble])
def test_numbers_that_only_numpy_computes_with(dtype):
    array = (np.arange(5) * (1 + 2j if np.dtype(dtype).kind == "c" else 1)).astype(dtype)
    found, (warning,) = caught(lambda: ks.apply(np.sum, array, size=3, mode="constant", cval=1))
    assert f"Values of dtype {np.dtype(dtype)} take part" in str(warning.message)
    assert_same(found, np.convolve(np.pad(array, 1, constant_values=1), np.ones(3, dtype), "valid"))
    scaled, _ = caught(lambda: ks.apply(lambda w, f: np.sum(w) * f, np.ones(2), dtype(2), size=1))
    assert_same(scaled, np.full(2, 2, np.result_type(dtype, np.float64)))
    with pytest.raises(ks.TracingError, match=r"Convert windows with dtype="):
        ks.apply(np.sum, array, size=3, method="traced")


def test_dtype_converts_windows(quiet):
    image = np.array([250, 10], np.uint8)
    found = ks.apply(lambda w: np.float32(float(w[0]) * float(w[1])), image, size=2, dtype=np.float32)
    assert_same(found, np.array([62500, 2500], np.float32))
    assert_same(ks.apply(np.sum, image, size=1, dtype=np.complex64), image.astype(np.complex64))


@pytest.mark.parametrize("function", [spectrum, lambda w: (float(w[0, 0]), [int(w[0, 0])] * 2)])
def test_empty_arrays(function, quiet):
    found = ks.apply(function, np.zeros((0, 4)), size=3)
    if isinstance(found, tuple):
        assert [(a.shape, a.dtype) for a in found] == [((0, 4), np.float64), ((0, 4, 2), np.int64)]
    else:
        assert_same(found, np.zeros((0, 4)))


# -- missing samples --------------------------------------------------------------------------------------------------


def test_shrink_without_valid_is_an_error(quiet):
    with pytest.raises(ValueError, match=r"expected a function with a parameter valid="):
        ks.apply(lambda w: float(w.sum()), IMAGE, size=3, mode="shrink")


def test_shrink_with_valid(quiet):
    def function(w, valid):
        return float(w[valid].sum())

    def at_once(w, axis, valid):
        return np.fft.fft(np.where(valid, w, 0)).real[..., 0].sum(-1)

    wanted = ks.apply(np.sum, IMAGE, size=3, mode="shrink")
    assert_near(ks.apply(function, IMAGE, size=3, mode="shrink"), wanted)
    assert_near(ks.apply(at_once, IMAGE, size=3, mode="shrink"), wanted)


def test_windows_that_differ_have_flags_of_their_own(quiet):
    def function(a, b, valid):
        return float(valid[0].sum() * 10 + valid[1].sum())

    found = ks.apply(function, np.ones(4), ks.window(np.ones(4), size=5), size=3, mode="shrink")
    assert_same(found, [23.0, 34, 34, 23])


def test_an_offset_counts_when_it_is_valid_in_all_windows(quiet):
    found = ks.apply(
        lambda a, b, valid: float(valid.sum()), np.ones(4), ks.window(np.ones(4), mode="nearest"), size=3, mode="shrink"
    )
    assert_same(found, [2.0, 3, 3, 2])


def test_min_count(quiet):
    def function(w, valid):
        return int(w[valid].sum())

    options = {"size": 3, "mode": "shrink", "min_count": 3}
    assert_same(ks.apply(function, [1.0, 2, 3, 4], **options), [np.nan, 6, 9, np.nan])
    assert_same(ks.apply(function, [1.0, 2, 3, 4], **options, invalid=-1), np.array([-1, 6, 9, -1]))
    with pytest.raises(ValueError, match="cannot hold invalid=nan"):
        ks.apply(function, [1.0, 2, 3, 4], **options, output=np.uint8)


# -- what a function may return ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "error", "text"),
    [
        (lambda w: "text" if float(w[0]) else "", TypeError, "must return numbers or arrays of numbers; got"),
        (
            lambda w: w[: 1 + int(w[0]) % 2],
            ValueError,
            r"arrays of the same shape for all windows; got \[\(1,\), \(2,\)\]",
        ),
        (lambda w, axis: np.fft.fft(w), ValueError, None),
    ],
)
def test_results_that_are_refused(function, error, text, quiet):
    if text is None:
        assert ks.apply(function, np.arange(4.0), size=3).shape == (4, 3)  # an array for each window is fine
        return
    with pytest.raises(error, match=text):
        ks.apply(function, np.arange(4.0), size=3)


def test_a_function_that_reduces_too_much(quiet):
    with pytest.raises(ValueError, match=r"must reduce these axes alone; expected a result of shape \(4, ...\)"):
        ks.apply(lambda w, axis: np.fft.fft(w).real.sum(), np.arange(4.0), size=3)
