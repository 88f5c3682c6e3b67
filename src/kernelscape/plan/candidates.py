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
        best = min(possible, key=lambda p: p.steady)
    else:
        best = next((p for p in possible if p.candidate.name == method), None) or _refuse(method, every)
    return Choice(best.stage, best.tile, best.estimate, best.candidate, every)


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
