"""Grids of windows beside NumPy's formulas, scipy.ndimage and scipy.signal; where `same` lies in other libraries.

Compared are shapes and every element, exactly: images and kernels are whole numbers. Drawn are one to three window
axes, batch axes, even and odd sizes, strides, dilations, a padding for each side, origins, and a mode for each axis.
Strides may exceed the extent and windows the array. On purpose not compared: paddings that leave no output, which
NumPy, PyTorch and JAX answer each in their way; here they are errors.

PyTorch itself is compared with in ``test_geometry_torch.py``, JAX in ``beside_jax.py``, which runs from here.
"""

import itertools
import subprocess
import sys
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal

import kernelscape as ks
from tests.oracle import grids
from tests.oracle.comparison import assert_same
from tests.oracle.grids import Grid, draw_grid

MODES = ("reflect", "mirror", "nearest", "wrap", "constant")


def few(count):
    """So many examples here, and in proportion where hypothesis is asked for more than its 100."""
    return settings(max_examples=count * settings.default.max_examples // 100)


def whole_numbers(shape, seed, dtype=np.float64):
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(dtype)


def flipped(kernel):
    return kernel[(slice(None, None, -1),) * kernel.ndim]


# -- the formulas ------------------------------------------------------------------------------------------------------

FILTERS = {
    "correlate": lambda x, k, words: ks.correlate(x, k, **words),
    "convolve": lambda x, k, words: ks.convolve(x, flipped(k), **words),
    "sum of products": lambda x, k, words: ks.apply(lambda w, v: np.sum(w * v), x, ks.kernel(k), **words),
    "captured": lambda x, k, words: ks.apply(lambda w: np.sum(w * k), x, size=k.shape, **words),
}


def assert_formula(grid: Grid, call, expected):
    """The call gives what the formula does, or the error of a grid without outputs."""
    __tracebackhide__ = True
    if min(grid.counts) < 1:
        with pytest.raises(ks.errors.ShapeError, match="no output remains"):
            call()
    else:
        assert_same(call(), expected())


@pytest.mark.parametrize("name", FILTERS)
@few(60)
@given(random=st.randoms(use_true_random=False))
def test_linear_filters_are_the_formula(name, random):
    grid = draw_grid(random)
    x, k = grid.arrays()
    assert_formula(grid, lambda: FILTERS[name](x, k, grid.words), lambda: grids.correlation(x, k, grid))


FUNCTIONS = {
    "median": np.median,
    "largest": np.max,
    "position of the smallest": lambda w, axis=None: np.argmin(w, axis=axis),
    "spread": np.ptp,
    "share above": lambda w, axis=None: np.mean(w > 2, axis=axis),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@few(40)
@given(random=st.randoms(use_true_random=False))
def test_functions_are_the_formula(name, random):
    grid, function = draw_grid(random), FUNCTIONS[name]
    x, _ = grid.arrays()

    def expected():
        found = grids.windows(x, grid, fill=5)
        return function(found.reshape(*found.shape[: -grid.ndim], -1), axis=-1)

    def call():
        return ks.apply(lambda w: function(w), x, size=grid.size, cval=5, **grid.words)

    assert_formula(grid, call, expected)


@few(60)
@given(random=st.randoms(use_true_random=False))
def test_layouts_and_dtypes_change_nothing(random):
    """Strided rows are taken apart in ways that depend on the element's width and on the distance of elements."""
    grid = draw_grid(random)
    dtype = random.choice(("u1", "i2", ">i2", "f2", "f4", ">f4", "f8", "i4", "u8"))
    x = np.abs(grid.arrays()[0]).astype(dtype)
    steps = tuple(random.choice((1, 1, 2, 3, 4, 5, -1, -2, -3)) for _ in x.shape)
    room = np.zeros([n * abs(s) for n, s in zip(x.shape, steps, strict=True)], dtype)
    order = random.sample(range(x.ndim), x.ndim)
    room = room.transpose(order).copy().transpose(np.argsort(order))
    view = room[tuple(slice(None, None, s) for s in steps)]
    view[...] = x
    k = np.abs(grid.arrays()[1])
    how = {**grid.words, "dtype": np.float32}
    assert_formula(grid, lambda: ks.correlate(view, k, **how), lambda: grids.correlation(x.astype("f4"), k, grid))


@pytest.mark.parametrize("colours", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_strided_colours(dtype, stride, colours):
    x, k = np.abs(whole_numbers((23, 130, colours), 3)).astype(dtype), whole_numbers((3, 4), 4, np.float32)
    how = {"mode": "constant", "stride": stride}
    found = ks.correlate(x, k, axes=(0, 1), dtype=np.float32, **how)
    planes = [ks.correlate(np.ascontiguousarray(x[..., c]).astype("f4"), k, **how) for c in range(colours)]
    assert_same(found, np.stack(planes, -1))


@pytest.mark.parametrize("function", [np.median, np.max, np.sum], ids=lambda f: f.__name__)
def test_channels_that_are_summed_are_a_window_axis(function):
    """What deep learning does with channels: the window has them all."""
    x = whole_numbers((2, 3, 12, 13), 1)
    found = ks.apply(
        lambda w: function(w),
        x,
        size=(3, 3, 2),
        axes=(1, 2, 3),
        padding=("valid", (1, 2), 0),
        stride=(1, 2, 3),
        mode="constant",
    )
    grid = Grid((2,), (3, 12, 13), (3, 3, 2), (1, 2, 3), (1, 1, 1), ((0, 0), (1, 2), (0, 0)), 0)
    assert_same(found, function(grids.windows(x, grid), axis=(-3, -2, -1)))


def test_a_correlation_is_that_of_jax():
    words = [sys.executable, "-m", "tests.conformance.beside_jax", "7", "80"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert int(ended.stdout.split()[0]) > 40


# -- strides ----------------------------------------------------------------------------------------------------------

PADDINGS = ["same", "valid", "full", 3, (2, 0), (0, 5), [(1, 0), "same"], ["full", "valid"], [("same"), (4, 1)]]


@pytest.mark.parametrize("mode", ["reflect", "constant", "shrink", ("wrap", "shrink"), ("nearest", "mirror")])
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_a_stride_leaves_out_outputs_and_changes_nothing_else(padding, mode):
    """Also strides beyond the extent, and, where the padding lets them, windows larger than the array."""
    x, k = whole_numbers((9, 11), 5), whole_numbers((4, 3), 6)
    for size_of_window, dilation, origin in (((4, 3), 1, 0), ((4, 3), (2, 3), (1, -1)), ((13, 12), 1, (-3, 2))):
        kernel = k if size_of_window == (4, 3) else whole_numbers(size_of_window, 7)
        how = {"padding": padding, "mode": mode, "dilation": dilation, "origin": origin, "cval": 2.0}
        try:
            every = ks.correlate(x, kernel, **how)
        except ks.errors.ShapeError:
            assert "valid" in str(padding) or size_of_window == (13, 12)
            continue
        largest = ks.apply(lambda w: np.max(w), x, size=size_of_window, **how)
        for stride in ((2, 3), (1, 4), (5, 1), (9, 11), (10, 40)):
            kept = tuple(slice(None, None, s) for s in stride)
            assert_same(ks.correlate(x, kernel, stride=stride, **how), every[kept])
            found = ks.apply(lambda w: np.max(w), x, size=size_of_window, stride=stride, **how)
            assert_same(found, largest[kept])


def test_a_padding_that_leaves_no_output_is_an_error():
    x = np.zeros((4, 9))
    for padding in ("valid", 0, [(1, 2), 0]):
        with pytest.raises(ks.errors.ShapeError, match="no output remains"):
            ks.correlate(x, np.ones((8, 3)), padding=padding)


# -- scipy.ndimage -----------------------------------------------------------------------------------------------------


def drawn_window(random: Random, shape, most):
    sizes = tuple(random.randint(1, most) for _ in shape)
    origins = tuple(random.randint(-(k // 2), (k - 1) // 2) for k in sizes)
    return sizes, origins, tuple(random.choice(MODES) for _ in shape)


def drawn_image(random: Random):
    ndim = random.choice((1, 2, 2, 3))
    return whole_numbers([random.randint(1, {1: 60, 2: 25, 3: 9}[ndim]) for _ in range(ndim)], random.randint(0, 999))


@few(100)
@given(random=st.randoms(use_true_random=False))
def test_origins_even_sizes_and_a_mode_per_axis_are_those_of_ndimage(random):
    """A kernel that is an outer product, since only `correlate1d` and `convolve1d` take a mode for each axis."""
    x = drawn_image(random)
    sizes, origins, modes = drawn_window(random, x.shape, 9 if x.ndim == 1 else 6)
    rows = [whole_numbers(k, random.randint(0, 999)) for k in sizes]
    kernel = rows[0]
    for row in rows[1:]:
        kernel = np.multiply.outer(kernel, row)
    strides = tuple(random.choice((1, 1, 2, 3, 4, 70)) for _ in sizes)
    kept = tuple(slice(None, None, s) for s in strides)
    for ours, theirs in ((ks.correlate, ndimage.correlate1d), (ks.convolve, ndimage.convolve1d)):
        wanted = x
        for axis, row in enumerate(rows):
            wanted = theirs(wanted, row, axis, mode=modes[axis], origin=origins[axis])
        assert_same(ours(x, kernel, mode=modes, origin=origins), wanted)
        assert_same(ours(x, kernel, mode=modes, origin=origins, stride=strides), wanted[kept])


@few(60)
@given(random=st.randoms(use_true_random=False))
def test_extrema_with_a_mode_per_axis_are_those_of_ndimage(random):
    x = drawn_image(random)
    sizes, origins, modes = drawn_window(random, x.shape, 6)
    cval = random.choice((0.0, 20.0, -20.0))
    for function, theirs in ((np.max, ndimage.maximum_filter), (np.min, ndimage.minimum_filter)):
        wanted = theirs(x, size=sizes, origin=origins, mode=modes, cval=cval)
        found = ks.apply(lambda w, f=function: f(w), x, size=sizes, origin=origins, mode=modes, cval=cval)
        assert_same(found, wanted)


@few(60)
@given(random=st.randoms(use_true_random=False))
def test_footprints_of_even_extents_are_those_of_ndimage(random):
    x = drawn_image(random)
    sizes, origins, modes = drawn_window(random, x.shape, 5)
    footprint = np.array([random.random() < 0.6 for _ in range(int(np.prod(sizes)))]).reshape(sizes)
    footprint.flat[0] |= not footprint.any()
    rank = random.randrange(int(footprint.sum()))
    wanted = ndimage.rank_filter(x, rank, footprint=footprint, origin=origins, mode=modes[0], cval=3.0)
    how = {"footprint": footprint, "origin": origins, "mode": modes[0], "cval": 3.0}
    assert_same(ks.apply(lambda w: np.sort(w)[rank], x, **how), wanted)


# -- scipy.signal ------------------------------------------------------------------------------------------------------

SIGNALS = [
    *(((n,), (k,)) for n in (5, 8) for k in (1, 2, 3, 4, 5)),
    *(((7, 8), k) for k in itertools.product((1, 2, 3, 4, 7), (2, 3, 6, 8))),
    *(((4, 5, 6), k) for k in ((2, 2, 2), (3, 4, 1), (4, 5, 6), (1, 2, 5))),
]


@pytest.mark.parametrize(("shape", "size"), SIGNALS, ids=str)
def test_full_and_valid_are_those_of_scipy_signal(shape, size):
    x, k = whole_numbers(shape, 8), whole_numbers(size, 9)
    for padding in ("full", "valid"):
        how = {"padding": padding, "mode": "constant"}
        assert_same(ks.convolve(x, k, **how), signal.convolve(x, k, padding, method="direct"))
        assert_same(ks.correlate(x, k, **how), signal.correlate(x, k, padding, method="direct"))


def test_the_larger_array_comes_first():
    """SciPy exchanges the two where the kernel is the larger one; here that is an error."""
    x, k = whole_numbers(3, 8), whole_numbers(5, 9)
    assert signal.convolve(x, k, "valid").shape == (3,)
    with pytest.raises(ks.errors.ShapeError, match="no output remains"):
        ks.convolve(x, k, padding="valid")
    assert_same(ks.convolve(x, k, padding="full", mode="constant"), np.convolve(x, k))


# -- the `same` of others ----------------------------------------------------------------------------------------------
# The table "The `same` of others" in docs/guides/windows.md, row by row; PyTorch, JAX and MATLAB by what they document.


def begins(x, kernel, before, *, stride=1, dilation=1):
    """Sums of products in windows that begin `before` samples in front of o*stride; zeros outside."""
    rows = zip(x.shape, kernel.shape, before, strict=True)
    counts = [-(-n // stride) for n in x.shape]
    padding = tuple(
        (b, (c - 1) * stride + dilation * (k - 1) + 1 - n - b) for (n, k, b), c in zip(rows, counts, strict=True)
    )
    # A window that ends before the array does needs no padding behind; what is left over is cut off.
    grid = Grid(
        (),
        x.shape,
        kernel.shape,
        (stride,) * x.ndim,
        (dilation,) * x.ndim,
        tuple((b, max(a, 0)) for b, a in padding),
        0,
    )
    return grids.correlation(x, kernel, grid)[tuple(slice(c) for c in counts)]


def matlab_conv2(x, kernel):
    """The central part of the full convolution, from row ceil((k + 1)/2) on, counted from 1."""
    full = signal.convolve(x, kernel, "full", method="direct")
    starts = [-(-(k + 1) // 2) - 1 for k in kernel.shape]
    return full[tuple(slice(s, s + n) for s, n in zip(starts, x.shape, strict=True))]


def matlab_imfilter(x, kernel):
    """Correlation; the centre of the kernel is its element floor((k + 1)/2), counted from 1."""
    return begins(x, kernel, [(k + 1) // 2 - 1 for k in kernel.shape])


def even(kernel):
    """An origin of -1 along the axes in which a kernel is even."""
    return [k % 2 - 1 for k in kernel.shape]


ZERO = {"mode": "constant"}
SAME = {
    "scipy.ndimage.correlate": (
        lambda x, k: ndimage.correlate(x, k, mode="constant"),
        lambda x, k: ks.correlate(x, k, **ZERO),
    ),
    "scipy.ndimage.convolve": (
        lambda x, k: ndimage.convolve(x, k, mode="constant"),
        lambda x, k: ks.convolve(x, k, **ZERO),
    ),
    "scipy.signal.correlate": (
        lambda x, k: signal.correlate(x, k, "same", method="direct"),
        lambda x, k: ks.correlate(x, k, **ZERO),
    ),
    "scipy.signal.convolve": (
        lambda x, k: signal.convolve(x, k, "same", method="direct"),
        lambda x, k: ks.convolve(x, k, origin=even(k), **ZERO),
    ),
    "torch": (
        lambda x, k: begins(x, k, [grids.torch_same(n)[0] for n in k.shape]),
        lambda x, k: ks.correlate(x, k, origin=even(k), **ZERO),
    ),
    "JAX": (
        lambda x, k: begins(x, k, [grids.jax_same(m, n)[0] for m, n in zip(x.shape, k.shape, strict=True)]),
        lambda x, k: ks.correlate(x, k, origin=even(k), **ZERO),
    ),
    "JAX lower": (
        lambda x, k: begins(x, k, [grids.jax_same(m, n, lower=True)[0] for m, n in zip(x.shape, k.shape, strict=True)]),
        lambda x, k: ks.correlate(x, k, **ZERO),
    ),
    "MATLAB conv2": (matlab_conv2, lambda x, k: ks.convolve(x, k, **ZERO)),
    "MATLAB imfilter": (matlab_imfilter, lambda x, k: ks.correlate(x, k, origin=even(k), **ZERO)),
}
SHAPES = [
    ((9,), (3,)),
    ((9,), (4,)),
    ((8,), (5,)),
    *(((7, 10), k) for k in itertools.product((1, 2, 3, 4, 5), repeat=2)),
]


@pytest.mark.parametrize("row", SAME)
@pytest.mark.parametrize(("shape", "size"), [*SHAPES, ((5, 6, 7), (2, 3, 4))], ids=str)
def test_the_same_of_others(row, shape, size):
    theirs, ours = SAME[row]
    x, k = whole_numbers(shape, 10), whole_numbers(size, 11)
    assert_same(ours(x, k), theirs(x, k))


def test_what_matlab_documents_of_its_centres():
    x = np.array([1.0, 2.0, 3.0])
    assert matlab_conv2(x, np.array([1.0, 1.0])).tolist() == [3, 5, 3]
    assert matlab_imfilter(x, np.array([10.0, 1.0])).tolist() == [12, 23, 30]


@pytest.mark.parametrize(("size", "dilation"), list(itertools.product((1, 2, 3, 4, 5), (1, 2, 3))))
def test_the_same_of_torch_under_a_dilation(size, dilation):
    """Even kernels need the padding: with an even dilation their middle lies between two samples."""
    x, k = whole_numbers((11, 8), 12), whole_numbers((size, size), 13)
    padding = grids.torch_same(size, dilation)
    found = ks.correlate(x, k, dilation=dilation, padding=padding, mode="constant")
    assert found.shape == x.shape
    assert_same(found, begins(x, k, (padding[0],) * 2, dilation=dilation))


@few(100)
@given(random=st.randoms(use_true_random=False))
def test_the_same_of_jax_under_a_stride(random):
    """Its padding depends on the extent: windows begin so that they hang over evenly on both sides."""
    grid = draw_grid(random, batch=0)
    rows = zip(grid.extents, grid.size, grid.stride, grid.dilation, strict=True)
    padding = tuple(grids.jax_same(*row, lower=grid.seed % 2 == 0) for row in rows)
    grid = Grid((), grid.extents, grid.size, grid.stride, grid.dilation, padding, grid.seed)
    x, k = grid.arrays()
    found = ks.correlate(x, k, **grid.words)
    assert found.shape == tuple(-(-n // s) for n, s in zip(grid.extents, grid.stride, strict=True))
    assert_same(found, grids.correlation(x, k, grid))
