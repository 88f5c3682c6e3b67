"""A call of `correlate` or `convolve` that is planned: its arguments, and what it is by definition."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.api.blocks import Surroundings
from kernelscape.api.definition import Definition
from kernelscape.api.fields import Way
from kernelscape.api.linear import convolve
from kernelscape.api.operands import Operands, counted, operands_of, window_axes
from kernelscape.api.options import Options, changed, options_of, refuse_unknown
from kernelscape.errors import ArgumentTypeError
from kernelscape.expression import Shape
from kernelscape.kernels.field import Blend, Bound, Field, Table
from kernelscape.reference.samples import load


def bound_arguments(operation: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, defaults among them."""
    signature = inspect.signature(operation)
    unknown = {name: value for name, value in kwargs.items() if name not in signature.parameters}
    if unknown:
        refuse_unknown(operation, unknown)
    try:
        found = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ArgumentTypeError(f"plan({operation.__name__}, ...) needs the arguments of that call: {error}.") from None
    found.apply_defaults()
    return dict(found.arguments)


def canonical(operation: Callable[..., Any], words: dict[str, Any]) -> tuple[Operands, Options, Way]:
    """What the call itself makes of its arguments."""
    said = (words["form"], words["normalize"], words["min_weight"])
    operands = operands_of(
        words["input"], words["weights"], words["axes"], said, words["accumulate"], words["dtype"],
        words["where"], words["nan_policy"],
    )  # fmt: skip
    names = ("mode", "cval", "origin", "stride", "dilation", "padding", "axes", "nan_policy", "min_count")
    options = options_of(
        None, None, *(words[name] for name in (*names, "invalid")), operands.loaded, None,
        words["method"], words["tol"],
    )  # fmt: skip
    return operands, options, Way(flipped=operation is convolve, scattered=words["form"] == "scatter")


def without_tol(options: Options) -> Options:
    """The options for the exact method."""
    return changed(options, tol=None)


def seen(operands: Operands) -> Array:
    """The input as the caller wants it to be seen; complex numbers as they are."""
    if operands.loaded == operands.inner or operands.complex_input:
        return operands.array
    return load(operands.array, operands.loaded)


def definition_of(operands: Operands, options: Options, way: Way) -> Definition:
    """What the results are by definition."""
    array, axes = seen(operands), window_axes(operands, options)
    moved = np.moveaxis(array, axes, range(-len(axes), 0))
    extents = moved.shape[moved.ndim - len(axes) :]
    fields = [kernel_of(part, extents) for part in parts_of(operands)]
    around = Surroundings.of(extents, fields[0].size, options, way.flipped)
    present = counted(operands, options)
    if present is not None:
        present = np.broadcast_to(np.moveaxis(present, axes, range(-len(axes), 0)), moved.shape)
    words = (way.flipped, way.scattered, operands.rule, options.min_count, present)
    return Definition(moved, tuple(fields), around, *words)


def parts_of(operands: Operands) -> list[Field | Array]:
    """The kernel or the field; of complex ones the real and the imaginary parts."""
    if operands.field is not None:
        field = operands.field
        return [field.real] if field.imag is None else [field.real, field.imag]
    weights = operands.weights
    assert weights is not None
    return [weights.real, weights.imag] if operands.complex_weights else [weights]


def kernel_of(part: Field | Array, extents: Shape) -> Bound | Blend:
    """A field on its image; one kernel is one as well."""
    if isinstance(part, Field):
        return part.bound(extents)
    return Bound(part.shape, part.dtype, (Table(np.asarray(part)),), _itself)


def _itself(offsets: Any, table: Any) -> Any:
    return table
