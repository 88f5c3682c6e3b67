"""The most frequent value, the number of different ones, entropy and skewness, beside SciPy's and NumPy's.

Compared window by window, over the samples that count; the windows are cut out of padded arrays by NumPy. Majority and
variety are compared exactly.
"""

import math

import numpy as np
import pytest
import scipy.stats

import kernelscape as ks

FUNCTIONS = {"majority": ks.majority, "variety": ks.variety, "entropy": ks.entropy, "skew": ks.skew}
PADDED = {"reflect": "symmetric", "wrap": "wrap", "shrink": "constant"}
TOLERANCE = {"float16": 2e-3, "float32": 2e-5}


def by_scipy(name, samples):
    """What a function should give for the samples that count; None where there is none of them."""
    if not samples.size:
        return None
    values, counts = np.unique(samples, return_counts=True)
    if name == "majority":
        return scipy.stats.mode(samples.astype(np.int8) if samples.dtype == bool else samples, axis=None).mode
    if name == "variety":
        return len(values)
    if name == "entropy":
        return scipy.stats.entropy(counts, base=2)
    wide = samples.astype(np.float64)
    return math.nan if np.all(wide == wide[0]) else scipy.stats.skew(wide, axis=None)


def windows_of(array, mask, size, mode):
    """For each output the samples that count."""
    margins = [(k // 2, k - 1 - k // 2) for k in size]
    there = np.ones(array.shape, bool) if mask is None else mask
    padded, counts = (np.pad(a, margins, mode=PADDED[mode]) for a in (array, there))
    for place in np.ndindex(array.shape):
        window = tuple(slice(p, p + k) for p, k in zip(place, size, strict=True))
        yield place, padded[window][counts[window]]


def assert_as_scipy(name, array, *, size, mode="reflect", where=None, **options):
    __tracebackhide__ = True
    result = ks.apply(
        lambda w: FUNCTIONS[name](w), array, size=size, mode=mode, where=where, method="traced", **options
    )
    wanted = np.full(array.shape, math.nan)
    for place, samples in windows_of(array, where, size, mode):
        found = by_scipy(name, samples)
        wanted[place] = math.nan if found is None else found
    tolerance = 0 if name in ("majority", "variety") else TOLERANCE.get(array.dtype.name, 1e-12)
    np.testing.assert_allclose(result.astype(float), wanted, rtol=tolerance, atol=tolerance)
    return result


def numbers(dtype, shape, seed=0, different=5):
    made = np.random.default_rng(seed).integers(0, different, shape)
    return (made % 2 if dtype == "bool" else made).astype(dtype)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint64", "float16", "float32", "float64"])
def test_as_scipy(name, dtype):
    array = numbers(dtype, (7, 37))
    assert_as_scipy(name, array, size=(3, 3))
    assert_as_scipy(name, array, size=(2, 5), mode="shrink")


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
@pytest.mark.parametrize("mode", PADDED)
def test_samples_that_count(name, dtype, mode):
    array = numbers(dtype, (8, 41), 1)
    for share in (0.0, 0.15, 0.6, 1.0):
        mask = np.random.default_rng(2).random(array.shape) < share
        assert_as_scipy(name, array, size=(3, 4), mode=mode, where=mask)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_extreme_values_are_values(name):
    """The value that stands for a missing sample may be a sample, too."""
    for dtype in ("uint8", "int8", "uint16", "bool"):
        ends = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        array = np.array(ends, dtype)[numbers("u1", (6, 35), 3, 2)]
        if name == "skew":
            continue
        mask = np.random.default_rng(4).random(array.shape) < 0.4
        assert_as_scipy(name, array, size=(3, 3), where=mask)
    array = np.array([np.inf, -np.inf, 1.0])[numbers("u1", (6, 35), 5, 3)]
    mask = np.random.default_rng(6).random(array.shape) < 0.4
    if name != "skew":
        assert_as_scipy(name, array, size=(3, 3), where=mask)


@pytest.mark.parametrize("name", ["majority", "variety", "entropy"])
@pytest.mark.parametrize("size", [(9, 9), (11, 13), (16, 16)])
def test_large_windows(name, size):
    """Sorted in registers, sorted in memory, more samples than int8 counts."""
    array = numbers("uint8", (5, 20), 7, 90)
    assert_as_scipy(name, array, size=size)
    assert_as_scipy(name, array.astype(np.float32), size=size, where=array % 7 > 0)


@pytest.mark.parametrize("name", ["variety", "entropy"])
def test_very_large_windows(name):
    array = numbers("uint8", (34, 34), 8, 200)
    mask = np.random.default_rng(9).random(array.shape) < 0.7
    for where in (None, mask):
        result = ks.apply(
            lambda w: FUNCTIONS[name](w), array, size=33, mode="valid", where=where, method="traced", invalid=0
        )
        for y, x in np.ndindex(2, 2):
            window = (slice(y, y + 33), slice(x, x + 33))
            samples = array[window].ravel() if where is None else array[window][where[window]]
            np.testing.assert_allclose(result[y, x], by_scipy(name, samples), rtol=1e-12)


def test_most_frequent_of_very_many():
    array = numbers("uint16", (34, 34), 8, 200)
    mask = np.random.default_rng(9).random(array.shape) < 0.7
    for samples, where in ((array, None), (array.astype(np.uint8), mask)):
        with pytest.raises(ks.TracingError, match=r"(?s)most frequent of 1089 samples.*up to 1024"):
            ks.apply(ks.majority, samples, size=33, method="traced", where=where, invalid=0)
    with pytest.warns(ks.PerformanceWarning, match="most frequent of 1089 samples"):
        result = ks.apply(ks.majority, array, size=33, mode="valid")
    assert result[1, 0] == by_scipy("majority", array[1:34, :33].ravel())


# -- rules ------------------------------------------------------------------------------------------------------------


def one(function, values, **options):
    """The result for one window of all values."""
    array = np.asarray(values)
    return ks.apply(function, array, size=array.shape, padding="valid", method="traced", **options).ravel()[0]


def test_ties_go_to_the_smallest():
    assert one(ks.majority, [3, 1, 2, 2, 1, 3]) == 1
    assert one(ks.majority, [3.0, 1.0, 2.0]) == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_minus_zero_is_zero(dtype):
    array = np.array([-0.0, 0.0, -0.0, 5.0], dtype)
    assert one(ks.variety, array) == ks.variety(array) == 2
    for found in (one(ks.majority, array), ks.majority(array)):
        assert found == 0
        assert not np.signbit(found)
        assert found.dtype == dtype


def test_nan_makes_nan_but_is_one_value_of_several():
    array = np.array([1.0, np.nan, 1.0, np.nan, 2.0])
    for function in (ks.majority, ks.entropy, ks.skew):
        assert np.isnan(one(function, array))
        assert np.isnan(function(array))
        assert np.isfinite(one(function, array, nan_policy="omit"))
    assert one(ks.variety, array) == ks.variety(array) == 3
    assert one(ks.variety, array, nan_policy="omit") == 2
    assert one(ks.variety, np.full(3, np.nan)) == 1


def test_nan_that_does_not_count_is_none():
    array = np.array([1.0, np.nan, 1.0, 2.0])
    mask = np.array([True, False, True, True])
    assert one(ks.majority, array, where=mask) == 1
    assert one(ks.variety, array, where=mask) == 2
    np.testing.assert_allclose(one(ks.entropy, array, where=mask), scipy.stats.entropy([2, 1], base=2), rtol=1e-14)


def test_known_entropies():
    assert one(ks.entropy, np.full(49, 7, np.uint8)) == 0
    assert one(ks.entropy, np.arange(64)) == 6
    assert ks.entropy(np.arange(64)) == 6
    assert one(ks.entropy, [0, 0, 1, 1]) == 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_integers_stay_integers_where_nothing_can_be_invalid(name):
    dtype = {"majority": np.uint8, "variety": np.int64}.get(name, np.float64)
    array = numbers("uint8", (4, 9))
    for mode in ("reflect", "shrink"):
        assert ks.apply(FUNCTIONS[name], array, size=3, mode=mode).dtype == dtype
    mask = np.ones(array.shape, bool)
    assert ks.apply(FUNCTIONS[name], array, size=3, where=mask).dtype == np.float64
    kept = ks.apply(FUNCTIONS[name], array, size=3, where=mask, invalid=0)
    assert kept.dtype == dtype


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_nothing_left_is_invalid(name, dtype):
    array, mask = numbers(dtype, (9,)) + np.arange(9).astype(dtype) ** 2, np.arange(9) >= 4
    result = ks.apply(FUNCTIONS[name], array, size=3, where=mask, invalid=-7, output=np.float64)
    assert (result[:3] == -7).all()
    assert (result[3:] != -7).all()
    flags = ks.apply(lambda w: ks.valid(FUNCTIONS[name](w)), array, size=3, where=mask, min_count=0)
    np.testing.assert_array_equal(flags, np.arange(9) >= 3)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("mode", ["reflect", "shrink"])
def test_selections(name, mode):
    array = np.random.default_rng(10).integers(0, 4, (6, 30)).astype(np.float64)
    result = ks.apply(lambda w: FUNCTIONS[name](w[w > 1]), array, size=3, mode=mode, method="traced")
    for place, samples in windows_of(array, None, (3, 3), mode):
        found = by_scipy(name, samples[samples > 1])
        empty = 0 if name == "variety" else math.nan
        np.testing.assert_allclose(result[place], empty if found is None else found, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1), (1, 0)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_axes(name, axis, keepdims):
    """The traced function of a window is the function of an array."""
    array = np.random.default_rng(11).normal(size=(4, 5)).round()
    traced = ks.apply(
        lambda w: FUNCTIONS[name](w, axis=axis, keepdims=keepdims), array, size=(4, 5), padding="valid", method="traced"
    )[0, 0]
    plain = FUNCTIONS[name](array, axis=axis, keepdims=keepdims)
    assert traced.shape == np.shape(plain)
    np.testing.assert_allclose(traced, plain, rtol=1e-12, atol=1e-12)
    assert np.shape(plain) == np.mean(array, axis=axis, keepdims=keepdims).shape


@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_axes_are_numpys_error(name):
    with pytest.raises(np.exceptions.AxisError):
        FUNCTIONS[name](np.zeros((2, 3)), axis=2)
    with pytest.raises(np.exceptions.AxisError):
        one(lambda w: FUNCTIONS[name](w, axis=2), np.zeros((2, 3)))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16", "bool"])
def test_plain_arrays_and_windows_agree(name, dtype):
    array = numbers(dtype, (3, 4), 12)
    found, plain = one(FUNCTIONS[name], array), FUNCTIONS[name](array)
    assert found.dtype == plain.dtype
    np.testing.assert_allclose(found, plain, rtol=TOLERANCE.get(dtype, 1e-12))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_masked_arrays(name):
    array = np.ma.masked_array(numbers("float64", (3, 6), 13), numbers("bool", (3, 6), 14))
    np.testing.assert_allclose(FUNCTIONS[name](array), by_scipy(name, array.compressed()), rtol=1e-12)
    array[1] = np.ma.masked
    rows = FUNCTIONS[name](array, axis=1)
    assert isinstance(rows, np.ma.MaskedArray)
    assert rows.mask.tolist() == [False, True, False]
    np.testing.assert_allclose(rows[0], by_scipy(name, array[0].compressed()), rtol=1e-12)
    assert FUNCTIONS[name](np.ma.masked_all(3)) is np.ma.masked


@pytest.mark.parametrize("name", FUNCTIONS)
def test_lists(name):
    np.testing.assert_allclose(FUNCTIONS[name]([1, 2, 2, 7]), by_scipy(name, np.array([1, 2, 2, 7])), rtol=1e-12)


def test_of_no_elements():
    with pytest.raises(ValueError, match="zero-size array has no most frequent value"):
        ks.majority([])
    with pytest.raises(ValueError, match="zero-size array has no most frequent value"):
        one(lambda w: ks.majority(w[:0]), np.zeros(3))
    assert ks.variety([]) == one(lambda w: ks.variety(w[:0]), np.zeros(3)) == 0
    for function in (ks.entropy, ks.skew):
        assert np.isnan(function([]))
        assert np.isnan(one(lambda w, f=function: f(w[:0]), np.zeros(3)))


def test_functions_that_numpy_runs():
    """A function that cannot be traced gets arrays."""
    array = numbers("uint8", (4, 7), 15)

    def slow(w, axis):
        return ks.majority(w, axis=axis)

    np.testing.assert_array_equal(
        ks.apply(slow, array, size=3, method="numpy"), ks.apply(ks.majority, array, size=3, method="traced")
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_counting_in_narrow_integers_is_no_arithmetic_to_warn_of(name):
    plan = ks.stencil(FUNCTIONS[name], size=3).plan(numbers("uint8", (20, 70)))
    assert "wraps around" not in plan.explain()


@pytest.mark.parametrize("name", ["majority", "variety", "entropy"])
def test_whole_windows_give_the_same_bits_with_and_without_a_mask(name):
    array = np.random.default_rng(16).normal(size=(9, 80)).round(1).astype(np.float32)
    function = FUNCTIONS[name]
    plain = ks.apply(function, array, size=5)
    masked = ks.apply(function, array, size=5, where=np.ones(array.shape, bool), invalid=0)
    shrunk = ks.apply(function, array, size=5, mode="shrink", invalid=0)
    assert masked.tobytes() == plain.tobytes()
    assert shrunk[2:-2, 2:-2].tobytes() == plain[2:-2, 2:-2].tobytes()
