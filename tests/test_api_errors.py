"""Bad input of the friendly layer: the exception, its text (expected, given, advice), and that nothing was computed."""

import re

import dask.array
import numpy as np
import pytest

import kernelscape as ks
from kernelscape.errors import (
    ArgumentError,
    ArgumentTypeError,
    MemoryBudgetError,
    NotYetSupportedError,
    ShapeError,
    UnknownNameError,
)
from kernelscape.execute import Executable
from tests.oracle.errors import assert_refused

A = np.arange(12.0).reshape(3, 4)
X = np.arange(5.0)


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    """An error that comes after work was begun fails the test."""
    monkeypatch.setattr(Executable, "run", lambda *_, **__: pytest.fail("something was computed"))


def total(w):
    return np.sum(w)


def sums(*arrays, **options):
    return ks.apply(lambda *w: np.sum(w[0]), *arrays, **{"size": 3, **options})


CASES = {
    "size missing": (ArgumentError, r"expected size= \(for example size=3\) or footprint=", lambda: ks.apply(total, A)),
    "size 0": (ArgumentError, r"size must be at least 1 along each axis.*got 0", lambda: sums(A, size=0)),
    "size negative": (ArgumentError, r"at least 1.*got \(3, -1\)", lambda: sums(A, size=(3, -1))),
    "size of too few": (ShapeError, r"size has 1 axes and the array has 2.*axes=\(0,\)", lambda: sums(A, size=(3,))),
    "size of too many": (ShapeError, r"size has 3 axes and the array has 2", lambda: sums(A, size=(3, 3, 3))),
    "size 3.0": (ArgumentTypeError, r"size must be made of integers; got 3\.0", lambda: sums(A, size=3.0)),
    "size a word": (ArgumentTypeError, r"size must be made of integers; got 'large'", lambda: sums(A, size="large")),
    "size and footprint": (ArgumentError, "size and footprint cannot both", lambda: sums(A, footprint=np.ones((3, 3)))),
    "window's both": (ArgumentError, "takes size or footprint", lambda: ks.window(A, size=3, footprint=[[1]])),
    "footprint empty": (ArgumentError, "at least one True", lambda: ks.apply(total, X, footprint=[0, 0])),
    "footprint of other ndim": (ShapeError, r"footprint has 1 axes", lambda: ks.apply(total, A, footprint=[1, 1])),
    "mode": (UnknownNameError, "Unknown mode 'refelct'; did you mean 'reflect'", lambda: sums(A, mode="refelct")),
    "mode of torch": (UnknownNameError, "did you mean 'replicate'", lambda: sums(A, mode="replicated")),
    "mode per axis": (UnknownNameError, "did you mean 'wrap'", lambda: sums(A, mode=("nearest", "warp"))),
    "modes too few": (ShapeError, "mode must be one word, or one for each of the 2", lambda: sums(A, mode=("wrap",))),
    "mode a set": (ArgumentTypeError, "mode must be one of", lambda: sums(A, mode={"wrap"})),
    "mode valid in a window": (ArgumentError, "write padding='valid'", lambda: sums(ks.window(A, mode="valid"))),
    "mode None": (ArgumentTypeError, "mode must be one of", lambda: sums(A, mode=None)),
    "mode a padding": (ArgumentError, "write padding='full'", lambda: sums(A, mode="full")),
    "mode valid, padded": (ArgumentError, "mode='valid' is padding='valid'", lambda: sums(A, mode="valid", padding=1)),
    "cval": (ArgumentTypeError, "cval must be a real number; got 'x'", lambda: sums(A, mode="constant", cval="x")),
    "cval does not fit": (
        ArgumentError,
        r"cval must be a value of the window's dtype uint8; got 0\.5.*dtype=np\.float32",
        lambda: sums(A.astype("u1"), mode="constant", cval=0.5),
    ),
    "complex cval": (ArgumentTypeError, "cval must be a number", lambda: sums(A + 0j, mode="constant", cval=[1])),
    "origin": (ArgumentError, r"origin must be in -1 \.\. 1 for a window of size 3", lambda: sums(A, origin=2)),
    "stride": (ArgumentError, r"stride must be at least 1.*got 0", lambda: sums(A, stride=0)),
    "dilation": (ArgumentTypeError, r"dilation must be made of integers; got 1\.5", lambda: sums(A, dilation=1.5)),
    "padding word": (UnknownNameError, "Unknown padding 'vald'; did you mean 'valid'", lambda: sums(A, padding="vald")),
    "padding negative": (ArgumentError, "padding must not be negative", lambda: sums(A, padding=-1)),
    "no output remains": (ShapeError, "no output remains", lambda: sums(A, size=5, padding="valid")),
    "axes": (ShapeError, r"axes of the array of shape \(3, 4\); got 2", lambda: sums(A, axes=2)),
    "axes empty": (ArgumentError, "at least one window axis", lambda: sums(A, axes=())),
    "axes twice": (ArgumentError, r"different from each other; got \(0, -2\)", lambda: sums(A, axes=(0, -2))),
    "axes words": (ArgumentTypeError, "axes must be integers; got 'x'", lambda: sums(A, axes="x")),
    "axes of a smaller array": (ShapeError, r"has none of these; give it the missing axes", lambda: sums(
        np.ones((2, 3, 4, 5)), np.ones((4, 5, 2)), axes=(0, 1))),
    "whole axis empty": (ShapeError, "must not be empty", lambda: sums(np.ones((3, 0)), size=(3, None))),
    "whole in one window": (ArgumentError, "in all windows or in none", lambda: sums(
        A, ks.window(A, size=(3, 4)), size=(3, None))),
    "min_count": (ArgumentError, "at least 0; got -1", lambda: sums(A, min_count=-1)),
    "min_count above the window": (
        ArgumentError, r"min_count must be at most 9, the samples of the largest window, of shape \(3, 3\); got 10",
        lambda: sums(A, min_count=10)),
    "min_count above the footprint": (ArgumentError, "must be at most 2, .*got 3", lambda: sums(
        A, size=None, footprint=[[1, 0, 1]], min_count=3)),
    "min_count above the larger window": (ArgumentError, "must be at most 25, .*got 26", lambda: sums(
        A, ks.window(A, size=5), min_count=26)),
    "min_count of a kernel": (ArgumentError, "must be at most 2, .*got 3", lambda: ks.correlate(
        X, [1, 1], min_count=3)),
    "min_count of a masked array": (ArgumentError, "must be at most 9, .*got 10", lambda: sums(
        np.ma.masked_array(A, A > 3), min_count=10)),
    "where transposed": (
        ShapeError, r"where must have the shape of the arrays, \(3, 4\); got \(4, 3\)\. Transpose it\?",
        lambda: sums(A, where=A.T > 3)),
    "where of fewer axes": (ShapeError, r"the shape of the arrays, \(3, 4\); got \(4,\)\.$", lambda: sums(
        A, where=np.ones(4, bool))),
    "where of more axes": (ShapeError, r"got \(1, 3, 4\)", lambda: sums(A, where=np.ones((1, 3, 4), bool))),
    "where True": (ShapeError, r"the shape of the arrays, \(3, 4\); got \(\)", lambda: sums(A, where=True)),
    "where to be broadcast": (ShapeError, r"got \(3, 1\)", lambda: sums(A, where=np.ones((3, 1), bool))),
    "where with other channels": (
        ShapeError, r"of the arrays, \(3, 4, 3\), or that of the window axes only, \(3, 4\); got \(3, 4, 2\)",
        lambda: sums(np.ones((3, 4, 3)), axes=(0, 1), where=np.ones((3, 4, 2), bool))),
    "where with another batch": (ShapeError, r"got \(3, 3, 4\)", lambda: sums(
        np.ones((2, 3, 4)), axes=(1, 2), where=np.ones((3, 3, 4), bool))),
    "where of floats": (
        ArgumentTypeError, "where must be an array of bool, True where a sample counts; got dtype float64.*mask != 0",
        lambda: sums(A, where=A)),
    "where of a list of integers": (ArgumentTypeError, "got dtype int64", lambda: sums(A, where=[[1] * 4] * 3)),
    "where of ragged lists": (ArgumentError, "rows of equal lengths", lambda: sums(A, where=[[True], [True, False]])),
    "where a word": (ArgumentTypeError, "array of bool, True where a sample counts; got 'valid'", lambda: sums(
        A, where="valid")),
    "where a function": (ArgumentTypeError, "array of bool.*got <function", lambda: sums(A, where=lambda a: a > 0)),
    "where masked": (ArgumentTypeError, r"got a masked array.*mask\.filled\(False\)", lambda: sums(
        A, where=np.ma.masked_array(A > 3, A > 5))),
    "where of a window": (ShapeError, r"got \(4, 3\)", lambda: sums(ks.window(A, where=A.T > 3))),
    "where of a window of floats": (ArgumentTypeError, "got dtype float64", lambda: ks.window(A, where=A)),
    "where of a stencil": (ArgumentTypeError, "got dtype float64", lambda: ks.stencil(total, size=3, where=A)),
    "where of a stencil's plan": (ShapeError, r"got \(2, 2\)", lambda: ks.stencil(
        total, size=3, where=np.ones((2, 2), bool)).plan(A)),
    "where of a filter": (ShapeError, r"got \(3, 5\)", lambda: ks.correlate(
        A, np.ones((3, 3)), where=np.ones((3, 5), bool))),
    "where of a field": (ShapeError, r"got \(3, 5\)", lambda: ks.correlate(
        A, ks.kernels.Gaussian(np.ones((3, 4)), size=3), where=np.ones((3, 5), bool))),
    "stride negative": (ArgumentError, r"stride must be at least 1.*got \(1, -1\)", lambda: sums(A, stride=(1, -1))),
    "stride of too many": (ShapeError, "for each of the 2 window axes", lambda: sums(A, stride=(1, 1, 1))),
    "dilation 0": (ArgumentError, "dilation must be at least 1", lambda: sums(A, dilation=0)),
    "no output remains of a dilated window": (ShapeError, "reach over 7 samples .* no output remains", lambda: sums(
        A, dilation=3, padding="valid")),
    "no output remains with a padding": (ShapeError, "reach over 9 samples .* no output remains", lambda: sums(
        A, size=9, padding=1)),
    "invalid outputs of integers": (
        ArgumentError, "Some outputs may be invalid.*uint8 cannot hold invalid=nan.*invalid= an integer",
        lambda: sums(A, where=A > 3, output=np.uint8)),
    "NaN left out of integers": (ArgumentError, "int16 cannot hold invalid=nan", lambda: sums(
        A, nan_policy="omit", output=np.int16)),
    "min_count 1.5": (ArgumentTypeError, "min_count must be an integer", lambda: sums(A, min_count=1.5)),
    "invalid": (ArgumentTypeError, "invalid must be an integer or a float; got None", lambda: sums(A, invalid=None)),
    "method": (UnknownNameError, "Unknown method 'tracd'; did you mean 'traced'", lambda: sums(A, method="tracd")),
    "nan_policy": (UnknownNameError, "did you mean 'propagate'", lambda: sums(A, nan_policy="propogate")),
    "tol": (ArgumentError, "tol must be a positive number or None; got 0", lambda: sums(A, tol=0)),
    "dtype": (ArgumentTypeError, "dtype must be a NumPy dtype; got 'colour'", lambda: sums(A, dtype="colour")),
    "dtype of words": (ArgumentTypeError, "dtype must be bool, an integer", lambda: sums(A, dtype="U3")),
    "dtype real": (ArgumentTypeError, "drop the imaginary part", lambda: sums(A + 0j, dtype=np.float32)),
    "kwargs": (ArgumentTypeError, r"kwargs must be a dict.*got \[1\]", lambda: sums(A, kwargs=[1])),
    "workers": (ArgumentError, "workers must be at least 1, or -1", lambda: sums(A, workers=0)),
    "function": (ArgumentTypeError, "must be callable; got 3", lambda: ks.apply(3, A, size=3)),
    "no array": (ArgumentTypeError, "Expected at least one array", lambda: sums(2.0)),
    "no window": (ArgumentTypeError, "Expected at least one array", lambda: sums(ks.pixel(A))),
    "0-d array": (ShapeError, "array of 0 axes has no windows.*as a number", lambda: sums(np.array(2.0))),
    "None": (ArgumentTypeError, "Expected an array, a number, or what ks.window.*got None", lambda: sums(None)),
    "a word": (ArgumentTypeError, "got 'image.png'", lambda: sums("image.png")),
    "ragged list": (ArgumentError, "rows of equal lengths", lambda: sums([[1, 2], [3]])),
    "extents": (ShapeError, r"same extents.*\(3, 4\) and \(4, 3\)", lambda: sums(A, A.T)),
    "ndim": (ShapeError, r"same 2 axes.*shape \(5,\).*axes=\(0,\)", lambda: sums(A, X)),
    "batch": (ShapeError, "do not broadcast", lambda: sums(np.ones((2, 5)), np.ones((3, 5)), axes=1)),
    "map": (ShapeError, r"A map must have the extents.*got \(4, 3\)", lambda: sums(A, ks.pixel(A.T))),
    "map on outputs": (ShapeError, r"output grid must have its extents \(1, 2\); got \(3, 4\)", lambda: sums(
        A, ks.pixel(A, on="output"), padding="valid")),
    "map on": (ArgumentError, "on must be 'input' or 'output'; got 'inputs'", lambda: ks.pixel(A, on="inputs")),
    "index": (ShapeError, r"ks.index\(2\) names no axis", lambda: sums(A, ks.index(2))),
    "index of batch": (ShapeError, "must name a window axis", lambda: sums(A, ks.index(0), axes=1)),
    "index 1.0": (ArgumentTypeError, r"axis must be an integer; got 1\.0", lambda: ks.index(1.0)),
    "kernel of other ndim": (ShapeError, r"kernel has 1 axes.*axes=\(0,\)", lambda: ks.apply(
        lambda w, k: np.sum(w * k), A, ks.kernel([1.0, 2]))),
    "weights of other ndim": (ShapeError, r"kernel has 1 axes.*axes=\(0,\)", lambda: ks.correlate(A, [1.0, 2])),
    "weights empty": (ArgumentError, "weights must not be empty", lambda: ks.correlate(A, np.ones((3, 0)))),
    "weights of words": (ArgumentTypeError, "got dtype <U1", lambda: ks.correlate(X, ["a"])),
    "weights too wide": (ArgumentTypeError, "weights must hold numbers of up to 64 bits", lambda: ks.correlate(
        X, np.ones(3, np.longdouble))),
    "origin of a convolution": (ArgumentError, r"origin must be in -1 \.\. 0.*got 2", lambda: ks.convolve(
        X, [1.0, 2], origin=2)),
    "form": (UnknownNameError, "did you mean 'gather'", lambda: ks.correlate(X, [1], form="gathr")),
    "normalize": (ArgumentError, "normalize must be True, False or 'valid'; got 'yes'", lambda: ks.convolve(
        X, [1], normalize="yes")),
    "normalize, no word": (ArgumentTypeError, "normalize must be True, False or 'valid'; got 2", lambda: ks.convolve(
        X, [1], normalize=2)),
    "min_weight": (ArgumentError, "a number from 0 to 1; got 1.5", lambda: ks.correlate(X, [1], min_weight=1.5)),
    "min_weight, negative": (ArgumentError, "a number from 0 to 1; got -0.1", lambda: ks.correlate(
        X, [1], min_weight=-0.1)),
    "min_weight, NaN": (ArgumentError, "a number from 0 to 1; got nan", lambda: ks.correlate(
        X, [1], min_weight=np.nan)),
    "min_weight, no number": (ArgumentTypeError, "min_weight must be a number from 0 to 1; got 'half'",
        lambda: ks.correlate(X, [1], min_weight="half")),
    "masked weights": (NotYetSupportedError, "A masked array is taken as a window only", lambda: ks.correlate(
        X, np.ma.array([1.0, 2.0], mask=[False, True]))),
    "where, no bool": (ArgumentTypeError, "where must be an array of bool", lambda: ks.correlate(
        X, [1], where=np.ones(4))),
    "accumulate": (ArgumentTypeError, "accumulate must be an integer dtype", lambda: ks.correlate(
        X, [1], accumulate=np.complex64)),
    "NaN": (ArgumentError, "Array 1 contains NaN, and nan_policy is 'raise'", lambda: sums(
        X, np.full(5, np.nan), nan_policy="raise")),
    "keyword": (ArgumentTypeError, r"apply\(\) has no .* 'strides'; did you mean 'stride'", lambda: sums(
        A, strides=2)),
    "keyword of stencil": (ArgumentTypeError, r"stencil\(\) has no .* 'sise'; did you mean 'size'", lambda:
        ks.stencil(total, sise=3)),
    "keyword of correlate": (ArgumentTypeError, r"correlate\(\).*'normalise'; did you mean 'normalize'", lambda:
        ks.correlate(X, [1], normalise=True)),
    "keyword of convolve": (ArgumentTypeError, r"convolve\(\) has no keyword argument 'size'", lambda: ks.convolve(
        X, [1], size=3)),
    "keyword like none": (ArgumentTypeError, r"'qqqq'; expected one of size, footprint, mode", lambda: sums(A, qqqq=1)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_argument(case):
    assert_refused(*CASES[case])


PLANNED = {
    "progress": {"progress": print},
}


@pytest.mark.parametrize("name", PLANNED)
def test_arguments_of_later_work_are_refused_by_name(name):
    text = f"^{re.escape(name)} is not supported yet"
    assert_refused(NotYetSupportedError, text, lambda: sums(A, **PLANNED[name]))
    assert_refused(NotYetSupportedError, text, lambda: ks.correlate(A, np.ones((3, 3)), **PLANNED[name]))
    assert_refused(NotYetSupportedError, text, lambda: ks.convolve(A, np.ones((3, 3)), **PLANNED[name]))
    if name != "progress":
        assert_refused(NotYetSupportedError, text, lambda: ks.stencil(total, size=3, **PLANNED[name]))


def test_a_kernel_for_every_pixel_is_a_field():
    shown = r"got an array of shape {} for an image with \(3, 4\).*ks\.kernels\.Dense\({}\)"
    field, colours = np.ones((3, 4, 2, 2)), np.ones((3, 4, 3))
    text = shown.format(r"\(3, 4, 2, 2\)", "weights")
    product = lambda w, k: np.sum(w * k)  # noqa: E731
    for form in ("gather", "scatter"):
        assert_refused(ShapeError, text, lambda f=form: ks.correlate(A, field, form=f))
        assert_refused(ShapeError, text, lambda f=form: ks.convolve(colours, field, form=f, axes=(0, 1)))
    assert_refused(ShapeError, text, lambda: ks.apply(product, A, ks.kernel(field)))
    assert_refused(ShapeError, text, lambda: ks.apply(product, colours, ks.kernel(field), axes=(0, 1)))
    text = shown.format(r"\(2, 2, 3, 4\)", r"np\.moveaxis\(weights, \(2, 3\), \(0, 1\)\)")
    assert_refused(ShapeError, text, lambda: ks.correlate(A, np.ones((2, 2, 3, 4))))


# -- arrays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "b"]),
        np.array([b"a"]),
        np.array([1, None], object),
        np.array([0, 1], "M8[s]"),
        np.array([0, 1], "m8[s]"),
        np.zeros(3, [("x", "f4"), ("y", "f4")]),
    ],
    ids=lambda a: a.dtype.kind,
)
def test_only_numbers_have_windows(array):
    text = rf"must hold bool, integers, floats or complex numbers; got dtype {re.escape(str(array.dtype))}"
    for call in (
        lambda: ks.apply(total, array, size=3),
        lambda: ks.stencil(total, size=1)(array),
        lambda: ks.stencil(total, size=1).plan(array),
        lambda: ks.correlate(array, [1.0]),
        lambda: ks.convolve([1.0], array),
        lambda: ks.window(array),
        lambda: ks.pixel(array),
        lambda: ks.kernel(array),
    ):
        assert_refused(ArgumentTypeError, text, call)


