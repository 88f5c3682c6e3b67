"""What a plan takes when it runs, beside what was expected of it.

A run is measured as its user has it: a call with an `output` that is there already, everything prepared by calls before
it, the fastest of several. What a first call takes on top is measured by doing it again with nothing prepared: machine
code is compiled anew, not taken from a cache. Bytes per second are compared with a copy of as many bytes, by the same
workers, in the same process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from kernelscape import pool
from kernelscape.errors import ArgumentError
from kernelscape.plan import Plan
from kernelscape.plan.explanation import in_bytes, in_time

if TYPE_CHECKING:
    from kernelscape.machine import Target

Run = Callable[[Any, int | None], Any]
"""``run(output, workers)``: the call, into arrays that are there."""
Again = Callable[[], tuple[float, float | None]]
"""``again()`` prepares a call once more: seconds of that, and of the compiling in it, if anything is compiled."""


@dataclass(frozen=True)
class Profile:
    """What was measured, beside what was expected; printing it gives a table.

    Attributes
    ----------
    method : str
        What ran.
    workers : int
        Threads that were allowed.
    repeat : int
        Calls of which the fastest counts.
    seconds : float
        Of the fastest call.
    expected : float
        Seconds that the plan expects.
    bytes : int
        Read from inputs and written to outputs, each once.
    bandwidth : float
        These, per second.
    copying : float
        Seconds that a copy of as many bytes takes with as many workers.
    peak : float or None
        Of a linear filter: which part of the machine's fused multiply-adds it reaches, from 0 to 1. Else None.
    compiling : float or None
        Seconds in which machine code is written and compiled; None where no stage of this plan is compiled.
    first : float
        Seconds of a first call: traced, planned, compiled and run, with nothing in any cache.
    """

    method: str
    workers: int
    repeat: int
    seconds: float
    expected: float
    bytes: int
    copying: float
    peak: float | None
    compiling: float | None
    first: float

    @property
    def bandwidth(self) -> float:
        """Bytes per second."""
        return self.bytes / self.seconds

    @property
    def of_copy(self) -> float:
        """The speed, as a part of that of a copy of as many bytes."""
        return self.copying / self.seconds

    def __str__(self) -> str:
        times = f"expected {in_time(self.expected)}, {self.seconds / self.expected:.2f} times as long"
        rows = [
            ("time", in_time(self.seconds), times),
            ("memory", f"{self.bandwidth / 1e9:.1f} GB/s", f"{in_bytes(self.bytes)}, {100 * self.of_copy:.0f} % of the "
             f"speed of a copy ({in_time(self.copying)})"),
        ]  # fmt: skip
        if self.peak is not None:
            rows.append(("multiply-adds", f"{100 * self.peak:.0f} %", "of what the machine can do"))
        if self.compiling is not None:
            rows.append(("compiling", in_time(self.compiling), "once for each structure, then kept on disk"))
        rows.append(("first call", in_time(self.first), "with nothing in any cache"))
        widths = [max(len(row[n]) for row in rows) for n in range(2)]
        fastest = f"fastest of {self.repeat} calls" if self.repeat > 1 else "one call"
        head = f"profile: {self.method}, {self.workers} worker{'s' * (self.workers != 1)}, {fastest}"
        return "\n".join([head, *(f"  {a:{widths[0]}}  {b:>{widths[1]}}  {c}" for a, b, c in rows)])


def measured(
    run: Run, method: str, bytes_: int, expected: Callable[[int], float], again: Again, *, repeat: int,
    workers: int | None, products: float = 0.0, target: Target | None = None,
) -> Profile:  # fmt: skip
    """The profile of a call.

    `expected` gives seconds for a number of workers; `again` the seconds of what a first call does before it runs, and
    those in which it compiles; `products` is how many multiply-adds on registers a linear filter takes.
    """
    if isinstance(repeat, bool) or not hasattr(repeat, "__index__") or repeat < 1:
        raise ArgumentError(f"repeat must be an integer of at least 1; got {repeat!r}.")
    count = pool.resolve_workers(workers)
    made = run(None, workers)
    preparing, compiling = again()
    start = time.perf_counter()
    run(None, workers)
    first = preparing + time.perf_counter() - start
    seconds = fastest(lambda: run(made, workers), repeat)
    peak = None
    if products and target is not None:
        peak = products / seconds / (target.rates.peak * count)
    return Profile(
        method=method,
        workers=count,
        repeat=repeat,
        seconds=seconds,
        expected=expected(count),
        bytes=bytes_,
        copying=_copying(bytes_, count, repeat),
        peak=peak,
        compiling=compiling,
        first=first,
    )


def fastest(run: Callable[[], Any], repeat: int) -> float:
    """Seconds of the fastest of some calls."""
    best = math.inf
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def _copying(count: int, workers: int, repeat: int) -> float:
    """Seconds in which so many bytes are read and written: half of them copied, by the engine itself."""
    from kernelscape.api.stencils import stencil_of

    rows = max(1, count // 2 // 4096)
    source = np.zeros((rows, min(4096, max(1, count // 2))), np.uint8)
    copy = stencil_of(_itself, _copy_options())
    target = copy(source, workers=workers)
    return fastest(lambda: copy(source, output=target, workers=workers), max(repeat, 5))


@lru_cache(maxsize=1)
def _copy_options() -> Any:
    from kernelscape.api.options import Options

    return Options(size=1)


def _itself(w: Any) -> Any:
    return w[0, 0]


@dataclass(frozen=True)
class StencilPlan(Plan):
    """A plan of a stencil together with the call that it is for.

    It is a `Plan`, and can run: `profile` measures it. Where it is pickled or copied, what comes out is the plan alone.
    The arrays of the call are not copied; do not change them while the plan is in use.

    Attributes
    ----------
    run : callable
        ``run(output, workers)``: the call.
    again : callable
        ``again()`` prepares the call once more, for its seconds; those of compiling come second.
    """

    run: Run = field(compare=False, repr=False, kw_only=True)
    again: Again = field(compare=False, repr=False, kw_only=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return Plan, tuple(getattr(self, f.name) for f in fields(Plan))

    def profile(self, repeat: int = 5, workers: int | None = None) -> Profile:
        """Run the call and measure what it takes, beside what the plan expects.

        Parameters
        ----------
        repeat : int
            Calls, of which the fastest counts.
        workers : int, optional
            As in `apply`.

        Returns
        -------
        Profile
            It prints as a table; its attributes are the numbers in seconds and bytes.

        Examples
        --------
        >>> import numpy as np
        >>> import kernelscape as ks
        >>> plan = ks.stencil(np.max, size=5).plan(np.zeros((200, 300), np.float32))
        >>> profile = plan.profile(repeat=3)
        >>> profile.seconds > 0
        True
        >>> print(profile)
        profile: columns, ... worker..., fastest of 3 calls
          time ...
        """
        return measured(
            self.run, self.method, self.estimate.bytes, self.estimate.seconds, self.again,
            repeat=repeat, workers=workers, products=self.estimate.products, target=self.target,
        )  # fmt: skip


def with_call(plan: Plan, run: Run, again: Again) -> StencilPlan:
    """A plan that can run."""
    return StencilPlan(**{f.name: getattr(plan, f.name) for f in fields(Plan)}, run=run, again=again)
