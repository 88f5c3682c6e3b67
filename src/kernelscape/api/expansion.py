"""Kernel fields as arguments of any function: ``ks.apply(f, image, ks.kernel(field))``.

A field among the arguments becomes the maps and tables that it is made of, and the function one that first turns these
into the kernel at the anchor. A field that is the same for all pixels becomes its kernel. Blends of many kernels are
made for some rows of the image at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kernelscape.api.arguments import (
    Argument,
    Array,
    FieldArgument,
    KernelArgument,
    PixelArgument,
    WindowArgument,
    array_of,
)
from kernelscape.api.fields import (
    Described,
    Way,
    Weights,
    arguments_of,
    arrays_of,
    field_axes,
    kept_function,
    refuse_nan_in_field,
)
from kernelscape.api.framing import make_frame
from kernelscape.api.options import Options, changed
from kernelscape.api.prepared import takes
from kernelscape.api.selection import Selection
from kernelscape.api.strips import BLEND_BYTES, Run, in_strips, output_grid
from kernelscape.errors import ArgumentTypeError, KernelscapeError, ShapeError
from kernelscape.expression import DType, Shape
from kernelscape.geometry import canonical_size
from kernelscape.kernels.blend import lowered, rows_at_once
from kernelscape.kernels.field import Blend, Bound, Table
from kernelscape.kernels.materialize import constant_kernel, formed
from kernelscape.trace import own_arrays, valid

GATHERED = Way(False, False)


class Kernel(NamedTuple):
    """A kernel among the values of a function: of how many arguments it is made, and how."""

    parts: int
    field: Described
    taps: tuple[int, ...] | None
    """The samples of a footprint, as places in the kernel; None: all, in the kernel's shape."""

    def seen(self, kernel: Any, lead: Shape = ()) -> Any:
        """The kernel in the shape of the window, behind some leading axes."""
        return kernel if self.taps is None else kernel.reshape(*lead, -1)[..., list(self.taps)]


Layout = tuple[Kernel | None, ...]
"""Of each value of the user's function, how it is made of arguments; None: it is one."""


@dataclass(frozen=True, slots=True, eq=False)
class Expanded:
    """A function of windows and kernel fields as one of windows, maps and tables.

    Attributes
    ----------
    function : callable
        A function of `arguments`.
    arguments : list of Argument
    user : callable
        The user's function.
    layout : tuple of (Kernel or None), optional
        Which of its values are made of which arguments; None: it is `function`.
    """

    function: Callable[..., Any]
    arguments: list[Argument]
    user: Callable[..., Any]
    layout: Layout | None


Call = Callable[[Expanded, Options, Any, Any], Any]
"""``call(expanded, options, output, which)``; `which` is what `run_with_fields` was told of the outputs to compute."""
Cut = Callable[[Run, Options, Shape, int], Any]
"""``cut(run, options, extents, at_once)`` calls `run` for some rows of the image after the other."""


def has_fields(arguments: Sequence[Argument]) -> bool:
    """Whether some argument is a kernel field."""
    return any(isinstance(a, FieldArgument) for a in arguments)


def run_with_fields(
    function: Callable[..., Any], options: Options, arguments: Sequence[Argument], output: Any, call: Call,
    which: Any = None, cut: Cut | None = None,
) -> Any:  # fmt: skip
    """Run a function of windows and kernel fields; `call` runs one of windows, pixels and kernels.

    `which` is a selection; or, with a way to `cut` the image of its own, anything.
    """
    main = _main(arguments)
    bounds: list[Bound | Blend | None] = []
    axes: tuple[int, ...] = ()
    for argument in arguments:
        if not isinstance(argument, FieldArgument):
            bounds.append(None)
            continue
        axes = field_axes(argument.field, main.shape, options.axes)
        bound = argument.field.bound(tuple(main.shape[a] for a in axes))
        if options.nan_policy == "raise":
            refuse_nan_in_field(argument.field, bound)
        bounds.append(bound)
    _refuse_complex(bounds)
    options = _sized(_without_raise(changed(options, axes=axes)), next(b.size for b in bounds if b is not None))
    dtypes = [None if b is None else _dtype_of(b, options, main) for b in bounds]
    bounds_given = [b for b in bounds if b is not None]
    arguments, bounds = _with_constants(arguments, bounds, dtypes, options)
    blends = [(b, t) for b, t in zip(bounds, dtypes, strict=True) if isinstance(b, Blend) and t is not None]
    call = _with_sizes_named(call, arguments, [b.size for b in bounds_given], tuple(main.shape[a] for a in axes))
    if not blends:
        return call(_expanded(function, options, arguments, bounds, dtypes, axes), options, output, which)
    extents = tuple(main.shape[a] for a in axes)

    def run(part: Options, low: int, high: int, target: Any, chosen: Any = None) -> Any:
        high = low + 1 if isinstance(chosen, Selection) and chosen.is_empty else high
        here = [
            lowered(b, extents, low, high, t) if isinstance(b, Blend) and t is not None else b
            for b, t in zip(bounds, dtypes, strict=True)
        ]
        return call(_expanded(function, part, arguments, here, dtypes, axes), part, target, chosen)

    whole = _whole_axes(options)
    at_once = min(rows_at_once(b, extents, t.itemsize, BLEND_BYTES) for b, t in blends)
    at_once = extents[0] if 0 in whole else at_once
    if cut is not None:
        return cut(run, options, extents, at_once)
    read = [
        *(array_of(a) for a in arguments if isinstance(a, np.ndarray) or hasattr(a, "array")),
        *(array for b in bounds if b is not None for array in arrays_of(b)),
    ]
    if which is not None:
        read += which.arrays
        frame = make_frame(options, [a for a in arguments if not isinstance(a, FieldArgument)])
        which = which.resolved(frame.result_shape, frame.windowed)
    return in_strips(
        run, options, output_grid(options, extents, blends[0][0].size), extents, at_once,
        axis=_place(arguments, axes, whole), output=output, read=read, selection=which,
    )  # fmt: skip


