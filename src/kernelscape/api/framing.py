"""The steps from a call to its `Frame`: sizes, grids, batch axes and views of all arguments, masks included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import (
    Argument,
    Array,
    IndexArgument,
    KernelArgument,
    PixelArgument,
    WindowArgument,
    refuse_kernel_per_pixel,
)
from kernelscape.api.frame import Frame, View
from kernelscape.api.options import Options, native
from kernelscape.boundary import MODES, Outside, canonical_modes
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError
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

_Taps = tuple[tuple[int, ...], ...] | None
_Box = tuple[tuple[WindowAxis, ...], _Taps]


def make_frame(options: Options, arguments: Sequence[Argument]) -> Frame:
    """The canonical form of a call.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError, UnknownNameError
        What was expected, what was given, and what to do.
    """
    return _Framer(options, arguments).frame()


def check_min_count(least: int, windows: Sequence[Shape]) -> None:
    """Refuse to ask for more samples than the largest of the windows has.

    Raises
    ------
    ArgumentError
        No output could be valid.
    """
    largest = max(windows, key=math.prod)
    if least > math.prod(largest):
        raise ArgumentError(
            f"min_count must be at most {math.prod(largest)}, the samples of the largest window, of shape {largest}; "
            f"got {least}, with which no output would be valid."
        )


class _Framer:
    """Builds a frame; the steps share what the arrays have in common."""

    def __init__(self, options: Options, arguments: Sequence[Argument]) -> None:
        self.options = options
        self.arguments = [WindowArgument(a) if isinstance(a, np.ndarray) else a for a in arguments]
        self.windows = [a for a in self.arguments if isinstance(a, WindowArgument)]
        self.kernels = [a for a in self.arguments if isinstance(a, KernelArgument)]
        if not self.windows:
            raise ArgumentTypeError("Expected at least one array to take windows from; got none.")
        self.main = max(self.windows, key=lambda a: a.array.ndim - a.elements).array
        if self.main.ndim == 0:
            raise ShapeError(
                "An array of 0 axes has no windows; expected at least 1 axis. Hand a number over as a number."
            )
        self.ndim = self._window_ndim()
        self.axes = self._axes_of(self.main)
        self.extents = self._extents()
        self.whole = self._whole_axes()
        self.boxes = [self._box(a) for a in self.windows]
        self.grid = self._grid()
        self.batch = self._batch()

    def frame(self) -> Frame:
        inputs: list[Input] = []
        views: list[View] = []
        parameters: list[Parameter] = []
        kernels: list[int] = []
        boxes = iter(self.boxes)
        masks = _Masks(self)
        for number, argument in enumerate(self.arguments):
            if isinstance(argument, WindowArgument):
                box = next(boxes)
                inputs.append(self._window(argument, box, masks.numbers(number, argument, box)))
                parameters.append(Parameter.window(len(views), inputs[-1].window_shape, inputs[-1].dtype))
                views.append(self._view(number, argument))
            elif isinstance(argument, PixelArgument):
                inputs.append(self._pixel(argument))
                parameters.append(Parameter.pixel(len(views), inputs[-1].dtype, inputs[-1].elements))
                views.append(self._view(number, argument))
            elif isinstance(argument, KernelArgument):
                dtype = native(argument.array.dtype)
                parameters.append(Parameter.kernel(len(kernels), argument.array.shape, dtype))
                kernels.append(number)
            elif isinstance(argument, IndexArgument):
                parameters.append(Parameter.index(self._index_axis(argument.axis)))
            else:
                parameters.append(Parameter.scalar(argument))  # type: ignore[arg-type]  # complex ones go to NumPy
        check_min_count(self.options.min_count, [i.window_shape for i in inputs if not i.elements])
        inputs += masks.inputs
        views += masks.views
        shapes = tuple(a.array.shape for a in self.windows)
        separable = tuple(slot for slot, number in enumerate(kernels) if self._is_separable(number))
        return Frame(
            tuple(inputs), self.batch, self.grid, tuple(views), tuple(parameters), tuple(kernels), self._order(),
            shapes, separable, self._of_terms(kernels),
        )  # fmt: skip

    def _is_separable(self, number: int) -> bool:
        """Whether a kernel is a product of vectors along the axes of the windows."""
        kernel = self.arguments[number]
        return isinstance(kernel, KernelArgument) and kernel.factors is not None and len(self.grid) == kernel.array.ndim

    def _of_terms(self, kernels: Sequence[int]) -> tuple[tuple[int, int, DType, DType], ...]:
        """The slots of kernels that are sums of such products, and what plans depend on of these."""
        found = []
        for slot, number in enumerate(kernels):
            kernel = self.arguments[number]
            terms = kernel.terms if isinstance(kernel, KernelArgument) else None
            if terms is not None and len(self.grid) == len(terms.vectors[0]):
                found.append((slot, terms.rank, terms.dtype, terms.sums))
        return tuple(found)

    # -- axes --------------------------------------------------------------------------------------------------------

    def _window_ndim(self) -> int:
        options = self.options
        if options.axes is not None:
            return len(options.axes) if isinstance(options.axes, tuple) else 1
        given: list[Options | WindowArgument] = [options, *self.windows]
        for words in given:
            if words.footprint is not None:
                return self._all_axes(words.footprint.ndim, "footprint")
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
        shape = self.main.shape
        if what == "kernel":
            refuse_kernel_per_pixel(self.kernels[0].array.shape, shape)
        advice = f" Name the window axes, for example axes={tuple(range(ndim))}." if 0 < ndim < len(shape) else ""
        raise ShapeError(f"The {what} has {ndim} axes and the array has {len(shape)} (shape {shape}).{advice}")

    def _axes_of(self, array: Array, elements: int = 0) -> tuple[int, ...]:
        """The window axes among the axes of an array, whose last `elements` axes are no part of it."""
        if elements:
            array = _lead(array, elements)
        given = self.options.axes
        if given is None:
            if array.ndim != self.ndim:
                raise ShapeError(
                    f"All arrays must have the same {self.ndim} axes, which are the window axes; got an array of "
                    f"shape {array.shape}. Name the window axes with axes=, for example "
                    f"axes={tuple(range(array.ndim))}."
                )
            return tuple(range(self.ndim))
        entries = given if isinstance(given, tuple) else (given,)
        axes = self._named_axes(entries)
        if array.ndim == self.ndim < self.main.ndim:
            return tuple(sorted(axes).index(a) for a in axes)
        own = tuple(a + array.ndim - self.main.ndim for a in axes)
        if min(own) < 0:
            raise ShapeError(
                f"axes={given!r} are axes of the array of shape {self.main.shape}, and the array of shape "
                f"{array.shape} has none of these; give it the missing axes: array[np.newaxis]."
            )
        return own

    def _named_axes(self, entries: Sequence[Any]) -> tuple[int, ...]:
        given, ndim = self.options.axes, self.main.ndim
        if any(isinstance(e, bool | np.bool_) or not hasattr(e, "__index__") for e in entries):
            raise ArgumentTypeError(f"axes must be integers; got {given!r}.")
        if not entries:
            raise ArgumentError("axes must name at least one window axis; got ().")
        if not all(-ndim <= e < ndim for e in entries):
            raise ShapeError(f"axes must be axes of the array of shape {self.main.shape}; got {given!r}.")
        axes = tuple(int(e) % ndim for e in entries)
        if len(set(axes)) != len(axes):
            raise ArgumentError(f"axes must be different from each other; got {given!r}.")
        return axes

    def _extents(self) -> Shape:
        extents = tuple(self.main.shape[a] for a in self.axes)
        for argument in self.windows:
            own = tuple(argument.array.shape[a] for a in self._axes_of(argument.array, argument.elements))
            if own != extents:
                raise ShapeError(
                    f"All arrays must have the same extents along the window axes; got {extents} and {own} (arrays of "
                    f"shapes {self.main.shape} and {argument.array.shape})."
                )
        return extents

    def _batch(self) -> Shape:
        shapes = []
        for argument in self.arguments:
            if isinstance(argument, WindowArgument | PixelArgument):
                axes = self._axes_of(argument.array, argument.elements)
                shape = argument.array.shape[: argument.array.ndim - argument.elements]
                shapes.append(tuple(n for i, n in enumerate(shape) if i not in axes))
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise ShapeError(f"The batch axes of the arrays do not broadcast together; got {shapes}.") from None

    def _order(self) -> tuple[int, ...]:
        """The job's axes in the order of the main array's; axes that the function gets whole have no place."""
        batch = len(self.batch)
        lead = batch - (self.main.ndim - self.ndim)
        batch_axes = iter(range(lead, batch))
        order = list(range(lead))
        for axis in range(self.main.ndim):
            if axis not in self.axes:
                order.append(next(batch_axes))
            elif self.axes.index(axis) not in self.whole:
                order.append(batch + self.axes.index(axis))
        return tuple(order)

    def _index_axis(self, axis: int) -> int:
        ndim = self.main.ndim
        if not -ndim <= axis < ndim:
            raise ShapeError(f"ks.index({axis}) names no axis of the array of shape {self.main.shape}.")
        if axis % ndim not in self.axes:
            raise ShapeError(f"ks.index({axis}) must name a window axis; expected one of {self.axes}.")
        return self.axes.index(axis % ndim)

    # -- windows -----------------------------------------------------------------------------------------------------

    def _word(self, argument: WindowArgument, name: str) -> Any:
        own = getattr(argument, name)
        return getattr(self.options, name) if own is None else own

    def _sizes(self, argument: WindowArgument) -> tuple[tuple[int | None, ...], _Taps]:
        """Window size along each axis (None: the whole axis), and the samples of a footprint."""
        own = argument.size is not None or argument.footprint is not None
        words = argument if own else self.options
        if words.footprint is not None:
            return canonical_footprint(words.footprint, self.ndim)
        if words.size is None:
            return self._kernel_size(), None
        sizes = canonical_size(words.size, self.ndim, self.extents)
        given = words.size if isinstance(words.size, tuple | list) else ()
        return tuple(None if n is None else size for n, size in zip(given or sizes, sizes, strict=True)), None

    def _kernel_size(self) -> tuple[int, ...]:
        if not self.kernels:
            raise ArgumentError("A window has no size: expected size= or footprint=, in the call or in ks.window.")
        shape = self.kernels[0].array.shape
        if len(shape) != self.ndim:
            refuse_kernel_per_pixel(shape, self.extents)
            raise ShapeError(
                f"The kernel has shape {shape}, and there are {self.ndim} window axes. Give size=, or name the window "
                f"axes with axes=, for example axes={tuple(range(len(shape)))}."
            )
        return canonical_size(shape, self.ndim)

    def _whole_axes(self) -> frozenset[int]:
        """The axes that the function gets whole: a size of None, in every window."""
        found = [{a for a, n in enumerate(self._sizes(w)[0]) if n is None} for w in self.windows]
        if any(axes != found[0] for axes in found):
            raise ArgumentError("A size of None hands over a whole axis; expected it in all windows or in none.")
        for axis in found[0]:
            if self.extents[axis] == 0:
                raise ShapeError(
                    f"An axis handed over whole (size=None) must not be empty; got shape {self.main.shape}."
                )
        return frozenset(found[0])

    def _box(self, argument: WindowArgument) -> _Box:
        given, taps = self._sizes(argument)
        sizes = tuple(extent if n is None else n for n, extent in zip(given, self.extents, strict=True))
        # A whole axis has one window, which no origin moves; one that suits the other axes is no mistake there.
        movable = tuple(max(sizes) if axis in self.whole else n for axis, n in enumerate(sizes))
        centres = canonical_centre(self._word(argument, "origin"), movable)
        # As the mode of the call, "valid" is a padding (see `_grid`), under which nothing outside is seen.
        said = "constant" if argument.mode is None and self._is_valid else self._word(argument, "mode")
        modes = canonical_modes(said, self.ndim)
        dilations = canonical_dilation(self._word(argument, "dilation"), self.ndim)
        axes = []
        for axis, extent in enumerate(self.extents):
            centre, dilation = (0, 1) if axis in self.whole else (centres[axis], dilations[axis])
            axes.append(WindowAxis(extent, sizes[axis], dilation, centre, modes[axis]))
        return tuple(axes), taps

    @property
    def _is_valid(self) -> bool:
        return isinstance(self.options.mode, str) and self.options.mode == "valid"

    def _grid(self) -> tuple[OutputAxis, ...]:
        options = self.options
        padding = options.padding
        if self._is_valid:
            if padding not in ("same", "valid"):
                raise ArgumentError(f"mode='valid' is padding='valid'; got padding={padding!r} too.")
            padding = "valid"
        paddings = canonical_padding(padding, self.ndim)
        strides = canonical_stride(options.stride, self.ndim)
        grid = []
        for axis, extent in enumerate(self.extents):
            if axis in self.whole:
                grid.append(OutputAxis(0, 1, 1))
                continue
            if options.anchors is not None:
                first, count = options.anchors[axis]
                grid.append(OutputAxis(first, strides[axis], count))
                continue
            own = [(axes[axis].size, axes[axis].dilation, axes[axis].centre) for axes, _ in self.boxes]
            grid.append(output_axis(extent, own, strides[axis], paddings[axis]))
        return tuple(grid)

    def _window(self, argument: WindowArgument, box: _Box, masks: tuple[int, ...]) -> Input:
        axes, taps = box
        dtype = native(argument.array.dtype) if self.options.dtype is None else self.options.dtype
        if argument.array.dtype.kind == "c" and dtype.kind != "c":
            raise ArgumentTypeError(
                f"dtype={dtype} would drop the imaginary part of an array of dtype {argument.array.dtype}; expected a "
                "complex dtype. Hand over array.real, or array.real and array.imag as two arguments."
            )
        elements = argument.array.shape[argument.array.ndim - argument.elements :]
        if argument.elements:
            # Of a kernel field: read where it lies, in its own dtype.
            return Input(native(argument.array.dtype), axes, 0, taps, elements)
        said = argument.omits_nan
        omits = dtype.kind in "fc" and (self.options.nan_policy == "omit" if said is None else said)
        seen = any(a.mode == "constant" for a in axes) and not self._is_valid
        cval = _cval(self._word(argument, "cval"), dtype) if seen else 0
        return Input(dtype, axes, cval, taps, masks=masks, omits_nan=omits)

    # -- maps --------------------------------------------------------------------------------------------------------

    def _pixel(self, argument: PixelArgument) -> Input:
        array = argument.array
        own = tuple(array.shape[a] for a in self._axes_of(array, argument.elements))
        dtype = native(array.dtype)
        if argument.elements or argument.cells is not None:
            axes = tuple(WindowAxis(n, 1, 1, 0, "nearest") for n in self.extents)
            return Input(dtype, axes, 0, None, array.shape[array.ndim - argument.elements :], argument.cells)
        if argument.on == "input":
            if own != self.extents:
                raise ShapeError(
                    f"A map must have the extents of the arrays along the window axes, {self.extents}; got {own} (a "
                    f"map of shape {array.shape}). A map of the outputs is ks.pixel(map, on='output')."
                )
            return Input(dtype, tuple(WindowAxis(n, 1, 1, 0, "nearest") for n in own))
        counts = tuple(axis.count for axis in self.grid)
        if own != counts:
            raise ShapeError(f"A map on the output grid must have its extents {counts}; got {own}.")
        return Input(dtype, tuple(WindowAxis(n, 1, 1, 0, "nearest") for n in own), on_grid=True)

    def _view(self, number: int, argument: WindowArgument | PixelArgument) -> View:
        return self._arranged(number, argument.array, argument.elements, isinstance(argument, WindowArgument))

    def view_of(self, number: int, array: Array, what: str) -> View:
        """How an array that belongs to an argument, and may be smaller, becomes one of the job.

        Raises
        ------
        ShapeError
            It has other extents than the windows' arrays.
        """
        if array.ndim not in (self.ndim, self.main.ndim):
            raise self._unfitting(array, what)
        axes = self._axes_of(array)
        fits = all(
            array.shape[a] in ((n, 1) if i in self.whole else (n,))
            for i, (a, n) in enumerate(zip(axes, self.extents, strict=True))
        )
        rest = tuple(n for i, n in enumerate(array.shape) if i not in axes)
        if not fits or any(n not in (1, m) for n, m in zip(rest[::-1], self.batch[::-1], strict=False)):
            raise self._unfitting(array, what)
        return self._arranged(number, array, 0, True)

    def _unfitting(self, array: Array, what: str) -> ShapeError:
        """The error for an array that belongs to an argument, and has another shape."""
        shape, got = self.main.shape, array.shape
        alone = "" if self.extents == shape else f", or that of the window axes only, {self.extents}"
        advice = " Transpose it?" if got in (shape[::-1], self.extents[::-1]) else ""
        return ShapeError(f"{what} must have the shape of the arrays, {shape}{alone}; got {got}.{advice}")

    def _arranged(self, number: int, array: Array, elements: int, is_window: bool) -> View:
        axes, lead = self._axes_of(array, elements), array.ndim - elements
        order = (*(i for i in range(lead) if i not in axes), *axes, *range(lead, array.ndim))
        moved = tuple(array.shape[a] for a in order)
        window = moved[lead - self.ndim :]
        if is_window and not elements:
            window = tuple(
                m if a in self.whole else n for a, (m, n) in enumerate(zip(self.extents, window, strict=True))
            )
        shape = (*self.batch, *window)
        view_shape = None if moved == shape else shape
        return View(number, None if order == tuple(range(array.ndim)) else order, view_shape)


class _Masks:
    """The inputs that say which samples count; windows of one shape share the input of a mask that they share."""

    def __init__(self, framer: _Framer) -> None:
        self.framer = framer
        self.first = sum(isinstance(a, WindowArgument | PixelArgument) for a in framer.arguments)
        self.inputs: list[Input] = []
        self.views: list[View] = []
        self._known: dict[Any, int] = {}

    def numbers(self, number: int, argument: WindowArgument, box: _Box) -> tuple[int, ...]:
        """The inputs of an argument's masks."""
        # A mask says nothing of samples outside the array that the mode makes up, and these count; where the mode has
        # none, that is known without it.
        axes = tuple(replace(a, mode="constant") if _misses(a) else a for a in box[0])
        found = []
        for place, mask in enumerate(argument.masks):
            key = (id(mask), axes, box[1])
            if key not in self._known:
                self._known[key] = self.first + len(self.inputs)
                self.inputs.append(Input(np.dtype(np.bool_), axes, True, box[1]))
                self.views.append(self._view(number, place, mask))
            found.append(self._known[key])
        return tuple(found)

    def _view(self, number: int, place: int, mask: Array) -> View:
        framer = self.framer
        missing: tuple[int, ...] = ()
        if framer.whole and mask.ndim == framer.ndim - len(framer.whole):
            order = sorted(range(framer.ndim), key=lambda a: framer.axes[a])
            missing = tuple(i for i, a in enumerate(order) if a in framer.whole)
        view = framer.view_of(number, np.expand_dims(mask, missing), "where")
        return replace(view, mask=place, missing=missing)


def _misses(axis: WindowAxis) -> bool:
    return MODES[axis.mode].outside is Outside.MISSING


def _lead(array: Array, elements: int) -> Array:
    """An array without its last axes."""
    places: tuple[Any, ...] = (..., *(0,) * elements)
    found: Array = array[places]
    return found


def _cval(given: Any, dtype: DType) -> Any:
    """The sample outside the array as a number of the window's dtype."""
    if dtype.kind != "c":
        return canonical_cval(given, dtype)
    if isinstance(given, str) or not np.isscalar(given):
        raise ArgumentTypeError(f"cval must be a number; got {given!r}.")
    return complex(given)  # type: ignore[arg-type]  # a scalar that is no string is a number
