"""Arguments made canonical, once: from the user's arrays and words to the inputs and grid of a `Job`.

A frame depends on the options and on the shapes and dtypes of the arguments, not on their values, and is used again for all
calls of the same kind.  Below it nothing is guessed: arrays are views of shape ``batch + window axes``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.api.arguments import (
    Array,
    IndexArgument,
    KernelArgument,
    PixelArgument,
    WindowArgument,
    as_array,
    check_dtype,
)
from kernelscape.api.options import Options
from kernelscape.boundary import canonical_modes
from kernelscape.errors import ArgumentError, ArgumentTypeError, NotYetSupportedError, ShapeError
from kernelscape.expression import DType, Shape
from kernelscape.geometry import (
    Input,
    OutputAxis,
    WindowAxis,
    canonical_centre,
    canonical_cval,
    canonical_dilation,
    canonical_footprint,
    canonical_padding,
    canonical_size,
    canonical_stride,
    output_axis,
)
from kernelscape.trace import Parameter


@dataclass(frozen=True, slots=True)
class View:
    """How an argument becomes an array of the job: which argument, its axes in order, and the shape to broadcast to."""

    argument: int
    axes: tuple[int, ...] | None
    shape: Shape | None

    def of(self, array: Array) -> Array:
        if self.axes is not None:
            array = array.transpose(self.axes)
        return array if self.shape is None else np.broadcast_to(array, self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The canonical form of a call.

    Attributes
    ----------
    inputs, batch, grid : as in `geometry.Job`
    views : tuple of View
        One for each input.
    parameters : tuple of Parameter
        For the tracer, in the order of the function's arguments.
    kernels : tuple of int
        Which arguments are kernels, in slot order.
    order : tuple of int
        The job's axes (batch, then window) in the order of the result; axes handed over whole are left out.
    shapes : tuple of tuple of int
        Shapes of the arrays that windows are taken from.
    """

    inputs: tuple[Input, ...]
    batch: Shape
    grid: tuple[OutputAxis, ...]
    views: tuple[View, ...]
    parameters: tuple[Parameter, ...]
    kernels: tuple[int, ...]
    order: tuple[int, ...]
    shapes: tuple[Shape, ...]

    @property
    def counts(self) -> Shape:
        return (*self.batch, *(axis.count for axis in self.grid))

    @property
    def result_shape(self) -> Shape:
        counts = self.counts
        return tuple(counts[a] for a in self.order)


def argument_key(argument: Any) -> Any:
    """What a frame depends on of one argument."""
    if type(argument) is np.ndarray:
        return (argument.dtype, argument.shape, argument.strides)
    if isinstance(argument, WindowArgument | PixelArgument | KernelArgument):
        array = argument.array
        rest = tuple(
            _word_key(getattr(argument, name)) for name in argument.__dataclass_fields__ if name != "array"
        )
        return (type(argument).__name__, array.dtype, array.shape, array.strides, rest)
    if isinstance(argument, IndexArgument):
        return ("index", argument.axis)
    if isinstance(argument, bool | int | float | np.bool_ | np.number):
        return ("scalar", type(argument))
    return argument_key(as_array(argument))


def _word_key(value: Any) -> Any:
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else repr(value)


def canonical_arguments(arguments: Sequence[Any]) -> list[Any]:
    """Bare arrays as windows without words of their own; numbers and marked arguments as they are."""
    found: list[Any] = []
    for argument in arguments:
        marked = isinstance(argument, WindowArgument | PixelArgument | KernelArgument | IndexArgument)
        if marked or isinstance(argument, bool | int | float | np.bool_ | np.number):
            found.append(argument)
        else:
            found.append(WindowArgument(as_array(argument)))
    return found


