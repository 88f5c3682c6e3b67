"""A plan: what will run, decided once for the whole array, as picklable data that a person can read.

Footprints that leave out nothing are windows without one (`boxes.py`).
From a job and the layout of its arrays in memory the plan decides which axis is innermost (`layout.py`), which rows are
read (`rows.py`) and what is computed from them (`outputs.py`): that is the `Task`. The methods of one table
(`methods.py`) each make a draft of it, and stages of the drafts (`stages.py`); the cheapest is the plan
(`candidates.py`), which says what the others would have cost (`explanation.py`). Nothing here depends on the number of
workers or on how the work is cut into tiles, and no result does.
"""

from collections.abc import Sequence

from kernelscape.geometry import Job
from kernelscape.machine import Target
from kernelscape.plan.boxes import whole_windows
from kernelscape.plan.candidates import Candidate, choose
from kernelscape.plan.costs import Estimate
from kernelscape.plan.layout import Arrangement, Layout
from kernelscape.plan.methods import NAMES as METHOD_NAMES
from kernelscape.plan.outputs import column_window, interior_outputs, masked_outputs, may_miss, stored
from kernelscape.plan.plan import Plan
from kernelscape.plan.task import Slots, task_of

__all__ = [
    "METHOD_NAMES",
    "Arrangement",
    "Candidate",
    "Estimate",
    "Layout",
    "Plan",
    "column_window",
    "interior_outputs",
    "make_plan",
    "masked_outputs",
    "may_miss",
    "stored",
]


def make_plan(
    job: Job,
    layouts: Sequence[Layout],
    output_layouts: Sequence[Layout],
    arguments: Slots,
    target: Target,
    method: str | None = None,
) -> Plan:
    """Decides how a job runs: by the cheapest method of `METHODS`, or by the one that is asked for.

    Raises
    ------
    ArgumentError
        The method that is asked for does not apply; the message says why, and what does.
    """
    job = whole_windows(job)
    task = task_of(job, layouts, output_layouts, arguments, target)
    found = choose(task, method)
    return Plan(
        job=job,
        layouts=task.layouts,
        output_layouts=task.output_layouts,
        arrangement=task.arrangement,
        stage=found.stage,
        tile=found.tile,
        target=target,
        estimate=found.estimate,
        method=found.chosen.name,
        candidates=found.candidates,
    )
