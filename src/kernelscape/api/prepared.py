"""A traced function on arguments of one kind, and everything about it that a repeated call need not find out again.

What depends on the structure alone (dtypes of results, whether they can be invalid, executables) is `Shared` by all
functions of that structure: a lambda made anew in a loop is traced anew, and nothing else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from kernelscape.api.arguments import Argument, Array, KernelArgument
from kernelscape.api.frame import Frame
from kernelscape.api.kept import Kept
from kernelscape.api.options import Options
from kernelscape.api.results import Result
from kernelscape.calibration import calibrated
from kernelscape.config import settings
from kernelscape.errors import MemoryBudgetError, TracingError
from kernelscape.expression import DType, Node, Shape, structure
from kernelscape.geometry import Input, Job, KernelTerms, WindowAxis
from kernelscape.machine import Target, named_target
from kernelscape.plan import Layout, Plan, make_plan
from kernelscape.reference import can_be_invalid
from kernelscape.trace import Captured, Guard, Trace, trace, valid
from kernelscape.verification import verify

if TYPE_CHECKING:
    from kernelscape.execute import Executable, PointExecutable
    from kernelscape.execute.points import PointPlan

Slots = tuple[tuple[DType, Shape], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """What all functions of one structure have in common; `executables` is filled as layouts of outputs are met.

    `method` is that of the planner which is asked for, if one is.
    """

    job: Job
    slots: Slots
    results: tuple[Result, ...]
    method: str | None = None
    executables: Kept[Executable | PointExecutable] = field(default_factory=lambda: Kept(16))
    choosing: dict[DType, Shared] = field(default_factory=dict)
    plans: Kept[Plan] = field(default_factory=lambda: Kept(16))
    point_plans: Kept[PointPlan] = field(default_factory=lambda: Kept(16))

    def selected(self, dtype: DType) -> Shared:
        """The same where a map of this dtype, the job's last input, says which outputs are wanted."""
        found = self.choosing.get(dtype)
        if found is None:
            axes = tuple(WindowAxis(axis.count, 1, 1, 0, "nearest") for axis in self.job.grid)
            inputs = (*self.job.inputs, Input(dtype, axes, on_grid=True))
            job = replace(self.job, inputs=inputs, at=len(self.job.inputs))
            found = self.choosing[dtype] = Shared(job, self.slots, self.results, self.method)
        return found

    def plan(self, arrays: Sequence[Array], outputs: Sequence[Array]) -> Plan:
        """What runs for arrays and outputs of these layouts."""
        target = planning_target()
        job = replace(self.job, output_dtypes=tuple(o.dtype for o in outputs))
        layouts = [Layout(a.dtype, a.shape, a.strides) for a in arrays]
        written = [Layout(o.dtype, o.shape, o.strides) for o in outputs]
        return make_plan(job, layouts, written, self.slots, target, self.method)

    def executable(
        self, arrays: Sequence[Array], outputs: Sequence[Array], blocks: Callable[[Plan], tuple[int, int]] | None = None
    ) -> Executable:
        """The machine code and tables for these layouts."""
        key = (self._key(arrays, outputs), blocks is None)
        found = self.executables.get(key)
        if found is None:
            from kernelscape.execute import Executable

            plan = self.plan(arrays, outputs)
            cut = None if blocks is None else blocks(plan)
            found = self.executables.put(key, Executable(plan, checked=settings().checked, blocks=cut))
        return found  # type: ignore[return-value]  # which one it is, is part of the key

    def point_executable(
        self, arrays: Sequence[Array], outputs: Sequence[Array], results: Sequence[Layout] | None = None
    ) -> PointExecutable:
        """The same for single points; with the layouts of `results` for points of a list."""
        lists = None if results is None else tuple((r.dtype, r.strides) for r in results)
        key = (self._key(arrays, outputs), "points", lists)
        found = self.executables.get(key)
        if found is None:
            from kernelscape.execute import PointExecutable

            made = PointExecutable(self.point_plan(arrays, outputs), results, checked=settings().checked)
            found = self.executables.put(key, made)
        return found  # type: ignore[return-value]

    def point_plan(self, arrays: Sequence[Array], outputs: Sequence[Array]) -> PointPlan:
        """How `kept_plan` runs for single points."""
        from kernelscape.execute.points import point_plan

        key = self._key(arrays, outputs)
        return self.point_plans.get(key) or self.point_plans.put(key, point_plan(self.kept_plan(arrays, outputs)))

    def kept_plan(self, arrays: Sequence[Array], outputs: Sequence[Array]) -> Plan:
        """`plan`, remembered."""
        key = self._key(arrays, outputs)
        return self.plans.get(key) or self.plans.put(key, self.plan(arrays, outputs))

    def _key(self, arrays: Sequence[Array], outputs: Sequence[Array]) -> Hashable:
        """What executables depend on; the layouts of windows and maps are the same at every call."""
        state = settings()
        at = None if self.job.at is None else arrays[self.job.at].strides
        return (*((o.dtype, o.strides) for o in outputs), state.checked, state.target, at)


