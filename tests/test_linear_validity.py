"""Which samples count, in `correlate` and `convolve`: statement by statement, on arrays that one can follow by hand.

`tests/conformance/test_fields_validity.py` compares with the definition, and `test_astropy.py` with astropy.
"""

import numpy as np
import pytest

import kernelscape as ks
from kernelscape.errors import ArgumentError, ArgumentTypeError, PerformanceWarning, ShapeError
from tests.oracle.comparison import assert_near, assert_same

NAN = np.nan
LINE = np.array([10.0, 20.0, 30.0, 40.0, 50.0])
MASK = np.array([True, True, False, True, True])
ONES = [1.0, 1.0, 1.0]
FIELD = ks.kernels.Gaussian(np.array([0.0, 1.0, 2.0, 1.0, 0.5]))


def line(*values):
    return np.array(values, float)


# -- sums and their weights --------------------------------------------------------------------------------------------


def test_weights_of_missing_samples_count_as_zero():
    assert_same(ks.correlate(LINE, [1, 2, 4], where=MASK, mode="constant"), line(100, 50, 180, 280, 140))


def test_normalize_divides_by_the_weights_that_count():
    found = ks.correlate(LINE, [1, 2, 4], where=MASK, mode="constant", normalize=True)
    assert_near(found, line(100 / 7, 50 / 3, 180 / 5, 280 / 6, 140 / 7), 1e-15)


def test_valid_keeps_the_sum_of_the_kernel():
    found = ks.correlate(LINE, [1, 2, 4], where=MASK, mode="constant", normalize="valid")
    assert_near(found, 7 * line(100 / 7, 50 / 3, 180 / 5, 280 / 6, 140 / 7), 1e-15)
    whole = np.ones(5, bool)
    for kernel in ([1, 2, 4], [-1.0, 0.0, 1.0], [0.1, 0.2, -0.3]):
        plain = ks.correlate(LINE, kernel)
        assert_same(ks.correlate(LINE, kernel, where=whole, normalize="valid"), plain.astype(float))
        assert_same(ks.correlate(LINE, kernel, normalize="valid"), plain.astype(float))


def test_a_derivative_cannot_be_rescaled_where_a_sample_is_missing():
    found = ks.correlate(LINE, [-1.0, 0.0, 1.0], where=MASK, normalize="valid")
    assert_same(found, line(10, NAN, NAN, NAN, 10))


def test_min_weight_is_a_fraction_of_the_magnitudes():
    kernel, shares = [1.0, 2.0, -1.0], line(1, 0.75, 0.5, 0.75, 1)
    for least in (0.0, 0.5, 0.6, 0.75, 0.8, 1.0):
        found = ks.correlate(LINE, kernel, where=MASK, min_weight=least)
        assert_same(np.isnan(found), shares < least)
    tenths = np.full(10, 0.1)
    half = np.arange(10) % 2 == 0
    found = ks.correlate(np.ones(10), tenths, where=half, min_weight=0.5, mode="wrap")
    assert_near(found, np.full(10, 0.5), 1e-15)  # exactly half, up to rounding


def test_min_count_is_about_the_window():
    assert_same(np.isnan(ks.correlate(LINE, ONES, where=MASK, min_count=3)), ~line(1, 0, 0, 0, 1).astype(bool))
    assert_same(ks.correlate(LINE, ONES, where=MASK, min_count=3, invalid=-1), line(40, -1, -1, -1, 140))


def test_zero_weights_count():
    """Unlike SciPy's: they meet what counts, and NaN is seen; and what does not count is not."""
    x = np.where(MASK, LINE, NAN)
    assert_same(ks.correlate(x, [0.0, 1.0, 0.0]), line(10, NAN, NAN, NAN, 50))
    assert_same(ks.correlate(x, [0.0, 1.0, 0.0], nan_policy="omit"), line(10, 20, 0, 40, 50))
    assert_same(ks.correlate(x, [0.0, 1.0, 0.0], nan_policy="omit", normalize=True), line(10, 20, NAN, 40, 50))


