"""Masks and selections together: ``where=``, NaN, masked arrays and `at=` in one call, gathered and scattered.

The definition is a composition. The call without `at=` gives the full result, as a masked array; `at=` selects from it,
and `otherwise=` stands elsewhere, masked where it is a masked sample of the input. Weights between 0 and 1 blend, by
`tests/oracle/selection.py`, and a blend is masked where either of its parts is; an invalid part of a plain array makes
the blend invalid. Compared are dtype, shape, masks and, of what is not masked, every bit.
"""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kernelscape as ks
from kernelscape.errors import ArgumentError, PerformanceWarning
from tests.conformance.field_cases import FIELDS, field_case
from tests.conformance.test_fields_validity import holes
from tests.oracle.selection import selected

FORMS = ("gather", "scatter")
SHAPE = (13, 21)
RNG = np.random.default_rng(41)
IMAGE = RNG.normal(size=SHAPE)
WAVES = IMAGE + 1j * RNG.normal(size=SHAPE)
COUNTS = RNG.integers(-9, 10, SHAPE)
MASK = holes(*SHAPE, share=0.4)
KERNEL = RNG.uniform(0.2, 1, (3, 2))
CHOSEN = RNG.random(SHAPE) < 0.5
WEIGHTS = np.where(RNG.random(SHAPE) < 0.5, CHOSEN, RNG.integers(0, 9, SHAPE) / 8)
ATS = {"mask": CHOSEN, "weights": WEIGHTS, "halves": WEIGHTS.astype(np.float16), "box": (2, 3, 9, 15),
       "slices": np.s_[9:1:-2, 4:], "none": CHOSEN & False, "all": CHOSEN | True}  # fmt: skip
KERNELS = {
    "one": KERNEL,
    "one, complex": KERNEL * (1 - 2j),
    "gaussian": ks.kernels.Gaussian(RNG.uniform(0.2, 1.5, SHAPE), truncate=2),
    "classes": ks.kernels.Gaussian(np.where(CHOSEN[:, :1], 0.4, np.where(np.arange(SHAPE[1]) > 17, 5.0, 0.4))),
    "grid": ks.kernels.Grid(RNG.uniform(0.2, 1, (2, 2, 3, 3)), ([0, SHAPE[0] - 1], [0, SHAPE[1] - 1])),
    "dense, complex": ks.kernels.Dense(RNG.normal(size=(*SHAPE, 2, 3)) + 1j),
}


def parts(array):
    return (array.real, array.imag) if array.dtype.kind == "c" else (array,)


def on_grid(at, shape):
    """A selection as an array of the outputs' shape."""
    if isinstance(at, np.ndarray):
        return np.broadcast_to(at, shape)
    region = np.s_[at[0] : at[2], at[1] : at[3]] if isinstance(at[0], int) else at
    wanted = np.zeros(shape, bool)
    wanted[region] = True
    return wanted


def composed(full, at, elsewhere):
    """Data and mask of the full result where `at` says, and elsewhere of what stands there."""
    lost = np.ma.getmaskarray(full)
    gone = np.broadcast_to(np.ma.getmaskarray(np.ma.asarray(elsewhere)), full.shape)
    data, other = np.ma.getdata(full), np.ma.getdata(np.ma.asarray(elsewhere))
    made = np.empty(full.shape, data.dtype)
    if data.dtype.kind == "c":
        for target, own, there in zip(parts(made), parts(data), parts(other.astype(data.dtype)), strict=True):
            target[...] = selected(own, at, there)
    else:
        made[...] = selected(data, at, other)
    mask = (lost & (at != 0)) | (gone & (at != 1))
    return made, mask


def assert_composed(found, full, at, elsewhere):
    __tracebackhide__ = True
    data, mask = composed(full, on_grid(at, full.shape), elsewhere)
    assert isinstance(found, np.ma.MaskedArray) == isinstance(full, np.ma.MaskedArray)
    assert (found.dtype, found.shape) == (data.dtype, data.shape)
    np.testing.assert_array_equal(np.ma.getmaskarray(found), mask)
    for own, wanted in zip(parts(np.ma.getdata(found)), parts(data), strict=True):
        words = f"u{own.dtype.itemsize}"
        np.testing.assert_array_equal(own[~mask].view(words), wanted[~mask].view(words))


