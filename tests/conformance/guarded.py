"""Drawn calls on memory that ends where the arrays end: the pages before and behind are forbidden.

``python -m tests.conformance.guarded seed count`` runs unchecked code; a step outside ends the process with SIGSEGV.
"""

import ctypes
import mmap
import random
import sys
import warnings

import numpy as np

from tests.conformance.cases import draw
from tests.conformance.check import RefusedError, prepare
from tests.conformance.running import run
from tests.oracle.rounding import assert_within

_libc = ctypes.CDLL(None, use_errno=True)
_kept = []


def guarded(array: np.ndarray, at_end: bool) -> np.ndarray:
    """A copy with the same strides, whose last (or first) byte lies next to a forbidden page."""
    page = mmap.PAGESIZE
    low, high = np.lib.array_utils.byte_bounds(array) if array.size else (array.ctypes.data, array.ctypes.data)
    needed = high - low
    pages = -(-max(needed, 1) // page)
    room = mmap.mmap(-1, (pages + 2) * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(room))
    for edge in (start, start + (pages + 1) * page):
        if _libc.mprotect(ctypes.c_void_p(edge), ctypes.c_size_t(page), 0) != 0:
            raise OSError(ctypes.get_errno(), "mprotect failed")
    offset = page + (pages * page - needed if at_end else 0) + (array.ctypes.data - low)
    copy = np.ndarray(array.shape, array.dtype, room, offset, array.strides)
    copy[...] = array
    _kept.append(room)
    return copy


def forbidden_step() -> None:
    """Read one byte behind a guarded array: what the tests rely on ends the process."""
    array = guarded(np.zeros(10, np.uint8), at_end=True)
    ctypes.string_at(array.ctypes.data + 10, 1)


def main(seed: int, count: int) -> None:
    warnings.simplefilter("ignore", RuntimeWarning)
    ran = 0
    for number in range(count):
        try:
            prepared = prepare(draw(random.Random(f"{seed} {number}")))
        except RefusedError:
            continue
        if prepared.output is not None:
            continue
        for at_end in (True, False):
            results = run(prepared, workers=2, own=lambda a, at_end=at_end: guarded(a, at_end))
            for result, expected, bound in zip(results, prepared.expected, prepared.bounds, strict=True):
                assert_within(result, expected, bound, prepared.case.script())
        ran += 1
    sys.stdout.write(f"{ran} calls\n")


if __name__ == "__main__":
    if sys.argv[1] == "forbidden":
        forbidden_step()
    main(int(sys.argv[1]), int(sys.argv[2]))