def test_nan_of_weights_is_no_missing_sample():
    found = ks.correlate(LINE, [NAN, 1.0, 1.0], where=MASK, nan_policy="omit", mode="shrink")
    assert_same(found, line(30, NAN, NAN, 90, NAN))


def test_samples_outside_are_those_that_the_mode_shows():
    first = np.array([False, True, True, True, True])
    assert_same(ks.correlate(LINE, ONES, where=first, mode="nearest"), line(20, 50, 90, 120, 140))
    assert_same(ks.correlate(LINE, ONES, where=first, mode="constant", cval=7), line(27, 50, 90, 120, 97))
    assert_same(ks.correlate(LINE, ONES, where=first, mode="wrap"), line(70, 50, 90, 120, 90))


# -- integers, outputs, masked arrays ----------------------------------------------------------------------------------


def test_integers_that_may_be_invalid_become_float64():
    n = np.arange(5)
    assert ks.correlate(n, [1, 2]).dtype == np.int64
    assert ks.correlate(n, [1, 2], where=MASK).dtype == np.float64
    assert ks.correlate(n, [1, 2], where=MASK, invalid=-1).dtype == np.int64
    assert ks.correlate(n, [1, 2], where=MASK, invalid=-1, min_weight=0.5).dtype == np.int64
    assert ks.correlate(n, [1, 2], where=MASK, min_weight=0.5).dtype == np.float64
    for form in ("gather", "scatter"):
        found = ks.correlate(n, [1, 1, 1], where=MASK, form=form, min_count=3, invalid=-7)
        assert found.dtype == np.int64
        assert_same(found, ks.correlate(n, [1.0, 1, 1], where=MASK, form=form, min_count=3, invalid=-7).astype(int))
        with pytest.raises(ArgumentError, match="Some outputs may be invalid"):
            ks.correlate(n, [1, 1, 1], where=MASK, form=form, output=np.int32)


@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize("kernel", [[1, 2, 1], FIELD], ids=["kernel", "field"])
def test_masked_arrays_in_masked_arrays_out(form, kernel):
    masked = np.ma.array(LINE, mask=~MASK)
    found = ks.correlate(masked, kernel, form=form, min_weight=0.8)
    assert isinstance(found, np.ma.MaskedArray)
    assert_same(found.filled(NAN), ks.correlate(LINE, kernel, form=form, where=MASK, min_weight=0.8))
    assert found.mask.any()
    assert not found.mask.all()
    for unmasked in (np.ma.array(LINE), np.ma.array(LINE, mask=False)):
        found = ks.correlate(unmasked, kernel, form=form)
        assert isinstance(found, np.ma.MaskedArray)
        assert not np.ma.getmaskarray(found).any()
        assert_same(found.data, ks.correlate(LINE, kernel, form=form))
    assert type(ks.correlate(LINE, kernel, where=MASK, form=form)) is np.ndarray


@pytest.mark.parametrize("form", ["gather", "scatter"])
def test_masked_integers_stay_integers(form):
    masked = np.ma.array([1, 2, 3, 4, 5], mask=~MASK)
    found = ks.correlate(masked, [1, 1, 1], form=form, mode="constant", min_count=2)
    assert found.dtype == np.int64
    assert found.tolist() == [3, 3, 6, 9, 9]
    found = ks.correlate(masked, [1, 1, 1], form=form, mode="constant", min_count=3)
    assert found.dtype == np.int64
    # Outside there are samples, but no sources.
    assert found.tolist() == ([3, None, None, None, 9] if form == "gather" else [None] * 5)
    found = ks.correlate(masked, [1, 1, 1], form=form, mode="constant", min_count=4, invalid=-9)
    assert_same(found.data, np.full(5, -9))
    found = ks.correlate(masked, [1, 1, 1], form=form, min_weight=0.9, output=np.uint8)
    assert found.dtype == np.uint8
    assert found.tolist() == [4, None, None, None, 14]


