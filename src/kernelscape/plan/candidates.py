"""Candidates: every method of the table, tried on a task; the cheapest of those that apply is taken.

Which one that is decides the order of floating sums, and so the last bits of results. Therefore costs are those of one
output in the midst of a large image: they do not depend on extents, workers or tiles.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernelscape.loops import Stage
from kernelscape.methods.direct import Tile
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
    chosen: Candidate
    candidates: tuple[Candidate, ...]


def choose(task: Task) -> Choice:
    """The cheapest method for a task."""
    found = [_candidate(method, task) for method in METHODS]
    possible = [(c, made) for c, made in found if made is not None]
    chosen, (stage, tile) = possible[-1]
    return Choice(stage, tile, chosen, tuple(c for c, _ in found))


def _candidate(method: Method, task: Task) -> tuple[Candidate, tuple[Stage, Tile] | None]:
    draft = method.draft(task)
    if isinstance(draft, str):
        return Candidate(method.name, draft), None
    stage, tile = stage_of(task, draft)
    seconds = 1e-9 * tile.instructions / stage.lanes
    return Candidate(method.name, draft.why, draft.exactness, draft.steps, seconds), (stage, tile)