def planning_target() -> Target:
    """The processor that is planned and compiled for: this one, as it was measured, or another one as it is known."""
    from kernelscape.backends.cpu import host_target

    name = settings().target
    return calibrated(host_target()) if name is None else named_target(name)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A traced function; it stands as long as its guard matches.

    `captured` are the run-time arguments as native contiguous arrays, None for kernels, which each call brings.
    """

    frame: Frame
    guard: Guard | None
    shared: Shared
    captured: tuple[Array | None, ...]
    several: bool

    def run_time_arguments(self, arguments: Sequence[Argument]) -> list[Array]:
        """Captured numbers and arrays, and the kernels of this call."""
        found = []
        for slot, captured in enumerate(self.captured):
            if captured is None:
                kernel = arguments[self.frame.kernels[slot]]
                assert isinstance(kernel, KernelArgument)
                captured = _native(kernel.array, kernel.array.dtype.newbyteorder("="))
            found.append(captured)
        for slot in self.frame.separable:
            kernel = arguments[self.frame.kernels[slot]]
            assert isinstance(kernel, KernelArgument)
            assert kernel.factors is not None
            found.extend(kernel.factors)
        for slot, *_ in self.frame.of_terms:
            kernel = arguments[self.frame.kernels[slot]]
            assert isinstance(kernel, KernelArgument)
            assert kernel.terms is not None
            found.extend(kernel.terms.arrays)
        return found


_shared: Kept[Shared] = Kept(256)


def prepare(function: Callable[..., Any], options: Options, frame: Frame, arguments: Sequence[Argument]) -> Prepared:
    """Trace a function and find what is known of its structure.

    Raises
    ------
    TracingError
        The function cannot be traced, or works with numbers that only NumPy computes with.
    MemoryBudgetError
        Its results would have more elements than the memory budget allows.
    """
    if frame.uncompiled is not None:
        raise TracingError(
            f"Values of dtype {frame.uncompiled} take part, and compiled functions know bool, integers, and floats of "
            "up to 64 bits. Convert windows with dtype=, for example dtype=np.float64, or hand over real and "
            "imaginary parts as two arguments: ks.apply(lambda re, im: ..., z.real, z.imag). correlate and convolve "
            "take complex numbers."
        )
    guard = Guard.of(function) if options.repeatable else None
    parameters = [
        type(p).scalar(a) if p.kind == "scalar" else p  # type: ignore[arg-type]  # its argument is a number
        for p, a in zip(frame.parameters, arguments, strict=True)
    ]

    wants_flags = "valid" not in options.kwargs and takes(function, "valid", len(arguments))
    shown = _with_flags(function, frame) if wants_flags else function

    def traced(missing: bool) -> Trace:
        return trace(shown, parameters, options.kwargs, missing=missing, input_shapes=frame.shapes)

    whole = traced(frame.may_miss)
    interior = traced(False) if frame.may_miss and not frame.has_gaps else None
    if interior is not None and not _same_arguments(whole.arguments, interior.arguments):
        interior = None
    if settings().verify:
        verify(whole.outputs)
    captured = tuple(None if c is None else _native(c.value, c.dtype).reshape(c.shape) for c in whole.arguments)
    return Prepared(frame, guard, _shared_by(whole, interior, frame, options), captured, whole.several)


def takes(function: Callable[..., Any], name: str, count: int) -> bool:
    """Whether a function has a parameter of that name beyond the first `count` ones."""
    if type(function) is FunctionType:  # what nearly all are, and `inspect` is slow
        code = function.__code__
        return name in code.co_varnames[count : code.co_argcount + code.co_kwonlyargcount]
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    if name not in parameters:
        return False
    return parameters[name].kind is inspect.Parameter.KEYWORD_ONLY or name in list(parameters)[count:]


def _with_flags(function: Callable[..., Any], frame: Frame) -> Callable[..., Any]:
    """A function with a parameter `valid` as one without: it gets the flags of its windows."""
    windows = [number for number, p in enumerate(frame.parameters) if p.kind == "window"]
    takes_axis = takes(function, "axis", len(frame.parameters))
    axes = {"axis": tuple(range(len(frame.parameters[windows[0]].shape)))} if takes_axis else {}

    def shown(*values: Any, **kwargs: Any) -> Any:
        flags = tuple(valid(values[number]) for number in windows)
        kwargs = {**axes, **kwargs}
        return function(*values, valid=flags[0] if frame.windows_alike else flags, **kwargs)

    return shown


def _native(value: Any, dtype: DType) -> Array:
    return np.ascontiguousarray(value, dtype)


def _same_arguments(a: Sequence[Captured | None], b: Sequence[Captured | None]) -> bool:
    """Whether two traces number the same run-time arguments in the same way."""
    return len(a) == len(b) and all(map(_same, a, b))


def _same(a: Captured | None, b: Captured | None) -> bool:
    if a is None or b is None:
        return a is b
    same = a.value is b.value or np.asarray(a.value).tobytes() == np.asarray(b.value).tobytes()
    return same and (a.dtype, a.shape) == (b.dtype, b.shape)


def _shared_by(whole: Trace, interior: Trace | None, frame: Frame, options: Options) -> Shared:
    slots, factors, terms = _slots(whole, frame)
    inner = None if interior is None else structure(interior.outputs)
    key = (frame, structure(whole.outputs), inner, slots, settings().memory_budget, options.planned_method)
    found = _shared.get(key)
    if found is None:
        _check_budget(frame, whole.outputs)
        job = Job(
            whole.outputs,
            tuple(node.dtype for node in whole.outputs),
            frame.inputs,
            frame.batch,
            frame.grid,
            options.min_count,
            options.invalid,
            None if interior is None else interior.outputs,
            factors=factors,
            terms=terms,
        )
        results = tuple(_result(node, job, frame) for node in whole.outputs)
        found = _shared.put(key, Shared(job, slots, results, options.planned_method))
    return found


def _result(node: Node, job: Job, frame: Frame) -> Result:
    alone = Job((node,), (node.dtype,), job.inputs, job.batch, job.grid, job.min_count, job.invalid)
    return Result((*frame.result_shape, *node.shape), node.dtype, can_be_invalid(alone), job.invalid)


def _slots(
    traced: Trace, frame: Frame
) -> tuple[Slots, tuple[tuple[int, tuple[int, ...]], ...], tuple[KernelTerms, ...]]:
    """Dtype and shape of every run-time argument; and which of them are the factors or the terms of which kernels."""
    kernels = [(p.dtype, p.shape) for p in frame.parameters if p.kind == "kernel"]
    slots: list[tuple[DType, Shape]] = [
        kernels[slot] if c is None else (c.dtype, c.shape)  # type: ignore[misc]  # kernels have a dtype
        for slot, c in enumerate(traced.arguments)
    ]
    factors = []
    for kernel in frame.separable:
        dtype, shape = slots[kernel]
        factors.append((kernel, tuple(range(len(slots), len(slots) + len(shape)))))
        slots += [(dtype, (n,)) for n in shape]
    terms = []
    for kernel, rank, dtype, sums in frame.of_terms:
        shape, first = slots[kernel][1], len(slots)
        vectors = tuple(tuple(range(first + 2 * n, first + 2 * n + 2)) for n in range(rank))
        terms.append(KernelTerms(kernel, vectors, dtype, sums))
        slots += [(dtype, (n,)) for n in shape] * rank
    return tuple(slots), tuple(factors), tuple(terms)


def _check_budget(frame: Frame, outputs: Sequence[Node]) -> None:
    positions = int(np.prod(frame.counts, dtype=object))
    budget = settings().memory_budget
    for node in outputs:
        size = positions * node.size * node.dtype.itemsize
        if node.size > 1 and size > budget:
            raise MemoryBudgetError(
                f"The function returns an array of shape {node.shape} for each of {positions} positions: {size} "
                f"bytes, above the memory budget of {budget}. Reduce it in the function (np.sum, np.max, ...), or "
                "raise the budget: ks.configure(memory_budget=...)."
            )