@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize("kernel", [[1.0, 2, 1], FIELD, ks.kernels.Dense(np.ones((5, 3)) + 1j)], ids=repr)
def test_the_masked_result_shares_the_output(form, kernel):
    masked = np.ma.array(LINE, mask=~MASK)
    wanted = ks.correlate(masked, kernel, form=form)
    output = np.zeros(5, wanted.dtype)
    found = ks.correlate(masked, kernel, form=form, output=output)
    assert np.shares_memory(found.data, output)
    assert_same(found.filled(0), wanted.filled(0))
    with pytest.raises(ShapeError, match="output must have the result's shape"):
        ks.correlate(masked, kernel, form=form, output=np.zeros(4, wanted.dtype))
    image = LINE.astype(wanted.dtype)
    found = ks.correlate(np.ma.array(image, mask=~MASK), kernel, form=form, output=image)
    assert found.data is image or np.shares_memory(found.data, image)
    assert_same(found.filled(0), wanted.filled(0))


def test_what_is_rounding_noise_is_masked():
    masked = np.ma.array(LINE, mask=~MASK)
    found = ks.correlate(masked, [-1.0, 1.0], normalize=True, mode="nearest")
    assert_same(np.ma.getmaskarray(found), ~line(0, 0, 1, 1, 0).astype(bool))
    nan = np.ma.array([NAN, 1.0, 2.0], mask=[False, False, True])
    found = ks.correlate(nan, [1.0, 0.0, 0.0], mode="nearest")
    assert_same(np.ma.getmaskarray(found), np.zeros(3, bool))  # NaN that counts is no missing sample
    assert_same(np.isnan(found.data), np.array([True, True, False]))


def test_a_sum_of_sums_over_nothing_is_invalid():
    """What separable fields with windows of their own are made of: a row without a sample, and all rows without one."""
    x, mask = np.arange(35.0).reshape(5, 7), np.ones((5, 7), bool)
    mask[1:4, 2:5] = False
    inside = np.array([False, True, True, True, False])

    def total(w):
        return np.sum(np.sum(w, axis=1, where=np.broadcast_to(inside, (5, 5))), axis=0, where=inside)

    found = ks.apply(total, x, size=5, where=mask)
    assert np.argwhere(np.isnan(found)).tolist() == [[2, 3]]
    assert_same(ks.apply(total, x, size=5, where=mask, min_count=0), found)


@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize(
    "kernel", [np.array([[1.0, 2, 1]]), "gaussian", "grid", "complex"], ids=["kernel", "gaussian", "grid", "complex"]
)
def test_masked_arrays_where_some_outputs_are_wanted(form, kernel):
    rng = np.random.default_rng(4)
    x, mask, at = rng.normal(size=(9, 8)), rng.random((9, 8)) > 0.5, rng.random((9, 8)) > 0.5
    sigma = rng.uniform(0, 3, x.shape)
    kernel = {
        "gaussian": ks.kernels.Gaussian(sigma, truncate=2),
        "grid": ks.kernels.Grid(rng.normal(size=(2, 2, 3, 2)), ([0, 8], [0, 7])),
        "complex": ks.kernels.Dense(rng.normal(size=(9, 8, 3, 2)) + 1j),
    }.get(kernel if isinstance(kernel, str) else None, kernel)
    masked, words = np.ma.array(x, mask=~mask), {"form": form, "min_weight": 0.6}
    every = ks.correlate(masked, kernel, **words)
    flags = ~np.ma.getmaskarray(every)
    assert 0 < flags.mean() < 1
    for otherwise, there, value in (("input", mask, x), (7.0, True, 7.0), (x + 1, True, x + 1)):
        for region in (at, np.s_[2:6, 1:5]):
            wanted = np.zeros(x.shape, bool)
            wanted[region] = True
            found = ks.correlate(masked, kernel, at=region, otherwise=otherwise, **words)
            assert_same(np.ma.getmaskarray(found), ~np.where(wanted, flags, there))
            valid = np.where(wanted, flags, False)
            assert_same(found.data[valid], every.data[valid])
            elsewhere = ~wanted & there
            assert_same(found.data[elsewhere], np.broadcast_to(value, x.shape)[elsewhere].astype(found.dtype))
    weights = np.where(at, 0.25, 0.0)
    found = ks.correlate(masked, kernel, at=weights, otherwise=2.0, **words)
    assert_same(np.ma.getmaskarray(found), at & ~flags)
    assert_near(found.data[at & flags], 0.25 * every.data[at & flags] + 1.5, 1e-13)
    output = np.full(x.shape, 5, every.dtype)
    shared = ks.correlate(masked, kernel, at=at, otherwise=3.0, output=output, **words)
    assert np.shares_memory(shared.data, output)
    assert_same(shared.filled(0), ks.correlate(masked, kernel, at=at, otherwise=3.0, **words).filled(0))


