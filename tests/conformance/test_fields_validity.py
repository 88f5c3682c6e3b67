"""Which samples count, in filters with kernels: every field, in both forms, under every mode, random masks and NaN.

The definition is `tests/oracle/fields.py`, in float64; how far a result may be off follows from it (`field_cases.py`).
Compared are dtype, shape, which outputs are invalid, and every element. Not compared: bits, but where two ways to say
the same must give the same.
"""

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kernelscape as ks
from tests.conformance.field_cases import FIELDS, POSITIVE, assert_within_bound, expected, field_case
from tests.conformance.test_fields import CALLS, FORMS, LAYOUTS, MODES, assert_all, drawn_call, image, result_dtype
from tests.oracle import fields
from tests.oracle.comparison import assert_near, assert_same

SHOWN = ("line", "odd", "larger than the image")
"""Layouts that differ in what a window may miss."""


def holes(*shape, seed=0, share=0.3):
    """A mask with single holes and one block of them, so that some windows are empty."""
    rng = np.random.default_rng([seed, *shape])
    mask = rng.random(shape) >= share
    mask[tuple(slice(n // 3, n // 3 + max(1, n // 2)) for n in shape)] = False
    return mask


def with_nan(x, mask):
    """NaN in place of the samples that do not count."""
    return np.where(mask, x, np.nan)


def assert_valid_as_defined(case, x, mask, dtype, *, convolve, form, said="where", field=None, workers=None, **words):
    """The call gives what the definition gives for the samples that a mask allows, however that was said."""
    __tracebackhide__ = True
    field = case.make() if field is None else field
    batch = x.ndim - len(case.extents)
    axes = {"axes": tuple(range(batch, x.ndim))} if batch else {}
    exact = x.astype(result_dtype(dtype, x))
    image, how = {
        "where": (np.where(mask, exact, 1e30), {"where": mask}),
        "omit": (with_nan(exact, mask), {"nan_policy": "omit"}),
        "masked": (np.ma.array(np.where(mask, exact, np.inf), mask=~np.broadcast_to(mask, x.shape)), {}),
    }[said]
    result = (ks.convolve if convolve else ks.correlate)(
        image, field, form=form, workers=workers, **axes, **how, **words
    )
    value, bound = expected(case, x, form=form, convolve=convolve, where=mask, **words)
    context = f"ks.{CALLS[convolve]}(image {x.shape}, {field!r}, form={form!r}, by {said}, {words})"
    dtype = result_dtype(dtype, x, case.kernels)
    if said == "masked":
        assert isinstance(result, np.ma.MaskedArray), context
        np.testing.assert_array_equal(np.ma.getmaskarray(result), np.isnan(value), context)
        assert_within_bound(np.where(np.isnan(value), np.nan, result.data).astype(dtype), value, bound, dtype, context)
    else:
        assert_within_bound(result, value, bound, dtype, context)


def layouts_of(names):
    return [
        pytest.param(name, layout, id=f"{name}-{layout}")
        for name, layout in itertools.product(names, SHOWN)
        if len(LAYOUTS[layout][0]) in FIELDS[name][1]
    ]


@functools.lru_cache
def kept_case(name, layout):
    extents, size, _, _ = LAYOUTS[layout]
    return field_case(name, extents, size, seed=7)


# -- every field, form and mode ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "layout"), layouts_of(FIELDS))
def test_samples_that_do_not_count(name, layout, form):
    case, dtype = kept_case(name, layout), LAYOUTS[layout][2]
    x, mask, field = image(*case.extents, seed=2), holes(*case.extents), case.make()
    turn = list(FIELDS).index(name)
    assert_all(
        functools.partial(
            assert_valid_as_defined, case, x, mask, dtype, convolve=bool((turn + n) % 2), form=form, mode=mode,
            said=("where", "omit", "masked")[(turn + n) % 3], field=field,
        )
        for n, mode in enumerate(MODES)
    )  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", FIELDS)
def test_enough_samples_and_enough_weight(name, form):
    extents, size = (6, 7), (3, 3)
    case = field_case(name, extents, size, seed=8)
    x, mask, field = image(*extents, seed=3).astype(np.float64), holes(*extents, share=0.4), case.make()
    words = [{"min_count": 3}, {"min_weight": 0.437}, {"min_weight": 1.0}, {"min_count": 2, "min_weight": 0.137}]
    if form == "scatter":
        words.append({"min_count": 0})
    assert_all(
        functools.partial(
            assert_valid_as_defined, case, x, mask, np.float64, convolve=bool(n % 2), form=form, field=field,
            mode=("shrink", "reflect", "constant")[n % 3], said=("where", "omit", "masked")[n % 3], **each,
        )
        for n, each in enumerate(words)
    )  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", POSITIVE)
def test_normalised(name, form):
    extents, size = (6, 7), (3, 3)
    case = field_case(name, extents, size, seed=9)
    x, mask, field = image(*extents, seed=4).astype(np.float64), holes(*extents), case.make()
    words = itertools.product((True, "valid"), ("shrink", "mirror", "constant"))
    assert_all(
        functools.partial(
            assert_valid_as_defined, case, x, mask, np.float64, convolve=bool(n % 2), form=form, field=field,
            mode=mode, normalize=normalize, said=("where", "masked", "omit")[n % 3],
            **({"min_weight": 0.337} if n % 2 else {}),
        )
        for n, (normalize, mode) in enumerate(words)
    )  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("normalize", [True, "valid"])
def test_complex_kernels_and_images(form, normalize):
    extents, size = (5, 6), (3, 2)
    case = field_case("dense, complex", extents, size, seed=1)
    kernels = case.kernels + 3
    field = ks.kernels.Dense(kernels)
    x, mask = image(*extents, seed=5, is_complex=True).astype(complex), holes(*extents)
    for mode, convolve in itertools.product(("reflect", "shrink"), (False, True)):
        words = {"normalize": normalize, "mode": mode, "min_weight": 0.3}
        value = getattr(fields, form)(x, kernels, convolve=convolve, where=mask, **words)
        run = ks.convolve if convolve else ks.correlate
        assert_near(run(x, field, form=form, where=mask, **words), value, 1e-12)
        bad = np.where(mask, x, np.where(x.real > 0, complex(np.nan, 1), complex(1, np.nan)))
        assert_near(run(bad, field, form=form, nan_policy="omit", **words), value, 1e-12)
        plain = np.where(mask, x.real, np.nan)
        value = getattr(fields, form)(
            x.real, kernels[0, 0] * np.ones_like(kernels), convolve=convolve, where=mask, **words
        )
        assert_near(run(plain, kernels[0, 0], form=form, nan_policy="omit", **words), value, 1e-12)


# -- one kernel for all pixels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_one_kernel(form):
    rng = np.random.default_rng(3)
    x, mask = image(7, 6, seed=6).astype(np.float64), holes(7, 6)
    kernel = rng.uniform(0.5, 1, (3, 4))
    kernels = fields.everywhere(kernel, x.shape)
    for n, (mode, normalize) in enumerate(itertools.product(MODES, (False, True, "valid"))):
        words = {"mode": mode, "normalize": normalize, **({"min_weight": 0.4} if n % 2 else {"min_count": 1 + n % 3})}
        value = getattr(fields, form)(x, kernels, where=mask, convolve=True, **words)
        assert_near(ks.convolve(x, kernel, form=form, where=mask, **words), value, 1e-13)
        assert_near(ks.convolve(with_nan(x, mask), kernel, form=form, nan_policy="omit", **words), value, 1e-13)
        found = ks.convolve(np.ma.array(x, mask=~mask), kernel, form=form, **words)
        assert_same(np.ma.getmaskarray(found), np.isnan(value))
        assert_near(found.filled(np.nan), value, 1e-13)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf])
def test_what_does_not_count_meets_any_weight(form, weight):
    """0 times NaN is NaN: nothing is multiplied with what does not count."""
    x = image(6, 5, seed=7).astype(np.float64)
    dense = np.random.default_rng(0).normal(size=(6, 5, 3, 3))
    dense[2, 3] = dense[4, 1, 0] = weight
    mask = np.ones((6, 5), bool)
    if form == "scatter":
        mask[2, 3] = mask[4, 1] = False
        value = fields.scatter(
            np.where(mask, x, 0), np.where(mask[..., None, None], dense, 0), convolve=True, where=mask
        )
        assert np.isfinite(value).all()
    else:
        mask[4, 1] = False
        value = fields.gather(x, dense, convolve=True, where=mask)
        assert not np.isfinite(value).all()
    x[~mask] = np.nan
    for words in ({"where": mask}, {"nan_policy": "omit"}):
        assert_near(ks.convolve(x, ks.kernels.Dense(dense), form=form, **words), value, 1e-12)


def test_a_kernel_of_nan_in_a_scattered_grid_reaches_what_valid_sources_send():
    corners = np.random.default_rng(0).normal(size=(2, 2, 3, 3))
    corners[1, 1, 0, 2] = np.nan
    positions = ([0.0, 7.0], [0.0, 6.0])
    kernels = fields.dense_of_grid((8, 7), corners, positions)
    x, mask = image(8, 7, seed=8).astype(np.float64), holes(8, 7)
    value = fields.scatter(x, kernels, "mirror", where=mask, convolve=True)
    found = ks.convolve(x, ks.kernels.Grid(corners, positions), form="scatter", mode="mirror", where=mask)
    assert 0 < np.isnan(value).mean() < 1
    assert_near(found, value, 1e-12)


# -- masks of many shapes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["dense", "gaussian", "grid", "combination"])
def test_masks_broadcast_over_batch_axes(name, form):
    case = field_case(name, (6, 5), (3, 3), seed=2)
    x, mask = image(6, 3, 5, seed=9).astype(np.float64), holes(6, 5)
    words = {"axes": (0, 2), "mode": "shrink", "form": form}
    found = ks.correlate(x, case.make(), where=mask, **words)
    value, bound = expected(case, x.transpose(1, 0, 2), form=form, mode="shrink", where=mask)
    assert_within_bound(found.transpose(1, 0, 2), value, bound, np.dtype(np.float64))
    own = np.stack([np.roll(mask, n, 0) for n in range(3)], 1)
    found = ks.correlate(x, case.make(), where=own, **words)
    value, bound = expected(case, x.transpose(1, 0, 2), form=form, mode="shrink", where=own.transpose(1, 0, 2))
    assert_within_bound(found.transpose(1, 0, 2), value, bound, np.dtype(np.float64))
    assert_same(
        ks.correlate(x, case.make(), where=mask[:, None], **words), ks.correlate(x, case.make(), where=mask, **words)
    )


@pytest.mark.parametrize("form", FORMS)
def test_masks_have_the_order_of_the_images_axes(form):
    kernel = np.random.default_rng(1).uniform(1, 2, (2, 3))
    x, mask = image(4, 5, 6, seed=1).astype(np.float64), holes(4, 6)
    found = ks.correlate(x, kernel, where=mask, axes=(2, 0), form=form)
    assert_near(found, ks.correlate(x, kernel.T, where=mask, axes=(0, 2), form=form), 1e-13)


# -- windows of many sizes, rows and threads ---------------------------------------------------------------------------


def test_a_pixels_result_does_not_depend_on_the_windows_of_others():
    """A large window elsewhere, strips of rows and threads change no bit."""
    rng = np.random.default_rng(5)
    x, mask = rng.normal(size=(70, 150)), rng.random((70, 150)) > 0.4
    small = rng.uniform(0.2, 1.4, x.shape)
    large = small.copy()
    large[65:, 140:] = 6.0
    for words in (
        {"where": mask},
        {"where": mask, "normalize": True},
        {"where": mask, "normalize": "valid", "min_weight": 0.3},
    ):
        one, other = (ks.correlate(x, ks.kernels.Gaussian(s), **words) for s in (small, large))
        assert_same(one[:60, :130], other[:60, :130])
        assert_same(other, ks.correlate(x, ks.kernels.Gaussian(large), workers=2, **words))
        assert_same(
            ks.correlate(with_nan(x, mask), ks.kernels.Gaussian(large), **{**words, "where": None}, nan_policy="omit"),
            other,
        )
        masked = ks.correlate(np.ma.array(x, mask=~mask), ks.kernels.Gaussian(large), **{**words, "where": None})
        assert_same(masked.filled(np.nan), other)


def test_a_mask_that_allows_all_changes_little():
    """Even kernels are folded where no sample can be missing, and only there."""
    x = image(40, 60, seed=3).astype(np.float64)
    field = ks.kernels.Gaussian(np.full(x.shape, 1.5))
    assert_near(ks.correlate(x, field, where=np.ones(x.shape, bool)), ks.correlate(x, field), 1e-13)


@pytest.mark.parametrize("name", ["grid", "scattered", "gaussian", "separable"])
def test_strips_of_rows_see_their_part_of_the_mask(name, monkeypatch):
    case = field_case(name, (23, 19), (3, 4), seed=3)
    x, mask = image(23, 19, seed=4).astype(np.float64), holes(23, 19)
    masked = np.ma.array(x, mask=~mask)
    runs = [
        functools.partial(ks.correlate, masked, case.make(), form=form, min_weight=0.2, mode="mirror") for form in FORMS
    ]
    before = [run() for run in runs]
    for module, budget in [("gather", "BLEND_BYTES"), ("scatter", "SOURCE_BYTES"), ("scatter", "TOGETHER_BYTES"),
                           ("scattered_validity", "BLEND_BYTES")]:  # fmt: skip
        monkeypatch.setattr(f"kernelscape.api.{module}.{budget}", 2000)
    for run, wanted in zip(runs, before, strict=True):
        found = run()
        assert_same(np.ma.getmaskarray(found), np.ma.getmaskarray(wanted))
        assert_near(found.filled(np.nan), wanted.filled(np.nan), 1e-13)


def test_scattered_planes_see_the_mask(monkeypatch):
    monkeypatch.setattr("kernelscape.api.scattered_factors.LEAST_WORK", 0)
    monkeypatch.setattr("kernelscape.api.scattered_factors.LEAST_GAIN", 0)
    case = field_case("gaussian", (23, 19), (7, 7), seed=3)
    x, mask = image(23, 19, seed=4).astype(np.float64), holes(23, 19)
    for said in ("where", "omit", "masked"):
        assert_valid_as_defined(case, x, mask, np.float64, convolve=True, form="scatter", said=said)


# -- functions of windows and kernels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in FIELDS if "complex" not in name])
def test_apply_to_windows_and_kernels(name):
    case = field_case(name, (6, 7), (3, 3), seed=4)
    x, mask, field = image(6, 7, seed=7).astype(np.float64), holes(6, 7), case.make()
    for mode in ("reflect", "shrink"):
        value, bound = expected(case, x, mode=mode, where=mask)
        # The function sees 0 for weights that take no part, and samples of the whole window.
        for words, array in (({"where": mask}, x), ({"nan_policy": "omit"}, with_nan(x, mask))):
            total = ks.apply(lambda w, k: np.sum(w * k), array, ks.kernel(field), mode=mode, **words)
            there = ~np.isnan(value)
            assert_within_bound(total[there], value[there], bound[there], np.dtype(np.float64), f"mode={mode!r}")
            number = fields.gather(np.ones(x.shape), np.ones(case.kernels.shape), mode, where=mask)
            assert_same(np.isnan(total), np.isnan(number))
        found = ks.apply(lambda w, k: np.sum(w * k), np.ma.array(x, mask=~mask), ks.kernel(field), mode=mode)
        assert_same(found.filled(np.nan), total)


# -- everything at once ------------------------------------------------------------------------------------------------


@settings(max_examples=settings.default.max_examples)
@given(random=st.randoms(use_true_random=False))
def test_any_call(random):
    case, batch, words = drawn_call(random)
    shape = (*batch, *case.extents)
    x = image(*shape, seed=random.randint(0, 2**20), is_complex=random.random() < 0.15)
    own = random.choice((shape, case.extents))
    mask = holes(*own, seed=random.randint(0, 2**20), share=random.choice((0.0, 0.3, 0.8)))
    if words.get("normalize") and random.random() < 0.5:
        words["normalize"] = "valid"
    if random.random() < 0.5:
        # No window has more samples; how many sources reach an output, none says.
        words["min_count"] = random.randint(1, 6 if words["form"] == "scatter" else min(6, math.prod(case.size)))
    if random.random() < 0.5:
        words["min_weight"] = random.random()
    if words.get("normalize") and words["form"] == "gather":
        words.pop("cval", None)
    assume(expected(case, x, **words)[0].size > 0)
    said = random.choice(("where", "omit", "masked"))
    mask = mask if said == "where" else np.broadcast_to(mask, shape)
    assert_valid_as_defined(case, x, mask, np.float64, said=said, workers=random.choice((None, 1, 2)), **words)


def test_the_comparison_can_fail():
    case = field_case("dense", (5, 7), (3, 3))
    x, mask = image(5, 7), holes(5, 7)
    words = {"convolve": False, "form": "gather", "mode": "shrink"}
    assert_valid_as_defined(case, x, mask, np.float64, **words)
    other = mask.copy()
    other[0, 0] = ~other[0, 0]
    value, bound = expected(case, x, mode="shrink", where=other)
    with pytest.raises(AssertionError, match="results are wrong"):
        assert_within_bound(
            ks.correlate(x.astype(float), case.make(), mode="shrink", where=mask), value, bound, np.dtype(float)
        )
