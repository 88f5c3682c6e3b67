"""Kernel fields against their definition: every field, in both forms, under every mode.

The definition is `tests/oracle/fields.py`, in float64; how far a result may be off follows from it (`field_cases.py`).
Compared are dtype, shape, and every element. Not compared: bits; sums may be made in another order.
"""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kernelscape as ks
from tests.conformance.field_cases import FIELDS, POSITIVE, FieldCase, assert_within_bound, expected, field_case
from tests.oracle import fields
from tests.oracle.comparison import assert_near

MODES = ("reflect", "mirror", "nearest", "wrap", "constant", "shrink")
FORMS = ("gather", "scatter")
LAYOUTS = {
    "line": ((10,), (4,), np.float64, "both"),
    "line, longer than the image": ((4,), (9,), np.float32, "convolve"),
    "plane": ((7, 5), (3, 4), np.float64, "both"),
    "odd": ((5, 7), (3, 3), np.float32, "correlate"),
    "larger than the image": ((2, 4), (4, 5), np.float64, "convolve"),
    "volume": ((3, 4, 5), (2, 3, 3), np.float64, "adjoints"),
}
"""Extents, size, dtype, and what to call. Compiling takes the time, and machine code is the same for all extents."""
SIMILAR = ["gaussian, not normalised", "gaussian, oriented, sized", "disc, sized", "grid, nearest", "grid, even"]
"""Fields that differ from others in little but their words: on two layouts."""
CALLS = {False: "correlate", True: "convolve"}