class _Framer:
    """Builds a frame; the steps share what the arrays have in common."""

    def __init__(self, options: Options, arguments: Sequence[Any]) -> None:
        self.options, self.arguments = options, canonical_arguments(arguments)
        self.windows = [a for a in self.arguments if isinstance(a, WindowArgument)]
        self.kernels = [a for a in self.arguments if isinstance(a, KernelArgument)]
        if not self.windows:
            raise ArgumentTypeError("Expected at least one array to take windows from; got none.")
        for a in self.arguments:
            if isinstance(a, WindowArgument | PixelArgument | KernelArgument):
                check_dtype(a.array, type(a).__name__.removesuffix("Argument").lower())
        self.main = max(self.windows, key=lambda a: a.array.ndim).array
        self.ndim = self._window_ndim()
        self.axes = self._axes_of(self.main)
        self.extents = self._extents()

    def frame(self) -> Frame:
        strides = canonical_stride(self.options.stride, self.ndim)
        windows = [self._window_axes(a) for a in self.windows]
        grid = self._grid(windows, strides)
        batch = self._batch()
        inputs: list[Input] = []
        views: list[View] = []
        parameters: list[Parameter] = []
        kernels: list[int] = []
        boxes = iter(windows)
        for number, argument in enumerate(self.arguments):
            if isinstance(argument, WindowArgument):
                axes, taps = next(boxes)
                dtype = self._loaded(argument.array)
                cval = self.options.cval if argument.cval is None else argument.cval
                uses_cval = any(a.mode == "constant" for a in axes)
                inputs.append(Input(dtype, axes, canonical_cval(cval, dtype) if uses_cval else 0, taps))
                parameters.append(Parameter.window(len(views), inputs[-1].window_shape, dtype))
                views.append(self._view(number, argument.array, batch, "array"))
            elif isinstance(argument, PixelArgument):
                inputs.append(self._pixel(argument, grid))
                parameters.append(Parameter.pixel(len(views), inputs[-1].dtype))
                views.append(self._view(number, argument.array, batch, "map"))
            elif isinstance(argument, KernelArgument):
                array = argument.array
                parameters.append(Parameter.kernel(len(kernels), array.shape, array.dtype.newbyteorder("=")))
                kernels.append(number)
            elif isinstance(argument, IndexArgument):
                parameters.append(Parameter.index(self._index_axis(argument.axis)))
            else:
                parameters.append(Parameter.scalar(argument))
        order = self._order(batch)
        shapes = tuple(a.array.shape for a in self.windows)
        return Frame(tuple(inputs), batch, grid, tuple(views), tuple(parameters), tuple(kernels), order, shapes)

    # -- axes --------------------------------------------------------------------------------------------------------

    def _window_ndim(self) -> int:
        options = self.options
        if options.axes is not None:
            return len(options.axes) if isinstance(options.axes, tuple | list) else 1
        for words in (options, *self.windows):
            if words.footprint is not None:
                return self._all_axes(np.ndim(words.footprint), "footprint")
            if isinstance(words.size, tuple | list):
                return self._all_axes(len(words.size), "size")
        if options.size is None and all(w.size is None for w in self.windows):
            if not self.kernels:
                raise ArgumentError("The windows have no size: expected size= (for example size=3) or footprint=.")
            return self._all_axes(self.kernels[0].array.ndim, "kernel")
        return self.main.ndim

    def _all_axes(self, ndim: int, what: str) -> int:
        if ndim == self.main.ndim:
            return ndim
        example = tuple(range(ndim)) if ndim < self.main.ndim else None
        advice = f" Name the window axes, for example axes={example}." if example else ""
        raise ShapeError(
            f"The {what} has {ndim} axes and the array has {self.main.ndim} (shape {self.main.shape}).{advice}"
        )

    def _axes_of(self, array: Array) -> tuple[int, ...]:
        given = self.options.axes
        if given is None or array.ndim == self.ndim:
            if array.ndim != self.ndim:
                raise ShapeError(
                    f"All arrays must have the {self.ndim} window axes of the first; got an array of shape "
                    f"{array.shape}. Name the window axes with axes=."
                )
            if given is None:
                return tuple(range(array.ndim))
        entries = tuple(given) if isinstance(given, tuple | list) else (given,)
        if array.ndim == self.ndim < self.main.ndim:
            return tuple(int(a) for a in np.argsort(np.argsort([e % self.main.ndim for e in entries])))
        for e in entries:
            if isinstance(e, bool) or not hasattr(e, "__index__"):
                raise ArgumentTypeError(f"axes must be integers; got {given!r}.")
            if not -array.ndim <= e < array.ndim:
                raise ShapeError(f"axes must be axes of the array of shape {array.shape}; got {given!r}.")
        axes = tuple(int(e) % array.ndim for e in entries)
        if len(set(axes)) != len(axes):
            raise ArgumentError(f"axes must be different from each other; got {given!r}.")
        return axes

    def _extents(self) -> Shape:
        extents = tuple(self.main.shape[a] for a in self.axes)
        for argument in self.windows:
            own = tuple(argument.array.shape[a] for a in self._axes_of(argument.array))
            if own != extents:
                raise ShapeError(
                    f"All arrays must have the same extents along the window axes; got {extents} and {own} "
                    f"(arrays of shapes {self.main.shape} and {argument.array.shape})."
                )
        return extents

    def _batch(self) -> Shape:
        shapes = []
        for argument in self.arguments:
            if isinstance(argument, WindowArgument | PixelArgument):
                array = argument.array
                axes = self._axes_of(array)
                shapes.append(tuple(n for i, n in enumerate(array.shape) if i not in axes))
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise ShapeError(f"The batch axes of the arrays do not broadcast together; got {shapes}.") from None

    def _order(self, batch: Shape) -> tuple[int, ...]:
        """The job's axes in the order of the main array's; axes that the function gets whole have no place."""
        batch_axes = iter(range(len(batch) - (self.main.ndim - self.ndim), len(batch)))
        lead = list(range(len(batch) - (self.main.ndim - self.ndim)))
        order = []
        for axis in range(self.main.ndim):
            if axis in self.axes:
                number = self.axes.index(axis)
                if not self._is_whole(number):
                    order.append(len(batch) + number)
            else:
                order.append(next(batch_axes))
        return (*lead, *order)

    def _is_whole(self, axis: int) -> bool:
        """A size of None along one axis hands the function the whole axis."""
        size = self.options.size
        return isinstance(size, tuple | list) and axis < len(size) and size[axis] is None

    def _index_axis(self, axis: int) -> int:
        if not -self.main.ndim <= axis < self.main.ndim:
            raise ShapeError(f"ks.index({axis}) names no axis of the array of shape {self.main.shape}.")
        if axis % self.main.ndim not in self.axes:
            raise ShapeError(f"ks.index({axis}) must name a window axis; expected one of {self.axes}.")
        return self.axes.index(axis % self.main.ndim)

    # -- windows -----------------------------------------------------------------------------------------------------

    def _window_axes(self, argument: WindowArgument) -> tuple[tuple[WindowAxis, ...], tuple[tuple[int, ...], ...] | None]:
        options, ndim = self.options, self.ndim

        def word(name: str) -> Any:
            own = getattr(argument, name)
            return getattr(options, name) if own is None else own

        taps = None
        footprint = argument.footprint if argument.size is not None or argument.footprint is not None else options.footprint
        if footprint is not None:
            sizes, taps = canonical_footprint(footprint, ndim)
        else:
            size = word("size")
            sizes = self._kernel_size() if size is None else canonical_size(size, ndim, self.extents)
        centres = canonical_centre(word("origin"), sizes)
        modes = canonical_modes(self._mode_words(word("mode")), ndim)
        dilations = canonical_dilation(word("dilation"), ndim)
        axes = []
        for axis in range(ndim):
            whole = self._is_whole(axis) and footprint is None
            centre, dilation = (0, 1) if whole else (centres[axis], dilations[axis])
            axes.append(WindowAxis(self.extents[axis], sizes[axis], dilation, centre, modes[axis]))
        return tuple(axes), taps

    @staticmethod
    def _mode_words(mode: Any) -> Any:
        """``mode="valid"`` is a padding (see `_grid`); its windows never leave the array."""
        return "constant" if isinstance(mode, str) and mode == "valid" else mode

    def _kernel_size(self) -> tuple[int, ...]:
        if not self.kernels:
            raise ArgumentError("A window has no size: expected size= or footprint=, in the call or in ks.window.")
        shape = self.kernels[0].array.shape
        if len(shape) != self.ndim:
            raise ShapeError(
                f"The kernel has shape {shape}, and there are {self.ndim} window axes. Give size=, or name the window "
                f"axes with axes=, for example axes={tuple(range(len(shape)))}."
            )
        return canonical_size(shape, self.ndim)

    def _grid(self, windows: Sequence[Any], strides: tuple[int, ...]) -> tuple[OutputAxis, ...]:
        padding = self.options.padding
        if isinstance(self.options.mode, str) and self.options.mode == "valid":
            if padding not in ("same", "valid"):
                raise ArgumentError(f"mode='valid' is padding='valid'; got padding={padding!r} too.")
            padding = "valid"
        paddings = canonical_padding(padding, self.ndim)
        grid = []
        for axis in range(self.ndim):
            if self._is_whole(axis):
                grid.append(OutputAxis(0, 1, min(1, self.extents[axis])))
                continue
            own = [(axes[axis].size, axes[axis].dilation, axes[axis].centre) for axes, _ in windows]
            grid.append(output_axis(self.extents[axis], own, strides[axis], paddings[axis]))
        return tuple(grid)

    def _loaded(self, array: Array) -> DType:
        return self.options.dtype or array.dtype.newbyteorder("=")

    def _pixel(self, argument: PixelArgument, grid: tuple[OutputAxis, ...]) -> Input:
        array = argument.array
        own = tuple(array.shape[a] for a in self._axes_of(array))
        counts = tuple(axis.count for axis in grid)
        if argument.on == "output":
            if any(axis.stride != 1 or axis.first for axis in grid):
                raise NotYetSupportedError("ks.pixel(on='output') with stride or padding is not supported yet; use on='input'.")
            if own != counts:
                raise ShapeError(f"A map on the output grid must have its extents {counts}; got {own}.")
        elif own != self.extents:
            raise ShapeError(
                f"A map must have the extents of the arrays along the window axes, {self.extents}; got {own} "
                f"(a map of shape {array.shape})."
            )
        axes = tuple(WindowAxis(n, 1, 1, 0, "nearest") for n in own)
        return Input(array.dtype.newbyteorder("="), axes)

    def _view(self, number: int, array: Array, batch: Shape, what: str) -> View:
        axes = self._axes_of(array)
        rest = tuple(i for i in range(array.ndim) if i not in axes)
        order = (*rest, *axes)
        shape = (*batch, *(array.shape[a] for a in axes))
        moved = tuple(array.shape[a] for a in order)
        identity = order == tuple(range(array.ndim))
        del what
        return View(number, None if identity else order, None if moved == shape else shape)


def make_frame(options: Options, arguments: Sequence[Any]) -> Frame:
    """The canonical form of a call.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError, UnknownNameError
        What was expected, what was given, and what to do.
    """
    return _Framer(options, arguments).frame()
