"""The operands of `correlate` and `convolve` made canonical, and their way through a function of windows.

Complex numbers go through as real and imaginary parts, in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kernelscape.api.arguments import (
    Array,
    WindowArgument,
    array_with_masks,
    as_array,
    as_mask,
    canonical_argument,
    refuse_kernel_per_pixel,
)
from kernelscape.api.classes import Blocks
from kernelscape.api.fields import field_axes, named_axes
from kernelscape.api.frame import Frame
from kernelscape.api.options import Options, dtype_of, native, not_yet
from kernelscape.api.results import allocate, is_writable
from kernelscape.api.selection import Selection
from kernelscape.api.stencils import stencil_of
from kernelscape.api.untouched import Surrounds, elsewhere, fill
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError, unknown_name
from kernelscape.expression import DType, Shape
from kernelscape.geometry import canonical_centre
from kernelscape.kernels.field import Field
from kernelscape.kernels.materialize import constant_kernel

FORMS = ("gather", "scatter")

# -- operands ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Operands:
    """Checked operands; windows are loaded as `loaded`, real numbers computed in `inner`, and results have `result`.

    Samples count where all `masks` are True; `masked` says that the input came as a masked array.
    Of `weights` and `field` one is None: a field that is the same for all pixels is its kernel. `axes` are the window
    axes of the array; of a single kernel that is gathered, frames find them.
    """

    array: Array
    weights: Array | None
    field: Field | None
    axes: tuple[int, ...]
    normalize: bool
    result: DType
    inner: DType
    loaded: DType
    complex_weights: bool
    masks: tuple[Array, ...] = ()
    masked: bool = False

    @property
    def window(self) -> WindowArgument | Array:
        """The input as an argument of a function of windows."""
        return WindowArgument(self.array, masks=self.masks) if self.masks else self.array

    @property
    def complex_input(self) -> bool:
        """Whether the input comes as two windows."""
        return self.array.dtype.kind == "c"

    @property
    def extents(self) -> Shape:
        """Of the window axes."""
        return tuple(self.array.shape[axis] for axis in self.axes)


def operands_of(
    input: ArrayLike, weights: Any, axes: Any, words: tuple[Any, Any, Any], accumulate: Any, dtype: Any,
    where: Any = None,
) -> Operands:  # fmt: skip
    """Operands made canonical.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError, UnknownNameError, NotYetSupportedError
        What was expected, what was given, and what to do.
    """
    normalize = _checked_words(*words)
    given = array_with_masks(input)
    array, masks = given.array, given.masks if where is None else (*given.masks, as_mask(where))
    if dtype is not None:
        array, dtype = _as_dtype(array, native(dtype_of("dtype", dtype)))
    kernel: Array | None
    if isinstance(weights, Field):
        along = field_axes(weights, array.shape, axes)
        bound = weights.bound(tuple(array.shape[axis] for axis in along))
        own, kernel = bound.dtype, constant_kernel(bound)
    else:
        kernel = as_array(weights)
        if kernel.size == 0:
            raise ArgumentError(f"weights must not be empty; got an array of shape {kernel.shape}.")
        own = kernel.dtype
        along = () if words[0] == "gather" else _kernel_axes(kernel.shape, array.shape, axes)
    for what, found in (("input", array.dtype), ("weights", own)):
        if found.itemsize > (16 if found.kind == "c" else 8):
            raise ArgumentTypeError(
                f"{what} must hold numbers of up to 64 bits (complex: 128); got dtype {found}. Convert it: "
                f"{what}.astype({'complex' if found.kind == 'c' else 'float'})."
            )
    result = _result_dtype(array.dtype if dtype is None else dtype, own, normalize)
    inner = np.dtype(np.float32) if result == np.float16 else _real(result)
    if accumulate is not None:
        inner = np.result_type(inner, _accumulator(accumulate))
    loaded = inner if dtype is None else _real(dtype)
    field = weights if kernel is None else None
    words_of_kernel = (result, inner, loaded, own.kind == "c")
    return Operands(array, kernel, field, along, normalize, *words_of_kernel, masks, given.masked)


def _kernel_axes(kernel: Shape, shape: Shape, axes: Any) -> tuple[int, ...]:
    """The window axes for a single kernel."""
    found = tuple(range(len(shape))) if axes is None else named_axes(axes, shape)
    if len(kernel) == len(found):
        return found
    refuse_kernel_per_pixel(kernel, tuple(shape[axis] for axis in found))
    if axes is None:
        raise ShapeError(
            f"The kernel has {len(kernel)} axes and the array has {len(shape)} (shape {shape}). Name the window axes, "
            f"for example axes={tuple(range(len(kernel)))}."
        )
    raise ShapeError(f"The kernel has shape {kernel}, and there are {len(found)} window axes: axes={axes!r}.")


def _as_dtype(array: Array, dtype: DType) -> tuple[Array, DType]:
    """An input that is seen as `dtype`: parts are converted as they are loaded; of a real input there is one."""
    if array.dtype.kind == "c" and dtype.kind != "c":
        raise ArgumentTypeError(
            f"dtype={dtype} would drop the imaginary part of an input of dtype {array.dtype}; expected a complex "
            "dtype, or hand over input.real."
        )
    if dtype.kind not in "biufc":
        raise ArgumentTypeError(f"dtype must be bool, an integer, a float or a complex dtype; got {dtype}.")
    return array, dtype


def _checked_words(form: Any, normalize: Any, min_weight: Any) -> bool:
    if form not in FORMS:
        raise unknown_name("form", form, FORMS)
    planned = {
        "normalize='valid'": isinstance(normalize, str) and normalize == "valid",
        "min_weight": min_weight != 0,
    }
    for name, asked in planned.items():
        if asked:
            raise not_yet(name)
    if not isinstance(normalize, bool | np.bool_):
        raise ArgumentTypeError(f"normalize must be True or False; got {normalize!r}.")
    return bool(normalize)


def _real(dtype: DType) -> DType:
    """The dtype of the parts of a complex number; a real dtype as it is."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def _result_dtype(input: DType, weights: DType, normalize: bool) -> DType:
    common: DType = np.result_type(input, weights)
    if common.kind == "c":
        return np.result_type(input, np.complex64) if input.kind in "fc" else common
    if input.kind == "f":
        return native(input)
    if weights.kind == "f":
        return common
    return np.dtype(np.float64) if normalize else np.sum(np.zeros(1, common)).dtype


