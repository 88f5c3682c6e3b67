"""`Stencil`: a function of windows with the way in which its windows are taken.

A call goes through four steps, each remembered: arguments to a `Frame`, function to an expression (kept as long as its
`Guard` matches), both to a `Plan`, the plan to an `Executable`. A function that cannot be traced goes to NumPy.
"""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from kernelscape import pool
from kernelscape.api.arguments import Argument, argument_key, array_of, canonical_argument
from kernelscape.api.classes import Blocks
from kernelscape.api.expansion import has_fields, run_with_fields
from kernelscape.api.frame import Frame, make_frame
from kernelscape.api.kept import Kept
from kernelscape.api.options import Options, not_yet
from kernelscape.api.prepared import Prepared, prepare
from kernelscape.api.results import allocate, written
from kernelscape.errors import ArgumentError, ArgumentTypeError, PerformanceWarning, TracingError
from kernelscape.plan import Plan

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_frames: Kept[Frame] = Kept(256)


class Stencil:
    """A function of windows with the way in which its windows are taken; made by `stencil`.

    Calling it with arrays computes; `plan` shows what would run.

    Attributes
    ----------
    function : callable
    options : Options
    """

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        if not callable(function):
            raise ArgumentTypeError(f"The function must be callable; got {function!r}.")
        self.function, self.options = function, options
        self._prepared: Kept[Prepared] = Kept(64)
        functools.update_wrapper(self, function, updated=())

    def __reduce__(self) -> str | tuple[Any, ...]:
        """As a name where that name means this stencil (a decorated function), else as function and options."""
        found: Any = sys.modules.get(getattr(self, "__module__", ""))
        name = getattr(self, "__qualname__", "")
        for part in name.split("."):
            found = getattr(found, part, None)
        return name if found is self else (Stencil, (self.function, self.options))

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
        if progress is not None:
            raise not_yet("progress")
        if workers is not None:
            pool.resolve_workers(workers)
        return self.call(arrays, output, workers)

    def call(self, arrays: Sequence[Any], output: Any, workers: int | None, part: Blocks | None = None) -> Any:
        """The same with everything given; where `part` says which blocks, only these are written."""
        arguments = [a if type(a) is np.ndarray and a.dtype.kind in "fiub" else canonical_argument(a) for a in arrays]
        if self.options.nan_policy == "raise":
            _refuse_nan(arguments)
        if has_fields(arguments):
            return run_with_fields(self.function, self.options, arguments, output, self._call_of(workers))
        if self.options.method == "numpy":
            return self._through_numpy(arguments, output)
        try:
            prepared = self.prepared_for(arguments)
        except TracingError as error:
            if self.options.method == "traced":
                raise
            _warn(error)
            return self._through_numpy(arguments, output)
        return _run(prepared, arguments, output, workers, part)

    def plan(self, *arrays: Any, output: Any = None) -> Plan:
        """Say what a call on these arrays would run.

        Returns
        -------
        Plan
            ``plan(...).explain()`` says it in words.

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
        arguments = [canonical_argument(a) for a in arrays]
        if has_fields(arguments):
            return self._plan_with_fields(arguments, output)
        prepared = self.prepared_for(arguments)
        shared, frame = prepared.shared, prepared.frame
        inputs = frame.job_arrays(arguments)
        read = [*inputs, *prepared.run_time_arguments(arguments)]
        targets = written(allocate(shared.results, output), shared.results, read)
        return shared.plan(inputs, [frame.job_view(t) for t in targets])

    def _call_of(self, workers: int | None) -> Any:
        def call(function: Any, options: Options, arguments: list[Argument], output: Any) -> Any:
            return stencil_like(function, options)(*arguments, output=output, workers=workers)

        return call

    def _plan_with_fields(self, arguments: Sequence[Argument], output: Any) -> Plan:
        """The plan of the first rows that are computed together."""
        plans: list[Plan] = []

        def planned(function: Any, options: Options, expanded: list[Argument], target: Any) -> Any:
            plans.append(stencil_like(function, options).plan(*expanded, output=target))
            raise _Planned

        with suppress(_Planned):
            run_with_fields(self.function, self.options, arguments, output, planned)
        return plans[0]

    # -- steps -------------------------------------------------------------------------------------------------------

    def prepared_for(self, arguments: Sequence[Argument]) -> Prepared:
        """The traced function for canonical arguments of this kind."""
        key = tuple(map(argument_key, arguments))
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

    def _through_numpy(self, arguments: Sequence[Argument], output: Any) -> Any:
        from kernelscape.api.fallback import run_with_numpy

        return run_with_numpy(self.function, make_frame(self.options, arguments), arguments, self.options, output)


class _Planned(Exception):  # noqa: N818
    """The plan is made, and nothing is to be computed."""


_expanded: Kept[Stencil] = Kept(64)


def stencil_like(function: Callable[..., Any], options: Options) -> Stencil:
    """The stencil of a function made from another one, kept as long as both are."""
    key = (id(function), options)
    found = _expanded.get(key)
    if found is None or found.function is not function:
        found = _expanded.put(key, Stencil(function, options))
    return found


def _run(
    prepared: Prepared, arguments: Sequence[Argument], output: Any, workers: int | None, part: Blocks | None = None
) -> Any:
    shared, frame = prepared.shared, prepared.frame
    handed = allocate(shared.results, output)
    arrays, read = frame.job_arrays(arguments), prepared.run_time_arguments(arguments)
    targets = handed if output is None else written(handed, shared.results, (*arrays, *read))
    views = [frame.job_view(t) for t in targets]
    if part is None:
        shared.executable(arrays, views).run(arrays, read, views, workers)
    else:
        executable = shared.executable(arrays, views, part.size)
        executable.run(arrays, read, views, workers, executable.tiles_in(part.wanted(executable.plan)))
    if targets is not handed:
        for given, computed in zip(handed, targets, strict=True):
            if computed is not given:
                given[...] = computed
    return tuple(handed) if prepared.several else handed[0]


def _refuse_nan(arguments: Sequence[Argument]) -> None:
    for number, argument in enumerate(arguments):
        if type(argument) is np.ndarray or hasattr(argument, "array"):
            array = array_of(argument)
            if array.dtype.kind in "fc" and np.isnan(array).any():
                raise ArgumentError(
                    f"Array {number} contains NaN, and nan_policy is 'raise'; expected numbers. Replace them "
                    "(np.nan_to_num), or use nan_policy='propagate'."
                )


def _warn(error: TracingError) -> None:
    """One warning that points at the line which called the library."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(
        f"The function could not be traced and runs through NumPy, which is far slower. {error}",
        PerformanceWarning,
        stacklevel=level,
    )