def _main(arguments: Sequence[Argument]) -> Array:
    windows = [a for a in arguments if isinstance(a, np.ndarray | WindowArgument)]
    if not windows:
        raise ArgumentTypeError("Expected at least one array to take windows from; got none.")
    return array_of(max(windows, key=lambda a: array_of(a).ndim))


def _without_raise(options: Options) -> Options:
    """NaN was looked for, in the arrays and in the fields."""
    return changed(options, nan_policy="propagate") if options.nan_policy == "raise" else options


def _refuse_complex(bounds: Sequence[Bound | Blend | None]) -> None:
    if any(b is not None and b.dtype.kind == "c" for b in bounds):
        raise ArgumentTypeError(
            "A kernel field of complex numbers cannot be an argument of a function; expected real kernels. Hand over "
            "field.real and field.imag as two arguments; correlate and convolve take complex fields."
        )


def _sized(options: Options, size: Shape) -> Options:
    """Windows are as large as the kernels, unless the call says otherwise."""
    if options.footprint is not None:
        if options.footprint.shape != size:
            raise ShapeError(
                f"The footprint must have the shape {size} of the field's kernels, whose samples it chooses too; got "
                f"shape {options.footprint.shape}."
            )
        return options
    return options if options.size is not None else changed(options, size=size)


def _with_sizes_named(call: Call, arguments: Sequence[Argument], kernels: Sequence[Shape], extents: Shape) -> Call:
    """The call; where windows and kernels of different sizes do not fit in the function, the error says the sizes."""

    def named(given: Expanded, options: Options, output: Any, which: Any) -> Any:
        try:
            return call(given, options, output, which)
        except ValueError as error:
            if isinstance(error, KernelscapeError) or not any(word in str(error) for word in _WORDS_OF_MISFIT):
                raise
            windows = _window_sizes(options, arguments, extents)
            # The samples of a footprint are chosen from the kernels too.
            seen = kernels if options.footprint is None else [(int(np.count_nonzero(options.footprint)),)]
            if len({*windows, *seen}) == 1:
                raise
            raise ShapeError(
                f"The function failed on windows of size {_listed(windows)} and kernels of size {_listed(seen)}: "
                f"{error}. Expected windows of the size of the field's kernels, where the function combines them; "
                f"without size= they have it."
            ) from error

    return named


_WORDS_OF_MISFIT = ("broadcast", "shape", "align", "dimension")


def _window_sizes(options: Options, arguments: Sequence[Argument], extents: Shape) -> list[Shape]:
    """The shapes in which the function sees the windows."""
    words = [
        a if isinstance(a, WindowArgument) and (a.size is not None or a.footprint is not None) else options
        for a in arguments
        if isinstance(a, np.ndarray | WindowArgument)
    ]
    return [
        (int(np.count_nonzero(w.footprint)),)
        if w.footprint is not None
        else canonical_size(w.size, len(extents), extents)
        for w in words
    ]


def _listed(sizes: Sequence[Shape]) -> str:
    return " and ".join(dict.fromkeys(map(str, sizes)))


def _dtype_of(bound: Bound | Blend, options: Options, main: Array) -> DType:
    """The dtype of a field's kernels in the function: the windows' where these are floats, else the field's own."""
    seen = (main.dtype if options.dtype is None else options.dtype).newbyteorder("=")
    if seen.kind == "c":
        seen = np.zeros((), seen).real.dtype
    found = seen if seen.kind == "f" else np.result_type(seen, bound.dtype)
    return np.dtype(np.float32) if found == np.float16 else found