class Quantity(np.ndarray):
    """What astropy's class of that name is to NumPy."""


class Tensor:
    """What torch's, CuPy's and pandas' classes are to NumPy."""

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("detached")


@pytest.mark.parametrize(
    ("foreign", "text"),
    [
        (np.ones(3).view(Quantity), r"test_api_errors\.Quantity are not supported yet.*numpy\.asarray"),
        (Tensor(), r"test_api_errors\.Tensor are not supported yet"),
        (dask.array.ones(3), r"dask\.array\.core\.Array are not supported yet"),
        ([np.ma.masked_array([1.0, 2], [True, False])], r"taken as a window only.*array\.filled\(value\)"),
    ],
    ids=["subclass", "duck", "dask", "inside a list"],
)
def test_nothing_is_silently_detached(foreign, text):
    for call in (
        lambda: ks.apply(total, foreign, size=1),
        lambda: ks.stencil(total, size=1)(foreign),
        lambda: ks.correlate(foreign, [1.0]),
        lambda: ks.correlate([1.0], foreign),
        lambda: ks.window(foreign),
        lambda: ks.pixel(foreign),
        lambda: ks.kernel(foreign),
    ):
        assert_refused(NotYetSupportedError, text, call)


@pytest.mark.parametrize("call", [
    lambda masked: ks.pixel(masked), lambda masked: ks.kernel(masked), lambda masked: ks.correlate([1.0], masked)
])  # fmt: skip
def test_masked_arrays_are_windows_only(call):
    masked = np.ma.masked_array([1.0, 2], [True, False])
    assert_refused(NotYetSupportedError, r"taken as a window only.*array\.filled\(value\)", lambda: call(masked))


