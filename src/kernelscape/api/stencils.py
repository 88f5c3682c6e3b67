"""`Stencil`: a function of windows with the way in which its windows are taken.

A call goes through four steps, each remembered: arguments to a `Frame`, function to an expression (kept as long as its
`Guard` matches), both to a `Plan`, the plan to an `Executable`. A function that cannot be traced goes to NumPy.
"""

from __future__ import annotations

import functools
import os
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from kernelscape import pool
from kernelscape.api.arguments import Argument, Array, arguments_key, array_of, as_mask, canonical_argument
from kernelscape.api.classes import Blocks
from kernelscape.api.expansion import Expanded, has_fields, run_with_fields
from kernelscape.api.frame import Frame
from kernelscape.api.framing import make_frame
from kernelscape.api.kept import Kept
from kernelscape.api.options import GENERAL, LINEAR_METHODS, Options, nan_found, not_yet
from kernelscape.api.prepared import Prepared, prepare
from kernelscape.api.profiling import StencilPlan, with_call
from kernelscape.api.results import allocate, written
from kernelscape.api.selected import run_selected
from kernelscape.api.selection import Selection
from kernelscape.api.validity import is_masked, run_masked, with_masks
from kernelscape.errors import ArgumentError, ArgumentTypeError, PerformanceWarning, TracingError
from kernelscape.kernels.words import in_words
from kernelscape.plan import METHOD_NAMES, Plan

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_frames: Kept[Frame] = Kept(256)


