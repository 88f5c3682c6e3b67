"""The definition against SciPy, NumPy and a plain-Python loop: windows, their functions, and what their outputs are.

Compared are `evaluate`'s results over modes, sizes, origins, footprints, strides, dilations, paddings and dimensions,
everything drawn at once. Validity has tests of its own (test_validity.py). Not compared: element-wise operators,
which are NumPy's by construction (test_semantics.py), and composed reductions (test_reductions.py).
"""

import itertools
import math
import operator

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from kernelscape import expression as ex
from kernelscape.boundary import MODES, Outside
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError
from kernelscape.reference import evaluate, interpreter
from kernelscape.semantics import run_bits
from kernelscape.verification import MalformedExpressionError
from tests.oracle import brute_force
from tests.oracle.comparison import assert_near, assert_same
from tests.oracle.jobs import WindowWords, binary, flat, largest, make_job, number, rank, smallest, total

F64 = np.dtype(np.float64)
SCIPY_MODES = [name for name, mode in MODES.items() if mode.outside is not Outside.MISSING]
EXAMPLES = settings(max_examples=100)


def run(function, *arrays, arguments=(), words=None, **rest):
    """Evaluate a function of one result; all windows are described by `words`."""
    words = words if isinstance(words, list) else [words or WindowWords()] * len(arrays)
    (result,) = evaluate(make_job(function, arrays, words, **rest), arrays, arguments)
    return result