def test_nan_hidden_by_a_conversion_to_integers_is_omitted():
    x = np.where(MASK, LINE, NAN)
    for form in ("gather", "scatter"):
        found = ks.correlate(x, [1, 1, 1], dtype=np.int32, nan_policy="omit", form=form, invalid=-1)
        assert_same(found, ks.correlate(LINE.astype(int), [1, 1, 1], where=MASK, form=form, invalid=-1))


def test_nan_that_does_not_count_is_no_error():
    x = np.where(MASK, LINE, NAN)
    wanted = ks.correlate(LINE, ONES, where=MASK)
    assert_same(ks.correlate(x, ONES, where=MASK, nan_policy="raise"), wanted)
    planes = np.stack([x, x])
    found = ks.correlate(planes, ONES, where=MASK, axes=1, nan_policy="raise")
    assert_same(found[1], wanted)
    with pytest.raises(ArgumentError, match="input contains NaN"):
        ks.correlate(x, ONES, where=~MASK, nan_policy="raise")


def test_a_mark_must_fit_into_integers():
    n = np.arange(5, dtype=np.uint64)
    for words in ({"where": MASK}, {"min_weight": 0.5}, {"where": MASK, "form": "scatter"}):
        with pytest.raises(ArgumentError, match="cannot hold invalid=-1"):
            ks.correlate(n, np.ones(3, np.uint8), invalid=-1, **words)


# -- scatter -----------------------------------------------------------------------------------------------------------


def test_an_output_that_no_valid_source_reaches_is_invalid():
    impulse = np.array([False, True, False, False, False])
    words = {"form": "scatter", "mode": "constant"}
    assert_same(ks.convolve(LINE, [1, 2, 3], where=impulse, **words), line(20, 40, 60, NAN, NAN))
    assert_same(ks.convolve(LINE, [1, 2, 3], where=impulse, min_count=0, **words), line(20, 40, 60, 0, 0))
    assert_same(ks.convolve(LINE, [1, 2, 3], where=np.zeros(5, bool), **words), np.full(5, NAN))
    assert_same(ks.convolve(LINE, [1, 2, 3], min_count=3, **words), line(NAN, 100, 160, 220, NAN))
    # Where all samples count, every output is reached by its own pixel's source.
    assert not np.isnan(ks.convolve(LINE, [1, 2, 3], **words)).any()


def test_what_is_folded_back_arrives_too():
    words = {"form": "scatter", "mode": "reflect", "min_count": 3}
    assert_same(ks.convolve(LINE, ONES, **words), line(40, 60, 90, 120, 140))
    assert_same(ks.convolve(LINE, ONES, where=MASK, **words), line(40, NAN, NAN, NAN, 140))