# -- output= ----------------------------------------------------------------------------------------------------------


def read_only():
    array = np.zeros((3, 4))
    array.flags.writeable = False
    return array


both = np.zeros((4, 4))
OUTPUTS = {
    "shape": (
        ShapeError,
        r"output must have the result's shape \(3, 4\); got an array of shape \(4, 3\)",
        A.T.copy(),
        {},
    ),
    "read-only": (ArgumentError, "output must be writeable; got a read-only array", read_only(), {}),
    "word": (ArgumentTypeError, "output must be a NumPy dtype; got 'colour'", "colour", {}),
    "words": (ArgumentTypeError, "output must be bool, an integer, a float or a complex dtype; got <U3", "U3", {}),
    "objects": (ArgumentTypeError, "got object", np.zeros((3, 4), object), {}),
    "bool": (ArgumentTypeError, "bool cannot hold a result of dtype float64", np.zeros((3, 4), bool), {}),
    "masked": (NotYetSupportedError, "MaskedArray is not supported yet", np.ma.zeros((3, 4)), {}),
    "duck": (NotYetSupportedError, "Tensor is not supported yet", Tensor(), {}),
    "too many": (ArgumentError, "for each of the 1 results; got 2", (np.float32, np.float32), {}),
    "invalid": (
        ArgumentError,
        "may be invalid.*uint8 cannot hold invalid=nan",
        np.uint8,
        {"mode": "shrink", "min_count": 5},
    ),
    "mark": (ArgumentError, r"uint8 cannot hold invalid=-1; expected 0 \.\. 255", np.uint8, {"invalid": -1}),
}