@st.composite
def scenes(draw, most_dimensions=4):
    """An array with a size and an origin per axis; the window may be larger than the array."""
    ndim = draw(st.integers(1, most_dimensions))
    shape = [draw(st.integers(1, 9 if ndim < 3 else 4)) for _ in range(ndim)]
    size = tuple(draw(st.integers(1, 6 if ndim < 3 else 3)) for _ in range(ndim))
    origin = tuple(draw(st.integers(-(k // 2), (k - 1) // 2)) for k in size)
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed), tuple(shape), size, origin


@st.composite
def footprints(draw, shape):
    bits = draw(st.lists(st.booleans(), min_size=math.prod(shape), max_size=math.prod(shape)))
    assume(any(bits))
    return np.array(bits).reshape(shape)


MODE = st.sampled_from(SCIPY_MODES)


# -- SciPy ------------------------------------------------------------------------------------------------------------


def weighted(shape):
    """Sum of the products of window and kernel."""
    return lambda w: total(binary("multiply", w, ex.Argument(shape, w.dtype, 0)))


@EXAMPLES
@given(scenes(), MODE)
def test_correlate(scene, mode):
    rng, shape, size, origin = scene
    array, weights = rng.normal(size=shape), rng.normal(size=size)
    result = run(weighted(size), array, arguments=[weights], words=WindowWords(size, mode, 0.5, origin))
    assert_near(result, ndimage.correlate(array, weights, mode=mode, cval=0.5, origin=origin))


@EXAMPLES
@given(scenes(), MODE)
def test_convolve(scene, mode):
    """Gather-convolve reads x[p - i], i counted from the centre: the flipped kernel about the mirrored centre."""
    rng, shape, size, origin = scene
    array, weights = rng.normal(size=shape), rng.normal(size=size)
    centre = tuple(k - 1 - (k // 2 + shift) for k, shift in zip(size, origin, strict=True))
    words = WindowWords(size, mode, 0.5, centre=centre)
    result = run(weighted(size), array, arguments=[np.flip(weights)], words=words)
    assert_near(result, ndimage.convolve(array, weights, mode=mode, cval=0.5, origin=origin))


@EXAMPLES
@given(scenes(), st.data())
def test_maximum_filter_with_a_mode_per_axis(scene, data):
    rng, shape, size, origin = scene
    array = rng.integers(-99, 99, shape)
    modes = data.draw(st.tuples(*[st.sampled_from(["reflect", "mirror", "nearest", "wrap"])] * len(shape)))
    result = run(largest, array, words=WindowWords(size, modes, 0, origin))
    assert_same(result, ndimage.maximum_filter(array, size, mode=modes, origin=origin))


@EXAMPLES
@given(scenes(3), MODE, st.data())
def test_rank_filter_with_a_footprint(scene, mode, data):
    rng, shape, size, origin = scene
    if len(shape) == 1:
        shape = (
            shape[0] + size[0],
        )  # SciPy 1.17's 1-d rank_filter reads wrong elements where a window reaches further
    array = rng.integers(0, 256, shape).astype(np.uint8)
    footprint = data.draw(footprints(size))
    place = data.draw(st.integers(0, int(footprint.sum()) - 1))
    words = WindowWords(None, mode, 7, origin, footprint=footprint)
    result = run(lambda w: rank(w, place), array, words=words)
    # With an axis more, because SciPy 1.17's 1-d path ignores the footprint and misreads windows beyond the array.
    wanted = ndimage.rank_filter(array[None], place, footprint=footprint[None], mode=mode, cval=7, origin=(0, *origin))
    assert_same(result, wanted[0])


@EXAMPLES
@given(scenes(3), MODE, st.data())
def test_generic_filter_with_a_footprint(scene, mode, data):
    """The samples come in C order: the function depends on their order."""
    rng, shape, size, origin = scene
    array, footprint = rng.normal(size=shape), data.draw(footprints(size))
    count = int(footprint.sum())
    weights = rng.normal(size=count)
    words = WindowWords(None, mode, -1.5, origin, footprint=footprint)

    def function(w):
        spread = binary("subtract", largest(w), smallest(w))
        return binary("add", weighted((count,))(w), spread)

    result = run(function, array, arguments=[weights], words=words)
    wanted = ndimage.generic_filter(
        array, lambda x: x @ weights + np.ptp(x), footprint=footprint, mode=mode, cval=-1.5, origin=origin
    )
    assert_near(result, wanted)


@EXAMPLES
@given(scenes(), st.data())
def test_uniform_filter_with_a_mode_per_axis(scene, data):
    rng, shape, size, origin = scene
    array = rng.normal(size=shape)
    modes = data.draw(st.tuples(*[MODE] * len(shape)))
    result = run(
        lambda w: binary("divide", total(w), number(float(w.size), w)),
        array,
        words=WindowWords(size, modes, 0.0, origin),
    )
    assert_near(result, ndimage.uniform_filter(array, size, mode=modes, cval=0.0, origin=origin))


@EXAMPLES
@given(scenes(3), MODE)
def test_vectorized_filter(scene, mode):
    rng, shape, size, origin = scene
    array, weights = rng.normal(size=shape), rng.normal(size=size)
    words = WindowWords(size, mode, 0.25 if mode == "constant" else 0.0, origin)
    result = run(
        lambda w: largest(binary("multiply", w, ex.Argument(size, F64, 0))), array, arguments=[weights], words=words
    )
    wanted = ndimage.vectorized_filter(
        array,
        lambda x, *, axis: np.max(x * weights, axis=axis),
        size=size,
        mode=mode,
        cval=0.25 if mode == "constant" else None,
        origin=origin,
    )
    assert_same(result, wanted)


NUMPY_PAD = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}


@pytest.mark.parametrize("mode", SCIPY_MODES)
@pytest.mark.parametrize("size", [11, 30, 31])
def test_window_far_larger_than_the_array(mode, size):
    """Against NumPy's padding: SciPy 1.17's n-d filters contradict its 1-d ones beyond four extents under `reflect`."""
    array = np.array([[3.0, 1.0, 4.0], [1.0, 5.0, 9.0]])
    weights = np.arange(size * size, dtype=float).reshape(size, size)
    result = run(weighted((size, size)), array, arguments=[weights], words=WindowWords(size, mode, 2.0))
    value = {"constant_values": 2.0} if mode == "constant" else {}
    padded = np.pad(array, (size // 2, (size - 1) // 2), mode=NUMPY_PAD[mode], **value)
    assert_near(result, (sliding_window_view(padded, (size, size)) * weights).sum((2, 3)))


# -- NumPy ------------------------------------------------------------------------------------------------------------

VIEW_FUNCTIONS = {
    "sum": (total, lambda v, axes: v.sum(axes)),
    "min": (smallest, lambda v, axes: v.min(axes)),
    "argmax": (
        lambda w: ex.arg_reduce("maximum", w, range(w.ndim)),
        lambda v, axes: v.reshape(*v.shape[: -len(axes)], -1).argmax(-1),
    ),
    "argmin": (
        lambda w: ex.arg_reduce("minimum", w, range(w.ndim)),
        lambda v, axes: v.reshape(*v.shape[: -len(axes)], -1).argmin(-1),
    ),
    "sort last": (lambda w: ex.sort(w, w.ndim - 1), lambda v, axes: np.sort(v, -1)),
    "max first": (lambda w: ex.reduce("maximum", w, (0,)), lambda v, axes: v.max(axes[0])),
    "product": (
        lambda w: ex.reduce("multiply", w, range(w.ndim)),
        lambda v, axes: np.multiply.reduce(v, axes, v.dtype),
    ),
}


@pytest.mark.parametrize("name", VIEW_FUNCTIONS)
@settings(max_examples=25)
@given(scenes(3), st.sampled_from([np.int64, np.uint64, np.float64]))
def test_sliding_window_view(name, scene, dtype):
    """Few distinct values and some NaN, so that ties and their order are met."""
    rng, shape, size, origin = scene
    assume(all(n >= k for n, k in zip(shape, size, strict=True)))
    array = rng.integers(0, 4, shape).astype(dtype)
    if np.dtype(dtype).kind == "f":
        array[rng.random(shape) < 0.1] = np.nan
    ours, numpy = VIEW_FUNCTIONS[name]
    view = sliding_window_view(array, size)
    result = run(ours, array, words=WindowWords(size, "shrink", 0, origin), padding="valid")
    assert_same(result, numpy(view, tuple(range(array.ndim, 2 * array.ndim))))


def moved(w):
    """Shape operators, one after the other: each moves elements so that the next one shows a mistake."""
    inner = ex.slice_(w, (2, 0), (-1, 2), (3, 2))  # w[2::-1, ::2]
    turned = ex.transpose(inner, (1, 0))
    line = ex.reshape(turned, (6,))
    wide = ex.broadcast(ex.reshape(line, (6, 1)), (6, 2))
    joined = ex.concatenate([wide, ex.reshape(ex.slice_(w, (0, 1), (1, 1), (2, 3)), (3, 2))], 0)
    return ex.put(joined, (1, 0), (3, 1), ex.slice_(w, (0, 0), (1, 1), (2, 2)))  # joined[1:5:3] = w[:2, :2]


def test_shape_nodes_move_elements_as_numpy_does():
    array = np.random.default_rng(5).normal(size=(6, 8))
    result = run(moved, array, words=WindowWords((3, 4)), padding="valid")
    for index in np.ndindex(4, 5):
        w = array[index[0] : index[0] + 3, index[1] : index[1] + 4]
        wide = np.repeat(w[2::-1, ::2].T.reshape(6, 1), 2, 1)
        joined = np.concatenate([wide, w[:2, 1:].reshape(3, 2)])
        joined[1:5:3] = w[:2, :2]
        assert_same(result[index], joined)


def test_take_clips_its_index():
    array = np.array([[5.0, -3.0, 9.0, 1.0]])
    index = np.array([[-7, 1, 2, 30]])

    def function(w, i):
        return ex.take(flat(w), 0, i), ex.take(w, 1, ex.broadcast(i, (2,)))

    words = [WindowWords((2, 3), "nearest"), WindowWords(None)]
    scalar, column = evaluate(make_job(function, [array, index], words), [array, index])
    windows = sliding_window_view(np.pad(array, ((1, 0), (1, 1)), mode="edge"), (2, 3))[0]
    places = np.clip(index[0], 0, 5)
    assert_same(scalar, [[w.ravel()[p] for w, p in zip(windows, places, strict=True)]])
    assert_same(column, [[w[:, min(p, 2)] for w, p in zip(windows, places, strict=True)]])


def test_take_with_an_index_per_row():
    array = np.random.default_rng(3).normal(size=(5, 6))
    result = run(lambda w: ex.take(w, 1, ex.arg_reduce("maximum", w, (1,))), array, words=WindowWords((2, 3), "wrap"))
    assert_same(result, run(lambda w: ex.reduce("maximum", w, (1,)), array, words=WindowWords((2, 3), "wrap")))


def test_signed_zeros_are_ordered_in_folds_and_sorts():
    array = np.array([0.0, -0.0, 0.0])
    low, high, ordered = evaluate(
        make_job(lambda w: (smallest(w), largest(w), ex.sort(w, 0)), [array], [WindowWords(3, "wrap")]), [array]
    )
    assert np.signbit(low).all()
    assert not np.signbit(high).any()
    assert np.signbit(ordered).tolist() == [[True, False, False]] * 3


# -- a plain-Python loop ----------------------------------------------------------------------------------------------


@st.composite
def windows(draw, ndim):
    """Words of one window and the same for the oracle."""
    size = tuple(draw(st.integers(1, 4)) for _ in range(ndim))
    origin = tuple(draw(st.integers(-(k // 2), (k - 1) // 2)) for k in size)
    dilation = tuple(draw(st.integers(1, 3)) for _ in range(ndim))
    modes = tuple(draw(st.sampled_from(sorted(MODES))) for _ in range(ndim))
    footprint = draw(st.none() | footprints(size))
    cval = draw(st.integers(-9, 9))
    words = WindowWords(None if footprint is not None else size, modes, cval, origin, dilation, footprint)
    return words, brute_force.WindowSpec(size, origin, dilation, modes, cval, footprint)


PADDING = st.sampled_from(["same", "valid", "full"]) | st.tuples(st.integers(0, 4), st.integers(0, 4))


@st.composite
def everything(draw):
    ndim = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, 6 if ndim < 3 else 3)) for _ in range(ndim))
    described = [draw(windows(ndim)) for _ in range(draw(st.integers(1, 2)))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arrays = [rng.integers(-50, 50, shape) for _ in described]
    stride = [draw(st.integers(1, 3)) for _ in range(ndim)]
    padding = [draw(PADDING) for _ in range(ndim)]
    min_count = draw(st.integers(0, 4))
    return arrays, *zip(*described, strict=True), stride, padding, min_count


INVALID = -(10**6)


def loop_results(windows):
    """What Python's builtins give for lists of (value, exists); None for an output that is invalid."""
    there = [[value for value, exists in w if exists] for w in windows]
    first = there[0]
    position = [i for i, (_, exists) in enumerate(windows[0]) if exists]
    return [
        sum(v * v for v in first) - (sum(there[-1]) if there[-1] else math.nan) if first else None,
        min(first, default=None),
        position[max(range(len(first)), key=lambda i: first[i])] if first else None,
        sorted(first)[len(first) // 2] if first else None,
        len(first),
    ]


def node_results(*w):
    exists = ex.cast(ex.valid(flat(w[0])), ex.INT64)
    middle = binary("right_shift", total(exists), ex.constant(1, ex.INT64))
    return (
        binary("subtract", total(binary("multiply", w[0], w[0])), total(w[-1])),
        smallest(w[0]),
        ex.arg_reduce("maximum", w[0], range(w[0].ndim)),
        ex.take(ex.sort(flat(w[0]), 0), 0, middle),
        total(exists),
    )


@settings(max_examples=400)
@given(everything())
def test_everything_at_once_against_a_plain_loop(drawn):
    arrays, words, specs, stride, padding, min_count = drawn
    try:
        job = make_job(
            node_results, arrays, list(words), stride=stride, padding=padding, min_count=min_count, invalid=INVALID
        )
    except ShapeError:
        axes = range(arrays[0].ndim)
        shapes = [[(s.size[a], s.dilation[a], s.centre[a]) for s in specs] for a in axes]
        fits = [brute_force.anchors_of_axis(arrays[0].shape[a], shapes[a], stride[a], padding[a]) for a in axes]
        assert [] in fits
        return
    results = evaluate(job, arrays)
    counts, wanted = brute_force.evaluate(
        lambda w: (loop_results(w), sum(e for _, e in max(w, key=len))), arrays, specs, stride, padding
    )
    for number_of_result, result in enumerate(results):
        assert result.shape == counts
        for index, (values, available) in wanted.items():
            value = values[number_of_result]
            missing = value is None or value != value or available < min_count
            assert result[index] == (INVALID if missing else value)


# -- inputs and how they are given ------------------------------------------------------------------------------------


def test_maps_indices_and_arguments_are_read_at_the_anchor():
    array, chart = np.arange(20.0).reshape(4, 5), np.arange(20.0).reshape(4, 5) * 100
    words = [WindowWords(3, "wrap"), WindowWords(None)]

    def function(w, m):
        here = ex.pick(ex.pick(w, 0, 1), 0, 1)
        row, column = ex.cast(ex.Index((), ex.INT64, 0), F64), ex.cast(ex.Index((), ex.INT64, 1), F64)
        return here, m, row, column, binary("multiply", m, ex.Argument((), F64, 0))

    job = make_job(function, [array, chart], words, stride=(1, 2), padding=(2, 1))
    here, read, row, column, product = evaluate(job, [array, chart], [np.float64(0.5)])
    rows, columns = np.arange(-1, 4), np.arange(-1, 5, 2)
    assert_same(row, np.repeat(rows[:, None], len(columns), 1).astype(float))
    assert_same(column, np.repeat(columns[None], len(rows), 0).astype(float))
    assert_same(here, array[np.ix_(rows % 4, columns % 5)])
    nearest = chart[np.ix_(np.clip(rows, 0, 3), np.clip(columns, 0, 4))]
    assert_same(read, nearest)
    assert_same(product, nearest * 0.5)


def test_batch_axes_are_independent():
    rng = np.random.default_rng(2)
    array, chart = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(5, 6))
    shared = np.broadcast_to(chart, array.shape)
    words = [WindowWords((3, 2), "mirror"), WindowWords(None)]
    result = run(lambda w, m: binary("multiply", total(w), m), array, shared, words=words, batch=2, stride=2)
    assert result.shape == (2, 3, 3, 3)
    for index in np.ndindex(2, 3):
        wanted = run(lambda w, m: binary("multiply", total(w), m), array[index], chart, words=words, stride=2)
        assert_same(result[index], wanted)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0)])
@pytest.mark.parametrize("padding", ["same", "valid", "full", 2])
def test_empty_input_gives_an_empty_result(shape, padding):
    for mode in MODES:
        result = run(
            lambda w: ex.reduce("maximum", w, (0,)), np.zeros(shape), words=WindowWords(3, mode), padding=padding
        )
        assert result.size == 0
        assert result.shape[2:] == (3,)


def test_empty_batch():
    assert run(total, np.zeros((0, 4, 5)), batch=1).shape == (0, 4, 5)


def test_layout_of_the_input_does_not_matter():
    array = np.random.default_rng(0).integers(0, 999, (6, 7)).astype(np.int32)
    wanted = run(total, array)
    readonly = array.copy()
    readonly.flags.writeable = False
    for other in (np.asfortranarray(array), array[::-1, ::-1].copy()[::-1, ::-1], array.astype(">i4"), readonly):
        assert_same(run(total, other), wanted)


def test_chunks_do_not_show(monkeypatch):
    array = np.random.default_rng(1).normal(size=(3, 7, 9))
    wanted = run(moved, array, words=WindowWords((3, 4), "mirror"), batch=1)
    monkeypatch.setattr(interpreter, "_ELEMENTS_PER_CHUNK", 1000)
    assert_same(run(moved, array, words=WindowWords((3, 4), "mirror"), batch=1), wanted)


def test_windows_are_converted_as_they_are_loaded():
    array = np.array([250.7, -3.2, 300.0])
    job = make_job(lambda w: w, [array.astype(np.uint8)], [WindowWords(1)])
    (result,) = evaluate(job, [array])
    with np.errstate(all="ignore"):
        assert_same(result[:, 0], array.astype(np.int32).astype(np.uint8))


def test_float16_is_rounded_at_casts_and_at_the_store_only():
    array = np.array([2048.0, 1.0, 1.0], np.float16)
    words = WindowWords(3, "constant")
    assert_same(run(total, array, words=words), np.array([2049, 2050, 2], np.float16))

    def twice(w):
        """(a + b) * b / b - a with a + b not representable in float16."""
        a, b = ex.pick(w, 0, 0), ex.pick(w, 0, 1)
        plain = binary("subtract", binary("add", a, b), a)
        rounded = binary("subtract", ex.cast(ex.cast(binary("add", a, b), np.dtype(np.float32)), w.dtype), a)
        return plain, rounded

    plain, rounded = evaluate(make_job(twice, [array], [words], padding="valid"), [array])
    assert_same(plain, np.array([1], np.float16))
    assert_same(rounded, np.array([0], np.float16))


@pytest.mark.parametrize(("dtype", "wanted"), [(np.float16, 1.0), (np.float32, 1.0), (np.float64, 0.0)])
def test_sums_go_through_float64_in_c_order(dtype, wanted):
    """The large number swallows 1 in the dtype itself, and 2^60 does so in float64 too."""
    large = 2.0**15 if dtype is np.float16 else 2.0**25 if dtype is np.float32 else 2.0**60
    array = np.array([large, 1.0, -large], dtype)
    assert_same(run(total, array, padding="valid"), np.array([wanted], dtype))
    assert_same(run(total, array[[0, 2, 1]], padding="valid"), np.array([1.0], dtype))


def test_narrow_integers_wrap():
    array = np.array([200, 100, 50], np.uint8)
    assert_same(run(total, array, words=WindowWords(3, "wrap")), np.full(3, 350 % 256, np.uint8))


# -- stores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "dtype", "wanted"),
    [
        (
            [0.5, 1.5, 2.5, -0.5, 254.5, 255.5, 1e9, -7.0, math.inf, -math.inf],
            "u1",
            [0, 2, 2, 0, 254, 255, 255, 0, 255, 0],
        ),
        ([127.4, -128.5, -129.0, 1e300], "i1", [127, -128, -128, 127]),
        ([2.0**63, -(2.0**63), 1e40, 2.0**62], "i8", [2**63 - 1, -(2**63), 2**63 - 1, 2**62]),
        ([2.0**64, -1.0, 2.0**63], "u8", [2**64 - 1, 0, 2**63]),
        ([0.0, 0.1, math.nan], "?", [False, True, True]),
        ([1e300, 0.1, math.nan], "f4", [math.inf, np.float32(0.1), math.nan]),
    ],
)
def test_store_of_floats(values, dtype, wanted):
    result = run(flat, np.array(values), words=WindowWords(1), dtypes=[dtype])
    assert_same(result[:, 0], np.array(wanted, dtype))


def test_store_of_integers_saturates():
    result = run(flat, np.array([-1, 0, 255, 256]), words=WindowWords(1), dtypes=["u1"])
    assert_same(result[:, 0], np.array([0, 0, 255, 255], np.uint8))


def test_nan_into_an_integer_is_an_error_unless_an_integer_stands_for_it():
    array = np.array([1.0, math.nan])
    with pytest.raises(ArgumentError, match="which an output of dtype int16 cannot hold"):
        run(total, array, words=WindowWords(1), dtypes=["i2"])
    assert_same(run(total, array, words=WindowWords(1), dtypes=["i2"], invalid=-9), np.array([1, -9], np.int16))
    assert_same(
        run(total, array, words=WindowWords(1), dtypes=["u1"], invalid=np.int64(999)), np.array([1, 255], np.uint8)
    )


def test_floating_output_keeps_nan_whatever_marks_invalid_outputs():
    assert_same(run(total, np.array([1.0, math.nan]), words=WindowWords(1), invalid=-9), np.array([1.0, math.nan]))


# -- errors -----------------------------------------------------------------------------------------------------------


def test_wrong_arrays_and_arguments():
    job = make_job(lambda w: total(binary("multiply", w, ex.Argument((3,), F64, 0))), [np.zeros(5)])
    for arrays, arguments, kind, message in [
        ([], [], ShapeError, "Expected 1 arrays"),
        ([np.zeros(6)], [], ShapeError, r"Array 0 must have shape \(5,\).*got \(6,\)"),
        ([np.zeros((1, 5))], [], ShapeError, r"got \(1, 5\)"),
        ([np.zeros(5, complex)], [], ArgumentTypeError, "got dtype complex128"),
        ([np.zeros(5)], [], ShapeError, "Expected at least 1 arguments; got 0"),
        ([np.zeros(5)], [np.zeros(4)], ShapeError, r"Argument 0 must have shape \(3,\); got \(4,\)"),
    ]:
        with pytest.raises(kind, match=message):
            evaluate(job, arrays, arguments)


def test_expression_that_lies_about_its_dtype_is_found():
    with pytest.raises(MalformedExpressionError, match=r"add of .* gives float64"):
        run(lambda w: ex.elementwise("add", np.dtype(np.float32), w, w), np.zeros(3))


# -- the four jobs ----------------------------------------------------------------------------------------------------

A = np.array(
    [
        [179, 97, 77, 118, 144, 105],
        [68, 56, 184, 210, 141, 230],
        [178, 166, 218, 47, 106, 172],
        [38, 183, 50, 185, 48, 87],
        [60, 200, 228, 232, 6, 190],
        [253, 75, 231, 166, 117, 134],
    ]
)
B = np.array(
    [
        [116, 95, 94, 220, 80, 223],
        [135, 9, 166, 78, 5, 129],
        [102, 167, 120, 81, 141, 29],
        [83, 117, 81, 129, 255, 48],
        [130, 231, 165, 7, 187, 169],
        [44, 137, 16, 50, 229, 202],
    ]
)
DIFFERENCE_OF_SQUARES = np.array(
    [
        [8423, 11816, 10372, 41125, 35287, 31747],
        [29370, 65887, 38811, 61252, 51033, 51845],
        [24756, 60119, 109133, 35101, 70005, 18757],
        [8641, 62463, 126935, 14530, 2255, -64752],
        [36623, 110426, 163513, 33812, -50035, -146450],
        [22268, 100132, 130190, 83010, -10163, -88994],
    ]
)


def difference_of_squares(a, b):
    return total(binary("subtract", binary("multiply", a, a), binary("multiply", b, b)))


def test_job_of_two_images_with_windows_that_shrink():
    assert_same(run(difference_of_squares, A, B, words=WindowWords(3, "shrink")), DIFFERENCE_OF_SQUARES)


def test_job_of_two_images_inside():
    assert_same(run(difference_of_squares, A, B, padding="valid"), DIFFERENCE_OF_SQUARES[1:-1, 1:-1])


def test_job_of_a_directional_kernel_with_mirrored_borders():
    ramp = np.add.outer(10.0 * np.arange(5), np.arange(5))
    weights = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    result = run(weighted((3, 3)), ramp, arguments=[weights], words=WindowWords(3, "mirror"))
    assert_same(result, np.tile([0.0, 8.0, 8.0, 8.0, 0.0], (5, 1)))  # mirrored, the slope at the border is 0


def test_job_of_a_stride_without_padding():
    ramp = np.add.outer(5 * np.arange(5), np.arange(5))
    result = run(total, ramp, words=WindowWords(2), stride=2, padding="valid")
    assert_same(result, np.array([[0 + 1 + 5 + 6, 2 + 3 + 7 + 8], [10 + 11 + 15 + 16, 12 + 13 + 17 + 18]]))


def test_job_of_asymmetric_padding():
    array = np.array([[1, 2, 3], [4, 5, 6]])
    result = run(total, array, words=WindowWords(2, "constant"), padding=[(1, 0), (0, 2)])
    padded = np.pad(array, ((1, 0), (0, 2)))
    assert_same(result, sliding_window_view(padded, (2, 2)).sum((2, 3)))
    assert result.shape == (2, 4)


def test_job_of_the_largest_product():
    weights = np.array([[1.0, -2.0], [3.0, 0.5]])
    array = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    result = run(
        lambda w: largest(binary("multiply", w, ex.Argument((2, 2), F64, 0))),
        array,
        arguments=[weights],
        words=WindowWords(2),
        padding="valid",
    )
    assert_same(result, np.array([[12.0, 15.0], [21.0, 24.0]]))


def test_job_of_a_kernel_computed_from_its_position():
    array = np.random.default_rng(8).normal(size=(6, 5))
    offsets = np.stack(np.meshgrid([-1.0, 0, 1], [-1.0, 0, 1], indexing="ij"))

    def function(w):
        square = ex.Argument((3, 3), F64, 0)
        row = ex.cast(ex.Index((), ex.INT64, 0), F64)
        exponent = binary("divide", ex.elementwise("negative", F64, square), binary("add", row, number(1.0, w)))
        return total(binary("multiply", w, ex.elementwise("exp", F64, exponent)))

    square = (offsets**2).sum(0)
    result = run(function, array, arguments=[square], words=WindowWords(3, "nearest"))
    padded = np.pad(array, 1, mode="edge")
    for y, x in np.ndindex(6, 5):
        wanted = (padded[y : y + 3, x : x + 3] * np.exp(-square / (y + 1))).sum()
        assert math.isclose(result[y, x], wanted, rel_tol=1e-13)


# -- the comparisons can fail -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (np.zeros(3), np.zeros(4)),
        (np.zeros(3), np.zeros((3, 1))),
        (np.zeros(3), np.array([0.0, 0.0, 1e-9])),
        (np.zeros(3), np.array([0.0, 0.0, math.nan])),
    ],
)
@pytest.mark.parametrize("check", [assert_same, assert_near])
def test_comparison_fails(check, actual, expected):
    with pytest.raises(AssertionError):
        check(actual, expected)
    with pytest.raises(AssertionError):
        check(expected, actual)
    check(expected, expected.copy())


def test_comparison_of_dtypes_fails():
    with pytest.raises(AssertionError):
        assert_same(np.zeros(3), np.zeros(3, np.float32))


def test_plain_loop_is_not_the_library():
    """The oracle's own boundary and grid, by hand."""
    spec = brute_force.WindowSpec((2,), (0,), (1,), ("reflect",))
    counts, results = brute_force.evaluate(operator.itemgetter(0), [np.array([5, 6, 7])], [spec], [1], ["same"])
    assert counts == (3,)
    assert [[v for v, _ in r] for r in results.values()] == [[5, 5], [5, 6], [6, 7]]


# -- runs -------------------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32 - 1), extent=st.integers(1, 12), different=st.integers(1, 5))
@settings(max_examples=40)
def test_runs_are_those_that_groupby_finds(seed, extent, different):
    """Of all sorted elements, and of the first ones of which there are as many as the first sample says."""
    array = np.random.default_rng(seed).integers(0, different, (3, extent)).astype(np.int16)
    words = WindowWords((1, extent), "wrap")
    for counted in (False, True):

        def function(w, counted=counted):
            ordered = ex.sort(ex.reshape(w, (extent,)), 0)
            first = ex.pick(ex.reshape(w, (extent,)), 0, 0)
            count = binary("minimum", ex.cast(first, ex.INT64), ex.constant(extent, ex.INT64)) if counted else None
            return tuple(ex.runs(measure, ordered, count) for measure in ex.RUN_MEASURES)

        found = evaluate(make_job(function, [array], [words], padding="valid"), [array])
        for row, line in enumerate(array):
            ordered = sorted(line.tolist())
            groups = [len(list(same)) for _, same in itertools.groupby(ordered[: line[0] if counted else extent])]
            longest = ordered[sum(groups[: groups.index(max(groups))])] if groups else ordered[0]
            wanted = (longest, len(groups), sum(run_bits(extent)[c] for c in groups))
            assert tuple(int(each[row, 0]) for each in found) == wanted
