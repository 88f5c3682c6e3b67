"""Drawn calls on memory that ends where the arrays end: the pages before and behind are forbidden.

``python -m tests.conformance.guarded seed count`` runs unchecked code; a step outside ends the process with SIGSEGV.
``python -m tests.conformance.guarded fields`` does so with kernel fields, whose arrays are read in ways of their own,
and ``... selections`` with masks and points, whose windows are gathered.
"""

import ctypes
import mmap
import random
import sys
import warnings

import numpy as np

import kernelscape as ks
from kernelscape.api import selected
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


def fields() -> None:
    """Dense kernels in both memory orders and reversed, maps and coefficients, gathered and scattered."""
    rng, ran = np.random.default_rng(3), 0
    for shape in ((7, 40), (33, 70), (1, 1), (3, 129)):
        image = rng.normal(size=shape).astype(np.float32)
        for size, dtype in (
            ((3, 3), "f4"),
            ((5, 4), "f8"),
            ((9, 9), "f2"),
            ((1, 2), "f4"),
            ((17, 17), "f4"),
            ((4, 4), "i2"),
        ):
            weights = (3 * rng.normal(size=(*shape, *size))).astype(dtype)
            planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(weights, (2, 3), (0, 1))), (0, 1), (2, 3))
            bound = 2e-6 * np.abs(weights.astype(np.float64)).sum(axis=(2, 3)).max() * np.abs(image).max() + 1e-6
            for call, form in ((ks.correlate, "gather"), (ks.convolve, "scatter")):
                wanted = call(image, ks.kernels.Dense(weights), form=form)
                for array, at_end in ((weights, True), (weights, False), (planes, True), (planes, False)):
                    found = call(guarded(image, at_end), ks.kernels.Dense(guarded(array, at_end)), form=form)
                    assert np.abs(found.astype(np.float64) - wanted).max() <= bound
                    ran += 1
        for at_end in (True, False):
            own, sigma = guarded(image, at_end), guarded(rng.uniform(0, 4, shape).astype(np.float32), at_end)
            basis, maps = guarded(rng.normal(size=(3, 5, 5)), at_end), guarded(rng.normal(size=(3, *shape)), at_end)
            for field in (ks.kernels.Gaussian(sigma), ks.kernels.Disc(sigma), ks.kernels.Combination(basis, maps)):
                ks.correlate(own, field, mode="shrink")
                ks.convolve(own, field, form="scatter")
                ran += 2
    sys.stdout.write(f"{ran} calls\n")


def selections() -> None:
    """Windows of many sizes and dtypes at single points, next to all edges; masks, maps and outputs, too."""
    rng, ran = np.random.default_rng(5), 0
    selected.WAY = "points"
    for dtype in ("u1", "i2", "f4", "f8", ">f4", "?"):
        for shape, axes in (((9, 40), (0, 1)), ((60, 41), (0, 1)), ((7, 20, 3), (0, 1)), ((3, 9, 21), (1, 2))):
            image = (3 * rng.normal(size=shape)).astype(dtype)
            at = rng.random(shape) < 0.3
            chart = rng.normal(size=shape)
            points = np.argwhere(at.any(axis=tuple(a for a in range(len(shape)) if a not in axes)))
            for size in ((1, 2), (3, 3), (5, 4), (2, 5), (7, 7), (1, 9), (3, 15), (17, 1)):
                words = {"size": size, "axes": axes, "mode": "shrink" if size[0] == 3 else "reflect"}
                full = ks.apply(difference, image, ks.pixel(chart), **words)
                for at_end in (True, False):
                    own = [ks.pixel(guarded(chart, at_end))]
                    output = guarded(np.zeros(shape), at_end)
                    ks.apply(difference, guarded(image, at_end), *own, at=guarded(at, at_end), output=output, **words)
                    assert np.array_equal(output, np.where(at, full, image))
                    found = ks.sample(difference, guarded(image, at_end), *own, points=points, **words)
                    rows = (slice(None),) * axes[0] + tuple(points.T)
                    assert np.array_equal(found, full[rows])
                    ran += 2
    sys.stdout.write(f"{ran} calls\n")


def difference(w, m):
    return np.max(w) - np.min(w) * m


if __name__ == "__main__":
    if sys.argv[1] == "forbidden":
        forbidden_step()
    elif sys.argv[1] == "fields":
        fields()
    elif sys.argv[1] == "selections":
        selections()
    else:
        main(int(sys.argv[1]), int(sys.argv[2]))