def _with_constants(
    arguments: Sequence[Argument], bounds: Sequence[Bound | Blend | None], dtypes: Sequence[DType | None],
    options: Options,
) -> tuple[list[Argument], list[Bound | Blend | None]]:  # fmt: skip
    """Arguments in which fields that are the same for all pixels are their kernels."""
    made, rest = list(arguments), list(bounds)
    for number, bound in enumerate(bounds):
        kernel = None if bound is None else constant_kernel(bound)
        if kernel is not None:
            chosen = kernel if options.footprint is None else kernel[options.footprint.astype(bool)]
            made[number], rest[number] = KernelArgument(np.ascontiguousarray(chosen, dtypes[number])), None
    return made, rest


def _whole_axes(options: Options) -> set[int]:
    """The window axes that the function gets whole."""
    sizes = options.size if isinstance(options.size, tuple) else ()
    return {axis for axis, size in enumerate(sizes) if size is None}


def _place(arguments: Sequence[Argument], axes: tuple[int, ...], whole: set[int]) -> int:
    """Which axis of the results the first window axis is."""
    ndim, main = len(axes), _main(arguments).ndim
    arrays = [array_of(a) for a in arguments if isinstance(a, np.ndarray | WindowArgument | PixelArgument)]
    before = max(0, max(a.ndim for a in arrays) - main)  # batch axes that other arguments alone have
    return before + axes[0] - sum(axes[axis] < axes[0] for axis in whole if axis < ndim)


# -- the function ------------------------------------------------------------------------------------------------------


def _expanded(
    function: Callable[..., Any], options: Options, arguments: Sequence[Argument],
    bounds: Sequence[Bound | Blend | None], dtypes: Sequence[DType | None], axes: tuple[int, ...],
) -> Expanded:  # fmt: skip
    """The function of maps and tables in place of fields, and its arguments."""
    if all(bound is None for bound in bounds):
        return Expanded(function, list(arguments), function, None)
    taps = None
    if options.footprint is not None:
        taps = tuple(np.flatnonzero(options.footprint).tolist())
    expanded: list[Argument] = []
    layout: list[Kernel | None] = []
    for argument, bound, dtype in zip(arguments, bounds, dtypes, strict=True):
        if not isinstance(bound, Bound) or dtype is None:
            expanded.append(argument)
            layout.append(None)
            continue
        parts = arguments_of(bound, axes, GATHERED, dtype)
        expanded += parts
        layout.append(Kernel(len(parts), Described.of(bound, dtype), taps))
    windows = tuple(n for n, a in enumerate(arguments) if isinstance(a, np.ndarray | WindowArgument))
    asks = {name: takes(function, name, len(arguments)) for name in ("axis", "valid")}
    # One array of flags where all windows have the same offsets.
    alike = len(windows) == 1 or (asks["valid"] and make_frame(options, expanded).windows_alike)
    words = (asks["axis"], (windows[:1] if alike else windows) if asks["valid"] else ())
    made = kept_function(_with_kernels, function, tuple(layout), windows[0], words)
    return Expanded(made, expanded, function, tuple(layout))


def _with_kernels(
    function: Callable[..., Any], layout: Layout, window: int, words: tuple[bool, tuple[int, ...]], /,
    *arguments: Any, **kwargs: Any,
) -> Any:  # fmt: skip
    """The user's function, with kernels made of the values of their parts, and the keywords that it asks for."""
    values: list[Any] = []
    rest = list(arguments)
    for kernel in layout:
        if kernel is None:
            values.append(rest.pop(0))
            continue
        with own_arrays(rest[0]):
            made = Weights(kernel.field, rest[: kernel.parts], GATHERED).whole
        values.append(kernel.seen(made))
        del rest[: kernel.parts]
    takes_axis, flagged = words
    if takes_axis:
        kwargs.setdefault("axis", tuple(range(values[window].ndim)))
    if flagged:
        flags = tuple(valid(values[n]) for n in flagged)
        kwargs.setdefault("valid", flags[0] if len(flags) == 1 else flags)
    return function(*values, **kwargs)


def kernels_in(layout: Layout, values: Sequence[Any], count: int) -> list[Any]:
    """The values of the user's function at `count` positions, of which arrays have a leading axis, made by NumPy."""
    found: list[Any] = []
    rest = list(values)
    for kernel in layout:
        if kernel is None:
            found.append(rest.pop(0))
            continue
        made = _kernels(kernel.field, rest[: kernel.parts], count)
        found.append(kernel.seen(made, (count,)))
        del rest[: kernel.parts]
    return found


def _kernels(field: Described, values: Sequence[Any], count: int) -> Array:
    """A kernel for each of some positions, of shape ``(count, *size)``."""
    weights = Weights(field, [np.asarray(value) for value in values], GATHERED)
    lead = [(count, *(1,) * weights.ndim) if value.ndim == 1 else value.shape for value in weights.values]
    shaped = [
        value if value.ndim == 0 or kind[0] is Table else value.reshape(shape)
        for kind, value, shape in zip(field.kinds, weights.values, lead, strict=True)
    ]
    with np.errstate(all="ignore"):
        return formed(field, weights.offsets, shaped, (count,))
