"""`stencil` and `apply`: a function of windows, run over arrays.

A call goes through four steps, each remembered: arguments to a `Frame`, function to an expression (kept as long as its
`Guard` matches), both to a `Plan`, the plan to an `Executable`.  Executables are shared by structure, so that a lambda made anew
in a loop compiles once.
"""

from __future__ import annotations

import functools
import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kernelscape.api.arguments import Array, KernelArgument, PixelArgument, WindowArgument, as_array
from kernelscape.api.frame import Frame, argument_key, make_frame
from kernelscape.api.options import Options
from kernelscape.config import settings
from kernelscape.errors import (
    ArgumentError,
    ArgumentTypeError,
    MemoryBudgetError,
    NotYetSupportedError,
    PerformanceWarning,
    ShapeError,
    TracingError,
)
from kernelscape.expression import DType, Node, structure, verify
from kernelscape.geometry import Job
from kernelscape.plan import Layout, Plan, make_plan
from kernelscape.reference import can_be_invalid
from kernelscape.trace import Captured, Guard, Trace, trace

if TYPE_CHECKING:
    from kernelscape.execute import Executable

Result = Array | tuple[Array, ...]
FLOAT64 = np.dtype(np.float64)
_MOST_KEPT = 256


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A traced function on arguments of one kind; `interior` is the trace without missing samples, if it differs."""

    frame: Frame
    trace: Trace
    interior: Trace | None
    guard: Guard | None
    key: tuple[Any, ...]
    dtypes: tuple[DType, ...]


class Kept:
    """A small thread-safe memory of what was used last."""

    def __init__(self, most: int = _MOST_KEPT) -> None:
        self._most, self._items, self._lock = most, OrderedDict[Any, Any](), threading.Lock()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def get(self, key: Any) -> Any:
        found = self._items.get(key)
        return found

    def put(self, key: Any, value: Any) -> Any:
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            while len(self._items) > self._most:
                self._items.popitem(last=False)
        return value

    def clear(self) -> None:
        with self._lock:
            self._items.clear()


_frames, _executables, _stencils = Kept(), Kept(), Kept()


class Stencil:
    """A function of windows with the way in which its windows are taken; made by `stencil`.

    Calling it with arrays computes; `plan` shows what would run.
    """

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        if not callable(function):
            raise ArgumentTypeError(f"The function must be callable; got {function!r}.")
        self.function, self.options = function, options
        self._prepared = Kept(64)
        functools.update_wrapper(self, function, updated=())

    def __repr__(self) -> str:
        return f"<kernelscape.Stencil of {getattr(self.function, '__qualname__', self.function)!r}>"

    def __call__(
        self,
        *arrays: Any,
        output: Any = None,
        workers: int | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> Any:
        """Computes the stencil; see `apply`."""
        if progress is not None:
            raise NotYetSupportedError("progress is not supported yet; leave it out.")
        arrays = tuple(_plain(a) for a in arrays)
        if self.options.nan_policy == "raise":
            _refuse_nan(arrays)
        if self.options.method == "numpy":
            return self._through_numpy(arrays, output)
        try:
            prepared = self._prepare(arrays)
        except TracingError as error:
            if self.options.method == "traced":
                raise
            _warn(error)
            return self._through_numpy(arrays, output)
        return self._run(prepared, arrays, output, workers)

    def plan(self, *arrays: Any, output: Any = None) -> Plan:
        """What a call on these arrays would run; ``plan(...).explain()`` says it in words."""
        arrays = tuple(_plain(a) for a in arrays)
        prepared = self._prepare(arrays)
        outputs, _ = _allocate(prepared, output)
        return _plan(prepared, _views(prepared.frame, arrays), outputs)

    # -- steps -------------------------------------------------------------------------------------------------------

    def _prepare(self, arrays: Sequence[Any]) -> Prepared:
        key = tuple(argument_key(a) for a in arrays)
        found: Prepared | None = self._prepared.get(key)
        if found is not None and found.guard is not None and found.guard.matches(self.function):
            return found
        frame_key = (self.options.key, key)
        frame: Frame | None = _frames.get(frame_key) if _is_hashable(frame_key) else None
        if frame is None:
            frame = make_frame(self.options, arrays)
            if _is_hashable(frame_key):
                _frames.put(frame_key, frame)
        has_numbers = any(p.kind == "scalar" for p in frame.parameters)
        prepared = self._traced(frame, arrays)
        return prepared if has_numbers else self._prepared.put(key, prepared)

    def _traced(self, frame: Frame, arrays: Sequence[Any]) -> Prepared:
        parameters = [
            type(p).scalar(a) if p.kind == "scalar" else p for p, a in zip(frame.parameters, arrays, strict=True)
        ]
        kwargs = self.options.kwargs
        missing = _may_miss(frame) or self.options.min_count > 1
        whole = trace(self.function, parameters, kwargs, missing=missing, input_shapes=frame.shapes)
        interior = None
        if missing:
            interior = trace(self.function, parameters, kwargs, missing=False, input_shapes=frame.shapes)
            if len(interior.arguments) != len(whole.arguments):
                interior = None
        dtypes = tuple(n.dtype for n in whole.outputs)
        if missing and not isinstance(self.options.invalid, int | np.integer):
            job = Job(whole.outputs, dtypes, frame.inputs, frame.batch, frame.grid, self.options.min_count)
            if any(d.kind in "iub" for d in dtypes) and can_be_invalid(job):
                dtypes = tuple(FLOAT64 if d.kind in "iub" else d for d in dtypes)
        _check_budget(frame, whole.outputs, dtypes)
        if settings().verify:
            verify(whole.outputs)
        rest = (self.options.min_count, repr(self.options.invalid), dtypes)
        key = (id(frame), structure(whole.outputs), None if interior is None else structure(interior.outputs), rest)
        return Prepared(frame, whole, interior, Guard.of(self.function), key, dtypes)

    def _run(self, prepared: Prepared, arrays: Sequence[Any], output: Any, workers: int | None) -> Any:
        outputs, results = _allocate(prepared, output)
        views = _views(prepared.frame, arrays)
        arguments = _arguments(prepared, arrays)
        overlaps = [output is not None and any(np.may_share_memory(o, v) for v in views) for o in outputs]
        targets = [np.empty_like(o) if lap else o for o, lap in zip(outputs, overlaps, strict=True)]
        state = settings()
        layouts = tuple((o.dtype, o.strides) for o in targets)
        slots = tuple((a.dtype, a.shape) for a in arguments)
        key = (prepared.key, layouts, slots, state.checked, state.target)
        executable: Executable | None = _executables.get(key)
        if executable is None:
            executable = _executables.put(key, _build(prepared, views, targets, self.options))
        executable.run(views, arguments, targets, workers)
        for original, made, lap in zip(outputs, targets, overlaps, strict=True):
            if lap:
                original[...] = made
        return results if prepared.trace.several else results[0]

    def _through_numpy(self, arrays: Sequence[Any], output: Any) -> Any:
        from kernelscape.api.fallback import run_with_numpy

        results, several = run_with_numpy(self.function, make_frame(self.options, arrays), arrays, self.options)
        given = output if isinstance(output, tuple | list) else (output,) * len(results)
        stored = tuple(_stored(r, o) for r, o in zip(results, given, strict=True))
        return stored if several else stored[0]


def _build(prepared: Prepared, views: Sequence[Array], targets: Sequence[Array], options: Options) -> Executable:
    from kernelscape.execute import Executable

    plan = _plan(prepared, views, targets, options)
    # The frame is kept alive with the executable: its identity is part of the key.
    executable = Executable(plan, checked=settings().checked)
    executable.keep.append(prepared.frame)
    return executable


def _plan(prepared: Prepared, views: Sequence[Array], outputs: Sequence[Array], options: Options | None = None) -> Plan:
    from kernelscape.backends.cpu import host_target
    from kernelscape.machine import named_target

    frame = prepared.frame
    options = options or Options()
    job = Job(
        prepared.trace.outputs,
        tuple(o.dtype for o in outputs),
        frame.inputs,
        frame.batch,
        frame.grid,
        options.min_count,
        options.invalid if isinstance(options.invalid, int) else float(options.invalid),
        None if prepared.interior is None else prepared.interior.outputs,
    )
    name = settings().target
    target = host_target() if name is None else named_target(name)
    slots = [(a.dtype, a.shape) for a in _slots(prepared)]
    layouts = [Layout(v.dtype, v.shape, v.strides) for v in views]
    return make_plan(job, layouts, [Layout(o.dtype, o.shape, o.strides) for o in outputs], slots, target)


def _plain(argument: Any) -> Any:
    """Arrays as plain arrays; marked arguments and numbers as they are."""
    if type(argument) is np.ndarray or isinstance(argument, WindowArgument | PixelArgument | KernelArgument):
        return argument
    if isinstance(argument, list | tuple | np.ndarray) or hasattr(argument, "__array__"):
        return argument if isinstance(argument, np.generic) else as_array(argument)
    return argument


def _may_miss(frame: Frame) -> bool:
    from kernelscape.boundary import MODES, Outside

    return any(MODES[a.mode].outside is Outside.MISSING for i in frame.inputs for a in i.axes)


def _views(frame: Frame, arrays: Sequence[Any]) -> list[Array]:
    found = []
    for view in frame.views:
        argument = arrays[view.argument]
        found.append(view.of(argument if type(argument) is np.ndarray else argument.array))
    return found


@dataclass(frozen=True, slots=True)
class _Slot:
    dtype: DType
    shape: tuple[int, ...]


def _slots(prepared: Prepared) -> list[_Slot]:
    """Dtype and shape of every run-time argument."""
    kernels = [p for p in prepared.frame.parameters if p.kind == "kernel"]
    found = []
    for slot, captured in enumerate(prepared.trace.arguments):
        if captured is None:
            dtype = kernels[slot].dtype
            assert dtype is not None
            found.append(_Slot(dtype, kernels[slot].shape))
        else:
            found.append(_Slot(captured.dtype, captured.shape))
    return found


def _arguments(prepared: Prepared, arrays: Sequence[Any]) -> list[Array]:
    """The run-time arguments as contiguous native arrays."""
    found = []
    for slot, captured in enumerate(prepared.trace.arguments):
        if captured is None:
            array = arrays[prepared.frame.kernels[slot]].array
            found.append(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))
        else:
            found.append(_captured_array(captured))
    return found


def _captured_array(captured: Captured) -> Array:
    return np.ascontiguousarray(captured.value, captured.dtype).reshape(captured.shape)


def _check_budget(frame: Frame, outputs: Sequence[Node], dtypes: Sequence[DType]) -> None:
    positions = int(np.prod(frame.counts, dtype=object))
    for node, dtype in zip(outputs, dtypes, strict=True):
        size = positions * node.size * dtype.itemsize
        if node.size > 1 and size > settings().memory_budget:
            raise MemoryBudgetError(
                f"The function returns an array of shape {node.shape} for each of {positions} positions: {size} bytes, above "
                f"the memory budget of {settings().memory_budget}. Reduce it in the function (np.sum, np.max, ...), or raise "
                "the budget: ks.configure(memory_budget=...)."
            )


# -- results ----------------------------------------------------------------------------------------------------------


def _allocate(prepared: Prepared, output: Any) -> tuple[list[Array], tuple[Array, ...]]:
    """The results, and views of them whose axes are in the job's order."""
    frame, nodes = prepared.frame, prepared.trace.outputs
    given = output if isinstance(output, tuple | list) else (output,) * len(nodes)
    if len(given) != len(nodes):
        raise ArgumentError(f"output must be one array or dtype, or one for each of the {len(nodes)} results; got {len(given)}.")
    if isinstance(output, np.ndarray) and len(nodes) > 1:
        raise ArgumentError(f"The function has {len(nodes)} results; expected output= as a tuple of as many arrays.")
    results = []
    for node, dtype, target in zip(nodes, prepared.dtypes, given, strict=True):
        shape = (*frame.result_shape, *node.shape)
        results.append(_result(shape, dtype, target))
        _check_holds(results[-1].dtype, dtype)
    ndim = len(frame.counts)
    views = []
    for result, node in zip(results, nodes, strict=True):
        missing = [a for a in range(ndim) if a not in frame.order]
        places = [slice(None)] * len(frame.order) + [None] * len(missing) + [slice(None)] * node.ndim
        full = result[tuple(places)] if missing else result
        order = (*frame.order, *missing)
        back = [order.index(a) for a in range(ndim)]
        identity = back == list(range(ndim))
        views.append(full if identity else full.transpose(*back, *range(ndim, ndim + node.ndim)))
    return views, tuple(results)


