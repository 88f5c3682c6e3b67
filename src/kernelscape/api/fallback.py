"""Functions that cannot be traced, through NumPy: slow and right.

A function with a parameter ``axis`` is called on many windows at once; any other one is called for each output on a copy of its
windows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array, IndexArgument, KernelArgument
from kernelscape.api.frame import Frame
from kernelscape.api.options import Options
from kernelscape.boundary import MODES, Outside, locate
from kernelscape.errors import ArgumentError, ArgumentTypeError
from kernelscape.geometry import Input, anchors, positions, window_taps

_CHUNK = 1 << 22
"""Samples of all windows that are held at once."""


def run_with_numpy(
    function: Callable[..., Any], frame: Frame, arrays: Sequence[Any], options: Options
) -> tuple[tuple[Array, ...], bool]:
    """Results in the result's axis order, and whether the function returned a tuple."""
    runner = _Runner(function, frame, arrays, options)
    results, several = runner.run()
    ndim = len(frame.counts)
    whole = tuple(a for a in range(ndim) if a not in frame.order)
    moved = []
    for result in results:
        rest = range(ndim, result.ndim)
        ordered = result.transpose(*frame.order, *whole, *rest)
        places = (slice(None),) * len(frame.order) + (0,) * len(whole)
        moved.append(np.ascontiguousarray(ordered[places]))
    return tuple(moved), several


class _Runner:
    def __init__(self, function: Callable[..., Any], frame: Frame, arrays: Sequence[Any], options: Options) -> None:
        self.function, self.frame, self.options = function, frame, options
        self.kwargs = dict(options.kwargs or {})
        self.arguments = arrays
        self.vectorised = _takes(function, "axis") and "axis" not in self.kwargs
        self.missing = any(MODES[a.mode].outside is Outside.MISSING for i in frame.inputs for a in i.axes)
        if self.missing and not _takes(function, "valid"):
            raise ArgumentError(
                "The function cannot be traced, and samples may be missing under mode='shrink': expected a function with a "
                "parameter valid=, a boolean array that says which samples exist."
            )
        self.views = [v.of(_array(arrays[v.argument])) for v in frame.views]

    def run(self) -> tuple[list[Array], bool]:
        total = int(np.prod(self.frame.counts, dtype=object))
        pieces: list[list[Array]] = []
        several = False
        for flat in self._chunks(total):
            values = self._call(np.unravel_index(flat, self.frame.counts), len(flat))
            several = isinstance(values, tuple)
            pieces.append([np.asarray(v) for v in (values if several else (values,))])
        if not pieces:
            return [np.zeros(self.frame.counts, self.options.dtype or self.views[0].dtype)], False
        joined = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
        for array in joined:
            if array.dtype.hasobject:
                raise ArgumentTypeError(f"The function must return numbers; got {array.flat[0]!r}.")
        return [array.reshape(*self.frame.counts, *array.shape[1:]) for array in joined], several

    def _chunks(self, total: int) -> Iterator[Array]:
        samples = sum(int(np.prod(i.window_shape)) for i in self.frame.inputs)
        step = max(1, _CHUNK // max(1, samples))
        for start in range(0, total, step):
            yield np.arange(start, min(start + step, total))

    def _call(self, places: tuple[Array, ...], count: int) -> Any:
        values = [self._value(n, places) for n in range(len(self.frame.parameters))]
        valid = self._valid(places) if self.missing else None
        if self.vectorised:
            ndim = next(len(p.shape) for p in self.frame.parameters if p.kind == "window")
            extra = {} if valid is None else {"valid": valid}
            axes = tuple(range(-ndim, 0))
            result = self.function(*values, axis=axes if len(axes) > 1 else axes[0], **extra, **self.kwargs)
            return result
        rows = []
        for i in range(count):
            row = [v[i] if many else v for v, many in zip(values, self._many(), strict=True)]
            extra = {} if valid is None else {"valid": valid[i]}
            rows.append(self.function(*(r.copy() if isinstance(r, np.ndarray) else r for r in row), **extra, **self.kwargs))
        if isinstance(rows[0], tuple):
            return tuple(np.stack([np.asarray(r[k]) for r in rows]) for k in range(len(rows[0])))
        return np.stack([np.asarray(r) for r in rows])

    def _many(self) -> list[bool]:
        return [p.kind in ("window", "pixel", "index") for p in self.frame.parameters]

    def _value(self, number: int, places: tuple[Array, ...]) -> Any:
        parameter, argument = self.frame.parameters[number], self.arguments[number]
        if isinstance(argument, KernelArgument):
            return argument.array
        if isinstance(argument, IndexArgument):
            axis = parameter.number
            return anchors(self.frame.grid[axis])[places[len(self.frame.batch) + axis]]
        if parameter.kind == "scalar":
            return argument
        samples, _ = self._samples(parameter.number, places)
        return samples if parameter.kind == "window" else samples.reshape(len(samples))

    def _valid(self, places: tuple[Array, ...]) -> Array:
        first = next(p.number for p in self.frame.parameters if p.kind == "window")
        return self._samples(first, places)[1]

    def _samples(self, number: int, places: tuple[Array, ...]) -> tuple[Array, Array]:
        """Windows of shape ``(outputs, *window)``, and which of their samples exist."""
        spec, array = self.frame.inputs[number], self.views[number]
        batch = len(self.frame.batch)
        shape = (len(places[0]), *spec.window_shape)
        taps = window_taps(spec)
        index: list[Array] = [p[:, None] for p in places[:batch]]
        inside, exists = np.ones((1, 1), np.bool_), np.ones((1, 1), np.bool_)
        for axis, (grid, window) in enumerate(zip(self.frame.grid, spec.axes, strict=True)):
            where = positions(grid, window)[places[batch + axis]][:, taps[:, axis]]
            found, here = locate(window.mode, where, window.extent)
            index.append(found)
            inside = inside & here
            if MODES[window.mode].outside is Outside.MISSING:
                exists = exists & here
        samples = array[tuple(index)].astype(spec.dtype)
        samples = np.where(inside, samples, np.asarray(spec.cval).astype(spec.dtype))
        return samples.reshape(shape), np.broadcast_to(exists, samples.shape).reshape(shape)


def _array(argument: Any) -> Array:
    return argument if isinstance(argument, np.ndarray) else np.asarray(argument.array)


def _takes(function: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


__all__ = ["Input", "run_with_numpy"]
