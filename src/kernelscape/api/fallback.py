"""Functions that cannot be traced, through NumPy: slow and right.

A function with a parameter ``axis`` is called on many windows at once; any other one is called for each output, on
copies of its windows. Samples and their validity are those of the definition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import Argument, Array, IndexArgument, KernelArgument
from kernelscape.api.expansion import Layout, kernels_in
from kernelscape.api.frame import Frame
from kernelscape.api.options import Options
from kernelscape.api.prepared import Prepared, takes
from kernelscape.api.results import Result, allocate, check_output, store
from kernelscape.api.selected import refuse_weights_of_truth
from kernelscape.api.selection import Selection
from kernelscape.api.untouched import Surrounds, blended, elsewhere, fill
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError
from kernelscape.expression import Shape
from kernelscape.geometry import Job, anchors
from kernelscape.reference import evaluate
from kernelscape.reference.samples import Chunk, Samples

_SAMPLES_AT_ONCE = 1 << 22


def run_with_numpy(
    function: Callable[..., Any], frame: Frame, arguments: Sequence[Argument], options: Options, output: Any,
    layout: Layout | None = None, selection: Selection | None = None,
) -> Any:  # fmt: skip
    """The result, or the tuple of results, of a function that NumPy runs.

    With a layout, some of the function's values are kernels that are made of arguments. With a selection, the function
    is called for outputs that are wanted only.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError
        Samples may be missing and the function has no parameter `valid`, or it returns something that is no array of
        numbers.
    """
    check_output(output)
    runner = _Runner(function, frame, arguments, options, layout)
    if selection is not None:
        return _run_selected(runner, selection, output)
    computed, several, enough = runner.run()
    lacking = not enough.all()
    results = [
        Result((*frame.result_shape, *a.shape[len(frame.counts) :]), a.dtype, lacking, options.invalid)
        for a in computed
    ]
    outputs = allocate(results, output)
    for array, result, target in zip(computed, results, outputs, strict=True):
        if lacking:
            marked = enough.reshape(enough.shape + (1,) * (array.ndim - enough.ndim))
            array = np.where(marked, array, np.array(options.invalid).astype(result.own_dtype))
        store(frame.result_view(array.astype(result.own_dtype, copy=False)), target, options.invalid)
    return tuple(outputs) if several else outputs[0]


def _run_selected(runner: _Runner, selection: Selection, output: Any) -> Any:
    """The results for outputs that are wanted, and elsewhere what the selection says."""
    frame, counts, invalid = runner.frame, runner.frame.counts, runner.job.invalid
    at = frame.job_view(selection.wanted(frame.result_shape, frame.windowed))
    places = np.flatnonzero(at)
    computed, several, enough = runner.run(places)
    lacking = runner.may_lack_samples()
    results = [Result((*frame.result_shape, *a.shape[1:]), a.dtype, lacking, invalid) for a in computed]
    outputs = allocate(results, output)
    weight = at.reshape(-1)[places] if at.dtype.kind == "f" else None
    if weight is not None:
        refuse_weights_of_truth([o.dtype for o in outputs])
    # A function may have kept the arrays that it saw, and an output may be an input: all is computed by now.
    written = outputs if selection.otherwise is None else [np.empty(o.shape, o.dtype) for o in outputs]
    around = Surrounds.of(frame, runner.arguments)
    fill(elsewhere(selection, written, results, around, given=output is not None), written, results)
    for array, target, given in zip(computed, written, outputs, strict=True):
        view, where = frame.job_view(target), np.unravel_index(places, counts)
        view[where] = blended(array, enough, weight, view[where], invalid)
        if given is not target:
            given[...] = target
    return tuple(outputs) if several else outputs[0]


def sample_with_numpy(
    function: Callable[..., Any], frame: Frame, arguments: Sequence[Argument], options: Options,
    places: Sequence[Array], layout: Layout | None = None,
) -> tuple[list[Array], bool]:  # fmt: skip
    """The results at some outputs, of which `places` has the number along each axis of the job; are they a tuple?"""
    runner = _Runner(function, frame, arguments, options, layout)
    numbers = np.ravel_multi_index(tuple(places), frame.counts) if len(places[0]) else np.zeros(0, np.int64)
    computed, several, enough = runner.run(numbers)
    if not runner.may_lack_samples():
        return computed, several
    shape = (*frame.result_shape,)
    results = [Result((*shape, *a.shape[1:]), a.dtype, True, options.invalid) for a in computed]
    marked = [a.astype(r.own_dtype) for a, r in zip(computed, results, strict=True)]
    for array in marked:
        array[~enough] = np.array(options.invalid).astype(array.dtype)
    return marked, several


def run_by_definition(
    prepared: Prepared, arguments: Sequence[Argument], output: Any, selection: Selection | None = None
) -> Any:
    """The result, or the tuple of results, of a traced function, as the definition has it: NumPy, and no machine code.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError
        An output cannot be used, or cannot hold the result.
    """
    frame, results, job = prepared.frame, prepared.shared.results, prepared.shared.job
    outputs = allocate(results, output)
    if selection is not None:
        _define_selected(prepared, arguments, outputs, selection, given=output is not None)
        return tuple(outputs) if prepared.several else outputs[0]
    job = replace(job, output_dtypes=tuple(r.own_dtype for r in results))
    read = prepared.run_time_arguments(arguments)
    read = [array.reshape(shape) for array, (_, shape) in zip(read, prepared.shared.slots, strict=True)]
    computed = evaluate(job, frame.job_arrays(arguments), read)
    for array, result, target in zip(computed, results, outputs, strict=True):
        store(frame.result_view(array), target, result.invalid)
    return tuple(outputs) if prepared.several else outputs[0]


def _define_selected(
    prepared: Prepared, arguments: Sequence[Argument], outputs: Sequence[Array], selection: Selection, *, given: bool
) -> None:
    """Write the outputs that are wanted, and elsewhere what the selection says."""
    frame, shared = prepared.frame, prepared.shared
    at = frame.job_view(selection.wanted(frame.result_shape, frame.windowed))
    if at.dtype.kind == "f":
        refuse_weights_of_truth([o.dtype for o in outputs])
    kept = [np.empty(o.shape, o.dtype.newbyteorder("=")) for o in outputs]
    for output, before in zip(outputs, kept, strict=True):
        if selection.otherwise is None:
            before[...] = output
    values = elsewhere(selection, kept, shared.results, Surrounds.of(frame, arguments), given=given)
    fill(values, kept, shared.results)
    job = replace(shared.selected(at.dtype).job, output_dtypes=tuple(k.dtype for k in kept))
    read = prepared.run_time_arguments(arguments)
    read = [array.reshape(shape) for array, (_, shape) in zip(read, shared.slots, strict=True)]
    computed = evaluate(job, [*frame.job_arrays(arguments), at], read, [frame.job_view(k) for k in kept])
    for array, output in zip(computed, outputs, strict=True):
        output[...] = frame.result_view(array)


class _Runner:
    def __init__(
        self, function: Callable[..., Any], frame: Frame, arguments: Sequence[Argument], options: Options,
        layout: Layout | None,
    ) -> None:  # fmt: skip
        self.function, self.frame, self.arguments, self.kwargs = function, frame, arguments, options.kwargs
        self.layout = layout if layout is not None else (None,) * len(arguments)
        kinds = _kinds(self.layout, [p.kind for p in frame.parameters])
        # Values of maps and coordinates would not broadcast against windows and against results alike.
        takes_axis = "axis" not in self.kwargs and takes(function, "axis", len(kinds))
        self.vectorised = takes_axis and not {"pixel", "index"} & set(kinds)
        self.flags = "valid" not in self.kwargs and takes(function, "valid", len(kinds))
        self.many = [kind in ("window", "pixel", "index", "field") for kind in kinds]
        if frame.may_miss and not self.flags:
            raise ArgumentError(
                "The function cannot be traced, and samples may be missing (mode='shrink', where=, "
                "nan_policy='omit', a masked array): expected a function with a parameter valid=, a boolean array "
                "that says which samples count."
            )
        self.windows = [p.number for p in frame.parameters if p.kind == "window"]
        self.job = Job((), (), frame.inputs, frame.batch, frame.grid, options.min_count, options.invalid)
        self.samples = [Samples.of(self.job, i) for i in range(len(frame.inputs))]
        self.arrays = frame.job_arrays(arguments)

    def run(self, wanted: Array | None = None) -> tuple[list[Array], bool, Array]:
        """Results of shape ``counts + element shape``, whether they are a tuple, and where samples suffice.

        For some outputs only that are `wanted` by their numbers, there is one axis in place of `counts`.
        """
        counts = self.frame.counts
        lead = counts if wanted is None else (len(wanted),)
        pieces, enough = [], []
        several = False
        for numbers in self._chunks(math.prod(lead)):
            places = numbers if wanted is None else wanted[numbers]
            chunk = Chunk(self.job, self.arrays, (), self.samples, tuple(np.unravel_index(places, counts)))
            values = self._called(self._values(chunk), self._valid(chunk), chunk.count)
            several = isinstance(values, tuple)
            pieces.append([_numbers(v) for v in (values if several else (values,))])
            here = chunk.enough_samples()
            enough.append(np.ones(chunk.count, np.bool_) if here is None else here)
        if not pieces:
            return self._nothing(lead)
        joined = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
        return [a.reshape(*lead, *a.shape[1:]) for a in joined], several, np.concatenate(enough).reshape(lead)

    def may_lack_samples(self) -> bool:
        """Whether some output has too few samples, wanted or not: then results are of a dtype that can say so."""
        if not self.frame.may_miss and max(math.prod(i.window_shape) for i in self.frame.inputs) >= self.job.min_count:
            return False
        counts = self.frame.counts
        for places in self._chunks(math.prod(counts)):
            found = Chunk(self.job, self.arrays, (), self.samples, np.unravel_index(places, counts)).enough_samples()
            if found is not None and not found.all():
                return True
        return False

    def _chunks(self, total: int) -> Iterator[Array]:
        samples = sum(math.prod(i.window_shape) for i in self.frame.inputs)
        step = max(1, _SAMPLES_AT_ONCE // max(1, samples))
        for start in range(0, total, step):
            yield np.arange(start, min(start + step, total))

    def _nothing(self, counts: Shape) -> tuple[list[Array], bool, Array]:
        """Empty results; a window of ones shows their dtypes and how many there are."""
        values: list[Any] = []
        for parameter, argument in zip(self.frame.parameters, self.arguments, strict=True):
            if parameter.kind in ("window", "pixel"):
                values.append(np.ones((1, *parameter.shape), parameter.dtype))
            elif parameter.kind == "index":
                values.append(np.zeros(1, np.int64))
            else:
                values.append(argument.array if isinstance(argument, KernelArgument) else argument)
        shapes = [(1, *self.frame.inputs[n].window_shape) for n in self.windows]
        valid = self._as_asked([np.ones(shape, np.bool_) for shape in shapes])
        found = self._called(kernels_in(self.layout, values, 1), valid, 1)
        several = isinstance(found, tuple)
        arrays = [_numbers(v) for v in (found if several else (found,))]
        return [np.empty((*counts, *a.shape[1:]), a.dtype) for a in arrays], several, np.ones(counts, np.bool_)

    def _called(self, values: Sequence[Any], valid: Any, count: int) -> Any:
        """What the function gives for some outputs: arrays with a leading axis for them."""
        if self.vectorised:
            return self._called_at_once(values, valid, count)
        rows = []
        for i in range(count):
            row = [_copied(v[i]) if each else _copied(v) for v, each in zip(values, self.many, strict=True)]
            extra = {} if valid is None else {"valid": _element(valid, i)}
            rows.append(self.function(*row, **extra, **self.kwargs))
        if isinstance(rows[0], tuple):
            return tuple(_stacked(column) for column in zip(*rows, strict=True))
        return _stacked(rows)

    def _called_at_once(self, values: Sequence[Any], valid: Any, count: int) -> Any:
        ndim = len(self.frame.inputs[self.windows[0]].window_shape)
        axes = tuple(range(-ndim, 0))
        extra = {} if valid is None else {"valid": valid}
        found = self.function(*values, axis=axes if ndim > 1 else axes[0], **extra, **self.kwargs)
        for result in found if isinstance(found, tuple) else (found,):
            if np.shape(result)[:1] != (count,):
                given = (count, *self.frame.inputs[self.windows[0]].window_shape)
                raise ShapeError(
                    "A function with a parameter axis must reduce these axes alone; expected a result of shape "
                    f"({count}, ...) from windows of shape {given}, got {np.shape(result)}."
                )
        return found

    def _values(self, chunk: Chunk) -> list[Any]:
        values = [self._value(number, chunk) for number in range(len(self.arguments))]
        return kernels_in(self.layout, values, chunk.count)

    def _value(self, number: int, chunk: Chunk) -> Any:
        parameter, argument = self.frame.parameters[number], self.arguments[number]
        if isinstance(argument, KernelArgument):
            return argument.array
        if isinstance(argument, IndexArgument):
            axis = parameter.number
            return anchors(self.frame.grid[axis])[chunk.coordinates[len(self.frame.batch) + axis]]
        if parameter.kind == "scalar":
            return argument
        spec = self.frame.inputs[parameter.number]
        if parameter.kind == "pixel":
            return chunk.pixel(parameter.number).astype(spec.dtype, copy=False)
        return (
            chunk.window(parameter.number).data.astype(spec.dtype, copy=False).reshape(chunk.count, *spec.window_shape)
        )

    def _valid(self, chunk: Chunk) -> Any:
        """The flags of the samples, if the function asks for them."""
        if not self.flags:
            return None
        flags = []
        for number in self.windows:
            found, shape = chunk.flags(number), (chunk.count, *self.frame.inputs[number].window_shape)
            flags.append(np.ones(shape, np.bool_) if found is None else found.reshape(shape))
        return self._as_asked(flags)

    def _as_asked(self, flags: Sequence[Array]) -> Any:
        """One array where all windows have the same offsets and so the same flags, else a tuple of them."""
        return (flags[0] if self.frame.windows_alike else tuple(flags)) if self.flags else None


def _kinds(layout: Layout, kinds: Sequence[str]) -> list[str]:
    """What each value of the function is; ``"field"`` stands for a kernel that is made of arguments."""
    found, rest = [], list(kinds)
    for kernel in layout:
        found.append(rest[0] if kernel is None else "field")
        del rest[: 1 if kernel is None else kernel.parts]
    return found


def _element(valid: Any, place: int) -> Any:
    return tuple(v[place] for v in valid) if isinstance(valid, tuple) else valid[place]


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _stacked(rows: Sequence[Any]) -> Array:
    try:
        return np.stack([np.asarray(r) for r in rows])
    except ValueError:
        shapes = sorted({np.shape(r) for r in rows})
        raise ShapeError(f"The function must return arrays of the same shape for all windows; got {shapes}.") from None


def _numbers(value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        example = array.flat[0] if array.size else array
        raise ArgumentTypeError(f"The function must return numbers or arrays of numbers; got {example!r}.")
    return array
