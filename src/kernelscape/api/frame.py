"""Arguments made canonical, once: from the user's arrays and words to the inputs and grid of a `Job`.

A frame depends on the options and on the shapes and dtypes of the arguments, not on their values, and is used again
for all calls of the same kind. Below it nothing is guessed: arrays are views of shape ``batch + window axes``.

The *main* array is the window argument with the most axes, the first of equals. ``axes`` are axes of the main
array. Another array either has all its axes, seen from the last one (as NumPy broadcasts), or the window axes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kernelscape.api.arguments import (
    Argument,
    Array,
    WindowArgument,
    array_of,
)
from kernelscape.boundary import MODES, Outside
from kernelscape.expression import DType, Shape
from kernelscape.geometry import (
    Input,
    OutputAxis,
    window_offsets,
)
from kernelscape.trace import Parameter


@dataclass(frozen=True, slots=True)
class View:
    """How an argument becomes an array of the job; None where nothing is to be done.

    Attributes
    ----------
    argument : int
    axes : tuple of int or None
        Its axes in order.
    shape : tuple of int or None
        What it is broadcast to.
    mask : int or None
        Which of the argument's masks it is.
    missing : tuple of int
        Axes that a mask lacks, which it is the same along.
    """

    argument: int
    axes: tuple[int, ...] | None
    shape: Shape | None
    mask: int | None = None
    missing: tuple[int, ...] = ()

    def of(self, argument: Argument) -> Array:
        """The array as the job sees it."""
        if self.mask is None:
            array = array_of(argument)
        else:
            assert isinstance(argument, WindowArgument)
            array = np.expand_dims(argument.masks[self.mask], self.missing)
        if self.axes is not None:
            array = array.transpose(self.axes)
        return array if self.shape is None else np.broadcast_to(array, self.shape)


@dataclass(frozen=True, eq=False)
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
    separable : tuple of int
        The slots of kernels that come with their factors.
    of_terms : tuple of (int, int, dtype, dtype)
        The slots of kernels that come with their terms, how many, and the dtypes as in `geometry.KernelTerms`.
    """

    inputs: tuple[Input, ...]
    batch: Shape
    grid: tuple[OutputAxis, ...]
    views: tuple[View, ...]
    parameters: tuple[Parameter, ...]
    kernels: tuple[int, ...]
    order: tuple[int, ...]
    shapes: tuple[Shape, ...]
    separable: tuple[int, ...] = ()
    of_terms: tuple[tuple[int, int, DType, DType], ...] = ()

    @cached_property
    def counts(self) -> Shape:
        """Output extents along batch and window axes."""
        return (*self.batch, *(axis.count for axis in self.grid))

    @cached_property
    def result_shape(self) -> Shape:
        """The same in the order of the result."""
        return tuple(self.counts[a] for a in self.order)

    @cached_property
    def has_gaps(self) -> bool:
        """Whether data says which samples count."""
        return any(i.has_gaps for i in self.inputs)

    @cached_property
    def windowed(self) -> tuple[bool, ...]:
        """Which axes of the result are window axes."""
        return tuple(a >= len(self.batch) for a in self.order)

    @cached_property
    def may_miss(self) -> bool:
        """Whether a window can have samples that do not count."""
        return self.has_gaps or any(MODES[a.mode].outside is Outside.MISSING for i in self.inputs for a in i.axes)

    @cached_property
    def windows_alike(self) -> bool:
        """Whether all windows have the same offsets from the anchor, and so the same flags."""
        windows = [self.inputs[p.number] for p in self.parameters if p.kind == "window"]
        first = window_offsets(windows[0])
        return all(np.array_equal(window_offsets(w), first) for w in windows)

    @cached_property
    def has_numbers(self) -> bool:
        """Whether an argument is a number, whose value a trace depends on."""
        return any(p.kind == "scalar" for p in self.parameters)

    @cached_property
    def uncompiled(self) -> DType | None:
        """A dtype that only NumPy computes with, where one takes part."""
        dtypes = [i.dtype for i in self.inputs] + [p.dtype for p in self.parameters if p.dtype is not None]
        dtypes += [np.asarray(p.value).dtype for p in self.parameters if p.kind == "scalar"]
        return next((d for d in dtypes if d.kind == "c" or (d.kind == "f" and d.itemsize > 8)), None)

    @cached_property
    def _to_job(self) -> tuple[int, tuple[int, ...]] | None:
        """How many axes a result lacks, and the permutation that brings all to the job's order; None: as it is."""
        ndim = len(self.counts)
        whole = [a for a in range(ndim) if a not in self.order]
        order = [*self.order, *whole]
        back = tuple(order.index(a) for a in range(ndim))
        return None if not whole and back == tuple(range(ndim)) else (len(whole), back)

    def job_view(self, result: Array) -> Array:
        """A result with its axes in the job's order."""
        if self._to_job is None:
            return result
        whole, back = self._to_job
        kept = len(self.order)
        places: tuple[Any, ...] = (*(slice(None),) * kept, *(None,) * whole)
        full: Array = result[places]
        return full.transpose(*back, *range(len(back), full.ndim))

    def result_view(self, computed: Array) -> Array:
        """The reverse of `job_view`."""
        if self._to_job is None:
            return computed
        whole, back = self._to_job
        ndim = len(back)
        moved = computed.transpose(*np.argsort(back), *range(ndim, computed.ndim))
        places: tuple[Any, ...] = (*(slice(None),) * (ndim - whole), *(0,) * whole)
        found: Array = moved[places]
        return found

    def job_arrays(self, arguments: Sequence[Argument]) -> list[Array]:
        """The arrays of the job's inputs."""
        return [view.of(arguments[view.argument]) for view in self.views]
