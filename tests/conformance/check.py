"""A call against the definition: the same frame and expression, once through the engine and once through the interpreter."""

import functools
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.api.options import Options
from kernelscape.api.stencil import Prepared as Traced
from kernelscape.api.stencil import Stencil, _allocate, _arguments, _plain, _plan, _views
from kernelscape.errors import ArgumentError, KernelscapeError, TracingError
from kernelscape.reference import evaluate
from tests.conformance.cases import Case, lay_out
from tests.conformance.functions import FUNCTIONS
from tests.oracle.rounding import assert_within, bounds


class Refused(Exception):
    """The call has no meaning (an output extent below 1, a number that a dtype does not hold, ...)."""


@dataclass
class Prepared:
    """A case made ready: its arguments, its output arrays (or None) and what the definition says."""

    case: Case
    stencil: Stencil
    arguments: list[Any]
    output: Any
    expected: list[np.ndarray]
    bounds: list[np.ndarray]
    order: Any

    def run(self, **changes: Any) -> list[np.ndarray]:
        """Results of the engine in the job's axis order."""
        workers = changes.pop("workers", self.case.workers)
        result = self.stencil(*self.arguments, output=self.output, workers=workers, **changes)
        results = result if isinstance(result, tuple) else (result,)
        return [self.order(r, e.ndim) for r, e in zip(results, self.expected, strict=True)]


def prepare(case: Case) -> Prepared:
    """The definition's results of a case.

    Raises
    ------
    Refused
        The call is refused before anything is computed, or the definition refuses it.
    """
    arguments = case.arguments()
    try:
        stencil = _stencil_of(case)
        prepared = stencil._prepare([_plain(a) for a in arguments])
        output = _output(case, prepared)
        views, _ = _allocate(prepared, output)
        inputs = _views(prepared.frame, arguments)
        job = _plan(prepared, inputs, views, stencil.options).job
        slots = _arguments(prepared, arguments)
        expected = evaluate(job, inputs, slots)
    except (KernelscapeError, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, TracingError) and "empty" not in str(error):
            raise
        raise Refused(str(error)) from error
    frame = prepared.frame

    def order(result: np.ndarray, ndim: int) -> np.ndarray:
        """The job's axes: those that were handed over whole come back with one output."""
        count = len(frame.counts)
        missing = [a for a in range(count) if a not in frame.order]
        full = result[(slice(None),) * len(frame.order) + (None,) * len(missing)]
        places = (*frame.order, *missing)
        return full.transpose(*(places.index(a) for a in range(count)), *range(count, full.ndim))

    return Prepared(case, stencil, arguments, output, expected, bounds(job, inputs, slots), order)


def _stencil_of(case: Case) -> Stencil:
    options = Options(**case.call_options(), method="traced")
    return Stencil(FUNCTIONS[case.function].call, options)


def _output(case: Case, prepared: Traced) -> Any:
    if case.output is None or isinstance(case.output, str):
        return case.output
    dtype, layout = case.output
    made = []
    for node in prepared.trace.outputs:
        shape = (*prepared.frame.result_shape, *node.shape)
        if not shape and layout != "C":
            layout = "C"
        made.append(lay_out(np.ones(shape, dtype), layout))
    return tuple(made) if prepared.trace.several else made[0]


def check(case: Case, *others: dict[str, Any]) -> bool:
    """Compare a case with the definition; False when the call has no meaning. `others` are further ways to run it."""
    __tracebackhide__ = True
    try:
        prepared = prepare(case)
    except Refused:
        return False
    for changes in ({}, *others):
        results = prepared.run(**changes)
        for result, expected, bound in zip(results, prepared.expected, prepared.bounds, strict=True):
            assert_within(result, expected, bound, f"\n{case.script()}")
    return True


def decided(prepared: Prepared) -> float:
    """The share of results that is compared at all."""
    sizes = [(np.isfinite(b).sum(), b.size) for b in prepared.bounds]
    return functools.reduce(operator.add, (s[0] for s in sizes)) / max(1, sum(s[1] for s in sizes))


__all__ = ["ArgumentError", "Prepared", "Refused", "check", "decided", "prepare"]