@pytest.mark.parametrize("method", ["traced", "numpy"])
@pytest.mark.parametrize("case", OUTPUTS)
def test_bad_output(case, method):
    error, text, output, options = OUTPUTS[case]

    def count_and_sum(w, valid):
        # Without a trace the shape and the dtype of the result are known only when it is there.
        assert method == "traced" or case in ("shape", "bool", "too many", "invalid", "mark")
        return np.sum(np.where(valid, w, 0.0))

    assert_refused(error, text, lambda: ks.apply(count_and_sum, A, size=3, output=output, method=method, **options))


@pytest.mark.parametrize("method", ["traced", "numpy"])
def test_bad_outputs_of_several_results(method):
    def extremes(w):
        return np.min(w), np.max(w)

    def call(output):
        return ks.apply(extremes, A, size=3, output=output, method=method)

    assert_refused(ArgumentError, "expected output= as a tuple of as many arrays", lambda: call(np.zeros((3, 4))))
    assert_refused(ArgumentError, "for each of the 2 results; got 1", lambda: call((np.zeros((3, 4)),)))
    assert_refused(ArgumentError, "must not share memory", lambda: call((both[:3], both[1:])))


def test_complex_results_need_a_complex_output():
    assert_refused(ArgumentTypeError, "float64 cannot hold a result of dtype complex128", lambda: ks.apply(
        total, X + 0j, size=3, output=np.float64, method="numpy"))  # fmt: skip


def test_large_element_arrays_are_refused_before_they_are_made():
    big = np.broadcast_to(np.float32(0), (20_000, 20_000))
    text = r"shape \(9,\).*above the memory budget.*np\.sum.*ks\.configure"
    assert_refused(MemoryBudgetError, text, lambda: ks.apply(lambda w: w.ravel(), big, size=3))


def test_a_map_that_is_captured_is_pointed_to_pixel():
    gain = np.ones((3, 4))
    with pytest.raises(ks.TracingError, match=r"ks\.pixel"):
        ks.apply(lambda w: np.sum(w) * gain, A, size=2, method="traced")


@pytest.mark.parametrize(
    ("error", "builtin"),
    [(ArgumentError, ValueError), (ArgumentTypeError, TypeError), (NotYetSupportedError, NotImplementedError)],
)
def test_callers_can_catch_what_they_know(error, builtin):
    assert issubclass(error, builtin)


def test_refusals_can_fail():
    def raises():
        raise ArgumentError("size must be odd")

    for error, text, call in (
        (ArgumentError, "size must be even", raises),
        (ShapeError, "size must be odd", raises),
        (ArgumentError, "size must be odd", lambda: None),
    ):
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            assert_refused(error, text, call)
