"""Boundary modes: each row of the table against its own drawing, NumPy's padding, and cycles written out as lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelscape.boundary import MODES, SYNONYMS, Outside, canonical_mode, canonical_modes, locate
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError, UnknownNameError
from tests.oracle.brute_force import element_at

NUMPY_PAD = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap"}


def seen(mode, positions, extent):
    """Indices as a list, with None where no element is."""
    index, inside = locate(mode, np.asarray(positions), extent)
    return [int(i) if there else None for i, there in zip(index, inside, strict=True)]


@pytest.mark.parametrize("mode", MODES.values(), ids=lambda mode: mode.name)
def test_drawing_is_true(mode):
    before, array, after = (part.split() for part in mode.drawing.split("|"))
    assert array == list("abcd")
    positions = np.arange(-len(before), 4 + len(after))
    letters = ["k" if i is None else "abcd"[i] for i in seen(mode.name, positions, 4)]
    assert letters == before + array + after


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("extent", range(1, 8))
def test_agrees_with_a_cycle_written_out(mode, extent):
    positions = range(-5 * extent - 3, 6 * extent + 3)
    assert seen(mode, positions, extent) == [element_at(mode, p, extent) for p in positions]


@pytest.mark.parametrize(("mode", "pad"), NUMPY_PAD.items())
@pytest.mark.parametrize("extent", range(1, 8))
def test_agrees_with_numpy_pad(mode, pad, extent):
    width = 4 * extent + 1
    padded = np.pad(np.arange(extent), width, mode=pad)
    assert seen(mode, np.arange(-width, extent + width), extent) == padded.tolist()


@given(st.sampled_from(sorted(MODES)), st.integers(1, 2**40), st.lists(st.integers(-(2**60), 2**60), max_size=8))
def test_indices_can_always_be_read(mode, extent, positions):
    index, inside = locate(mode, np.array(positions, np.int64), extent)
    assert index.dtype == np.int64
    assert ((index >= 0) & (index < extent)).all()
    within = [0 <= p < extent for p in positions]
    assert index[within].tolist() == [p for p, w in zip(positions, within, strict=True) if w]
    assert inside[within].all()
    if MODES[mode].outside is Outside.ELEMENT:
        assert inside.all()
    else:
        assert inside.tolist() == within


@pytest.mark.parametrize("mode", MODES)
def test_empty_array_has_no_element(mode):
    index, inside = locate(mode, np.arange(-2, 3), 0)
    assert index.tolist() == [0] * 5
    assert not inside.any()


@pytest.mark.parametrize("mode", MODES)
def test_shape_of_positions_is_kept(mode):
    index, inside = locate(mode, np.zeros((2, 0, 3), np.int64), 5)
    assert index.shape == inside.shape == (2, 0, 3)


def test_what_lies_outside():
    outside = {name: mode.outside for name, mode in MODES.items()}
    assert outside.pop("constant") is Outside.CONSTANT
    assert outside.pop("shrink") is Outside.MISSING
    assert outside == dict.fromkeys(NUMPY_PAD, Outside.ELEMENT)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("reflect grid-mirror symmetric", "reflect"),
        ("mirror reflect_101", "mirror"),
        ("nearest edge replicate", "nearest"),
        ("wrap grid-wrap circular periodic", "wrap"),
        ("constant grid-constant", "constant"),
        ("shrink", "shrink"),
    ],
)
def test_synonyms(words, name):
    assert {canonical_mode(word) for word in words.split()} == {name}


def test_no_synonym_hides_a_mode():
    assert not set(SYNONYMS) & set(MODES)
    assert set(SYNONYMS.values()) <= set(MODES)


@pytest.mark.parametrize(("word", "nearest"), [("refelct", "reflect"), ("Wrap", "wrap"), ("perodic", "periodic")])
def test_unknown_mode_names_the_nearest(word, nearest):
    with pytest.raises(UnknownNameError, match=f"Unknown mode '{word}'; did you mean '{nearest}'"):
        canonical_mode(word)


@pytest.mark.parametrize("word", [None, 3, ("reflect",), ""])
def test_no_mode(word):
    with pytest.raises(UnknownNameError, match="Unknown mode"):
        canonical_mode(word)


def test_padding_word_as_mode_is_explained():
    with pytest.raises(ArgumentError, match="write padding='valid'"):
        canonical_mode("valid")


def test_one_mode_per_axis():
    assert canonical_modes("edge", 3) == ("nearest",) * 3
    assert canonical_modes(["edge", "wrap"], 2) == ("nearest", "wrap")
    with pytest.raises(ShapeError, match="one for each of the 3 window axes; got \\['wrap', 'wrap'\\]"):
        canonical_modes(["wrap", "wrap"], 3)
    with pytest.raises(ArgumentTypeError, match="got 7"):
        canonical_modes(7, 2)