def test_a_scatter_is_linear_in_what_counts():
    """What does not count sends nothing: as if it were 0, but for NaN and infinities."""
    for kernel in ([1.0, 2, 3], FIELD):
        for mode in ("reflect", "shrink"):
            found = ks.convolve(np.where(MASK, LINE, NAN), kernel, form="scatter", mode=mode, where=MASK, min_count=0)
            assert_near(found, ks.convolve(np.where(MASK, LINE, 0), kernel, form="scatter", mode=mode), 1e-15)


def test_normalised_sources_keep_what_they_send():
    """Each source that counts spreads all that it has, over what is there."""
    for kernel in ([1.0, 2, 3], FIELD):
        for mode in ("shrink", "reflect"):
            words = {"form": "scatter", "mode": mode, "where": MASK, "min_count": 0}
            assert ks.convolve(LINE, kernel, normalize=True, **words).sum() == pytest.approx(LINE[MASK].sum())
    whole = ks.convolve(LINE, [1.0, 2, 3], normalize="valid", form="scatter", mode="shrink", where=MASK, min_count=0)
    assert whole.sum() == pytest.approx(6 * LINE[MASK].sum())


# -- plans and tolerances ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wide():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 256))
    return x, rng.random(x.shape) > 0.2, ks.kernels.Gaussian(np.broadcast_to(np.linspace(1, 10, 256), x.shape))


def test_samples_that_do_not_count_are_for_the_exact_method(wide):
    x, mask, field = wide
    assert ks.plan(ks.correlate, x, field, tol=1e-2).method != "exact"
    for image, words in (
        (x, {"where": mask}),
        (np.ma.array(x, mask=~mask), {}),
        (np.where(mask, x, NAN), {"nan_policy": "omit"}),
        (x, {"min_weight": 0.5}),
        (x, {"normalize": "valid"}),
    ):
        plan = ks.plan(ks.correlate, image, field, tol=1e-2, **words)
        assert plan.method == "exact"
        exact, found = ks.correlate(image, field, **words), ks.correlate(image, field, tol=1e-2, **words)
        assert type(found) is type(exact)
        assert_same(np.ma.filled(found, NAN), np.ma.filled(exact, NAN))
    assert "only the exact method" in ks.plan(ks.correlate, x, field, tol=1e-2, where=mask).explain()


@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize("operation", [ks.correlate, ks.convolve])
def test_checks_know_which_samples_count(form, operation):
    rng = np.random.default_rng(1)
    x, mask = rng.normal(size=(21, 23)), rng.random((21, 23)) > 0.5
    field = ks.kernels.Gaussian(rng.uniform(0.2, 1.5, x.shape), truncate=2)
    for kernel in (field, rng.normal(size=(3, 2)), ks.kernels.Dense(rng.normal(size=(21, 23, 2, 3)) + 1j)):
        for image, words in (
            (x, {"where": mask, "mode": "constant", "cval": 0.5}),
            (np.ma.array(x, mask=~mask), {"mode": "shrink", "min_count": 2}),
            (np.where(mask, x, NAN), {"nan_policy": "omit", "min_weight": 0.4}),
            *([(x, {"where": mask, "normalize": "valid", "mode": "shrink"})] if form == "gather" else ()),
        ):
            found = ks.plan(operation, image, kernel, form=form, **words).check(500)
            assert found.samples > 50
            assert found.error <= min(found.bound, 1e-12 if "normalize" not in words else 1e-9)
            low = image.astype(np.float32)
            found = ks.plan(operation, low, kernel, form=form, **words).check(100)
            assert found.error <= found.bound


