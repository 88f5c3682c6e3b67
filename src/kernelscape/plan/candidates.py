"""Candidates: every method of the table, tried on a task; the cheapest of those that apply is taken.

Which one that is decides the order of floating sums, and so the last bits of results. Therefore costs are those of one
output in the midst of a large image: they do not depend on extents, workers or tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from kernelscape.errors import ArgumentError
from kernelscape.loops import Stage
from kernelscape.methods.direct import Tile
from kernelscape.plan.costs import Estimate, estimate, steady_seconds
from kernelscape.plan.methods import METHODS, Method
from kernelscape.plan.stages import stage_of
from kernelscape.plan.task import Task

NEARLY = 1.03
"""Methods whose costs differ by less are equally cheap, and the one that comes first in the table is taken."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method for a job: what it would do and cost, or why it does not apply.

    Attributes
    ----------
    name : str
    why : str
        What is gained with it, or why it does not apply.
    exactness : str
        How results differ from the definition's; empty where the method does not apply.
    steps : tuple of str
        What is done one after the other.
    seconds : float or None
        What one worker takes, about; None where the method does not apply.
    bytes : int
        Temporary memory of one worker.
    """

    name: str
    why: str
    exactness: str = ""
    steps: tuple[str, ...] = ()
    seconds: float | None = None
    bytes: int = 0

    @property
    def applies(self) -> bool:
        """Whether the job can be computed in this way."""
        return self.seconds is not None


@dataclass(frozen=True)
class Choice:
    """What was chosen, and among what."""

    stage: Stage
    tile: Tile
    estimate: Estimate
    chosen: Candidate
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class _Possible:
    """A candidate that applies, with all that it would run; `steady` is what it is chosen by."""

    candidate: Candidate
    stage: Stage
    tile: Tile
    estimate: Estimate
    steady: float


def choose(task: Task, method: str | None = None) -> Choice:
    """The cheapest method for a task, or the one that is asked for.

    Raises
    ------
    ArgumentError
        The method that is asked for does not apply.
    """
    found = [_candidate(entry, task) for entry in METHODS]
    possible = [p for p in found if isinstance(p, _Possible)]
    every = tuple(p.candidate if isinstance(p, _Possible) else p for p in found)
    if method is None:
        best = _cheapest(task, possible)
    else:
        best = next((p for p in possible if p.candidate.name == method), None) or _refuse(method, every)
    return Choice(best.stage, best.tile, best.estimate, best.candidate, every)


def _cheapest(task: Task, possible: Sequence[_Possible]) -> _Possible:
    """The simplest of those that are as cheap as any.

    Truth values do not decide beside others: whether flags are computed with results, as those of masked arrays are, or
    by themselves, must change no bit of these.
    """
    kept = [n for n, node in enumerate(task.outputs) if node.dtype.kind != "b"]
    if 0 < len(kept) < len(task.outputs):
        dtypes = tuple(task.job.output_dtypes[n] for n in kept)
        job = replace(task.job, outputs=tuple(task.job.outputs[n] for n in kept), output_dtypes=dtypes, interior=None)
        values = replace(task, job=job, outputs=tuple(task.outputs[n] for n in kept))
        names = {p.candidate.name for p in possible}
        alone = [p for p in (_candidate(m, values) for m in METHODS if m.name in names) if isinstance(p, _Possible)]
        chosen = _simplest(alone).candidate.name
        return next(p for p in possible if p.candidate.name == chosen)
    return _simplest(possible)


def _simplest(possible: Sequence[_Possible]) -> _Possible:
    least = min(p.steady for p in possible)
    return next(p for p in possible if p.steady <= NEARLY * least)


def _refuse(method: str, candidates: Sequence[Candidate]) -> NoReturn:
    reason = next((c.why for c in candidates if c.name == method), "it is for other jobs")
    others = ", ".join(repr(c.name) for c in candidates if c.applies)
    raise ArgumentError(
        f"method={method!r} does not apply here: {reason}. What applies is {others}; or leave method out, and the "
        "cheapest of them is taken."
    )


def _candidate(method: Method, task: Task) -> Candidate | _Possible:
    draft = method.draft(task)
    if isinstance(draft, str):
        return Candidate(method.name, draft)
    stage, tile, whole = stage_of(task, draft)
    cost = estimate(stage, task.target, task.job, task.layouts, task.output_layouts, task.arrangement)
    steady = steady_seconds(replace(stage, rows=whole.rows, vectors=whole.vectors), task.target)
    candidate = Candidate(method.name, draft.why, draft.exactness, draft.steps, cost.seconds(), cost.scratch)
    return _Possible(candidate, stage, tile, cost, steady)
