"""What a window sees outside the array: each mode is stated once, in this table, as a map from positions to indices.

A boundary gives an index and a truth value, and nothing else, so that repeated elements, a constant and samples that do
not exist are one mechanism. Everything above asks `locate` and never compares a mode with a name. The maps hold for
positions at any distance: a window may be far larger than the array, and the array may have one element.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

import numpy as np

from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError, unknown_name

IndexArray: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
BoolArray: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


class Outside(Enum):
    """What a sample outside the array is."""

    ELEMENT = "an element of the array, at the index that the mode gives"
    CONSTANT = "the number cval, which is a valid sample"
    MISSING = "nothing: the sample does not exist and is not valid"


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to continue an array.

    Attributes
    ----------
    name : str
        SciPy's word where SciPy has the mode.
    outside : Outside
        What a sample outside the array is.
    drawing : str
        The array ``a b c d`` with its continuation on both sides.
    synonyms : tuple of str
        Other words for the same thing, in use elsewhere.
    fold : callable or None
        Takes int64 positions and an extent of at least 1 to the indices of array elements; None where samples outside
        are no elements.
    """

    name: str
    outside: Outside
    drawing: str
    synonyms: tuple[str, ...] = ()
    fold: Callable[[IndexArray, int], IndexArray] | None = None


def _reflect(positions: IndexArray, extent: int) -> IndexArray:
    """Period 2n: the array, then the array backwards."""
    phase = positions % (2 * extent)
    return np.minimum(phase, 2 * extent - 1 - phase)


def _mirror(positions: IndexArray, extent: int) -> IndexArray:
    """Period 2n - 2: the array, then its inner elements backwards; an array of one element has no inner ones."""
    period = max(2 * extent - 2, 1)
    phase = positions % period
    return np.minimum(phase, period - phase)


def _nearest(positions: IndexArray, extent: int) -> IndexArray:
    return np.clip(positions, 0, extent - 1)


def _wrap(positions: IndexArray, extent: int) -> IndexArray:
    return positions % extent


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("reflect", Outside.ELEMENT, "d c b a | a b c d | d c b a", ("grid-mirror", "symmetric"), _reflect),
        Mode(
            "mirror", Outside.ELEMENT, "d c b | a b c d | c b a", ("reflect_101", "reflect-101", "reflect101"), _mirror
        ),
        Mode("nearest", Outside.ELEMENT, "a a a a | a b c d | d d d d", ("edge", "replicate"), _nearest),
        Mode("wrap", Outside.ELEMENT, "a b c d | a b c d | a b c d", ("grid-wrap", "circular", "periodic"), _wrap),
        Mode("constant", Outside.CONSTANT, "k k k k | a b c d | k k k k", ("grid-constant",)),
        Mode("shrink", Outside.MISSING, "| a b c d |"),
    )
}
"""Every mode by name."""

SYNONYMS: dict[str, str] = {word: mode.name for mode in MODES.values() for word in mode.synonyms}
"""Other words for the modes. Words that libraries use for different modes are left out."""


def canonical_mode(word: object) -> str:
    """Give the name of the mode that a word stands for.

    Parameters
    ----------
    word : str
        A name from `MODES` or one of its synonyms.

    Returns
    -------
    str
        A key of `MODES`.

    Raises
    ------
    UnknownNameError
        The word is not known; the error names the nearest known word.
    ArgumentError
        The word is ``"valid"``, which is a padding.

    Examples
    --------
    >>> canonical_mode("grid-mirror")
    'reflect'
    """
    if isinstance(word, str):
        if word in MODES:
            return word
        if word in SYNONYMS:
            return SYNONYMS[word]
        if word in ("valid", "same", "full"):
            raise ArgumentError(
                f"mode must say what lies outside the array, one of {_quoted(MODES)}; got {word!r}, which says where "
                f"the outputs lie: write padding={word!r}."
            )
    raise unknown_name("mode", word, (*MODES, *SYNONYMS))


def canonical_modes(mode: object, ndim: int) -> tuple[str, ...]:
    """Give the names of the modes along `ndim` axes, from one word or a sequence of one word per axis.

    Raises
    ------
    UnknownNameError, ArgumentError
        As `canonical_mode`.
    ArgumentTypeError
        Neither a word nor a sequence.
    ShapeError
        The sequence has another length.
    """
    if isinstance(mode, str):
        return (canonical_mode(mode),) * ndim
    if not isinstance(mode, (tuple, list)):
        raise ArgumentTypeError(f"mode must be one of {_quoted(MODES)}, or a sequence of one per axis; got {mode!r}.")
    if len(mode) != ndim:
        raise ShapeError(f"mode must be one word, or one for each of the {ndim} window axes; got {mode!r}.")
    return tuple(canonical_mode(word) for word in mode)


def _quoted(words: dict[str, Mode]) -> str:
    return ", ".join(map(repr, words))


def locate(mode: str, positions: IndexArray, extent: int) -> tuple[IndexArray, BoolArray]:
    """Find the array elements that a window sees at given positions along one axis.

    Parameters
    ----------
    mode : str
        A key of `MODES`.
    positions : ndarray of int64
        Coordinates along the axis, of any shape and at any distance from the array.
    extent : int
        Number of elements along the axis.

    Returns
    -------
    index : ndarray of int64
        For each position an index that may be read: in ``0 .. extent - 1`` wherever `extent` is not 0.
    inside : ndarray of bool
        Where the sample is the element at `index`. Elsewhere ``MODES[mode].outside`` says what it is. In an empty
        array there is no element for any mode, and nothing is inside.

    Examples
    --------
    >>> locate("mirror", np.array([-5, -1, 0, 3, 4]), 4)[0]
    array([1, 1, 0, 3, 2])
    """
    positions = np.asarray(positions, np.int64)
    fold = MODES[mode].fold
    if extent == 0:
        return np.zeros_like(positions), np.zeros(positions.shape, np.bool_)
    if fold is not None:
        return fold(positions, extent), np.ones(positions.shape, np.bool_)
    inside = (positions >= 0) & (positions < extent)
    return np.where(inside, positions, 0), inside
