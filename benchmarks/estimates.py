"""The command `python -m benchmarks.estimates`: what the planner expects, beside what is measured, method by method.

Each stencil is run by every method that applies to it and has a chance. A table shows expected and measured times, how
good the choice was (its time over that of the fastest method), and at the end how good estimates and choices are
altogether. With `--worst 1.3` the command fails where a choice is worse than that.

Times are those of the processor, with one worker, the least of some runs: they are compared with each other, and other
work of the machine disturbs them less than it does a clock.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import kernelscape as ks

DTYPES = (np.uint8, np.uint16, np.float32, np.float64)
SIZES = (3, 5, 7, 11, 15, 21, 31)
HOPELESS = 30
"""Methods that are expected to take so many times as long as the chosen one are not run."""


@dataclass(frozen=True)
class Entry:
    """A stencil: its name, the function, what it takes besides an image, and the largest window that is worth while."""

    name: str
    function: Callable[..., Any]
    most: int = 31
    weighed: bool = False
    dtypes: Sequence[type] = DTYPES


def _bilateral(w: Any) -> Any:
    weights = np.exp(-8 * (w - w[w.shape[0] // 2, w.shape[1] // 2]) ** 2)
    return np.sum(weights * w) / np.sum(weights)


FLOATS = (np.float32, np.float64)
ENTRIES = (
    Entry("sum", np.sum),
    Entry("mean", np.mean),
    Entry("max", np.max),
    Entry("range", lambda w: np.max(w) - np.min(w), 15),
    Entry("std", np.std, 15),
    Entry("median", np.median),
    Entry("bilateral", _bilateral, 7, dtypes=FLOATS),
    Entry("roots", lambda w: np.sum(np.sqrt(w)), 15, dtypes=FLOATS),
    Entry("correlation", lambda w, k: np.sum(w * k), weighed=True, dtypes=FLOATS),
    Entry("max-product", lambda w, k: np.max(w * k), 15, weighed=True, dtypes=FLOATS),
)


@dataclass(frozen=True)
class Row:
    """One stencil: for each method that applies (expected, measured) seconds; and the method that was chosen."""

    name: str
    times: dict[str, tuple[float, float]]
    chosen: str

    @property
    def regret(self) -> float:
        """The time of the chosen method over that of the fastest one."""
        return self.times[self.chosen][1] / min(measured for _, measured in self.times.values())


def rows(extent: int, only: Sequence[str], repeat: int, sizes: Sequence[int] = SIZES) -> Iterator[Row]:
    """Measure one stencil after the other."""
    random = np.random.default_rng(0)
    for entry in ENTRIES:
        for dtype in entry.dtypes:
            scale = 250 if np.dtype(dtype).kind == "u" else 1
            image = (scale * random.random((extent, extent))).astype(dtype)
            for size in (size for size in sizes if size <= entry.most):
                name = f"{entry.name} {size}x{size} {np.dtype(dtype).name}"
                if all(part in name for part in only):
                    weights = random.random((size, size)).astype(dtype)
                    yield _measured(name, entry, image, weights, repeat)


def _measured(name: str, entry: Entry, image: Any, weights: Any, repeat: int) -> Row:
    arrays = (image, ks.kernel(weights)) if entry.weighed else (image,)
    words: dict[str, Any] = {} if entry.weighed else {"size": weights.shape}
    plan = ks.stencil(entry.function, **words).plan(*arrays)
    times = {}
    for candidate in plan.candidates:
        if candidate.seconds is not None and candidate.seconds < HOPELESS * plan.estimate.seconds():
            made = ks.stencil(entry.function, method=candidate.name, **words)
            times[candidate.name] = candidate.seconds, _seconds(made, arrays, repeat)
    return Row(name, times, plan.method)


def _seconds(made: Any, arrays: Sequence[Any], repeat: int) -> float:
    result, best = made(*arrays, workers=1), math.inf
    for _ in range(repeat):
        start = time.process_time()
        made(*arrays, output=result, workers=1)
        best = min(best, time.process_time() - start)
    return best


def summary(found: Sequence[Row]) -> list[str]:
    """How good estimates and choices are."""
    ratios = [e / m for row in found for e, m in row.times.values()]
    near = {limit: sum(1 / limit <= r <= limit for r in ratios) / len(ratios) for limit in (1.5, 2.0)}
    mean = math.exp(sum(math.log(row.regret) for row in found) / len(found))
    worst = max(found, key=lambda row: row.regret)
    return [
        f"{len(ratios)} estimates: {100 * near[2.0]:.0f} % within a factor of 2, {100 * near[1.5]:.0f} % within 1.5",
        f"{len(found)} choices: {mean:.2f} times the fastest method on average, "
        f"at most {worst.regret:.2f} ({worst.name})",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where a choice is worse than is allowed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimates", description="The planner beside a clock.")
    parser.add_argument("--size", type=int, default=1500, help="extent of the square images (default: 1500)")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="stencils whose name contains this")
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="runs that are timed (default: 7)")
    parser.add_argument("--worst", type=float, metavar="FACTOR", help="fail where a choice takes longer by more")
    options = parser.parse_args(arguments)
    found = []
    for row in rows(options.size, options.only, options.repeat):
        found.append(row)
        times = "   ".join(f"{name} {1e3 * e:.2f} / {1e3 * m:.2f}" for name, (e, m) in row.times.items())
        print(f"{row.name:28} {row.chosen:10} {row.regret:5.2f}   {times}", flush=True)
    if not found:
        print("no stencil has such a name", file=sys.stderr)
        return 2
    print("(chosen method, its time over the fastest; expected / measured ms)", *summary(found), sep="\n")
    return int(options.worst is not None and any(row.regret > options.worst for row in found))


if __name__ == "__main__":
    sys.exit(main())