def _accumulator(given: Any) -> DType:
    found = dtype_of("accumulate", given)
    if found.kind not in "iuf" or found.itemsize > 8:
        raise ArgumentTypeError(f"accumulate must be an integer dtype, or a float dtype of up to 64 bits; got {found}.")
    return found


# -- computing ---------------------------------------------------------------------------------------------------------


def run_function(
    function: Callable[..., Any], options: Options, arguments: Sequence[Any], output: Any, workers: int | None,
    blocks: Blocks | None = None, selection: Selection | None = None,
) -> Any:  # fmt: skip
    """Run a function of this library, which can be traced: with ``method="numpy"`` by its definition."""
    made = stencil_of(function, options)
    if options.method != "numpy":
        given = [canonical_argument(a) for a in arguments]
        return made.computed(given, output, workers, blocks, selection=selection)
    from kernelscape.api.fallback import run_by_definition

    given = [canonical_argument(a) for a in arguments]
    return run_by_definition(made.prepared_for(given), given, output, selection)


def run_parts(
    operands: Operands, options: Options, function: Callable[..., Any], parts: list[Any], output: Any,
    workers: int | None, blocks: Blocks | None = None, selection: Selection | None = None,
) -> Array:  # fmt: skip
    """A function of the input's parts and of some more arguments; two results are the parts of a complex one."""
    if selection is not None and selection.asked is None:
        selection = replace(selection, asked=output is not None)
    if operands.result.kind != "c":
        if output is None and operands.inner != operands.result:
            output = operands.result
        sums: Array = run_function(function, options, [operands.window, *parts], output, workers, blocks, selection)
        return sums
    parts = [*input_parts(operands, options.cval), *parts]
    prepared = stencil_of(function, options).prepared_for(parts)
    whole = replace(prepared.shared.results[0], dtype=operands.result)
    (result,) = allocate([whole], output)
    several = operands.complex_input or operands.complex_weights
    if selection is not None and not is_writable(result.real, [operands.array, *selection.arrays]):
        # What stands elsewhere is written before the input is read.
        result[...] = run_parts(operands, options, function, parts[1:], result.dtype, workers, blocks, selection)
        return result
    if selection is not None:
        around = Surrounds.of(prepared.frame, [operands.array, *parts[1:]])
        fill(elsewhere(selection, [result], [whole], around, given=output is not None), [result], [whole])
    if not several:
        _without_imaginary_part(result, selection, prepared.frame)
    target = (result.real, result.imag) if several else result.real
    run_function(function, options, parts, target, workers, selection=None if selection is None else selection.kept())
    return result


def _without_imaginary_part(result: Array, selection: Selection | None, frame: Frame) -> None:
    """A real result where it is wanted."""
    if selection is None:
        result.imag = 0
        return
    weight = selection.wanted(frame.result_shape, frame.windowed)
    if weight.dtype.kind == "f":
        result.imag *= 1 - weight.astype(result.imag.dtype)
    np.copyto(result.imag, 0, where=weight == 1)


def input_parts(operands: Operands, cval: Any) -> list[Any]:
    """The windows of the input: of complex numbers those of the real and of the imaginary parts."""
    array, masks = operands.array, operands.masks
    if not operands.complex_input:
        return [operands.window]
    if isinstance(cval, str) or not np.isscalar(cval):
        raise ArgumentTypeError(f"cval must be a number; got {cval!r}.")
    outside = complex(cval)  # type: ignore[arg-type]  # a scalar that is no string is a number
    return [
        WindowArgument(array.real, cval=outside.real, masks=masks),
        WindowArgument(array.imag, cval=outside.imag, masks=masks),
    ]


def flipped_origin(origin: Any, sizes: Shape) -> Any:
    """The origin of the flipped kernel, which has the same anchor; 0 stays 0 for odd sizes."""
    centres = canonical_centre(origin, sizes)
    moved = tuple(k - 1 - c - k // 2 for c, k in zip(centres, sizes, strict=True))
    return moved if any(moved) else 0