def _result(shape: tuple[int, ...], dtype: DType, target: Any) -> Array:
    if target is None:
        return np.empty(shape, dtype)
    if not isinstance(target, np.ndarray):
        return np.empty(shape, _output_dtype(target))
    if type(target) is not np.ndarray:
        target = target.view(np.ndarray) if isinstance(target, np.memmap) else target
    if target.shape != shape:
        raise ShapeError(f"output must have the result's shape {shape}; got an array of shape {target.shape}.")
    if not target.flags.writeable:
        raise ArgumentError("output must be writeable; got a read-only array.")
    _output_dtype(target.dtype)
    if not target.dtype.isnative:
        raise NotYetSupportedError(f"output must be in native byte order; got dtype {target.dtype.str}.")
    return target


def _output_dtype(dtype: Any) -> DType:
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise ArgumentTypeError(f"output must be an array or a dtype; got {dtype!r}.") from None
    if found.kind not in "biuf" or found.itemsize > 8:
        raise ArgumentTypeError(f"output must be bool, an integer, or a float of up to 64 bits; got {found}.")
    return found


def _check_holds(held: DType, made: DType) -> None:
    if held.kind == "b" and made.kind != "b":
        raise ArgumentTypeError(
            f"An output of dtype bool cannot hold the result of dtype {made}; expected a number dtype, or a comparison in "
            "the function."
        )


