"""The gather form with a kernel field: each output has the kernel of its own anchor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kernelscape.api.arguments import Array
from kernelscape.api.fields import Described, Way, arguments_of, arrays_of, gathered, gathered_complex, kept_function
from kernelscape.api.operands import Operands, flipped_origin, run_parts
from kernelscape.api.options import Options, changed
from kernelscape.api.strips import BLEND_BYTES, in_strips, output_grid
from kernelscape.expression import DType, Shape
from kernelscape.kernels.blend import lowered, rows_at_once
from kernelscape.kernels.field import Blend, Bound
from kernelscape.kernels.materialize import written_at_once, written_rows


def run_gather(
    operands: Operands, options: Options, way: Way, output: Any, workers: int | None, *, written: bool = False
) -> Array:
    """The sums of products of windows with the kernels at their anchors.

    Blends of kernels are made for some rows at a time; so are those of other fields if they are to be `written` out.
    """
    assert operands.field is not None
    extents, inner = operands.extents, operands.inner
    fields = [operands.field.real] if operands.field.imag is None else [operands.field.real, operands.field.imag]
    bounds = [field.bound(extents) for field in fields]
    size = bounds[0].size
    if way.flipped:
        options = changed(options, origin=flipped_origin(options.origin, size))
    options = changed(options, size=size, axes=operands.axes)

    def run(part: Options, low: int, high: int, target: Any) -> Array:
        made = [_made(bound, extents, low, high, inner, written) for bound in bounds]
        return _run(operands, part, way, made, target, workers)

    first = bounds[0]
    at_once = extents[0]
    if isinstance(first, Blend):
        at_once = rows_at_once(first, extents, inner.itemsize, BLEND_BYTES)
    elif written:
        at_once = written_at_once(first, extents, inner.itemsize, BLEND_BYTES)
    else:
        return run(options, 0, extents[0], output)
    grid = output_grid(options, extents, size)
    read = [operands.array, *(array for bound in bounds for array in arrays_of(bound))]
    found: Array = in_strips(run, options, grid, extents, at_once, axis=operands.axes[0], output=output, read=read)
    return found


def _made(bound: Bound | Blend, extents: Shape, low: int, high: int, dtype: DType, written: bool) -> Bound:
    if isinstance(bound, Blend):
        return lowered(bound, extents, low, high, dtype)
    return written_rows(bound, extents, low, high, dtype) if written else bound


def _run(
    operands: Operands, options: Options, way: Way, bounds: Sequence[Bound], output: Any, workers: int | None
) -> Array:
    """With one field, or with those of the real and of the imaginary parts."""
    inner = operands.inner
    fields = tuple(Described.of(bound, inner) for bound in bounds)
    words: dict[str, Any] = {
        "way": way,
        "normalize": operands.normalize,
        "invalid": options.invalid,
        "windows": 2 if operands.complex_input else 1,
    }
    if len(bounds) == 1:
        function = kept_function(gathered, field=fields[0], **words)
    else:  # correlation conjugates the kernel
        function = kept_function(gathered_complex, fields=fields, conjugated=not way.flipped, **words)
    parts: list[Any] = [a for bound in bounds for a in arguments_of(bound, operands.axes, way, inner)]
    return run_parts(operands, options, function, parts, output, workers)
