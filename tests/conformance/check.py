"""A call against the definition: one frame and expression, through the engine and through the interpreter."""

import functools
import operator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import canonical_argument
from kernelscape.api.frame import Frame
from kernelscape.api.options import Options
from kernelscape.api.prepared import Prepared as Traced
from kernelscape.api.results import allocate
from kernelscape.api.stencils import Stencil
from kernelscape.api.validity import with_masks
from kernelscape.errors import ArgumentError, KernelscapeError, TracingError
from kernelscape.reference import evaluate
from tests.conformance.cases import Case, lay_out, named
from tests.conformance.functions import FUNCTIONS
from tests.oracle.rounding import assert_within, bounds


class RefusedError(Exception):
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
    frame: Frame
    methods: tuple[str, ...]

    def by(self, method: str) -> "Prepared":
        """The same by another method."""
        options = Options(**self.case.call_options(), method=method)
        return replace(self, stencil=Stencil(self.stencil.function, options, where=self.stencil.where))

    def run(self, **changes: Any) -> list[np.ndarray]:
        """Results of the engine in the job's axis order."""
        workers = changes.pop("workers", self.case.workers)
        result = self.stencil(*self.arguments, output=self.output, workers=workers, **changes)
        results = result if isinstance(result, tuple) else (result,)
        return [self.frame.job_view(r) for r in results]


def prepare(case: Case) -> Prepared:
    """The definition's results of a case.

    Raises
    ------
    RefusedError
        The call is refused before anything is computed, or the definition refuses it.
    """
    given = case.arguments()
    try:
        options = Options(**case.call_options(), method="traced")
        stencil = Stencil(named(case.function).call, options, where=case.mask())
        arguments = with_masks([canonical_argument(a) for a in given], stencil.where, options)
        traced = stencil.prepared_for(arguments)
        output = _output(case, traced)
        inputs, slots = traced.frame.job_arrays(arguments), traced.run_time_arguments(arguments)
        results = [traced.frame.job_view(o) for o in allocate(traced.shared.results, output)]
        plan = traced.shared.plan(inputs, results)
        job, others = plan.job, tuple(c.name for c in plan.candidates if c.applies and c.name != plan.method)
        if "size" in case.words and traced.frame.may_miss:
            traced.shared.executable(inputs, results)  # not every pair of different windows is supported under shrink
        expected = evaluate(job, inputs, slots)
    except (KernelscapeError, ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        if isinstance(error, TracingError) and case.function in FUNCTIONS and "empty" not in str(error):
            raise
        raise RefusedError(str(error)) from error
    return Prepared(case, stencil, given, output, expected, bounds(job, inputs, slots), traced.frame, others)


def _output(case: Case, traced: Traced) -> Any:
    if case.output is None or isinstance(case.output, str):
        return case.output
    dtype, layout = case.output
    shapes = [result.shape for result in traced.shared.results]
    made = [lay_out(np.ones(shape, dtype), layout if shape else "C") for shape in shapes]
    return tuple(made) if traced.several else made[0]


def check(case: Case, *others: dict[str, Any]) -> bool:
    """Compare a case with the definition; False when the call has no meaning.

    It runs by the method that the planner takes and by one of those that it does not take; `others` are further ways.
    """
    __tracebackhide__ = True
    try:
        prepared = prepare(case)
    except RefusedError:
        return False
    runs = [(prepared, changes) for changes in ({}, *others)]
    if prepared.methods:
        runs.append((prepared.by(prepared.methods[case.array.seed % len(prepared.methods)]), {}))
    for way, changes in runs:
        results = way.run(**changes)
        for result, expected, bound in zip(results, prepared.expected, prepared.bounds, strict=True):
            assert_within(result, expected, bound, f"\nmethod={way.stencil.options.method!r}\n{case.script()}")
    return True


def decided(prepared: Prepared) -> float:
    """The share of results that is compared at all."""
    sizes = [(np.isfinite(b).sum(), b.size) for b in prepared.bounds]
    return functools.reduce(operator.add, (s[0] for s in sizes)) / max(1, sum(s[1] for s in sizes))


__all__ = ["ArgumentError", "Prepared", "RefusedError", "check", "decided", "prepare"]
