"""Kernel fields as arguments of any function: ``ks.apply(f, image, ks.kernel(field))``.

A field among the arguments becomes the maps and tables that it is made of, and the function one that first turns these
into the kernel at the anchor. Blends of many kernels are made for some rows of the image at a time (``gather.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kernelscape.api.arguments import Argument, Array, FieldArgument, WindowArgument, array_of
from kernelscape.api.fields import Way, Weights, arguments_of, described, kept_function
from kernelscape.api.options import Options, changed
from kernelscape.api.prepared import takes
from kernelscape.api.strips import BLEND_BYTES, anchors_between, output_grid, strips
from kernelscape.errors import ArgumentTypeError, ShapeError
from kernelscape.expression import DType
from kernelscape.kernels.blend import lowered, rows_at_once
from kernelscape.kernels.field import Blend, Bound
from kernelscape.trace import valid

GATHERED = Way(False, False)
Call = Callable[[Callable[..., Any], Options, list[Argument], Any], Any]


def has_fields(arguments: Sequence[Argument]) -> bool:
    """Whether some argument is a kernel field."""
    return any(isinstance(a, FieldArgument) for a in arguments)


def run_with_fields(
    function: Callable[..., Any], options: Options, arguments: Sequence[Argument], output: Any, call: Call
) -> Any:
    """Run a function of windows and kernel fields; `call` runs one of windows, pixels and kernels."""
    main = _main(arguments)
    axes = _axes(options, main)
    extents = tuple(main.shape[a] for a in axes)
    bounds = [a.field.bound(extents) if isinstance(a, FieldArgument) else None for a in arguments]
    _check(bounds)
    if options.size is None and options.footprint is None:
        options = changed(options, size=next(b.size for b in bounds if b is not None))
    options = changed(options, axes=axes)
    blends = [b for b in bounds if isinstance(b, Blend)]
    if not blends:
        made, expanded = _expanded(function, options, arguments, bounds, axes)
        return call(made, options, expanded, output)
    dtypes = [_dtype_of(b, options, main) for b in bounds if b is not None]
    at_once = min(rows_at_once(b, extents, d.itemsize, BLEND_BYTES) for b, d in zip(blends, dtypes, strict=False))
    grid = output_grid(options, extents, blends[0].size)
    found = []
    for first, stop in strips(grid[0], extents[0], at_once):
        low, high = anchors_between(grid[0], first, stop, extents[0])
        here = [
            lowered(b, extents, low, high, _dtype_of(b, options, main)) if isinstance(b, Blend) else b for b in bounds
        ]
        anchors = [(axis.first, axis.count) for axis in grid]
        anchors[0] = (grid[0].first + grid[0].stride * first, stop - first)
        place = (slice(None),) * axes[0] + (slice(first, stop),)
        made, expanded = _expanded(function, options, arguments, here, axes)
        whole = stop - first == grid[0].count
        part = options if whole else changed(options, anchors=tuple(anchors))
        found.append(call(made, part, expanded, _part_of(output, place)))
        if whole:
            return found[0]
    return _joined(found, axes[0], output)


def _main(arguments: Sequence[Argument]) -> Array:
    windows = [a for a in arguments if isinstance(a, np.ndarray | WindowArgument)]
    if not windows:
        raise ArgumentTypeError("Expected at least one array to take windows from; got none.")
    return array_of(max(windows, key=lambda a: array_of(a).ndim))


def _axes(options: Options, main: Array) -> tuple[int, ...]:
    if options.axes is None:
        return tuple(range(main.ndim))
    try:
        return np.lib.array_utils.normalize_axis_tuple(options.axes, main.ndim, "axes")
    except (np.exceptions.AxisError, TypeError, ValueError):
        raise ShapeError(f"axes must be axes of the array of shape {main.shape}; got {options.axes!r}.") from None


def _check(bounds: Sequence[Bound | Blend | None]) -> None:
    if any(b is not None and b.dtype.kind == "c" for b in bounds):
        raise ArgumentTypeError(
            "A kernel field of complex numbers cannot be an argument of a function; expected real kernels. Hand over "
            "field.real and field.imag as two arguments; correlate and convolve take complex fields."
        )


def _dtype_of(bound: Bound | Blend, options: Options, main: Array) -> DType:
    """The dtype of a field's kernels in the function: the windows' where these are floats, else the field's own."""
    seen = main.dtype if options.dtype is None else options.dtype
    found = seen.newbyteorder("=") if seen.kind == "f" else np.result_type(seen, bound.dtype)
    return np.dtype(np.float32) if found == np.float16 else found


def _expanded(
    function: Callable[..., Any], options: Options, arguments: Sequence[Argument],
    bounds: Sequence[Bound | Blend | None], axes: tuple[int, ...],
) -> tuple[Callable[..., Any], list[Argument]]:  # fmt: skip
    """The function of maps and tables in place of fields, and its arguments."""
    main = _main(arguments)
    expanded: list[Argument] = []
    layout: list[Any] = []
    for argument, bound in zip(arguments, bounds, strict=True):
        if not isinstance(bound, Bound):
            expanded.append(argument)
            layout.append(None)
            continue
        parts = arguments_of(bound, axes, GATHERED)
        expanded += parts
        layout.append((len(parts), described(bound, _dtype_of(bound, options, main))))
    words = tuple(name for name in ("axis", "valid") if takes(function, name, len(arguments)))
    windows = tuple(n for n, a in enumerate(arguments) if isinstance(a, np.ndarray | WindowArgument))
    made = kept_function(
        _with_kernels, function=function, layout=tuple(layout), words=words, windows=windows, ndim=len(axes)
    )
    return made, expanded


def _with_kernels(
    *arguments: Any, function: Callable[..., Any], layout: tuple[Any, ...], words: tuple[str, ...],
    windows: tuple[int, ...], ndim: int, **kwargs: Any,
) -> Any:  # fmt: skip
    """The user's function, with kernels made from the values of their parts."""
    values: list[Any] = []
    rest = list(arguments)
    for entry in layout:
        if entry is None:
            values.append(rest.pop(0))
            continue
        count, field = entry
        values.append(Weights(field, rest[:count], GATHERED).kernel)
        del rest[:count]
    if "axis" in words:
        kwargs.setdefault("axis", tuple(range(ndim)))
    if "valid" in words:
        flags = tuple(valid(values[n]) for n in windows)
        kwargs.setdefault("valid", flags[0] if len(flags) == 1 else flags)
    return function(*values, **kwargs)


def _part_of(output: Any, place: tuple[slice, ...]) -> Any:
    if isinstance(output, tuple | list):
        return tuple(_part_of(one, place) for one in output)
    return output[place] if isinstance(output, np.ndarray) else output


def _joined(found: Sequence[Any], axis: int, output: Any) -> Any:
    if not isinstance(found[0], tuple):
        return output if isinstance(output, np.ndarray) else np.concatenate(found, axis)
    given = output if isinstance(output, tuple | list) else (output,) * len(found[0])
    parts = zip(*found, strict=True)
    return tuple(
        one if isinstance(one, np.ndarray) else np.concatenate(part, axis)
        for one, part in zip(given, parts, strict=True)
    )
