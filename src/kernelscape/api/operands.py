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
from kernelscape.api.options import Options, changed, dtype_of, native
from kernelscape.api.results import allocate, is_writable
from kernelscape.api.selection import Selection
from kernelscape.api.stencils import stencil_of
from kernelscape.api.untouched import Surrounds, elsewhere, fill
from kernelscape.api.weighing import Finish, Rule
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

    Samples count where all `masks` are True; `masked` says that the input came as a masked array: then functions return
    behind their results whether these are valid. `own_mask` is what that array's own mask allows; None: every sample.
    `rule` says what becomes of the sums.
    Of `weights` and `field` one is None: a field that is the same for all pixels is its kernel. `axes` are the window
    axes of the array; of a single kernel that is gathered, frames find them.
    """

    array: Array
    weights: Array | None
    field: Field | None
    axes: tuple[int, ...]
    rule: Rule
    result: DType
    inner: DType
    loaded: DType
    complex_weights: bool
    masks: tuple[Array, ...] = ()
    masked: bool = False
    own_mask: Array | None = None

    @property
    def window(self) -> WindowArgument | Array:
        """The input as an argument of a function of windows."""
        return WindowArgument(self.array, masks=self.masks) if self.masks else self.array

    @property
    def normalize(self) -> bool | str:
        """Whether sums are divided by those of weights (True), or rescaled (``"valid"``)."""
        return self.rule.normalize

    @property
    def read(self) -> list[Array]:
        """The arrays that are read."""
        return [self.array, *self.masks]

    def finish(self, options: Options) -> Finish:
        """How functions of the windows end."""
        return Finish(self.rule, options.invalid, options.min_count if self.masked else None)

    def unflagged(self, options: Options) -> Options:
        """The options of a function that says by itself what is valid."""
        return changed(options, min_count=0) if self.masked else options

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
    where: Any = None, nan_policy: Any = "propagate",
) -> Operands:  # fmt: skip
    """Operands made canonical.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError, UnknownNameError, NotYetSupportedError
        What was expected, what was given, and what to do.
    """
    rule = _checked_words(*words)
    given = array_with_masks(input)
    array, masks = given.array, given.masks if where is None else (*given.masks, as_mask(where))
    if dtype is not None:
        array, dtype = _as_dtype(array, native(dtype_of("dtype", dtype)))
        if nan_policy == "omit" and array.dtype.kind == "f" and dtype.kind in "biu":
            # The conversion makes numbers of them.
            masks = (*masks, ~np.isnan(array))
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
    result = _result_dtype(array.dtype if dtype is None else dtype, own, bool(rule.normalize))
    inner = np.dtype(np.float32) if result == np.float16 else _real(result)
    if accumulate is not None:
        inner = np.result_type(inner, _accumulator(accumulate))
    loaded = inner if dtype is None else _real(dtype)
    field = weights if kernel is None else None
    words_of_kernel = (result, inner, loaded, own.kind == "c")
    own_mask = given.masks[0] if given.masks else None
    return Operands(array, kernel, field, along, rule, *words_of_kernel, masks, given.masked, own_mask)


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


def _checked_words(form: Any, normalize: Any, min_weight: Any) -> Rule:
    if form not in FORMS:
        raise unknown_name("form", form, FORMS)
    if isinstance(normalize, str):
        if normalize != "valid":
            raise ArgumentError(f"normalize must be True, False or 'valid'; got {normalize!r}.")
    elif not isinstance(normalize, bool | np.bool_):
        raise ArgumentTypeError(f"normalize must be True, False or 'valid'; got {normalize!r}.")
    if isinstance(min_weight, bool | np.bool_) or not isinstance(min_weight, int | float | np.integer | np.floating):
        raise ArgumentTypeError(f"min_weight must be a number from 0 to 1; got {min_weight!r}.")
    if not 0 <= min_weight <= 1:
        raise ArgumentError(
            "min_weight is the least fraction of a kernel's weights, by magnitude, that samples must count for: a "
            f"number from 0 to 1; got {min_weight!r}."
        )
    return Rule(normalize if isinstance(normalize, str) else bool(normalize), float(min_weight))


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


# -- which samples count -----------------------------------------------------------------------------------------------


def window_axes(operands: Operands, options: Options) -> tuple[int, ...]:
    """The window axes, also where frames would find them."""
    if operands.axes:
        return operands.axes
    shape = operands.array.shape
    return tuple(range(len(shape))) if options.axes is None else named_axes(options.axes, shape)


def counted(operands: Operands, options: Options) -> Array | None:
    """Which samples count by masks and, under ``nan_policy="omit"``, by not being NaN; None: all of them.

    It broadcasts to the array, and has its axes.

    Raises
    ------
    ShapeError
        A mask has another shape than the array or its window axes.
    """
    axes, found = window_axes(operands, options), None
    for mask in operands.masks:
        own = _along(mask, operands.array.shape, axes)
        found = own if found is None else found & own
    if options.nan_policy == "omit" and operands.array.dtype.kind in "fc":
        there = ~np.isnan(operands.array)
        found = there if found is None else found & there
    return found


def _along(mask: Array, shape: Shape, axes: tuple[int, ...]) -> Array:
    """A mask with the axes of the array."""
    found = mask
    if mask.ndim == len(axes) < len(shape):
        found = np.expand_dims(mask, tuple(i for i in range(len(shape)) if i not in axes))
    fits = found.ndim == len(shape) and all(
        m == n or (m == 1 and i not in axes) for i, (m, n) in enumerate(zip(found.shape, shape, strict=True))
    )
    if not fits:
        extents = tuple(n for i, n in enumerate(shape) if i in axes)
        raise ShapeError(
            f"where must have the shape of the arrays, {shape}, or that of the window axes only, {extents}; got "
            f"{mask.shape}."
        )
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
) -> Any:  # fmt: skip
    """A function of the input's parts and of some more arguments; two results are the parts of a complex one.

    Of masked operands the flags of the results come behind, and `output` is a pair; so is what a selection says of
    what stands elsewhere.
    """
    options = operands.unflagged(options)
    (target, *flags) = output if operands.masked else (output,)
    if operands.result.kind == "c":
        return _run_complex(operands, options, function, parts, (target, *flags), workers, selection)
    if target is None and operands.inner != operands.result:
        target = operands.result
    targets = (target, *flags) if flags else target
    return run_function(function, options, [operands.window, *parts], targets, workers, blocks, selection)


def _run_complex(
    operands: Operands, options: Options, function: Callable[..., Any], parts: list[Any], output: tuple[Any, ...],
    workers: int | None, selection: Selection | None,
) -> Any:  # fmt: skip
    """The same with a complex result; `output` has as many entries as there are results."""
    given = [*input_parts(operands, options.cval), *parts]
    prepared = stencil_of(function, options).prepared_for(given)
    own = prepared.shared.results
    wholes = [replace(own[0], dtype=operands.result), *(own[-1:] if operands.masked else ())]
    result, *flags = allocate(wholes, output)
    several = operands.complex_input or operands.complex_weights
    if selection is not None:
        if not is_writable(result.real, [*operands.read, *selection.arrays]):
            # What stands elsewhere is written before the input is read.
            native = result.dtype.newbyteorder("=")
            made = (native if native.char in "FD" else operands.result, *output[1:])
            found = _run_complex(operands, options, function, parts, made, workers, selection)
            result[...] = found[0] if flags else found
            return (result, found[1]) if flags else result
        around = Surrounds.of(prepared.frame, [operands.array, *given[1:]])
        targets = [result, *flags]
        fill(elsewhere(selection, targets, wholes, around, given=output[0] is not None), targets, wholes)
    if not several:
        _without_imaginary_part(result, selection, prepared.frame)
    targets = [result.real, *([result.imag] if several else []), *flags]
    chosen = None if selection is None else selection.kept()
    run_function(function, options, given, tuple(targets) if len(targets) > 1 else targets[0], workers, None, chosen)
    return (result, flags[0]) if flags else result


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
