"""The gather form with a kernel field: each output has the kernel of its own anchor."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.api.classes import LEAST, Blocks, Reaches, occurring, with_radius
from kernelscape.api.fields import Described, Way, arguments_of, arrays_of, gathered, gathered_complex, kept_function
from kernelscape.api.operands import Operands, flipped_origin, run_parts
from kernelscape.api.options import Options, changed
from kernelscape.api.results import Result, allocate, is_writable
from kernelscape.api.selection import Selection
from kernelscape.api.strips import BLEND_BYTES, in_strips, output_grid
from kernelscape.boundary import MODES, Outside, canonical_modes
from kernelscape.geometry import anchors as anchors_along
from kernelscape.geometry import canonical_centre
from kernelscape.kernels.blend import lowered, rows_at_once
from kernelscape.kernels.field import Blend, Bound
from kernelscape.kernels.materialize import written_at_once, written_rows


def run_gather(
    operands: Operands, options: Options, way: Way, output: Any, workers: int | None,
    selection: Selection | None = None, *, written: bool = False,
) -> Any:  # fmt: skip
    """The sums of products of windows with the kernels at their anchors, as `run_parts` gives them.

    Blends of kernels are made for some rows at a time; so are those of other fields if they are to be `written` out.
    """
    assert operands.field is not None
    fields = [operands.field.real] if operands.field.imag is None else [operands.field.real, operands.field.imag]
    bounds = [field.bound(operands.extents) for field in fields]
    size = bounds[0].size
    if way.flipped:
        options = changed(options, origin=flipped_origin(options.origin, size))
    options = changed(options, size=size, axes=operands.axes)

    first = bounds[0]
    if isinstance(first, Blend) or written:
        return _run_rows(operands, options, way, bounds, output, workers, selection)
    if len(bounds) == 1 and operands.result.kind != "c" and _has_classes(first, options):
        return _run_classes(operands, options, way, first, output, workers, selection)
    whole = [b for b in bounds if isinstance(b, Bound)]
    return _run(operands, options, way, whole, output, workers, selection=selection)


def _run_rows(
    operands: Operands, options: Options, way: Way, bounds: Sequence[Bound | Blend], output: Any, workers: int | None,
    selection: Selection | None,
) -> Any:  # fmt: skip
    """Some rows at a time, with kernels that are made for these."""
    extents, inner, first = operands.extents, operands.inner, bounds[0]
    at_once = (
        rows_at_once(first, extents, inner.itemsize, BLEND_BYTES)
        if isinstance(first, Blend)
        else written_at_once(first, extents, inner.itemsize, BLEND_BYTES)
    )
    grid = output_grid(options, extents, first.size)
    counts = dict(zip(operands.axes, (axis.count for axis in grid), strict=True))
    shape = tuple(counts.get(axis, n) for axis, n in enumerate(operands.array.shape))
    first_output = output[0] if operands.masked else output
    if isinstance(first_output, np.ndarray):  # refused as a whole if it does not fit
        allocate([Result(shape, operands.result, False, options.invalid)], first_output)
    read = [*operands.read, *(array for bound in bounds for array in arrays_of(bound))]
    if selection is not None:
        read += selection.arrays
        selection = selection.resolved(shape, [axis in operands.axes for axis in range(len(shape))])

    def run(part: Options, low: int, high: int, target: Any, chosen: Selection | None = None) -> Any:
        high = low + 1 if chosen is not None and chosen.is_empty else high
        made = [
            lowered(b, extents, low, high, inner)
            if isinstance(b, Blend)
            else written_rows(b, extents, low, high, inner)
            for b in bounds
        ]
        return _run(operands, part, way, made, target, workers, selection=chosen)

    axis = operands.axes[0]
    return in_strips(run, options, grid, extents, at_once, axis=axis, output=output, read=read, selection=selection)


def _run(
    operands: Operands, options: Options, way: Way, bounds: Sequence[Bound], output: Any, workers: int | None,
    blocks: Blocks | None = None, selection: Selection | None = None,
) -> Any:  # fmt: skip
    """With one field, or with those of the real and of the imaginary parts."""
    inner = operands.inner
    fields = tuple(Described.of(bound, inner) for bound in bounds)
    words: dict[str, Any] = {
        "way": way,
        "finish": operands.finish(options),
        "windows": 2 if operands.complex_input else 1,
    }
    if len(bounds) == 1:
        modes = canonical_modes("constant" if options.mode == "valid" else options.mode, len(operands.axes))
        complete = not operands.masks and options.nan_policy != "omit"
        whole = complete and all(MODES[mode].outside is not Outside.MISSING for mode in modes)
        function = kept_function(gathered, field=fields[0], whole=whole, **words)
    else:  # correlation conjugates the kernel
        function = kept_function(gathered_complex, fields=fields, conjugated=not way.flipped, **words)
    parts: list[Any] = [a for bound in bounds for a in arguments_of(bound, operands.axes, way, inner)]
    return run_parts(operands, options, function, parts, output, workers, blocks, selection)


# -- windows of each pixel's own size ----------------------------------------------------------------------------------


def _has_classes(bound: Bound | Blend, options: Options) -> bool:
    """Whether smaller windows around the same centre exist, and give the same."""
    if isinstance(bound, Blend) or bound.reach is None or options.min_count > 1 or options.method == "numpy":
        return False
    centred = all(c == k // 2 for c, k in zip(canonical_centre(options.origin, bound.size), bound.size, strict=True))
    return centred and max(bound.size) // 2 > LEAST


def _run_classes(
    operands: Operands, options: Options, way: Way, bound: Bound, output: Any, workers: int | None,
    selection: Selection | None,
) -> Any:  # fmt: skip
    """Each block of pixels with a window that just holds those of its pixels."""
    assert bound.reach is not None
    grid = output_grid(options, operands.extents, bound.size)
    anchors = [np.clip(anchors_along(a), 0, n - 1) for a, n in zip(grid, operands.extents, strict=True)]
    reaches = Reaches(bound.reach()[np.ix_(*anchors)])
    classes = occurring(reaches, max(bound.size) // 2)
    options = changed(options, anchors=tuple((axis.first, axis.count) for axis in grid))
    if not classes:
        return _run(operands, options, way, [bound], output, workers, selection=selection)
    if len(classes) == 1:
        small = with_radius(bound, classes[0])
        return _run(operands, changed(options, size=small.size), way, [small], output, workers, selection=selection)
    # Blocks are written in turn, so that what is written to must not be a copy of what is handed back.
    given = output if operands.masked else (output,)
    read = [*operands.read, *arrays_of(bound), *([] if selection is None else selection.arrays)]
    targets = tuple(o.dtype.newbyteorder("=") if _is_copied(o, read) else o for o in given)
    result: Any = targets if operands.masked else targets[0]
    for low, high in itertools.pairwise([-1, *classes]):
        small = with_radius(bound, high)
        blocks = Blocks(reaches, low, high)
        result = _run(operands, changed(options, size=small.size), way, [small], result, workers, blocks, selection)
        selection = None if selection is None else selection.kept()
    made = result if operands.masked else (result,)
    for one, array in zip(given, made, strict=True):
        if isinstance(one, np.ndarray) and one is not array:
            one[...] = array
    handed = tuple(one if isinstance(one, np.ndarray) else array for one, array in zip(given, made, strict=True))
    return handed if operands.masked else handed[0]


def _is_copied(output: Any, read: Sequence[Array]) -> bool:
    """Whether an output is an array that the engine cannot write while it reads others."""
    return isinstance(output, np.ndarray) and not is_writable(output, read)
