"""Which samples count, through the public functions: the table of rules line by line, for masks, NaN and borders alike.

Each rule is tried with the three ways in which a sample can be missing: ``where=``, ``nan_policy="omit"`` and
``mode="shrink"``; the line is ``10 20 30 40`` with windows of three, of which the first lacks its first sample.
"""

import math
import pickle

import numpy as np
import pytest

import kernelscape as ks
from tests.conformance.cases import LAYOUTS, MODES, lay_out
from tests.conformance.functions import FUNCTIONS

NAN = math.nan
LINE = np.array([10.0, 20.0, 30.0, 40.0])


def first_missing(how, dtype=np.float64):
    """The line behind a sample that does not count, and the words that say so."""
    line = LINE.astype(dtype)
    if how == "shrink":
        return line, {"mode": "shrink", "padding": (1, 0)}
    longer = np.concatenate([[NAN if how == "omit" else 99], line]).astype(dtype)
    if how == "omit":
        return longer, {"nan_policy": "omit", "padding": "valid"}
    return longer, {"where": np.arange(5) > 0, "padding": "valid"}


WAYS = ("where", "omit", "shrink")


def run(function, how, **options):
    array, words = first_missing(how, options.pop("of", np.float64))
    return ks.apply(function, array, size=3, method="traced", **words, **options)


RULES = {
    "element-wise: both operands": (lambda w: w[0] + w[2], [NAN, 40, 60]),
    "element-wise: an operand that is there": (lambda w: w[1] + w[2], [30, 50, 70]),
    "element-wise: numbers": (lambda w: w[0] + 1, [NAN, 11, 21]),
    "where: the chosen branch": (lambda w: np.where(w[2] > 25, w[1], w[0]), [NAN, 20, 30]),
    "where: the other branch does not matter": (lambda w: np.where(w[2] > 0, w[1], w[0]), [10, 20, 30]),
    "where: the condition": (lambda w: np.where(w[0] > 0, 1.0, 2.0), [NAN, 1, 1]),
    "select: as where": (lambda w: np.select([w[2] > 25, w[2] > 0], [w[1], w[0]], 0.0), [NAN, 20, 30]),
    "sum": (np.sum, [30, 60, 90]),
    "mean": (np.mean, [15, 20, 30]),
    "product": (np.prod, [200, 6000, 24000]),
    "minimum": (np.min, [10, 10, 20]),
    "maximum": (np.max, [20, 30, 40]),
    "range": (np.ptp, [10, 20, 20]),
    "variance": (np.var, [25, 200 / 3, 200 / 3]),
    "variance, one degree less": (lambda w: np.var(w, ddof=1), [50, 100, 100]),
    "median": (np.median, [15, 20, 30]),
    "percentile": (lambda w: np.percentile(w, 25), [12.5, 15, 25]),
    "any, all": (lambda w: np.all(w > 5) & ~np.any(w > 45), [1, 1, 1]),
    "a reduction of nothing": (lambda w: np.sum(w[:1]), [NAN, 10, 20]),
    "a reduction of a part": (lambda w: np.max(w[:2]), [10, 20, 30]),
    "a contraction": (lambda w: np.dot(w, np.array([1.0, 1.0, 2.0])), [50, 90, 130]),
    "a selection": (lambda w: np.sum(w[w > 15]), [20, 50, 90]),
    "an empty selection": (lambda w: np.sum(w[w > 99]), [0, 0, 0]),
    "sort: missing ones last": (lambda w: np.sort(w)[1], [20, 20, 30]),
    "sort: beyond what is there": (lambda w: np.sort(w)[2], [NAN, 30, 40]),
    "position in the full window": (np.argmin, [1, 0, 0]),
    "position of the largest": (np.argmax, [2, 2, 2]),
    "position of nothing": (lambda w: np.argmax(w[:1]), [NAN, 0, 0]),
    "flags": (lambda w: ks.valid(w)[0], [0, 1, 1]),
    "flags of an expression": (lambda w: ks.valid(w[0] + w[1]), [0, 1, 1]),
    "number of samples": (ks.count, [2, 3, 3]),
    "number of selected samples": (lambda w: ks.count(w[w > 15]), [1, 2, 3]),
    "deviations": (lambda w: np.sum(np.abs(w - np.mean(w))), [10, 20, 20]),
    "flags turn missing samples into numbers": (lambda w: np.sum(np.where(ks.valid(w), w, -1.0)), [29, 60, 90]),
}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("rule", RULES)
def test_rule(rule, how):
    function, wanted = RULES[rule]
    np.testing.assert_allclose(run(function, how)[:3].astype(float), wanted, rtol=1e-14)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(
    ("least", "wanted"), [(0, [30, 60, 90]), (1, [30, 60, 90]), (2, [30, 60, 90]), (3, [NAN, 60, 90])]
)
def test_min_count(how, least, wanted):
    np.testing.assert_array_equal(run(np.sum, how, min_count=least)[:3], wanted)


