"""`apply` and `stencil` against NumPy on sliding windows and the definition, and what is remembered from call to call.

Compared: dtype, shape and values. Arithmetic itself is compared elsewhere; the functions here are simple, so that the
results say how arguments were understood.
"""

import copy
import functools
import gc
import inspect
import pickle
import re
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import kernelscape as ks
from kernelscape.backends import compiled
from tests.oracle.comparison import assert_same

DESIGN = {
    "apply": "function, *arrays, size, footprint, mode, cval, origin, stride, dilation, padding, axes, where, "
    "nan_policy, min_count, invalid, at, otherwise, dtype, output, kwargs, method, tol, workers, progress",
    "correlate": "input, weights, form, normalize, min_weight, accumulate, mode, cval, origin, stride, dilation, "
    "padding, axes, where, nan_policy, min_count, invalid, at, otherwise, dtype, output, method, tol, workers, "
    "progress",
}
RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 100, (7, 9)).astype(np.float64)


def total(w):
    return np.sum(w)


def padded_windows(array, size, mode="symmetric"):
    before = [(k // 2, k - 1 - k // 2) for k in size]
    return sliding_window_view(np.pad(array, before, mode=mode), size)


# -- signatures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DESIGN)
def test_signature(name):
    shown = inspect.signature(getattr(ks, name))
    assert str(shown.replace(return_annotation=inspect.Signature.empty)).count("**") == 0
    found = [("*" if p.kind is p.VAR_POSITIONAL else "") + p.name for p in shown.parameters.values()]
    assert ", ".join(found) == DESIGN[name]


def test_convolve_has_the_signature_of_correlate():
    # as text, since the default of `invalid` is not equal to itself
    assert str(inspect.signature(ks.convolve)) == str(inspect.signature(ks.correlate))


def test_stencil_takes_what_belongs_to_windows():
    given = set(inspect.signature(ks.apply).parameters) - {"arrays", "output", "workers", "progress"}
    assert set(inspect.signature(ks.stencil).parameters) == given


def test_defaults():
    defaults = {n: p.default for n, p in inspect.signature(ks.apply).parameters.items() if p.default is not p.empty}
    assert np.isnan(defaults.pop("invalid"))
    assert defaults == {
        **dict.fromkeys(("size", "footprint", "axes", "where", "at", "dtype", "output", "kwargs", "tol", "workers")),
        "mode": "reflect",
        "cval": 0.0,
        "origin": 0,
        "stride": 1,
        "dilation": 1,
        "padding": "same",
        "progress": None,
        "nan_policy": "propagate",
        "min_count": 1,
        "otherwise": "input",
        "method": "auto",
    }


# -- windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, (3, 5), [2, 3], np.array([4, 1]), 20])
def test_sizes(size):
    sizes = (size, size) if isinstance(size, int) else tuple(int(k) for k in size)
    wanted = padded_windows(IMAGE, sizes).sum((-2, -1))
    assert_same(ks.apply(total, IMAGE, size=size), wanted)


def test_footprint_is_a_one_dimensional_window_in_c_order():
    cross = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    weights = np.array([1, 10, 100, 1000, 10000.0])
    windows = padded_windows(IMAGE, (3, 3))[..., np.array(cross, bool)]
    assert_same(ks.apply(lambda w, k: np.sum(w * k), IMAGE, ks.kernel(weights), footprint=cross), windows @ weights)


def test_whole_axis():
    colours = RNG.integers(0, 9, (6, 5, 3)).astype(np.float32)
    found = ks.apply(lambda w: np.max(w, axis=(0, 1)) @ np.array([1, 10, 100], np.float32), colours, size=(3, 3, None))
    wanted = np.stack([padded_windows(colours[..., c], (3, 3)).max((-2, -1)) for c in range(3)], -1)
    assert_same(found, wanted @ np.array([1, 10, 100], np.float32))


def test_whole_first_axis_said_by_the_window():
    stack = RNG.integers(0, 9, (4, 6, 5)).astype(np.float64)
    assert_same(ks.apply(total, ks.window(stack, size=(None, 1, 1))), stack.sum(0))


def test_an_origin_that_suits_the_other_axes_does_not_move_a_whole_one():
    image = RNG.integers(0, 9, (6, 1)).astype(np.float64)
    assert_same(ks.apply(total, image, size=(3, None), origin=1), ks.apply(total, image[:, 0], size=3, origin=1))


def test_axes_leave_batch_axes_where_they_are():
    stack = RNG.integers(0, 9, (6, 2, 5)).astype(np.float64)
    wanted = np.stack([padded_windows(stack[:, c], (3, 3)).sum((-2, -1)) for c in range(2)], 1)
    assert_same(ks.apply(total, stack, size=3, axes=(0, -1)), wanted)


def test_order_of_axes_is_the_order_of_the_window():
    weights = np.arange(6.0).reshape(3, 2)
    a = ks.apply(lambda w, k: np.sum(w * k), IMAGE, ks.kernel(weights), axes=(1, 0))
    assert_same(a, ks.correlate(IMAGE.T, weights).T)


def test_inputs_of_different_ndim_broadcast():
    film = RNG.integers(0, 9, (2, 3, 6, 5)).astype(np.float64)
    clip, frame = film[0] * 2, film[1, 1] * 3
    found = ks.apply(lambda a, b, c: a[1, 1] + b[1, 2] * c[0, 0], film, clip, frame, size=3, axes=(-2, -1))
    for index in np.ndindex(2, 3):
        a, b, c = (padded_windows(x, (3, 3)) for x in (film[index], clip[index[1]], frame))
        assert_same(found[index], a[..., 1, 1] + b[..., 1, 2] * c[..., 0, 0])


def test_batch_axes_of_all_inputs_broadcast():
    a, b = np.ones((4, 1, 6)), np.arange(3.0)[:, None] * np.ones(6)
    assert_same(ks.apply(lambda v, w: v[0] * w[0], a, b, size=1, axes=-1), a * b)


def test_windows_share_the_anchor():
    found = ks.apply(
        lambda a, b: a[0] * 1000 + b[2],
        np.arange(8.0),
        ks.window(np.arange(8.0), size=3, mode="constant", cval=-1, origin=-1, dilation=2),
        size=1,
    )
    assert_same(found, [4.0, 1005, 2006, 3007, 3999, 4999, 5999, 6999])


def test_window_with_its_own_footprint():
    found = ks.apply(lambda a, b: np.sum(a) - b[1], IMAGE, ks.window(IMAGE, footprint=[[1, 1]]), size=(1, 2))
    assert_same(found, ks.apply(lambda a: a[0, 0], IMAGE, size=(1, 2)))


def test_valid_mode_is_valid_padding():
    wanted = sliding_window_view(IMAGE, (3, 2)).sum((-2, -1))
    assert_same(ks.apply(total, IMAGE, size=(3, 2), mode="valid"), wanted)
    assert_same(ks.apply(total, IMAGE, size=(3, 2), padding="valid"), wanted)


@pytest.mark.parametrize(("padding", "before"), [(1, (1, 1)), ((2, 0), (2, 0)), ("full", (2, 2))])
def test_padding_stride_dilation(padding, before):
    array = np.arange(1.0, 11)
    windows = sliding_window_view(np.pad(array, before, mode="constant"), 3)
    assert_same(ks.apply(total, array, size=3, padding=padding, mode="constant"), windows.sum(-1))
    assert_same(ks.apply(total, array, size=3, padding=padding, mode="constant", stride=3), windows[::3].sum(-1))
    wide = sliding_window_view(np.pad(array, [2 * n for n in before] if padding == "full" else before), 5)[:, ::2]
    assert_same(ks.apply(total, array, size=3, padding=padding, mode="constant", dilation=2), wide.sum(-1))


# -- arguments --------------------------------------------------------------------------------------------------------


def test_pixel_on_the_input_grid_is_read_at_the_anchor():
    gain = np.arange(6.0)
    found = ks.apply(lambda w, g: g, np.zeros(6), ks.pixel(gain), size=3, stride=2, padding="full")
    assert_same(found, [0.0, 1, 3, 5])


def test_pixel_of_the_window_axes_broadcasts():
    stack, gain = np.ones((2, 5, 4)), np.arange(20.0).reshape(5, 4)
    assert_same(ks.apply(lambda w, g: np.sum(w) * g, stack, ks.pixel(gain), size=1, axes=(1, 2)), stack * gain)


@pytest.mark.parametrize("stride", [1, 2, (3, 2)])
@pytest.mark.parametrize("padding", ["same", "valid", "full", ((0, 1), (2, 0))])
@pytest.mark.parametrize("method", ["traced", "numpy"])
def test_pixel_on_the_output_grid(stride, padding, method):
    options = {"size": (3, 2), "stride": stride, "padding": padding, "method": method}
    shape = ks.apply(total, IMAGE, **options).shape
    own = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    assert_same(ks.apply(lambda w, m: m, IMAGE, ks.pixel(own, on="output"), **options), own)


def test_index_is_the_anchor_in_input_coordinates():
    found = ks.apply(
        lambda w, y, x: 100 * y + x, IMAGE, ks.index(0), ks.index(-1), size=3, stride=(2, 3), padding="full"
    )
    y, x = np.arange(-1, 8, 2), np.arange(-1, 10, 3)
    assert_same(found, 100 * y[:, None] + x)
    assert found.dtype == np.int64


def test_numbers_are_arguments():
    wanted = padded_windows(IMAGE, (3, 3)).sum((-2, -1))
    for factor in (2, 2.5, np.float32(3)):
        assert_same(ks.apply(lambda w, f: np.sum(w) * f, IMAGE, factor, size=3), wanted * factor)


def test_lists_are_windows():
    assert_same(ks.apply(total, [1, 2, 3], size=3), np.array([4, 6, 8]))


def test_kwargs():
    def scaled(w, *, factor, power=1):
        return np.sum(w) * factor**power

    assert_same(ks.apply(scaled, [1, 2, 3], size=3, kwargs={"factor": 10}), np.array([40, 60, 80]))
    assert_same(ks.apply(scaled, [1, 2, 3], size=3, kwargs={"factor": 10, "power": 2}), np.array([400, 600, 800]))


def test_array_in_kwargs_may_change():
    table = np.array([1.0])
    f = ks.stencil(lambda w, table: np.sum(w) * table[0], size=1, kwargs={"table": table})
    assert_same(f([2.0, 3.0]), [2.0, 3.0])
    table[0] = 5
    assert_same(f([2.0, 3.0]), [10.0, 15.0])
    assert_same(ks.apply(f.function, [2.0], size=1, kwargs={"table": table}), [10.0])
    table[0] = 7
    assert_same(ks.apply(f.function, [2.0], size=1, kwargs={"table": table}), [14.0])


def test_tuple_and_array_results():
    low, pair = ks.apply(lambda w: (np.min(w), np.sort(w)[:2]), np.array([3, 1, 2]), size=3)
    assert_same(low, np.array([1, 1, 1]))
    assert_same(pair, np.array([[1, 3], [1, 2], [1, 2]]))
    stacked = ks.apply(lambda w: [np.min(w), np.max(w)], IMAGE, size=3)
    assert stacked.shape == (7, 9, 2)
    assert_same(stacked[..., 1], padded_windows(IMAGE, (3, 3)).max((-2, -1)))
    (alone,) = ks.apply(lambda w: (np.sum(w),), [1, 2], size=1)
    assert_same(alone, np.array([1, 2]))


@pytest.mark.parametrize("function", [np.max, np.median, functools.partial(np.percentile, q=30)])
def test_functions_of_numpy_themselves(function):
    wanted = np.apply_along_axis(function, -1, padded_windows(IMAGE, (3, 3)).reshape(7, 9, 9))
    np.testing.assert_allclose(ks.apply(function, IMAGE, size=3), wanted)


def test_axis_keyword_as_for_vectorized_filter():
    from scipy.ndimage import vectorized_filter

    def spread(window, *, axis):
        return np.max(window, axis=axis) - np.mean(window, axis=axis)

    for size in (3, (2, 3)):
        wanted = vectorized_filter(IMAGE, spread, size=size, mode="reflect")
        np.testing.assert_allclose(ks.apply(spread, IMAGE, size=size, method="traced"), wanted)
        np.testing.assert_allclose(ks.apply(spread, IMAGE, size=size, method="numpy"), wanted)


def test_axis_that_is_an_argument_of_its_own():
    found = ks.apply(lambda w, axis: np.sum(w) + axis, np.zeros(3), ks.index(0), size=3)
    assert_same(found, [0.0, 1.0, 2.0])


# -- dtypes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "u4", "i8", "f2", "f4", "f8", ">i4", ">f8"])
@pytest.mark.parametrize("function", [np.sum, np.median, np.max, lambda w: w[0] * w[-1]])
def test_results_have_the_dtype_that_numpy_gives(dtype, function):
    array = np.arange(5).astype(dtype)
    assert ks.apply(function, array, size=3).dtype == np.asarray(function(array[:3])).dtype.newbyteorder("=")


def test_dtype_converts_windows():
    image = np.array([200, 100, 50], np.uint8)
    assert_same(
        ks.apply(lambda w: w[0] * w[-1], image, size=2, dtype=np.float32), np.array([4e4, 2e4, 5e3], np.float32)
    )


@pytest.mark.parametrize("layout", ["transposed", "reversed", "strided", "read-only", "swapped", "broadcast", "memmap"])
def test_memory_layouts(layout, tmp_path):
    array = RNG.integers(0, 9, (12, 10)).astype(np.float32)
    if layout == "memmap":
        array.tofile(tmp_path / "raw")
        given = np.memmap(tmp_path / "raw", np.float32, "r", shape=array.shape)
    else:
        given = {
            "transposed": array.T,
            "reversed": array[::-1, ::-1],
            "strided": array[::3, 1::2],
            "read-only": array.copy(),
            "swapped": array.astype(">f4"),
            "broadcast": np.broadcast_to(array[0], (4, 10)),
        }[layout]
    if layout == "read-only":
        given.flags.writeable = False
    before = given.tobytes()
    wanted = padded_windows(np.array(given, np.float32), (3, 3)).sum((-2, -1))
    assert_same(ks.apply(total, given, size=3), wanted)
    assert given.tobytes() == before


@pytest.mark.parametrize("shape", [(0,), (0, 4), (4, 0)])
@pytest.mark.parametrize("padding", ["same", "valid", "full"])
def test_empty_arrays_give_empty_results(shape, padding):
    found = ks.apply(lambda w: np.sum(w) > 3, np.zeros(shape, np.float32), size=1, padding=padding)
    assert_same(found, np.zeros(shape, bool))


@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap", "shrink"])
def test_one_pixel(mode):
    assert_same(ks.apply(np.max, np.full((1, 1), 7, np.uint8), size=5, mode=mode), np.full((1, 1), 7, np.uint8))


# -- outputs that can be invalid --------------------------------------------------------------------------------------


def test_integers_stay_integers_where_every_output_is_valid():
    assert_same(ks.apply(np.min, np.arange(4), size=3, mode="shrink"), np.array([0, 0, 1, 2]))


def test_integers_become_float64_where_outputs_can_be_invalid():
    found = ks.apply(np.min, np.arange(4), size=3, mode="shrink", min_count=3)
    assert_same(found, [np.nan, 0, 1, np.nan])
    assert ks.apply(np.min, np.arange(4), size=1, mode="shrink", min_count=1).dtype == np.int64


def test_an_integer_that_stands_for_invalid_keeps_integers():
    found = ks.apply(np.min, np.arange(4), size=3, mode="shrink", min_count=3, invalid=-9)
    assert_same(found, np.array([-9, 0, 1, -9]))
    found = ks.apply(lambda w: np.min(w) > 0, np.arange(4), size=3, mode="shrink", min_count=3, invalid=np.int8(1))
    assert_same(found, np.array([True, False, True, True]))


@pytest.mark.parametrize("method", ["traced", "numpy"])
@pytest.mark.parametrize("mode", ["nearest", "shrink"])
def test_windows_with_fewer_samples_than_min_count_are_invalid(mode, method):
    def lowest(w, valid):
        return np.min(w) if method == "traced" else int(w[valid].min(initial=9))

    where = np.array([True, True, True, False, False])
    options = {"size": 3, "mode": mode, "min_count": 3, "method": method, "where": where}
    first = 0.0 if mode == "nearest" else np.nan
    assert_same(ks.apply(lowest, np.arange(5), **options), np.array([first, 0, np.nan, np.nan, np.nan]))
    marked = [-1 if np.isnan(first) else 0, 0, -1, -1, -1]
    assert_same(ks.apply(lowest, np.arange(5), **options, invalid=-1), np.array(marked))


def test_invalid_number_in_float_results():
    found = ks.apply(np.mean, np.arange(4.0), size=3, mode="shrink", min_count=3, invalid=-1.5)
    assert_same(found, [-1.5, 1, 2, -1.5])


def test_function_with_valid():
    def weighted(w, valid):
        return np.sum(np.where(valid, w, 0.0)) + 100 * np.sum(valid)

    array = np.arange(1.0, 5)
    for method in ("traced", "numpy"):
        assert_same(ks.apply(weighted, array, size=3, mode="shrink", method=method), [203.0, 306, 309, 207])
        assert_same(ks.apply(weighted, array, size=3, method=method), [304.0, 306, 309, 311])


# -- output= ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["traced", "numpy"])
@pytest.mark.parametrize("dtype", [np.float32, ">f4", "float64", np.longdouble, np.complex64, np.int16, ">i2"])
def test_output_dtype(dtype, method):
    found = ks.apply(total, IMAGE, size=3, output=dtype, method=method)
    assert_same(found, padded_windows(IMAGE, (3, 3)).sum((-2, -1)).astype(dtype))


@pytest.mark.parametrize("method", ["traced", "numpy"])
def test_conversion_to_integers_rounds_half_to_even_and_saturates(method):
    array = np.array([0.5, 1.5, 2.5, -0.6, 254.5, 255.5, 1e9, -np.inf, np.inf])
    found = ks.apply(lambda w: w[0] * 1, array, size=1, output=np.uint8, method=method)
    assert_same(found, np.array([0, 2, 2, 0, 254, 255, 255, 0, 255], np.uint8))
    wide = ks.apply(lambda w: w[0] * 1, np.array([300, -7]), size=1, output=np.uint8, method=method)
    assert_same(wide, np.array([255, 0], np.uint8))


@pytest.mark.parametrize("method", ["traced", "numpy"])
def test_output_array_is_written_and_returned(method):
    whole = np.full((9, 22), -1.0)
    target = whole[1:8, 2:20:2]
    assert ks.apply(total, IMAGE, size=3, output=target, method=method) is target
    wanted = np.full((9, 22), -1.0)
    wanted[1:8, 2:20:2] = padded_windows(IMAGE, (3, 3)).sum((-2, -1))
    assert_same(whole, wanted)


@pytest.mark.parametrize("method", ["traced", "numpy"])
@pytest.mark.parametrize("shift", [0, 1, 5])
def test_output_may_overlap_the_input(shift, method):
    memory = RNG.integers(0, 9, (12, 10)).astype(np.float64)
    wanted = padded_windows(memory[:7].copy(), (3, 3)).sum((-2, -1))
    assert_same(ks.apply(total, memory[:7], size=3, output=memory[shift : shift + 7], method=method), wanted)


def test_output_may_overlap_a_kernel_and_a_captured_array():
    memory = np.arange(1.0, 10).reshape(3, 3)
    wanted = ks.correlate(np.ones((3, 3)), memory.copy())
    assert_same(ks.apply(lambda w, k: np.sum(w * k), np.ones((3, 3)), ks.kernel(memory), output=memory), wanted)
    captured = np.arange(1.0, 4)
    assert_same(ks.apply(lambda w: np.sum(w * captured), [1.0, 2, 3, 4], size=3), [9.0, 14, 20, 23])
    own = np.arange(1.0, 4)
    assert_same(ks.apply(lambda w: np.sum(w * own), [1.0, 2, 3], size=(3,), output=own), [9.0, 14, 17])


def test_several_outputs():
    low, high = np.empty((7, 9), np.float32), np.empty((7, 9), ">f8")
    found = ks.apply(lambda w: (np.min(w), np.max(w)), IMAGE, size=3, output=(low, high))
    assert found[0] is low
    assert found[1] is high
    assert_same(high, padded_windows(IMAGE, (3, 3)).max((-2, -1)).astype(">f8"))
    assert [a.dtype for a in ks.apply(lambda w: (w[0], w[1]), [1.0], size=2, output=("f4", None))] == ["f4", "f8"]


def test_output_of_interleaved_parts():
    both = np.empty((7, 9, 2))
    ks.apply(lambda w: (np.min(w), np.max(w)), IMAGE, size=3, output=(both[..., 0], both[..., 1]))
    assert_same(both[..., 0], padded_windows(IMAGE, (3, 3)).min((-2, -1)))
    assert_same(both[..., 1], padded_windows(IMAGE, (3, 3)).max((-2, -1)))


@pytest.mark.parametrize("method", ["traced", "numpy"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 67), (40, 300)])
def test_nan_in_an_integer_output_is_found_anywhere(shape, method):
    for place in {(0, 0), (shape[0] - 1, shape[1] - 1), (shape[0] // 2, shape[1] // 3)}:
        array = np.ones(shape, np.float32)
        array[place] = np.nan
        with pytest.raises(ValueError, match=r"NaN, which an output of dtype int16 cannot hold.*invalid="):
            ks.apply(lambda w: w[0, 0] * 2, array, size=1, output=np.int16, method=method)
        found = ks.apply(lambda w: w[0, 0] * 2, array, size=1, output=np.int16, invalid=-5, method=method)
        wanted = np.full(shape, 2, np.int16)
        wanted[place] = -5
        assert_same(found, wanted)


@pytest.mark.parametrize("extent", [1, 5, 31, 67])
def test_what_lies_beyond_the_array_is_no_nan(extent):
    """Lanes and rows behind the last output compute 0/0 on zeros, which is nobody's result."""
    ones = np.ones((extent, extent), np.float32)
    found = ks.apply(lambda w: w[0, 0] / np.sum(w), ones, size=2, output=np.uint8, mode="constant")
    assert found.dtype == np.uint8


# -- what is remembered -----------------------------------------------------------------------------------------------


@pytest.fixture
def compilations(monkeypatch):
    """Texts of code that were compiled or loaded since the test began, other than the shared worker."""
    texts = []
    original = compiled._code

    def counted(key, *rest):
        if key not in compiled._loaded:
            texts.append(key[0])
        return original(key, *rest)

    monkeypatch.setattr(compiled, "_code", counted)
    return texts


def test_a_lambda_made_anew_compiles_once(compilations):
    for factor in range(5):
        found = ks.apply(lambda w, factor=factor: np.sum(w * 3.25) - factor, IMAGE, size=(3, 7))
    assert_same(found, padded_windows(IMAGE, (3, 7)).sum((-2, -1)) * 3.25 - 4)
    assert compilations.count("kernel") == 1


def test_captured_numbers_are_run_time_arguments(compilations):
    def scaled(t):
        return lambda w: np.sum(w) / t

    for t in (2.0, 4.0, 8.0):
        assert_same(ks.apply(scaled(t), IMAGE, size=(5, 1)), padded_windows(IMAGE, (5, 1)).sum((-2, -1)) / t)
    assert compilations.count("kernel") <= 1


def test_rebinding_is_seen_in_closures_globals_and_defaults():
    offset = 1.0

    def of_closure(w):
        return np.sum(w) + offset

    f = ks.stencil(of_closure, size=1)
    assert_same(f([1.0]), [2.0])
    offset = 5.0
    assert_same(f([1.0]), [6.0])
    space = {"np": np, "g": 1.0}
    exec("def of_global(w): return np.sum(w) + g", space)
    f = ks.stencil(space["of_global"], size=1)
    assert_same(f([1.0]), [2.0])
    space["g"] = 7.0
    assert_same(f([1.0]), [8.0])

    def of_default(w, add=1.0):
        return np.sum(w) + add

    assert_same(ks.apply(of_default, [1.0], size=1), [2.0])
    of_default.__defaults__ = (9.0,)
    for _ in range(3):
        assert_same(ks.apply(of_default, [1.0], size=1), [10.0])


@pytest.mark.parametrize("extent", [3, 200])
def test_captured_arrays_changed_in_place_are_seen(extent):
    weights = np.ones(extent * extent).reshape(extent, extent)[:3]
    f = ks.stencil(lambda w: np.sum(w * weights[0, :3]), size=3)
    assert_same(f([1.0, 1, 1]), [3.0, 3, 3])
    weights *= 2
    assert_same(f([1.0, 1, 1]), [6.0, 6, 6])
    assert_same(f([1.0, 1, 1]), [6.0, 6, 6])


def test_kernels_changed_in_place_are_seen():
    weights = np.ones(3)
    f = ks.stencil(lambda w, k: np.sum(w * k))
    assert_same(f([1.0, 1, 1], ks.kernel(weights)), [3.0, 3, 3])
    weights[:] = 2
    assert_same(f([1.0, 1, 1], ks.kernel(weights)), [6.0, 6, 6])


def test_lists_and_footprints_changed_in_place_are_not_confused():
    size, footprint = [3], np.ones(3, bool)
    wide = ks.stencil(np.sum, footprint=footprint)
    assert_same(ks.apply(np.sum, [1.0, 1, 1], size=size), [3.0, 3, 3])
    size[0] = 1
    footprint[1:] = False
    assert_same(ks.apply(np.sum, [1.0, 1, 1], size=size), [1.0, 1, 1])
    assert_same(ks.apply(np.sum, [1.0, 1, 1], footprint=footprint), [1.0, 1, 1])
    assert_same(wide([1.0, 1, 1]), [3.0, 3, 3])


def test_equal_options_of_other_types_are_not_confused():
    ks.apply(total, IMAGE, size=1)
    with pytest.raises(TypeError, match="size must be made of integers; got True"):
        ks.apply(total, IMAGE, size=True)
    with pytest.raises(TypeError, match=re.escape("size must be made of integers; got 1.0")):
        ks.apply(total, IMAGE, size=1.0)
    minus = ks.apply(lambda w: np.copysign(1.0, w[0]), [1.0], size=2, mode="constant", cval=-0.0)
    assert_same(minus, [-1.0])
    assert_same(ks.apply(lambda w: np.copysign(1.0, w[0]), [1.0], size=2, mode="constant", cval=0.0), [1.0])


def test_functions_made_anew_are_not_kept_alive():
    class Large:
        value = 2.0

    def call():
        held = Large()
        ks.apply(lambda w: np.sum(w) * held.value, IMAGE, size=3)
        return weakref.ref(held)

    gone = call()
    gc.collect()
    assert gone() is None


def test_stencil_is_a_decorator_that_keeps_the_name():
    @ks.stencil(size=3, mode="nearest")
    def local_range(w):
        """The difference of the extremes."""
        return np.max(w) - np.min(w)

    assert local_range.__name__ == "local_range"
    assert local_range.__doc__ == "The difference of the extremes."
    assert "local_range" in repr(local_range)
    assert_same(local_range(np.array([1, 5, 2, 2])), np.array([4, 4, 3, 0]))


def test_plan_says_what_runs():
    text = ks.stencil(total, size=(3, 5)).plan(IMAGE, output=np.float32).explain()
    assert "output: 7 x 9 positions, float32" in text
    assert "input 0: float64, window 3x5, mode reflect" in text


def test_workers_do_not_change_results():
    image = RNG.random((300, 400), dtype=np.float32)
    one = ks.apply(np.std, image, size=5, workers=1)
    for workers in (2, 7, -1):
        assert_same(ks.apply(np.std, image, size=5, workers=workers), one)


def test_calls_from_many_threads():
    """One stencil, one function of `apply` and lambdas made anew, from threads that start at the same time."""
    images = [np.full((20, 30), float(n)) for n in range(8)]
    f = ks.stencil(total, size=(3, 5))
    ready = threading.Barrier(len(images))

    def work(image):
        ready.wait()
        found = []
        for n in range(20):
            found += [
                f(image),
                ks.apply(total, image, size=(3, 5)),
                ks.apply(lambda w, n=n: np.sum(w) + n, image, size=3),
            ]
        return found

    with ThreadPoolExecutor(len(images)) as pool:
        for value, found in enumerate(pool.map(work, images)):
            for n, result in enumerate(found):
                wanted = 9 * value + n // 3 if n % 3 == 2 else 15 * value
                assert_same(result, np.full((20, 30), float(wanted)))


def test_names_of_the_package():
    assert set(ks.__all__) <= set(dir(ks))
    assert not hasattr(ks, "no_such_name")


@ks.stencil(size=3)
def local_total(w):
    return np.sum(w)


@pytest.mark.parametrize("used", [False, True])
def test_stencils_are_pickled_and_copied(used):
    """For processes; what was compiled stays here."""
    for made in (ks.stencil(total, size=3, mode="wrap"), local_total):
        if used:
            made(IMAGE)
        for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made), copy.copy(made)):
            assert repr(again.options) == repr(made.options)
            assert_same(again(IMAGE), made(IMAGE))
    assert pickle.loads(pickle.dumps(local_total)) is local_total


def test_a_function_of_numpy_is_traced_once(monkeypatch):
    image = np.arange(20.0).reshape(4, 5)
    wanted = ks.apply(np.ptp, image, size=3)
    calls = []
    monkeypatch.setattr("kernelscape.api.prepared.trace", lambda *a, **k: calls.append(a))
    np.testing.assert_array_equal(ks.apply(np.ptp, image, size=3), wanted)
    assert not calls