def test_the_comparison_can_fail():
    full = np.ma.array(IMAGE, mask=~MASK)
    found = np.ma.array(np.where(CHOSEN, IMAGE, 3.0), mask=CHOSEN & ~MASK)
    assert_composed(found, full, CHOSEN, 3.0)
    wrong, hidden = found.copy(), found.copy()
    wrong.data[MASK] = np.nextafter(wrong.data[MASK], 9)
    hidden.mask = ~hidden.mask
    for other in (wrong, hidden, found.data, found.astype(np.float32)):
        with pytest.raises(AssertionError):
            assert_composed(other, full, CHOSEN, 3.0)


# -- masked arrays -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", KERNELS)
def test_masked_arrays(name, form):
    masked = np.ma.array(np.where(MASK, IMAGE, np.inf), mask=~MASK)
    words = {"form": form, "min_weight": 0.4, "mode": "constant"}
    full = ks.convolve(masked, KERNELS[name], **words)
    assert 0 < full.mask.mean() < 1
    other = np.where(IMAGE > 0, np.nan, -IMAGE)
    for number, at in enumerate(ATS.values()):
        for otherwise, elsewhere in (("input", masked), (2.5, 2.5), (other, other))[: 3 if number < 2 else 1]:
            found = ks.convolve(masked, KERNELS[name], at=at, otherwise=otherwise, **words)
            assert_composed(found, full, at, elsewhere)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["one", "one, complex", "gaussian"])
def test_masked_complex_images(name, form):
    masked = np.ma.array(WAVES, mask=~MASK)
    words = {"form": form, "min_count": 3, "mode": "shrink"}
    full = ks.correlate(masked, KERNELS[name], **words)
    for at, otherwise in itertools.product((CHOSEN, WEIGHTS, ATS["box"]), ("input", 1 - 2j)):
        found = ks.correlate(masked, KERNELS[name], at=at, otherwise=otherwise, **words)
        assert_composed(found, full, at, masked if otherwise == "input" else np.complex128(otherwise))


@pytest.mark.parametrize("form", FORMS)
def test_masked_integers(form):
    masked = np.ma.array(COUNTS, mask=~MASK)
    kernel = np.array([[1, 2, 1]])
    for words in ({}, {"min_weight": 0.7}, {"min_count": 2, "invalid": -1}):
        full = ks.correlate(masked, kernel, form=form, **words)
        assert full.dtype == np.int64
        for at in (CHOSEN, WEIGHTS):
            found = ks.correlate(masked, kernel, form=form, at=at, **words)
            assert_composed(found, full, at, masked)
    full = ks.correlate(masked, kernel, form=form, output=np.int16)
    for at in (CHOSEN, WEIGHTS):
        found = ks.correlate(masked, kernel, form=form, at=at, otherwise=7, output=np.int16)
        assert_composed(found, full, at, 7)


@pytest.mark.parametrize("form", FORMS)
def test_masks_of_nothing_and_masks_beside_masked_arrays(form):
    """Only the array's own mask says which of its samples are masked where they stand elsewhere."""
    for masked in (np.ma.array(IMAGE), np.ma.array(IMAGE, mask=False), np.ma.array(IMAGE, mask=~MASK)):
        full = ks.correlate(masked, KERNEL, form=form, where=MASK[::-1], min_weight=0.4)
        for at in (CHOSEN, WEIGHTS):
            found = ks.correlate(masked, KERNEL, form=form, where=MASK[::-1], min_weight=0.4, at=at)
            assert_composed(found, full, at, masked)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["one", "classes", "grid", "one, complex"])
