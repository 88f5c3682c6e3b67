"""What a plan says of itself: one line per fact, stable between versions up to the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kernelscape import expression as ex
from kernelscape.geometry import Job
from kernelscape.loops import RowInput
from kernelscape.plan.candidates import Candidate
from kernelscape.plan.costs import Estimate
from kernelscape.plan.counting import count
from kernelscape.plan.plan import Plan


def explain_lines(plan: Plan) -> list[str]:
    """The lines of `Plan.explain`."""
    job, stage = plan.job, plan.stage
    names = _axis_names(plan)
    lines = [
        f"plan: {plan.method}, target {plan.target.name} ({plan.target.cpu})",
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
        f"about {sum(count(stage, plan.target).values()):.0f} instructions per vector of outputs"
    )
    lines.extend(_wrap_warnings(job))
    lines.append("stages:")
    lines.extend(f"  {number}. {step}" for number, step in enumerate(_steps(plan), 1))
    lines.append("methods:")
    lines.extend("  " + line for line in method_lines(plan.candidates, plan.method))
    lines.append(f"expected: {expected(plan.estimate)}")
    lines.append(f"memory: {_memory(plan.estimate)}")
    lines.append(f"error: {next(c.exactness for c in plan.candidates if c.name == plan.method)}")
    lines.append("expression:")
    lines.extend("  " + line for line in ex.to_text(stage.outputs).splitlines())
    for name, nodes in (("columns", stage.columns), *((f"made row {n}", (i.body,)) for n, i in _made(plan))):
        if nodes:
            lines.append(f"{name}:")
            lines.extend("  " + line for line in ex.to_text([n for n in nodes if n is not None]).splitlines())
    return lines


def _made(plan: Plan) -> list[tuple[int, RowInput]]:
    """Made rows, with their numbers among the inputs of the stage."""
    return [(n, i) for n, i in enumerate(plan.stage.inputs) if i.body is not None]


def _steps(plan: Plan) -> list[str]:
    """What is done one after the other for a tile of rows."""
    stage = plan.stage
    chosen = next(c for c in plan.candidates if c.name == plan.method)
    if chosen.steps:
        return list(chosen.steps)
    found = []
    if stage.has_made_rows:
        made = len(_made(plan))
        found.append(f"{made} made row{'s' * (made != 1)} for each source row, in which gaps are filled")
    if stage.columns:
        shared = stage.column_rows[-1]
        found.append(f"{shared} value{'s' * (shared != 1)} per position along x, which windows share")
    flags = ", with flags that say which samples count" if plan.is_masked else ""
    found.append(f"the outputs{flags}")
    return found


def method_lines(candidates: Sequence[Candidate], chosen: str) -> list[str]:
    """A table: what each method costs one worker, that of the chosen one first, and why it does not apply."""
    best = next(c for c in candidates if c.name == chosen)
    rest = sorted((c for c in candidates if c is not best and c.applies), key=lambda c: c.seconds or 0.0)
    rows = [(c.name, in_time(c.seconds or 0.0), _verdict(c, best)) for c in (best, *rest)]
    rows += [(c.name, "-", f"does not apply: {c.why}") for c in candidates if not c.applies]
    widths = [max(len(row[n]) for row in rows) for n in range(2)]
    return [f"{name:{widths[0]}}  {cost:>{widths[1]}}  {words}" for name, cost, words in rows]


def _verdict(candidate: Candidate, best: Candidate) -> str:
    if candidate is best:
        return f"chosen: {candidate.why}"
    times = (candidate.seconds or 0.0) / (best.seconds or 1.0)
    if times < 1.0:
        return f"would take {100 * times:.0f} % of that: {candidate.why}"
    return f"would take {times:.1f} times as long: {candidate.why}"


def expected(cost: Estimate) -> str:
    """What is expected of a stage, in words."""
    times = [f"{in_time(cost.seconds(n))} with {n}" for n in (1, 2, 4)]
    return f"{times[0]} worker, {', '.join(times[1:])}; {cost.limit} take{'s' * (cost.limit == 'memory')} longest"


def _memory(cost: Estimate) -> str:
    scratch = f"{in_bytes(cost.scratch)} for each worker" if cost.scratch else "borders only"
    return f"{in_bytes(cost.bytes)} read and written, each once; temporary: {scratch}"


def in_time(seconds: float) -> str:
    """A duration with two digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds / 1e-9)} ns"


def in_bytes(count: int) -> str:
    """A number of bytes with two digits, in units of 1024."""
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):  # noqa: B007
        if size < 1024:
            break
        size /= 1024
    return f"{_two_digits(size)} {unit}"


def _two_digits(number: float) -> str:
    return f"{number:.0f}" if number >= 9.95 else f"{number:.1f}"


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