def _stored(result: Array, target: Any) -> Array:
    """A result of the NumPy path in the output that was asked for."""
    from kernelscape.semantics import saturate

    if target is None:
        return result
    stored = _result(result.shape, result.dtype, target)
    _check_holds(stored.dtype, result.dtype)
    stored[...] = saturate(result, result.dtype, stored.dtype) if result.dtype.kind != "c" else result
    return stored


# -- odds and ends ----------------------------------------------------------------------------------------------------


def _refuse_nan(arrays: Sequence[Any]) -> None:
    for argument in arrays:
        array = argument if type(argument) is np.ndarray else getattr(argument, "array", None)
        if array is not None and array.dtype.kind in "fc" and np.isnan(array).any():
            raise ArgumentError("An input contains NaN, and nan_policy is 'raise'.")


def _is_hashable(key: Any) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True


def _warn(error: TracingError) -> None:
    warnings.warn(
        f"The function could not be traced and runs through NumPy, which is far slower. {error}",
        PerformanceWarning,
        stacklevel=3 if _called_by_user(3) else 4,
    )


def _called_by_user(depth: int) -> bool:
    import sys

    return not sys._getframe(depth).f_globals.get("__name__", "").startswith("kernelscape")


def stencil(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Make a stencil of a function; also a decorator.

    Parameters
    ----------
    function : callable
        As in `apply`.
    **options
        The keyword arguments of `apply`, except `output`, `workers` and `progress`, which belong to the call.

    Returns
    -------
    Stencil
        ``f(A, B, output=, workers=)`` computes, ``f.plan(A, B).explain()`` says what would run.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> @ks.stencil(size=3)
    ... def local_range(w):
    ...     return np.max(w) - np.min(w)
    >>> local_range(np.array([1, 5, 2, 2]))
    array([4, 4, 3, 0])
    """
    if function is None:
        return functools.partial(stencil, **options)
    return Stencil(function, make_options(options))


def make_options(given: dict[str, Any]) -> Options:
    """Options from keyword arguments; an unknown one is a TypeError that names the nearest."""
    known = Options.__dataclass_fields__
    for name in given:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known, 1)
            raise ArgumentTypeError(f"unknown keyword argument {name!r}" + (f"; did you mean {near[0]!r}?" if near else "."))
    return Options(**given)


def kept_stencil(function: Callable[..., Any], given: dict[str, Any]) -> Stencil:
    """The stencil of a function and options that were used before, or a new one."""
    if given:
        for name in ("output", "workers", "progress"):
            given.pop(name, None)
    options = make_options(given)
    key = (id(function), options.key)
    if not _is_hashable(key):
        return Stencil(function, options)
    found: Stencil | None = _stencils.get(key)
    if found is None or found.function is not function:
        found = _stencils.put(key, Stencil(function, options))
    return found


def apply(
    function: Callable[..., Any],
    *arrays: Any,
    output: Any = None,
    workers: int | None = None,
    progress: Callable[[float], object] | None = None,
    **options: Any,
) -> Any:
    """Compute each output element from the windows of one or several arrays.

    Parameters
    ----------
    function : callable
        A plain NumPy function, called with one value per argument: the window of an array (an n-dimensional value of shape
        `size`), the value of a map, a kernel, a coordinate or a number. It returns a number, an array, or a tuple of these.
    *arrays : array_like, or what `window`, `pixel`, `kernel` and `index` make, or a number
        A bare array is a window. All have the same extents along the window axes; other axes broadcast.
    size : int, or tuple of int or None, optional
        Extents of the window; None along an axis hands over the whole axis, which the result then lacks.
    footprint : array_like of bool, optional
        Instead of `size`: the window is 1-D, its True samples in C order.
    mode : str or tuple of str
        Samples outside the array, SciPy's words: ``reflect`` (d c b a | a b c d | d c b a), ``mirror``
        (d c b | a b c d | c b a), ``nearest`` (a a a a | a b c d | d d d d), ``wrap`` (a b c d | a b c d | a b c d),
        ``constant`` (k k k k | a b c d | k k k k), and ``shrink``: the sample does not exist. ``valid`` is ``padding="valid"``.
    cval : number
        The sample outside under ``constant``.
    origin : int or tuple of int
        Moves the window, with SciPy's sign: its centre is ``size // 2 + origin``.
    stride : int or tuple of int
        Distance between outputs.
    dilation : int or tuple of int
        Distance between the samples of a window.
    padding : {"same", "valid", "full"}, int, (before, after), or one of these per axis
        How far windows reach outside the array. ``same`` has one output per sample (per `stride`).
    axes : tuple of int, optional
        The window axes; the others are batch axes. By default all.
    nan_policy : {"propagate", "raise"}
    min_count : int
        An output whose largest window has fewer valid samples is invalid.
    invalid : number
        What stands where an output is invalid.
    dtype : dtype, optional
        To which windows are converted as they are loaded.
    output : array or dtype, optional
        Where results go. A conversion to integers rounds half to even and saturates.
    kwargs : dict, optional
        Keyword arguments for the function.
    method : {"auto", "traced", "numpy"}
        ``traced`` makes it an error when the function cannot be traced; ``numpy`` never compiles.
    workers : int, optional
        Number of threads; -1 uses all. Results do not depend on it.
    where, at, otherwise, progress
        Not supported yet.

    Returns
    -------
    array or tuple of arrays
        With the dtype that NumPy gives for the function on windows of these dtypes.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError
        Before anything is computed; they are ValueError and TypeError too.
    TracingError
        With ``method="traced"``, when the function cannot be traced.

    Notes
    -----
    Without ``method="traced"``, a function that cannot be traced still works, through NumPy and slowly, after a
    `PerformanceWarning` that says why.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> A, B = np.array([1, 2, 3]), np.array([1, 1, 1])
    >>> ks.apply(lambda a, b: np.sum(a**2 - b**2), A, B, size=3, mode="shrink")
    array([ 3, 11, 11])
    """
    return kept_stencil(function, options)(*arrays, output=output, workers=workers, progress=progress)
