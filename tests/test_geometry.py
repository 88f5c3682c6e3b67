"""Output grids against a search over all coordinates, and the user's words against what they mean or why they fail."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelscape import geometry as geo
from kernelscape.errors import ArgumentError, ArgumentTypeError, KernelscapeError, ShapeError, UnknownNameError
from kernelscape.geometry import OutputAxis, WindowAxis
from tests.oracle.brute_force import anchors_of_axis

F32, U8 = np.dtype(np.float32), np.dtype(np.uint8)


@st.composite
def window(draw):
    size = draw(st.integers(1, 5))
    return size, draw(st.integers(1, 3)), draw(st.integers(0, size - 1))


PADDING = st.sampled_from(["same", "valid", "full"]) | st.tuples(st.integers(0, 6), st.integers(0, 6))


# -- grids ------------------------------------------------------------------------------------------------------------


@settings(max_examples=400)
@given(st.integers(1, 12), st.lists(window(), min_size=1, max_size=3), st.integers(1, 4), PADDING)
def test_anchors_are_all_that_fit(extent, windows, stride, padding):
    wanted = anchors_of_axis(extent, windows, stride, padding)
    if wanted:
        assert geo.anchors(geo.output_axis(extent, windows, stride, padding)).tolist() == wanted
    else:
        with pytest.raises(ShapeError, match="no output remains"):
            geo.output_axis(extent, windows, stride, padding)


@settings(max_examples=200)
@given(st.integers(1, 12), window(), st.integers(1, 4), st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_formula_of_one_window(extent, one, stride, padding):
    size, dilation, centre = one
    before, after = padding
    count = (extent + before + after - dilation * (size - 1) - 1) // stride + 1
    if count < 1:
        with pytest.raises(ShapeError):
            geo.output_axis(extent, [one], stride, padding)
        return
    axis = geo.output_axis(extent, [one], stride, padding)
    assert axis.count == count
    positions = geo.positions(axis, WindowAxis(extent, size, dilation, centre, "wrap"))
    assert positions.tolist() == [[o * stride - before + dilation * i for i in range(size)] for o in range(count)]


@pytest.mark.parametrize("padding", ["same", "valid", "full", (2, 3), (0, 0)])
@pytest.mark.parametrize("windows", [[(3, 1, 1)], [(5, 2, 0), (2, 1, 1)]])
def test_empty_input_gives_an_empty_result(padding, windows):
    axis = geo.output_axis(0, windows, 2, padding)
    assert axis.count == 0
    assert geo.positions(axis, WindowAxis(0, 3, 1, 1, "wrap")).shape == (0, 3)


@pytest.mark.parametrize("stride", [1, 2, 3, 7])
def test_same_keeps_the_anchors_in_the_array(stride):
    axis = geo.output_axis(7, [(4, 3, 0)], stride, "same")
    assert geo.anchors(axis).tolist() == list(range(0, 7, stride))


def test_order_of_windows_does_not_matter_and_a_map_changes_nothing():
    windows = [(3, 2, 0), (5, 1, 4)]
    for padding in ["same", "valid", "full", (1, 2)]:
        axis = geo.output_axis(20, windows, 2, padding)
        assert axis == geo.output_axis(20, windows[::-1], 2, padding)
        assert axis == geo.output_axis(20, [*windows, (1, 1, 0)], 2, padding)


def test_too_short_input_says_what_fits():
    with pytest.raises(ShapeError, match=r"over 5 samples along an axis of 4 with padding \(0, 0\).*at most 4"):
        geo.output_axis(4, [(3, 2, 1)], 1, (0, 0))


def test_positions_of_the_documented_example():
    axis = geo.output_axis(5, [(2, 1, 1)], 2, "valid")
    assert axis == OutputAxis(1, 2, 2)
    assert geo.positions(axis, WindowAxis(5, 2, 1, 1, "mirror")).tolist() == [[0, 1], [2, 3]]


def test_offsets_of_a_footprint_in_c_order():
    sizes, taps = geo.canonical_footprint([[0, 1, 0], [1, 0, 1]], 2)
    axes = tuple(WindowAxis(9, k, d, k // 2, "wrap") for k, d in zip(sizes, (1, 2), strict=True))
    source = geo.Input(F32, axes, 0.0, taps)
    assert source.window_shape == (3,)
    assert geo.window_taps(source).tolist() == [[0, 1], [1, 0], [1, 2]]
    assert geo.window_offsets(source).tolist() == [[-1, 0], [0, -2], [0, 2]]


def test_offsets_of_a_box_are_all_of_it():
    source = geo.Input(F32, (WindowAxis(9, 2, 3, 1, "wrap"), WindowAxis(9, 1, 1, 0, "wrap")))
    assert geo.window_offsets(source).tolist() == [[-3, 0], [0, 0]]


# -- words made canonical ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda: geo.canonical_size(3, 2), (3, 3)),
        (lambda: geo.canonical_size(np.int8(3), 1), (3,)),
        (lambda: geo.canonical_size((3, 4), 2), (3, 4)),
        (lambda: geo.canonical_size(np.array([3, 4]), 2), (3, 4)),
        (lambda: geo.canonical_size((3, None), 2, (9, 7)), (3, 7)),
        (lambda: geo.canonical_size(None, 2, (9, 0)), (9, 0)),
        (lambda: geo.canonical_centre(0, (3, 4, 1)), (1, 2, 0)),
        (lambda: geo.canonical_centre((-1, -2, 1), (3, 4, 4)), (0, 0, 3)),
        (lambda: geo.canonical_stride(2, 3), (2, 2, 2)),
        (lambda: geo.canonical_dilation([1, 2], 2), (1, 2)),
        (lambda: geo.canonical_padding("full", 2), ("full", "full")),
        (lambda: geo.canonical_padding(2, 2), ((2, 2), (2, 2))),
        (lambda: geo.canonical_padding((1, 2), 2), ((1, 2), (1, 2))),
        (lambda: geo.canonical_padding([(1, 2), (3, 4)], 2), ((1, 2), (3, 4))),
        (lambda: geo.canonical_padding(np.array([[1, 2], [3, 4]]), 2), ((1, 2), (3, 4))),
        (lambda: geo.canonical_padding([(1, 2)], 1), ((1, 2),)),
        (lambda: geo.canonical_padding(["same", 3, (0, 1)], 3), ("same", (3, 3), (0, 1))),
        (lambda: geo.canonical_cval(7.0, U8), 7),
        (lambda: geo.canonical_cval(True, np.dtype(bool)), 1),
        (lambda: geo.canonical_cval(np.float32(0.5), F32), 0.5),
    ],
)
def test_words_become_canonical(call, wanted):
    result = call()
    assert result == wanted
    assert type(result) is type(wanted)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: geo.canonical_size(0, 2), ArgumentError, "size must be at least 1 along each axis"),
        (lambda: geo.canonical_size((3, -1), 2), ArgumentError, "got (3, -1)"),
        (lambda: geo.canonical_size((3, 3, 3), 2), ShapeError, "one for each of the 2 window axes; got (3, 3, 3)"),
        (lambda: geo.canonical_size(2.0, 2), ArgumentTypeError, "size must be made of integers; got 2.0"),
        (lambda: geo.canonical_size(True, 2), ArgumentTypeError, "got True"),
        (lambda: geo.canonical_size("3", 2), ArgumentTypeError, "got '3'"),
        (lambda: geo.canonical_size(None, 2), ArgumentError, "must be an integer along each axis; got None"),
        (lambda: geo.canonical_footprint(np.zeros((3, 3)), 2), ArgumentError, "must have at least one True sample"),
        (lambda: geo.canonical_footprint(np.ones((3, 0)), 2), ArgumentError, "must have at least one True sample"),
        (lambda: geo.canonical_footprint(np.ones(3), 2), ShapeError, "one axis for each of the 2 window axes"),
        (lambda: geo.canonical_footprint(["a"], 1), ArgumentTypeError, "footprint must be an array of bool"),
        (lambda: geo.canonical_centre(2, (3,)), ArgumentError, "origin must be in -1 .. 1 for a window of size 3"),
        (lambda: geo.canonical_centre((0, -3), (3, 4)), ArgumentError, "origin must be in -2 .. 1"),
        (lambda: geo.canonical_centre((0, 0), (3,)), ShapeError, "one for each of the 1 window axes"),
        (lambda: geo.canonical_centre(0.5, (3,)), ArgumentTypeError, "origin must be made of integers"),
        (lambda: geo.canonical_stride(0, 2), ArgumentError, "stride must be at least 1 along each axis; got 0"),
        (lambda: geo.canonical_dilation((1, 0), 2), ArgumentError, "dilation must be at least 1"),
        (lambda: geo.canonical_dilation((1,), 2), ShapeError, "dilation must be one integer"),
        (lambda: geo.canonical_padding("vaild", 2), UnknownNameError, "did you mean 'valid'"),
        (lambda: geo.canonical_padding(-1, 2), ArgumentError, "must not be negative; got -1"),
        (lambda: geo.canonical_padding([(0, 1), (-1, 0)], 2), ArgumentError, "must not be negative"),
        (lambda: geo.canonical_padding([(0, 1)], 2), ShapeError, "one of these for each of the 2 window axes"),
        (lambda: geo.canonical_padding((1, 2, 3), 2), ShapeError, "got (1, 2, 3)"),
        (lambda: geo.canonical_padding([(0, 1, 2), 0], 2), ShapeError, "a pair (before, after)"),
        (lambda: geo.canonical_padding(1.5, 2), ArgumentTypeError, "padding must be made of integers; got 1.5"),
        (lambda: geo.canonical_padding(None, 2), ArgumentTypeError, "got None"),
        (
            lambda: geo.canonical_cval(0.5, U8),
            ArgumentError,
            "cval must be a value of the window's dtype uint8; got 0.5",
        ),
        (lambda: geo.canonical_cval(-1, U8), ArgumentError, "got -1"),
        (lambda: geo.canonical_cval(256, U8), ArgumentError, "dtype=np.float32"),
        (lambda: geo.canonical_cval(float("nan"), U8), ArgumentError, "got nan"),
        (lambda: geo.canonical_cval(2, np.dtype(bool)), ArgumentError, "got 2"),
        (lambda: geo.canonical_cval("0", F32), ArgumentTypeError, "cval must be a real number; got '0'"),
        (lambda: geo.canonical_cval(1j, F32), ArgumentTypeError, "got 1j"),
    ],
)
def test_words_without_meaning_are_refused(call, kind, message):
    with pytest.raises(KernelscapeError, match=re.escape(message)) as caught:
        call()
    assert type(caught.value) is kind


@given(st.integers(1, 9), st.integers(-9, 9))
def test_origin_has_the_range_of_scipy(size, origin):
    from scipy import ndimage

    array = np.arange(5.0)
    try:
        shifted = ndimage.correlate1d(array, np.eye(size)[size // 2], mode="wrap", origin=origin)
    except ValueError:
        with pytest.raises(ArgumentError):
            geo.canonical_centre(origin, (size,))
    else:
        (centre,) = geo.canonical_centre(origin, (size,))
        assert shifted.tolist() == np.roll(array, centre - size // 2).tolist()