class Stencil:
    """A function of windows with the way in which its windows are taken; made by `stencil`.

    Calling it with arrays computes; `plan` shows what would run.

    Attributes
    ----------
    function : callable
    options : Options
    selection : Selection or None
        Which outputs are wanted, if not all are.
    where : array of bool, optional
        Which samples count.
    """

    def __init__(
        self, function: Callable[..., Any], options: Options, selection: Selection | None = None, where: Any = None
    ) -> None:
        if not callable(function):
            raise ArgumentTypeError(f"The function must be callable; got {in_words(function)}.")
        if options.method in LINEAR_METHODS:
            raise ArgumentError(
                f"method={options.method!r} is for correlate and convolve; for functions of windows there are "
                f"{', '.join(map(repr, (*GENERAL, *METHOD_NAMES)))}."
            )
        self.function, self.options, self.selection = function, options, selection
        self.where = None if where is None else as_mask(where)
        self._prepared: Kept[Prepared] = Kept(64)
        functools.update_wrapper(self, function, updated=())

    def __reduce__(self) -> str | tuple[Any, ...]:
        """As a name where that name means this stencil (a decorated function), else as function and options."""
        found: Any = sys.modules.get(getattr(self, "__module__", ""))
        name = getattr(self, "__qualname__", "")
        for part in name.split("."):
            found = getattr(found, part, None)
        return name if found is self else (Stencil, (self.function, self.options, self.selection, self.where))

    def __repr__(self) -> str:
        return f"<kernelscape.Stencil of {getattr(self.function, '__qualname__', self.function)!s}>"

    def __call__(
        self,
        *arrays: Any,
        output: Any = None,
        workers: int | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> Any:
        """Compute the stencil.

        Parameters
        ----------
        *arrays : array_like, or what `window`, `pixel`, `kernel` and `index` make, or a number
        output, workers, progress
            As in `apply`.

        Returns
        -------
        array or tuple of arrays

        Examples
        --------
        >>> import numpy as np
        >>> import kernelscape as ks
        >>> ks.stencil(lambda w: np.sum(w), size=3)(np.array([1, 2, 3]), output=np.float32)
        array([4., 6., 8.], dtype=float32)
        """
        return self.called(arrays, output, workers, progress, self.selection, self.where)

    def called(
        self, arrays: Sequence[Any], output: Any, workers: int | None, progress: Any, selection: Selection | None,
        where: Array | None,
    ) -> Any:  # fmt: skip
        """The result for arguments as they were given, of samples that a mask allows."""
        if progress is not None:
            raise not_yet("progress")
        if workers is not None:
            pool.resolve_workers(workers)
        arguments = [a if type(a) is np.ndarray and a.dtype.kind in "fiub" else canonical_argument(a) for a in arrays]
        if where is not None or self.options.nan_policy == "omit":
            arguments = with_masks(arguments, where, self.options)
        if is_masked(arguments):

            def masked(function: Callable[..., Any], options: Options, given: Any, target: Any, chosen: Any) -> Any:
                return stencil_of(function, options).of_arguments(given, target, workers, chosen)

            return run_masked(masked, self.function, self.options, arguments, output, selection)
        return self.of_arguments(arguments, output, workers, selection)

    def of_arguments(
        self, arguments: Sequence[Argument], output: Any, workers: int | None, selection: Selection | None
    ) -> Any:
        """The result for canonical arguments."""
        if has_fields(arguments):

            def call(given: Expanded, options: Options, target: Any, chosen: Selection | None) -> Any:
                made = stencil_of(given.function, options)
                return made.computed(given.arguments, target, workers, expanded=given, selection=chosen)

            if self.options.nan_policy == "raise":
                refuse_nan(arguments)
            return run_with_fields(self.function, self.options, arguments, output, call, selection)
        return self.computed(arguments, output, workers, selection=selection)

    def plan(self, *arrays: Any, output: Any = None) -> StencilPlan:
        """Say what a call on these arrays would run.

        Returns
        -------
        StencilPlan
            ``plan(...).explain()`` says it in words; ``plan(...).profile()`` runs it, and shows what was measured
            beside what was expected; ``plan(...).candidates`` are all methods with their costs.

        Raises
        ------
        TracingError
            The function cannot be traced, so that a call would go through NumPy.

        Examples
        --------
        >>> import numpy as np
        >>> import kernelscape as ks
        >>> plan = ks.stencil(lambda w: np.sum(w), size=3).plan(np.zeros((20, 30), np.float32))
        >>> plan.explain().splitlines()[1]
        'output: 20 x 30 positions, float32'
        """
        if self.options.method == "numpy":
            raise ArgumentError("method='numpy' has no plan, as NumPy calls the function; expected 'auto' or 'traced'.")

        def run(target: Any, workers: int | None) -> Any:
            return self(*arrays, output=output if target is None else target, workers=workers)

        def again() -> tuple[float, float]:
            from kernelscape.backends.compiled import compiling_seconds

            start = time.perf_counter()
            plan = Stencil(self.function, self.options, self.selection, self.where)._planned(arrays, output)
            planning = time.perf_counter() - start
            compiling = compiling_seconds(plan.stage, plan.target, masked=plan.is_masked)
            return planning + compiling, compiling

        return with_call(self._planned(arrays, output), run, again)

    def kept_plan(self, arrays: Sequence[Any], output: Any) -> Plan:
        """What `plan` gives for arguments among which are neither masks nor fields, remembered, without the call."""
        arguments = [canonical_argument(a) for a in arrays]
        prepared = self.prepared_for(arguments)
        targets = allocate(prepared.shared.results, output)
        views = [prepared.frame.job_view(t) for t in targets]
        return prepared.shared.kept_plan(prepared.frame.job_arrays(arguments), views)

    def _planned(self, arrays: Sequence[Any], output: Any) -> Plan:
        arguments = with_masks([canonical_argument(a) for a in arrays], self.where, self.options)
        if has_fields(arguments):
            return self._plan_with_fields(arguments, output)
        prepared = self.prepared_for(arguments)
        shared, frame = prepared.shared, prepared.frame
        inputs = frame.job_arrays(arguments)
        read = [*inputs, *prepared.run_time_arguments(arguments)]
        targets = written(allocate(shared.results, output), shared.results, read)
        if self.selection is not None:
            at = frame.job_view(self.selection.wanted(frame.result_shape, frame.windowed))
            shared, inputs = shared.selected(at.dtype), [*inputs, at]
        return shared.plan(inputs, [frame.job_view(t) for t in targets])

    def computed(
        self,
        arguments: Sequence[Argument],
        output: Any,
        workers: int | None,
        blocks: Blocks | None = None,
        expanded: Expanded | None = None,
        selection: Selection | None = None,
    ) -> Any:
        """The result for canonical arguments among which is no field.

        Where `blocks` says which, only these are written; `expanded` says which arguments were a field; `selection`
        says which outputs are wanted.
        """
        if workers is not None:
            pool.resolve_workers(workers)
        if self.options.nan_policy == "raise":
            refuse_nan(arguments)
        if self.options.method != "numpy":
            try:
                prepared = self.prepared_for(arguments)
            except TracingError as error:
                if self.options.must_trace:
                    raise
                warn_of_numpy(error)
            else:
                if selection is not None:
                    handed = run_selected(prepared, arguments, output, workers, blocks, selection)
                    return tuple(handed) if prepared.several else handed[0]
                return _run(prepared, arguments, output, workers, blocks)
        from kernelscape.api.fallback import run_with_numpy

        function, layout = (self.function, None) if expanded is None else (expanded.user, expanded.layout)
        frame = make_frame(self.options, arguments)
        return run_with_numpy(function, frame, arguments, self.options, output, layout, selection)

    def _plan_with_fields(self, arguments: Sequence[Argument], output: Any) -> Plan:
        """The plan of the first rows that are computed together."""
        plans: list[Plan] = []

        def planned(given: Expanded, options: Options, target: Any, chosen: Selection | None) -> Any:
            plans.append(stencil_of(given.function, options).plan(*given.arguments, output=target))
            raise _Planned

        with suppress(_Planned):
            run_with_fields(self.function, self.options, arguments, output, planned)
        return plans[0]

    # -- steps -------------------------------------------------------------------------------------------------------

    def prepared_for(self, arguments: Sequence[Argument]) -> Prepared:
        """The traced function for canonical arguments of this kind."""
        key = arguments_key(arguments)
        found = self._prepared.get(key)
        if found is not None and found.guard is not None and found.guard.matches(self.function):
            return found
        frame = self._frame(arguments, key)
        prepared = prepare(self.function, self.options, frame, arguments)
        if prepared.guard is not None and not frame.has_numbers:
            self._prepared.put(key, prepared)
        return prepared

    def _frame(self, arguments: Sequence[Argument], key: Hashable) -> Frame:
        found = _frames.get((self.options, key))
        return found or _frames.put((self.options, key), make_frame(self.options, arguments))


class _Planned(Exception):  # noqa: N818
    """The plan is made, and nothing is to be computed."""


# The second time a function comes, it is kept; until then a weak reference says whether it is the same one.
_stencils: Kept[Stencil | weakref.ref[Any]] = Kept(64)


def stencil_of(function: Callable[..., Any], options: Options) -> Stencil:
    """The stencil of a function that was used with these options before, or a new one.

    A function is only kept from its second call on: one made anew for each call, and what it holds, is not kept alive.
    """
    key = (id(function), options)
    found = _stencils.get(key)
    if isinstance(found, Stencil):
        if found.function is function:
            return found
    elif found is not None and found() is function:
        kept = Stencil(function, options)
        _stencils.put(key, kept)
        return kept
    made = Stencil(function, options)
    if isinstance(function, type(np.sum)):  # NumPy's own, which live as long as it does and have no weak references
        _stencils.put(key, made)
        return made
    with suppress(TypeError):  # an object without weak references is not kept
        _stencils.put(key, weakref.ref(function))
    return made


def _run(
    prepared: Prepared, arguments: Sequence[Argument], output: Any, workers: int | None, blocks: Blocks | None
) -> Any:
    shared, frame = prepared.shared, prepared.frame
    handed = allocate(shared.results, output)
    arrays, read = frame.job_arrays(arguments), prepared.run_time_arguments(arguments)
    # Behind what was captured come vectors that kernels are made of, which nobody else holds.
    theirs = (*arrays, *read[: len(prepared.captured)])
    targets = handed if output is None else written(handed, shared.results, theirs)
    views = [frame.job_view(t) for t in targets]
    if blocks is None:
        shared.executable(arrays, views).run(arrays, read, views, workers)
    else:
        executable = shared.executable(arrays, views, blocks.size)
        executable.run(arrays, read, views, workers, executable.tiles_in(blocks.wanted(executable.plan)))
    if targets is not handed:
        for given, computed in zip(handed, targets, strict=True):
            if computed is not given:
                given[...] = computed
    return tuple(handed) if prepared.several else handed[0]


def refuse_nan(arguments: Sequence[Argument]) -> None:
    """What ``nan_policy="raise"`` does."""
    for number, argument in enumerate(arguments):
        if type(argument) is np.ndarray or hasattr(argument, "array"):
            array = array_of(argument)
            if array.dtype.kind in "fc" and np.isnan(array).any():
                raise nan_found(f"Array {number}")


def warn_of_numpy(error: TracingError) -> None:
    """One warning that points at the line which called the library."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(
        f"The function could not be traced and runs through NumPy, which is far slower. {error}",
        PerformanceWarning,
        stacklevel=level,
    )