@pytest.mark.parametrize("how", WAYS)
def test_invalid_outputs_are_what_is_asked_for(how):
    np.testing.assert_array_equal(run(lambda w: w[0], how, invalid=-5)[:3], [-5, 10, 20])
    np.testing.assert_array_equal(run(lambda w: w[0], how, invalid=math.inf)[:3], [math.inf, 10, 20])


# -- which dtype results have: decided from the arguments, never from data --------------------------------------------

WHOLE = np.ones(5, bool)
PROMOTIONS = {
    "reductions at a border": (np.max, {"mode": "shrink"}, np.uint8),
    "a mask": (np.max, {"where": WHOLE}, np.float64),
    "a mask of its own": (np.max, {"own": WHOLE}, np.float64),
    "integers have no NaN": (np.max, {"nan_policy": "omit"}, np.uint8),
    "one sample at a border": (lambda w: w[0], {"mode": "shrink"}, np.float64),
    "the anchor": (lambda w: w[1], {"mode": "shrink"}, np.uint8),
    "no sample outside": (lambda w: w[0], {"mode": "shrink", "padding": "valid"}, np.uint8),
    "windows that may be outside": (np.max, {"mode": "shrink", "padding": 3}, np.float64),
    "a least number": (np.max, {"mode": "shrink", "min_count": 2}, np.float64),
    "a least number that is always there": (np.max, {"mode": "reflect", "min_count": 3}, np.uint8),
    "an integer as a mark": (np.max, {"where": WHOLE, "invalid": 0}, np.uint8),
    "a floating mark": (np.max, {"where": WHOLE, "invalid": 0.0}, np.float64),
    "truth values": (lambda w: np.any(w > 1), {"where": WHOLE}, np.float64),
    "numbers of samples": (ks.count, {"where": WHOLE, "min_count": 0}, np.int64),
    "flags": (lambda w: ks.valid(w)[0], {"where": WHOLE, "min_count": 0}, np.bool_),
    "a floating function": (np.mean, {"where": WHOLE}, np.float64),
}


@pytest.mark.parametrize("case", PROMOTIONS)
def test_dtypes(case):
    function, options, wanted = PROMOTIONS[case]
    options = dict(options)
    own = options.pop("own", None)
    for values in (np.zeros(5, np.uint8), np.arange(5, dtype=np.uint8)):
        array = values if own is None else ks.window(values, where=own)
        assert ks.apply(function, array, size=3, method="traced", **options).dtype == wanted


# -- masks ------------------------------------------------------------------------------------------------------------


