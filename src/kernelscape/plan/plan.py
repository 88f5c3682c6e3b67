"""A plan as data: picklable, the same for any number of workers, and readable for a person."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kernelscape.expression import Shape
from kernelscape.geometry import Job
from kernelscape.loops import Stage
from kernelscape.machine import Target
from kernelscape.methods.direct import Tile
from kernelscape.plan.candidates import Candidate
from kernelscape.plan.costs import Estimate
from kernelscape.plan.layout import Arrangement, Layout
from kernelscape.plan.outputs import has_gaps, masked_outputs


@dataclass(frozen=True)
class Plan:
    """What runs for one job on arrays of one layout.

    Attributes
    ----------
    job : Job
    layouts, output_layouts : tuple of Layout
    arrangement : Arrangement
    stage : Stage
    tile : Tile
    target : Target
    estimate : Estimate
        What it is expected to take.
    method : str
        The name of the candidate that was taken.
    candidates : tuple of Candidate
        All methods: what they would cost, or why they do not apply.
    """

    job: Job
    layouts: tuple[Layout, ...]
    output_layouts: tuple[Layout, ...]
    arrangement: Arrangement
    stage: Stage
    tile: Tile
    target: Target
    estimate: Estimate
    method: str
    candidates: tuple[Candidate, ...]

    @property
    def has_one_stage(self) -> bool:
        """Whether tiles in which samples are missing run the same code as others."""
        return self.is_masked or self.stage.has_made_rows

    @property
    def is_masked(self) -> bool:
        """Whether data says which samples count, and the code of the stage has flags."""
        return has_gaps(self.job) and not self.stage.has_made_rows

    @property
    def masked_stage(self) -> Stage:
        """The stage of the tiles in which samples are missing."""
        if self.has_one_stage:
            return self.stage
        return replace(self.stage, outputs=masked_outputs(self.job), columns=(), column_taps=())

    @property
    def counts(self) -> Shape:
        """Output extents along batch and window axes."""
        return self.job.counts

    def explain(self) -> str:
        """The plan in words; one line per fact, stable between versions up to the numbers."""
        from kernelscape.plan.explanation import explain_lines

        return "\n".join(explain_lines(self))