# -- the reference -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["gather", "scatter"])
def test_the_definition_gives_the_same(form):
    rng = np.random.default_rng(2)
    x, mask = rng.normal(size=(7, 8)), rng.random((7, 8)) > 0.5
    field = ks.kernels.Gaussian(rng.uniform(0.2, 1.5, x.shape), truncate=2)
    for kernel in (field, rng.normal(size=(3, 2))):
        for words in ({}, {"normalize": True}, {"normalize": "valid", "min_weight": 0.3}, {"min_count": 4}):
            exact = ks.correlate(x, kernel, where=mask, form=form, method="numpy", **words)
            assert_near(ks.correlate(x, kernel, where=mask, form=form, **words), exact, 1e-13)
            masked = ks.correlate(np.ma.array(x, mask=~mask), kernel, form=form, method="numpy", **words)
            assert_same(masked.filled(NAN), exact)


@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0), (1, 1)])
def test_images_of_nothing_and_of_one_pixel(form, shape):
    hidden, where = np.ma.array(np.ones(shape), mask=True), np.zeros(shape, bool)
    for kernel in (np.ones((3, 3)), ks.kernels.Gaussian(1.0)):
        found = ks.correlate(hidden, kernel, form=form)
        assert_same(np.ma.getmaskarray(found), np.ones(shape, bool))
        words = {"min_count": 2, "min_weight": 0.5, "normalize": "valid"}
        assert_same(ks.correlate(hidden.data, kernel, form=form, where=where, **words), np.full(shape, NAN))


@pytest.mark.parametrize("form", ["gather", "scatter"])
def test_arrays_of_any_layout(form):
    rng = np.random.default_rng(6)
    x, mask = rng.normal(size=(9, 10)).astype(np.float32), rng.random((9, 10)) > 0.4
    field = ks.kernels.Gaussian(1.0)
    wanted = ks.correlate(x, field, where=mask, form=form)
    for image in (np.asfortranarray(x), x[::-1, ::-1].copy()[::-1, ::-1], x.astype(">f4"), np.repeat(x, 2, 1)[:, ::2]):
        for where in (mask, np.asfortranarray(mask), np.repeat(mask, 3, 0)[::3]):
            # Which axis is innermost decides in which order weights along the axes are summed.
            assert_near(ks.correlate(image, field, where=where, form=form), wanted, 1e-6)
    low = ks.correlate(x.astype(np.float16), field, where=mask, form=form)
    assert low.dtype == np.float16
    assert_near(low, wanted, 1e-2)


def test_kernels_that_numpy_writes_out():
    def weights(dy, dx, slope):
        return np.interp(dy + slope * dx, [-2, 0, 2], [0, 1, 0])

    x, mask = np.arange(20.0).reshape(4, 5), np.arange(20).reshape(4, 5) % 3 > 0
    slope = np.linspace(0.5, 1, 20).reshape(4, 5)
    field = ks.kernels.Formula(weights, (3, 3), slope)
    written = ks.kernels.Dense(field.dense())
    for form in ("gather", "scatter"):
        wanted = ks.correlate(x, written, where=mask, form=form, min_weight=0.6)
        with pytest.warns(PerformanceWarning, match="could not be traced"):
            found = ks.correlate(x, field, where=mask, form=form, min_weight=0.6)
        assert_near(found, wanted, 1e-14)
        with pytest.warns(PerformanceWarning):
            masked = ks.correlate(np.ma.array(x, mask=~mask), field, form=form, min_weight=0.6)
        assert_near(masked.filled(NAN), wanted, 1e-14)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize("kernel", [[1.0, 2], FIELD], ids=["kernel", "field"])
def test_masks_that_do_not_fit(form, kernel):
    with pytest.raises(ShapeError, match=r"where must have the shape of the arrays, \(5,\).*got \(4,\)"):
        ks.correlate(LINE, kernel, where=np.ones(4, bool), form=form)
    with pytest.raises(ShapeError, match="where must have the shape of the arrays"):
        ks.correlate(np.ones((2, 5)), kernel, where=np.ones((3, 5), bool), form=form, axes=1)
    with pytest.raises(ArgumentTypeError, match="where must be an array of bool"):
        ks.correlate(LINE, kernel, where=np.ones(5), form=form)
