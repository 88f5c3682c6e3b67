"""What a plan says of itself: one line per fact, stable between versions up to the numbers."""

from __future__ import annotations

import numpy as np

from kernelscape import expression as ex
from kernelscape.geometry import Job
from kernelscape.plan.plan import Plan


def explain_lines(plan: Plan) -> list[str]:
    """The lines of `Plan.explain`."""
    job, stage = plan.job, plan.stage
    names = _axis_names(plan)
    lines = [
        f"plan: {plan.method}, 1 stage, target {plan.target.name} ({plan.target.cpu})",
        f"output: {' x '.join(map(str, plan.counts))} positions, " + ", ".join(str(d) for d in job.output_dtypes),
    ]
    for number, (spec, layout) in enumerate(zip(job.inputs, plan.layouts, strict=True)):
        window = "x".join(map(str, spec.window_shape)) if spec.taps is None else f"footprint of {len(spec.taps)}"
        modes = ", ".join(dict.fromkeys(a.mode for a in spec.axes))
        loaded = "" if layout.dtype == spec.dtype else f", loaded as {spec.dtype}"
        lines.append(f"input {number}: {layout.dtype}{loaded}, window {window}, mode {modes}")
    flat = "" if plan.arrangement.flat is None else f" (with {stage.flatten} interleaved channels)"
    lines.append(
        f"loops: outer {[names[a] for a in plan.arrangement.outer]}, rows along "
        f"{'-' if plan.arrangement.y is None else names[plan.arrangement.y]}, "
        f"vectors along {names[plan.arrangement.x]}{flat}"
    )
    apart = f" ({stage.spacing} apart)" if stage.spacing > 1 else ""
    lines.append(
        f"register tile: {stage.rows} rows{apart} x {stage.vectors} vectors x {stage.lanes} lanes, "
        f"about {plan.tile.instructions:.0f} instructions per vector of outputs"
    )
    lines.extend(_wrap_warnings(job))
    if stage.columns:
        lines.append(f"columns: {stage.column_rows[-1]} values per position along x are computed once and shared")
        lines.extend("  " + line for line in ex.to_text(stage.columns).splitlines())
    lines.append("expression:")
    lines.extend("  " + line for line in ex.to_text(stage.outputs).splitlines())
    return lines


def _axis_names(plan: Plan) -> list[str]:
    batch = len(plan.job.batch)
    return [f"batch {i}" for i in range(batch)] + [f"window {i}" for i in range(len(plan.job.grid))]


def _wrap_warnings(job: Job) -> list[str]:
    """Arithmetic in 8- or 16-bit integers wraps, as in NumPy; people rarely want that. Small counters do not."""
    nodes = list(ex.walk(job.outputs))
    truth = np.dtype(np.bool_)
    made_of_numbers: set[int] = set()
    for node in nodes:
        leaf = isinstance(node, ex.Window | ex.Pixel | ex.Argument)
        if node.dtype != truth and (leaf or any(id(child) in made_of_numbers for child in node.children)):
            made_of_numbers.add(id(node))
    narrow = {
        node.dtype.name
        for node in nodes
        if isinstance(node, ex.Elementwise)
        and id(node) in made_of_numbers
        and node.operator in ("add", "subtract", "multiply", "square", "power", "left_shift", "negative")
        and node.dtype.kind in "iu"
        and node.dtype.itemsize <= 2
    }
    return [f"note: arithmetic in {name} wraps around (pass dtype= to compute wider)" for name in sorted(narrow)]