def test_outputs_that_are_given(name, form):
    masked = np.ma.array(IMAGE, mask=~MASK)
    full = ks.correlate(masked, KERNELS[name], form=form, min_weight=0.4)
    for at in (CHOSEN, WEIGHTS):
        output = np.full(SHAPE, 9, full.dtype)
        found = ks.correlate(masked, KERNELS[name], form=form, min_weight=0.4, at=at, otherwise=4, output=output)
        assert np.shares_memory(found.data, output)
        assert_composed(found, full, at, 4.0)
        image = IMAGE.astype(full.dtype)
        over = np.ma.array(image, mask=~MASK)
        full_of_it = ks.correlate(np.ma.array(image.copy(), mask=~MASK), KERNELS[name], form=form, min_weight=0.4)
        found = ks.correlate(over, KERNELS[name], form=form, min_weight=0.4, at=at, output=image)
        assert np.shares_memory(found.data, image)
        assert_composed(found, full_of_it, at, np.ma.array(IMAGE.astype(full.dtype), mask=~MASK))


@pytest.mark.parametrize("operation", [ks.correlate, ks.convolve])
def test_grids_of_their_own(operation):
    masked = np.ma.array(IMAGE, mask=~MASK)
    rows, columns = np.clip(np.arange(-1, 14, 3), 0, 12), np.clip(np.arange(-1, 21, 2), 0, 20)
    for kernel in (np.pad(KERNEL, 1)[:, :-1][:4], KERNELS["gaussian"]):
        words = {"stride": (3, 2), "padding": 2, "origin": (0, 0), "min_weight": 0.3, "mode": "shrink", "min_count": 2}
        full = operation(masked, kernel, **words)
        at = RNG.random(full.shape) < 0.5
        size = kernel.shape if isinstance(kernel, np.ndarray) else kernel.bound(SHAPE).size
        first = [(k - 1 - k // 2 if operation is ks.convolve else k // 2) - 2 for k in size]
        rows, columns = (
            np.clip(f + s * np.arange(n), 0, m - 1) for f, s, n, m in zip(first, (3, 2), full.shape, SHAPE, strict=True)
        )
        elsewhere = masked[np.ix_(rows, columns)]
        for wanted in (at, at * 0.5):
            assert_composed(operation(masked, kernel, at=wanted, **words), full, wanted, elsewhere)
        words = {"stride": 2, "padding": "valid", "form": "scatter", "min_weight": 0.3}
        full = operation(masked, kernel, **words)
        at = RNG.random(full.shape) < 0.5
        first = [k - 1 - k // 2 if operation is ks.convolve else k // 2 for k in size]
        places = [f + 2 * np.arange(n) for f, n in zip(first, full.shape, strict=True)]
        for wanted in (at, at * 0.5):
            found = operation(masked, kernel, at=wanted, **words)
            assert_composed(found, full, wanted, masked[np.ix_(*places)])


@pytest.mark.parametrize("form", FORMS)
def test_batch_axes(form):
    stack = np.ma.array(RNG.normal(size=(13, 3, 21)), mask=RNG.random((13, 3, 21)) < 0.4)
    for kernel in (KERNEL, KERNELS["gaussian"], KERNELS["grid"]):
        words = {"axes": (0, 2), "form": form, "min_weight": 0.5}
        full = ks.correlate(stack, kernel, **words)
        for at in (CHOSEN, WEIGHTS):
            found = ks.correlate(stack, kernel, at=at, **words)
            assert_composed(found, full, np.broadcast_to(at[:, None], stack.shape), stack)


def test_strips_of_rows_see_their_part(monkeypatch):
    masked = np.ma.array(IMAGE, mask=~MASK)
    fields = [KERNELS[name] for name in ("grid", "gaussian")]
    runs = [(f, form, at) for f in fields for form in FORMS for at in (CHOSEN, WEIGHTS, CHOSEN & False)]
    before = [ks.correlate(masked, f, form=form, min_weight=0.3, at=at) for f, form, at in runs]
    for module, budget in [("gather", "BLEND_BYTES"), ("scatter", "SOURCE_BYTES"), ("scatter", "TOGETHER_BYTES")]:
        monkeypatch.setattr(f"kernelscape.api.{module}.{budget}", 2000)
    for (f, form, at), wanted in zip(runs, before, strict=True):
        found = ks.correlate(masked, f, form=form, min_weight=0.3, at=at)
        np.testing.assert_array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(wanted))
        np.testing.assert_allclose(found.compressed(), wanted.compressed(), 1e-13, 1e-13)


# -- masks of plain arrays ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", KERNELS)
def test_masks_and_nan_of_plain_arrays(name, form):
    for image, words in ((IMAGE, {"where": MASK}), (np.where(MASK, IMAGE, np.nan), {"nan_policy": "omit"})):
        words |= {"form": form, "min_weight": 0.4}
        full = ks.correlate(image, KERNELS[name], **words)
        assert 0 < np.isnan(full).mean() < 1
        for at in (CHOSEN, WEIGHTS, ATS["slices"]):
            found = ks.correlate(image, KERNELS[name], at=at, otherwise=0.5, **words)
            assert_composed(found, full, at, 0.5)
        assert_composed(ks.correlate(image, KERNELS[name], at=CHOSEN, **words), full, CHOSEN, image)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", ["auto", "numpy"])
def test_marks_are_not_blended(form, method):
    """What is invalid is marked wholly, however little of it is wanted."""
    words = {"where": MASK, "form": form, "method": method, "invalid": -99}
    for image, kernel, rule in (
        (COUNTS, np.array([[1, 2, 1]]), {"min_weight": 0.6}),
        (COUNTS, np.array([[1, 2, 1]]), {"min_count": 2}),
        (IMAGE, KERNEL, {"min_weight": 0.6}),
        (IMAGE, KERNEL, {"normalize": True, "min_weight": 0.2}),
    ):
        full = ks.correlate(image, kernel, **words, **rule)
        assert (full == -99).any()
        for at in (CHOSEN, WEIGHTS):
            found = ks.correlate(image, kernel, at=at, **words, **rule)
            wanted = np.where((full == -99) & (at != 0), full, selected(full, at, image))
            assert_composed(found, wanted, CHOSEN | True, image)


def test_exact_methods_keep_a_tolerance():
    rng = np.random.default_rng(3)
    image = rng.normal(size=(200, 200))
    mask, at = rng.random(image.shape) > 0.3, np.hypot(*np.ogrid[-100:100, -100:100]) < 30
    field = ks.kernels.Gaussian(np.broadcast_to(np.linspace(1, 8, 200), image.shape))
    masked = np.ma.array(image, mask=~mask)
    full = ks.correlate(masked, field)
    assert_composed(ks.correlate(masked, field, tol=1e-2, at=at), full, at, masked)
    assert_composed(ks.correlate(image, field, tol=1e-2, where=mask, at=at), full.filled(np.nan), at, image)


# -- functions of windows ----------------------------------------------------------------------------------------------


def spread(w):
    return np.max(w) - np.min(w), np.sum(w)


def opaque(w, valid):
    return float(np.asarray(w)[np.asarray(valid)].sum())


def counted(w, valid):
    return np.sum(np.where(valid, w, 1.0))


def along(w, axis, valid):
    return np.sum(np.where(valid, w, 1.0), axis=axis)


@pytest.mark.parametrize("name", ["median", "kernel", "field", "flags", "axis and flags", "two windows", "numpy"])
def test_functions_of_masked_windows(name):
    masked = np.ma.array(IMAGE, mask=~MASK)
    call = {
        "median": lambda **words: ks.apply(np.median, masked, size=3, min_count=4, **words),
        "kernel": lambda **words: ks.apply(lambda w, k: np.max(w * k), masked, ks.kernel(KERNEL), **words),
        "field": lambda **words: ks.apply(
            lambda w, k: np.max(w * k), masked, ks.kernel(KERNELS["grid"]), min_count=5, **words
        ),
        "flags": lambda **words: ks.apply(counted, masked, size=3, min_count=4, **words),
        "axis and flags": lambda **words: ks.apply(along, masked, size=3, min_count=4, **words),
        "two windows": lambda **words: ks.apply(
            lambda a, b, valid: np.sum(a) + np.max(b), masked, IMAGE, size=3, min_count=4, **words
        ),
        "numpy": lambda **words: ks.apply(opaque, masked, size=3, min_count=4, **words),
    }[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        full = call()
        assert 0 < full.mask.mean() < 1
        for at in (CHOSEN, WEIGHTS, ATS["box"]):
            assert_composed(call(at=at), full, at, masked)
            assert_composed(call(at=at, otherwise=2), full, at, 2.0)


def test_several_results_of_masked_windows():
    masked = np.ma.array(IMAGE, mask=~MASK)
    full = ks.apply(spread, masked, size=3, min_count=4)
    for at in (CHOSEN, WEIGHTS):
        found = ks.apply(spread, masked, size=3, min_count=4, at=at, otherwise=("input", 3))
        assert_composed(found[0], full[0], at, masked)
        assert_composed(found[1], full[1], at, 3.0)
    low = ks.apply(spread, masked, size=3, min_count=4, output=np.float32)[1]
    found = ks.apply(spread, masked, size=3, min_count=4, at=CHOSEN, output=np.float32)[1]
    assert_composed(found, low, CHOSEN, masked)
    with pytest.raises(ArgumentError, match="each of the 2 results; got 3"):
        ks.apply(spread, masked, size=3, at=CHOSEN, otherwise=(0, 1, 2))


def test_masked_integers_of_functions_stay_integers():
    masked = np.ma.array(COUNTS, mask=~MASK)
    full = ks.apply(np.sum, masked, size=3, min_count=3)
    found = ks.apply(np.sum, masked, size=3, min_count=3, at=CHOSEN)
    assert_composed(found, full, CHOSEN, masked)


# -- everything at once ------------------------------------------------------------------------------------------------


@settings(max_examples=settings.default.max_examples)
@given(random=st.randoms(use_true_random=False))
def test_any_call(random):
    name = random.choice([name for name, (_, ndims) in FIELDS.items() if 2 in ndims])
    shape, seed = (6, 7), random.randint(0, 2**20)
    kernel = KERNEL if random.random() < 0.2 else field_case(name, shape, (3, 3), seed=seed).make()
    rng = np.random.default_rng(seed)
    image = rng.normal(size=shape) + (1j * rng.normal(size=shape) if random.random() < 0.2 else 0)
    mask = holes(*shape, seed=seed, share=random.choice((0.0, 0.3, 0.8)))
    said = random.choice(("where", "omit", "masked"))
    words = {"form": random.choice(FORMS), "mode": random.choice(("reflect", "constant", "shrink", "wrap"))}
    words["workers"] = random.choice((None, 1, 2))
    if random.random() < 0.5:
        words["min_weight"] = random.random()
    if random.random() < 0.3:
        words["min_count"] = random.randint(0, 5)
    if random.random() < 0.2:
        words["normalize"] = random.choice((True, "valid"))
    if said == "where":
        words["where"] = mask
    elif said == "omit":
        image, words["nan_policy"] = np.where(mask, image, np.nan), "omit"
    else:
        image = np.ma.array(image, mask=~mask)
    at = random.choice((rng.random(shape) < 0.5, np.round(rng.random(shape), 1), rng.integers(0, 3, shape) / 2))
    operation = random.choice((ks.correlate, ks.convolve))
    full = operation(image, kernel, **words)
    otherwise = random.choice(("input", 1.5, -np.asarray(np.ma.getdata(image).real)))
    found = operation(image, kernel, at=at, otherwise=otherwise, **words)
    elsewhere = image if isinstance(otherwise, str) else otherwise
    if said != "masked":
        # Where a mark is blended with NaN of the input, bits of NaN do not matter.
        lost = np.isnan(full) & (at != 0)
        np.testing.assert_array_equal(np.isnan(found[lost]), True)
        full, found = np.where(lost, 0, full), np.where(lost, 0, found)
        at = np.where(lost, np.ones((), at.dtype), at)
    assert_composed(found, full, at, elsewhere)
