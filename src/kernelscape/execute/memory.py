"""The memory behind the tables: what the worker reads by address, and the places in its scratch memory.

The tables hold addresses, which keep nothing alive: so `Memory` does, for as long as the executable stands.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

Words = np.ndarray[Any, np.dtype[np.int64]]
Array = np.ndarray[Any, np.dtype[Any]]

LINE = 64
"""Bytes of a cache line: rows start at multiples of it."""


class Memory:
    """Words, arrays and machine code of one executable (`kept`), and the scratch bytes that one worker needs."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.scratch_bytes = 0
        self._ones: dict[int, int] = {}

    def words(self, *shape: int) -> Words:
        """New words, all 0."""
        made = np.zeros(shape, np.int64)
        self.kept.append(made)
        return made

    def address(self, values: Any, dtype: Any = np.int64) -> int:
        """Where these values lie, one behind the other."""
        made = np.ascontiguousarray(values, dtype)
        self.kept.append(made)
        return int(made.ctypes.data)

    def all_present(self, length: int) -> int:
        """Address of flags of a row without missing samples; rows of one length share them."""
        if length not in self._ones:
            self._ones[length] = self.address(np.ones(length), np.uint8)
        return self._ones[length]

    def room(self, size: int) -> int:
        """A place in the worker's scratch memory."""
        at = self.scratch_bytes
        self.scratch_bytes = rounded(at + size, LINE)
        return at


def rounded(value: int, unit: int) -> int:
    """The next multiple of a unit."""
    return -(-value // unit) * unit


_DATA = object.__basicsize__
"""Where in an array object NumPy keeps the address of its elements: first behind what all objects have, which is part
of NumPy's binary interface, since its macros in compiled extensions read it there."""
_word_at = ctypes.c_size_t.from_address


def address_of(memory: Array) -> int:
    """Where an array starts.

    A small call takes microseconds, and asking NumPy for one address with ``memory.ctypes.data`` takes two of them.
    """
    return _word_at(id(memory) + _DATA).value