def by_numpy(array, mask, size=3, mode="reflect"):
    """Means over the samples that count; NaN where there are none."""
    pad = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap"}
    margin = [(size // 2, (size - 1) // 2)] * array.ndim
    if mode in pad:
        data, counts = (np.pad(a, margin, mode=pad[mode]) for a in (array, mask))
    else:
        data = np.pad(array, margin, constant_values=7)
        counts = np.pad(mask, margin, constant_values=mode == "constant")
    windows, flags = (np.lib.stride_tricks.sliding_window_view(a, (size,) * a.ndim) for a in (data, counts))
    axes = tuple(range(array.ndim, 2 * array.ndim))
    with np.errstate(invalid="ignore"):
        return np.sum(np.where(flags, windows, 0), axes) / np.sum(flags, axes)


def picture(shape=(9, 40), seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), rng.random(shape) < 0.5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [2, 3, 5])
def test_masks_are_read_through_the_mode(mode, size):
    array, mask = picture()
    found = ks.apply(np.mean, array, size=size, mode=mode, cval=7.0, where=mask)
    np.testing.assert_allclose(found, by_numpy(array, mask, size, mode), rtol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_masks_of_any_layout(layout):
    array, mask = picture()
    laid_out = lay_out(mask, layout)
    found = ks.apply(np.mean, array, size=3, where=laid_out)
    np.testing.assert_allclose(found, by_numpy(array, np.array(laid_out)), rtol=1e-12)
    assert laid_out.flags.writeable == lay_out(mask, layout).flags.writeable


def test_masks_as_lists():
    assert ks.apply(np.sum, [1.0, 2.0, 3.0], size=1, where=[True, False, True]).tolist()[::2] == [1.0, 3.0]


def test_masks_of_windows_and_of_the_call():
    """What both allow; each window has its own size and mode."""
    array, mask = picture()
    other, own = picture(seed=1)
    both = ks.apply(lambda w: np.mean(w), ks.window(array, where=own), size=3, where=mask)
    np.testing.assert_allclose(both, by_numpy(array, mask & own), rtol=1e-12)
    small, large = ks.apply(
        lambda a, b: (np.mean(a), np.mean(b)),
        ks.window(array, where=mask, mode="wrap"),
        ks.window(other, size=5, mode="nearest"),
        size=3,
        min_count=0,
    )
    np.testing.assert_allclose(small, by_numpy(array, mask, 3, "wrap"), rtol=1e-12)
    # The offsets that both have count where both count.
    margin = np.pad(mask, 2, mode="wrap")
    padded = np.pad(other, 2, mode="edge")
    for y, x in ((0, 0), (4, 17), (8, 39)):
        flags = np.ones((5, 5), bool)
        flags[1:4, 1:4] = margin[y + 1 : y + 4, x + 1 : x + 4]
        np.testing.assert_allclose(large[y, x], np.mean(padded[y : y + 5, x : x + 5][flags]), rtol=1e-12)


@pytest.mark.parametrize("alone", [False, True])
def test_masks_of_images_in_front_of_channels_and_behind_batches(alone):
    array, _ = picture((9, 30, 3))
    _, mask = picture((9, 30))
    found = ks.apply(np.mean, array, size=3, axes=(0, 1), where=mask if alone else np.repeat(mask[..., None], 3, 2))
    for channel in range(3):
        np.testing.assert_allclose(found[..., channel], by_numpy(array[..., channel], mask), rtol=1e-12)
    stack = np.ascontiguousarray(np.moveaxis(array, 2, 0))[None]
    found = ks.apply(np.mean, stack, size=3, axes=(2, 3), where=mask if alone else np.broadcast_to(mask, stack.shape))
    np.testing.assert_allclose(found[0, 1], by_numpy(array[..., 1], mask), rtol=1e-12)


def median_vector(w):
    """The colour with the least sum of distances to the others (Astola, Haavisto and Neuvo, 1990)."""
    colours = w.reshape(-1, 3)
    differences = colours[:, None, :] - colours[None, :, :]
    distances = np.sum(np.sum(np.abs(differences), axis=-1), axis=1)
    place = np.argmin(distances)
    return np.stack([np.sum(np.where(np.arange(9) == place, colours[:, c], 0.0)) for c in range(3)])


def test_median_vectors_of_the_colours_that_count():
    array, _ = picture((5, 8, 3), 3)
    _, mask = picture((5, 8), 4)
    mask[2, 3] = True
    found = ks.apply(median_vector, array, size=(3, 3, None), where=mask, method="traced")
    padded, flags = np.pad(array, ((1, 1), (1, 1), (0, 0)), mode="symmetric"), np.pad(mask, 1, mode="symmetric")
    for y, x in np.ndindex(5, 8):
        colours = padded[y : y + 3, x : x + 3][flags[y : y + 3, x : x + 3]]
        if len(colours):
            distances = np.abs(colours[:, None] - colours[None]).sum((1, 2))
            np.testing.assert_allclose(found[y, x], colours[np.argmin(distances)], rtol=1e-12)
        else:
            assert np.isnan(found[y, x]).all()


def bilateral_of_colours(w):
    centre = w[w.shape[0] // 2, w.shape[1] // 2]
    weights = np.exp(-np.sum((w - centre) ** 2, axis=-1, keepdims=True))
    return np.sum(w * weights, axis=(0, 1)) / np.sum(weights * ks.valid(w)[..., :1], axis=(0, 1))


def test_bilateral_filter_of_the_colours_that_count():
    array, _ = picture((5, 8, 3), 5)
    _, mask = picture((5, 8), 6)
    found = ks.apply(bilateral_of_colours, array, size=(3, 3, None), where=mask, method="traced")
    padded, flags = np.pad(array, ((1, 1), (1, 1), (0, 0)), mode="symmetric"), np.pad(mask, 1, mode="symmetric")
    for y, x in np.ndindex(5, 8):
        if not mask[y, x]:
            assert np.isnan(found[y, x]).all()
            continue
        colours = padded[y : y + 3, x : x + 3][flags[y : y + 3, x : x + 3]]
        weights = np.exp(-((colours - array[y, x]) ** 2).sum(1))[:, None]
        np.testing.assert_allclose(found[y, x], (colours * weights).sum(0) / weights.sum(), rtol=1e-12)


def mean_of_window(w):
    return np.mean(w)


def test_stencils_keep_their_mask():
    array, mask = picture()
    stencil = ks.stencil(mean_of_window, size=3, where=mask)
    again = pickle.loads(pickle.dumps(stencil))
    wanted = by_numpy(array, mask)
    for one in (stencil, again):
        np.testing.assert_allclose(one(array), wanted, rtol=1e-12)
    mask[:] = True  # the mask is the caller's array, as it is now
    np.testing.assert_allclose(again(array), wanted, rtol=1e-12)


# -- a NaN goes no further than windows that hold it ------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.kinds in ("biuf", "iuf", "f")])
@pytest.mark.parametrize("size", [(3, 5), (11, 13)])
def test_a_nan_touches_no_other_pixel(name, size):
    function = FUNCTIONS[name]
    if math.prod(size) > function.most:
        size = (3, 3)
    clean = np.random.default_rng(7).normal(size=(33, 70)).astype(np.float32)
    spoiled = clean.copy()
    spoiled[15, 31] = np.nan
    marks = {
        "kernel": lambda image: ks.kernel(np.linspace(0.5, 1, math.prod(size), dtype=np.float32).reshape(size)),
        "window": lambda image: image,
        "other": lambda image: ks.window(image, size=(3, 3)),
        "pixel": ks.pixel,
        "index": lambda image: ks.index(0),
        "number": lambda image: 1.5,
    }
    results = []
    for image in (clean, spoiled):
        arguments = [image, *(marks[role](image) for role in function.roles[1:])]
        found = ks.apply(function.call, *arguments, size=size, method="traced")
        results.append(found if isinstance(found, tuple) else (found,))
    reach_y, reach_x = (max(k, 3) // 2 for k in size)
    far = np.ones(clean.shape, bool)
    far[15 - reach_y : 16 + reach_y, 31 - reach_x : 32 + reach_x] = False
    for before, after in zip(*results, strict=True):
        assert before[far].tobytes() == after[far].tobytes()


# -- masked arrays ----------------------------------------------------------------------------------------------------

HIDDEN = np.array([False, False, True, True, True, False])
GIVEN = np.array([4, 7, 90, 91, 92, 3])
TOP = [7, 7, 7, None, 3, 3]


def assert_masked(result, wanted, dtype):
    __tracebackhide__ = True
    assert isinstance(result, np.ma.MaskedArray)
    assert result.dtype == dtype
    assert result.tolist() == wanted


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "bool"])
def test_masked_arrays_keep_their_dtype(dtype):
    array = np.ma.masked_array(GIVEN.astype(dtype), HIDDEN)
    wanted = [None if v is None else np.dtype(dtype).type(v) for v in TOP]
    assert_masked(ks.apply(np.max, array, size=3), wanted, dtype)
    assert_masked(ks.stencil(np.max, size=3)(array), wanted, dtype)


def test_masked_arrays_with_words():
    array = np.ma.masked_array(GIVEN, HIDDEN)
    assert_masked(ks.apply(np.max, array, size=3, min_count=2), [7, 7, None, None, None, 3], np.int64)
    marked = ks.apply(np.max, array, size=3, invalid=-1)
    assert_masked(marked, TOP, np.int64)
    assert marked.data[3] == -1
    floating = ks.apply(np.mean, array, size=3)
    assert np.isnan(floating.data[3])
    more = ks.apply(np.max, array, size=3, where=np.arange(6) != 1)
    assert_masked(more, [4, 4, None, None, 3, 3], np.int64)
    assert_masked(ks.apply(np.argmin, array, size=3), [0, 0, 0, None, 2, 1], np.int64)


def test_several_results_of_masked_arrays():
    array = np.ma.masked_array(GIVEN, HIDDEN)
    low, mean = ks.apply(lambda w: (np.min(w), np.mean(w)), array, size=3)
    assert_masked(low, [4, 4, 7, None, 3, 3], np.int64)
    assert_masked(mean, [5, 5.5, 7, None, 3, 3], np.float64)
    low, mean = ks.apply(lambda w: (np.min(w), np.mean(w)), array, size=3, output=np.uint8)
    assert_masked(mean, [5, 6, 7, None, 3, 3], np.uint8)
    outputs = (np.zeros(6, np.int16), np.zeros(6))
    low, mean = ks.apply(lambda w: (np.min(w), np.mean(w)), array, size=3, output=outputs)
    assert_masked(low, [4, 4, 7, None, 3, 3], np.int16)
    assert np.shares_memory(low, outputs[0])
    (only,) = ks.apply(lambda w: (np.min(w),), array, size=3, output=(np.uint8,))
    assert_masked(only, [4, 4, 7, None, 3, 3], np.uint8)


def test_arrays_as_results_of_masked_arrays():
    array = np.ma.masked_array(GIVEN, HIDDEN)
    ends = ks.apply(lambda w: np.stack([w[0], np.max(w)]), array, size=3)
    assert_masked(ends, [[4, 7], [4, 7], [7, 7], [None, None], [None, 3], [None, 3]], np.int64)


@pytest.mark.parametrize("method", ["traced", "numpy"])
def test_functions_with_flags_get_them_of_masked_arrays(method):
    array = np.ma.masked_array(GIVEN.astype(float), HIDDEN)
    found = ks.apply(lambda w, valid: np.sum(np.where(valid, w, 0.0)), array, size=3, method=method)
    assert_masked(found, [15, 11, 7, None, 3, 6], np.float64)
    counted = ks.apply(lambda w, valid: np.sum(valid), array, size=3, method=method, min_count=0)
    assert counted.tolist() == [3, 2, 1, 0, 1, 2]


def test_functions_that_numpy_runs_get_masked_arrays():
    array = np.ma.masked_array(GIVEN, HIDDEN)

    def slowest(w, valid):
        return max(int(v) for v, there in zip(w.tolist(), valid.tolist(), strict=True) if there) if valid.any() else 0

    with pytest.warns(ks.PerformanceWarning):
        assert_masked(ks.apply(slowest, array, size=3), TOP, np.int64)


def test_no_mask_and_nothing_else():
    assert_masked(ks.apply(np.max, np.ma.masked_array(GIVEN), size=1), GIVEN.tolist(), np.int64)
    assert_masked(ks.apply(np.max, np.ma.masked_all(3, np.int16), size=3), [None] * 3, np.int16)
    hard = np.ma.masked_array(GIVEN, HIDDEN, hard_mask=True)
    assert_masked(ks.apply(np.max, hard, size=3), TOP, np.int64)
    assert hard.tolist() == [4, 7, None, None, None, 3]


def test_two_masked_arrays():
    one, two = np.ma.masked_array(GIVEN, HIDDEN), np.ma.masked_array(GIVEN, np.arange(6) == 0)
    assert_masked(ks.apply(lambda a, b: np.sum(b - a + 1), one, two, size=3), [1, 1, 1, None, 1, 2], np.int64)


@pytest.mark.parametrize("size", [1, 3, 40])
def test_a_sum_of_what_is_selected_begins_with_plus_zero(size):
    """As in NumPy: of nothing but -0 it is +0, and without a selection -0."""
    zeros = np.full(50, -0.0)
    for function in (np.nanmean, np.nansum, lambda w: np.sum(w, where=w == w)):
        assert not np.signbit(ks.apply(function, zeros, size=size)).any()
    assert np.signbit(ks.apply(np.sum, zeros, size=size)).all()