def image(*shape, seed=0, is_complex=False):
    """Numbers that float32 holds."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(0, 2, (2, *shape)).astype(np.float32)
    return parts[0] + 1j * parts[1] if is_complex else parts[0]


@functools.lru_cache
def kept_case(name, layout):
    extents, size, _, _ = LAYOUTS[layout]
    return field_case(name, extents, size)


def meaningful(names, layouts=LAYOUTS):
    return [
        pytest.param(name, layout, id=f"{name}-{layout}")
        for name, layout in itertools.product(names, layouts)
        if len(LAYOUTS[layout][0]) in FIELDS[name][1] and (name not in SIMILAR or layout in ("line", "plane"))
    ]


def calls_of(layout, form):
    """Whether to convolve: once, or once not and once."""
    word = LAYOUTS[layout][3]
    if word == "adjoints":
        return [form == "scatter"]
    return {"both": [False, True], "correlate": [False], "convolve": [True]}[word]


def result_dtype(dtype, *arrays):
    """A floating image keeps its dtype; complex numbers have its precision."""
    is_complex = any(np.iscomplexobj(a) for a in arrays)
    return np.result_type(dtype, np.complex64) if is_complex else np.dtype(dtype)


def assert_as_defined(case: FieldCase, x, dtype, *, convolve, form, field=None, workers=None, **words):
    """The call gives what the definition gives."""
    __tracebackhide__ = True
    field = case.make() if field is None else field
    batch = x.ndim - len(case.extents)
    axes = {"axes": tuple(range(batch, x.ndim))} if batch else {}
    given = x.astype(result_dtype(dtype, x))
    result = (ks.convolve if convolve else ks.correlate)(given, field, form=form, workers=workers, **axes, **words)
    value, bound = expected(case, x, form=form, convolve=convolve, **words)
    context = f"ks.{CALLS[convolve]}(image {x.shape}, {field!r}, form={form!r}, " + ", ".join(
        f"{name}={word!r}" for name, word in words.items()
    )
    assert_within_bound(result, value, bound, result_dtype(dtype, x, case.kernels), context + ")")


def assert_all(checks):
    """Run all checks; one failure names how many there are."""
    __tracebackhide__ = True
    count, found = 0, []
    for check in checks:
        count += 1
        try:
            check()
        except AssertionError as error:
            found.append(str(error))
    if found:
        raise AssertionError(f"{len(found)} of {count} calls are wrong:\n" + "\n".join(found))


# -- every field, form, mode, size -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "layout"), meaningful(FIELDS))
def test_every_mode(name, layout, form):
    case, dtype = kept_case(name, layout), LAYOUTS[layout][2]
    x, field = image(*case.extents), case.make()
    assert_all(
        functools.partial(
            assert_as_defined, case, x, dtype, convolve=convolve, form=form, mode=mode, cval=cval, field=field
        )
        for convolve in calls_of(layout, form)
        for mode, cval in [*((m, 0.0) for m in MODES), ("constant", 1.5)]
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "layout"), meaningful(POSITIVE, ["line", "odd", "larger than the image"]))
def test_normalised(name, layout, form):
    case, dtype = kept_case(name, layout), LAYOUTS[layout][2]
    x, field = image(*case.extents, seed=1), case.make()
    assert_all(
        functools.partial(
            assert_as_defined, case, x, dtype, convolve=convolve, form=form, mode=mode, field=field, normalize=True
        )
        for convolve in calls_of(layout, form)[-1:]
        for mode in ("reflect", "constant", "shrink")
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", FIELDS)
def test_geometry(name, form):
    """Origins, strides, dilations, modes of their own for each axis, windows inside; batch axes and complex images."""
    case, turn = field_case(name, (6, 7), (2, 3), seed=1), list(FIELDS).index(name)
    origin = tuple(-(k // 2) if axis else (k - 1) // 2 for axis, k in enumerate(case.size))
    words = [
        {"origin": origin, "mode": ("shrink", "wrap")},
        {"stride": (2, 3), "dilation": (2, 1), "mode": ("mirror", "constant")},
    ]
    if all(k <= n for k, n in zip(case.size, case.extents, strict=True)):
        words.append({"padding": "valid"})
    if form == "gather":
        words.append({"padding": [(1, 0), "full"], "mode": "reflect"})
    images = [image(6, 7, seed=2), image(2, 6, 7, seed=3), image(6, 7, seed=4, is_complex=True)]
    assert_all(
        functools.partial(
            assert_as_defined, case, images[(turn + n) % 3], np.float64, convolve=bool(n % 2), form=form, **w
        )
        for n, w in enumerate(words)
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["dense", "gaussian", "grid", "formula", "scattered", "combination"])
def test_batch_axes_anywhere(name, form):
    case = field_case(name, (6, 5), (3, 2), seed=2)
    x = image(6, 3, 5, 2, seed=5).astype(np.float64)
    found = ks.correlate(x, case.make(), form=form, axes=(0, 2), mode="mirror")
    value, bound = expected(case, x.transpose(1, 3, 0, 2), form=form, mode="mirror")
    assert_within_bound(found.transpose(1, 3, 0, 2), value, bound, np.dtype(np.float64))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["dense", "gaussian", "grid", "separable", "disc"])
def test_rows_of_many_vectors(name, form):
    """Long enough that most samples are read where they are, in two threads."""
    case = field_case(name, (37, 141), (3, 4), seed=3)
    x = image(*case.extents, seed=6)
    for dtype in (np.float32, np.float64):
        assert_as_defined(case, x, dtype, convolve=False, form=form, mode="reflect", workers=2)


# -- functions of windows and kernels ----------------------------------------------------------------------------------

REAL = [name for name in FIELDS if "complex" not in name]


@pytest.mark.parametrize("name", REAL)
def test_apply_to_windows_and_kernels(name):
    for extents, size in [((6, 7), (2, 3)), ((9,), (4,))]:
        case = field_case(name, extents, size, seed=4)
        if case is None:
            continue
        x, field = image(*extents, seed=7).astype(np.float64), case.make()
        # Each mode with every second field.
        for mode in (("reflect", "shrink"), ("constant", ("wrap", "mirror")[: len(extents)]))[REAL.index(name) % 2]:
            value, bound = expected(case, x, mode=mode)
            total, largest = ks.apply(lambda w, k: (np.sum(w * k), np.max(w * k)), x, ks.kernel(field), mode=mode)
            assert_within_bound(total, value, bound, np.dtype(np.float64), f"sum, mode={mode!r}")
            # The function gets an array, in which weights of samples that take no part are 0.
            products = np.array(
                [
                    np.where(taken, weight * sample, -np.inf)
                    for weight, sample, taken in fields.products(x, case.kernels, mode)
                ]
            )
            assert_within_bound(largest, products.max(0), bound, np.dtype(np.float64), f"maximum, mode={mode!r}")


# -- numbers that are none ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", FIELDS)
def test_a_nan_in_the_image_reaches_the_windows_that_have_it(name, form):
    case = field_case(name, (9, 11), (3, 4), seed=5)
    x = image(9, 11, seed=8)
    x[1, 2] = x[5, 6] = np.nan
    for mode in ("reflect", "shrink"):
        assert_as_defined(case, x, np.float64, convolve=False, form=form, mode=mode)


def test_a_nan_outside_of_a_pixels_own_window_does_not_reach_it():
    sigma = np.full((15, 15), 0.25)  # a radius of 1
    sigma[7, 7] = 1.5
    x = np.ones((15, 15))
    x[7, 9] = np.nan
    wanted = np.zeros((15, 15), bool)
    wanted[6:9, 8:11] = wanted[7, 7] = True
    for field in (ks.kernels.Gaussian(sigma), ks.kernels.Disc(np.where(sigma > 1, 4.0, 1.0))):
        assert (np.isnan(ks.correlate(x, field)) == wanted).all()
    sent = np.zeros((15, 15), bool)
    sent[6:9, 8:11] = True
    assert (np.isnan(ks.convolve(x, ks.kernels.Gaussian(sigma), form="scatter")) == sent).all()
    whole = np.zeros((15, 15), bool)
    whole[1:14, 3:] = True
    assert (np.isnan(ks.correlate(x, ks.kernels.Gaussian(sigma, size=13))) == whole).all()


def nan_fields(extents, size):
    """Fields with NaN among their weights, and their kernels by definition."""
    rng = np.random.default_rng(9)
    dense = rng.normal(size=(*extents, *size))
    dense[2, 3, 0, 1] = dense[0, 0, 1, 1] = dense[4, 6] = np.nan
    columns, rows = rng.normal(size=(*extents, size[0])), rng.normal(size=(*extents, size[1]))
    columns[3, 3, 0] = rows[1, 2, 1] = np.nan
    nodes = (np.array([0.0, 2.0, 4.0]), np.array([1.0, 3.0, 4.5]))
    grid = rng.normal(size=(3, 3, *size))
    grid[1, 1, 0, 0] = np.nan
    points = np.array([[0.0, 0], [0, 6], [4, 0], [4, 6], [2, 2.5]])
    corners = rng.normal(size=(5, *size))
    corners[0] = np.nan
    basis, maps = rng.normal(size=(2, *size)), rng.normal(size=(2, *extents))
    basis[1, 0, 0] = maps[0, 3, 4] = np.nan
    return {
        "dense": (ks.kernels.Dense(dense), dense),
        "separable": (ks.kernels.Separable(columns, rows), fields.dense_of_separable(columns, rows)),
        **{
            f"grid, {method}": (
                ks.kernels.Grid(grid, nodes, method=method),
                fields.dense_of_grid(extents, grid, nodes, method),
            )
            for method in ("linear", "nearest", "cubic")
        },
        "scattered": (ks.kernels.Scattered(corners, points), fields.dense_of_scattered(extents, corners, points)),
        "combination": (ks.kernels.Combination(basis, maps), fields.dense_of_combination(basis, maps)),
    }


@pytest.mark.parametrize("name", ["dense", "separable", "grid, linear", "grid, nearest", "grid, cubic", "scattered",
                                  "combination"])  # fmt: skip
def test_nan_weights_reach_the_outputs_that_use_them(name):
    field, kernels = nan_fields((5, 7), (3, 2))[name]
    x = image(5, 7, seed=10).astype(np.float64)
    assert 0 < np.isnan(kernels).mean() < 1
    for form, mode in itertools.product(FORMS, ("reflect", "shrink")):
        value = getattr(fields, form)(x, kernels, mode, convolve=True)
        assert_near(ks.convolve(x, field, form=form, mode=mode), value, 1e-11)
    with pytest.raises(ValueError, match="NaN"):
        ks.correlate(x, field, nan_policy="raise")


# -- everything at once ------------------------------------------------------------------------------------------------


def drawn_call(random):
    """A case, an image's batch extents, and the words of a call."""
    name = random.choice(sorted(FIELDS))
    ndim = random.choice([n for n in FIELDS[name][1] for _ in range(3 if n == 2 else 1)])
    most = {1: (19, 9), 2: (9, 5), 3: (5, 3)}[ndim]
    extents = tuple(random.randint(1, most[0]) for _ in range(ndim))
    case = field_case(name, extents, [random.randint(1, most[1]) for _ in range(ndim)], random.randint(0, 2**20))
    form = random.choice(FORMS)
    words = {"form": form, "convolve": random.random() < 0.5}
    words["mode"] = random.choice(MODES) if random.random() < 0.5 else tuple(random.choice(MODES) for _ in extents)
    for word, most in (("stride", 3), ("dilation", 3)):
        if random.random() < 0.3:
            words[word] = tuple(random.randint(1, most) for _ in extents)
    if form == "gather":
        words["cval"] = random.choice((0.0, -1.5))
    paddings = ["same", "valid"] + (["full", (1, 2)] if form == "gather" else [])
    if random.random() < 0.3:
        words["padding"] = [random.choice(paddings) for _ in extents]
    # Weights far from the centre alone may be too small for their sum to be divided by.
    unshifted = words.get("padding", "same") == "same" and name in POSITIVE
    if unshifted and random.random() < 0.4:
        words["normalize"] = True
    elif random.random() < 0.4:
        words["origin"] = tuple(random.randint(-(k // 2), (k - 1) // 2) for k in case.size)
    return case, (random.randint(1, 3),) * random.choice((0, 0, 0, 1)), words


@settings(max_examples=2 * settings.default.max_examples)
@given(random=st.randoms(use_true_random=False))
def test_any_call(random):
    case, batch, words = drawn_call(random)
    shape = (*batch, *case.extents)
    x = image(*shape, seed=random.randint(0, 2**20), is_complex=random.random() < 0.15)
    value = expected(case, x, **words)[0]
    assume(value.size > 0)
    if random.random() < 0.1:
        x[tuple(random.randrange(n) for n in shape)] = np.nan
    dtype = random.choice((np.float32, np.float64))
    assert_as_defined(case, x, dtype, workers=random.choice((None, 1, 2, 3)), **words)


# -- the comparison itself ---------------------------------------------------------------------------------------------


def refuse(text):
    raise AssertionError(text)


def test_the_comparison_can_fail():
    case = field_case("dense", (5, 7), (3, 3))
    x = image(5, 7).astype(np.float64)
    value, bound = expected(case, x)
    compare = functools.partial(assert_within_bound, value=value, bound=bound, dtype=np.dtype(np.float64))
    compare(value)
    for wrong in (value.astype(np.float32), value[:4], np.where(value == value.max(), np.nan, value)):
        with pytest.raises(AssertionError):
            compare(wrong)
    eps = np.finfo(np.float64).eps
    compare(value + 0.99 * eps * bound)
    with pytest.raises(AssertionError, match="35 of 35 results are wrong"):
        compare(value + 1.01 * eps * bound)
    with pytest.raises(AssertionError, match="2 of 3 calls are wrong:\na\nb"):
        assert_all([lambda: None, functools.partial(refuse, "a"), functools.partial(refuse, "b")])
    other = field_case("dense", (5, 7), (3, 3), seed=1)
    with pytest.raises(AssertionError, match="results are wrong"):
        assert_within_bound(expected(other, x)[0], value, bound, np.dtype(np.float64))
