"""Ways to compute a filter, with what they cost and promise, and the one that is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernelscape.api.operands import Operands
from kernelscape.api.options import Options
from kernelscape.errors import ArgumentError
from kernelscape.kernels.combination import LowRank
from kernelscape.methods.fft import Overlap
from kernelscape.methods.log_sigma import LogSigma
from kernelscape.methods.product_convolution import ProductConvolution

if TYPE_CHECKING:
    from kernelscape.api.approximate import Job
    from kernelscape.api.overlap import KernelJob

Design = LogSigma | ProductConvolution | LowRank | Overlap

GAIN = 0.9
"""What an inexact method may cost at most, as a fraction of the exact one's cost."""
FOURIER = "rounding of Fourier transforms (Higham 2002, section 24.1), and of adding up"
"""Where the bounds of methods with transforms come from."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A method for a job: what it costs and promises, or why it is none.

    Attributes
    ----------
    method : str
    cost : float or None
        Milliseconds of one worker; None where the method does not apply.
    why : str
        What it would do, or why it does not apply.
    bound : float
        At least the largest error of an output; rounding of the exact method is not counted.
    source : str
        Where the bound comes from.
    design : object
        What the method decided.
    """

    method: str
    cost: float | None
    why: str
    bound: float = 0.0
    source: str = ""
    design: Design | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What was chosen among which candidates; without a job only the exact method can be.

    The first candidate is the exact method.
    """

    job: Job | KernelJob | None
    chosen: Candidate
    candidates: tuple[Candidate, ...]

    @property
    def next_best(self) -> Candidate | None:
        """The cheapest of the others that are possible."""
        others = [c for c in self.candidates if c is not self.chosen and c.cost is not None]
        return min(others, key=lambda c: c.cost or 0.0, default=None)


def forced(found: Choice, asked: str, operands: Operands, options: Options) -> Choice:
    """The same with the method that is asked for."""
    own = next((c for c in found.candidates if c.method == asked), None)
    if own is not None and (own.design is not None or own is found.candidates[0]):
        return Choice(found.job, own, found.candidates)
    reason = "it is for kernel fields" if operands.field is None else "it is for one kernel for all pixels"
    if own is not None:
        reason = own.why
    elif asked != "fft" and operands.field is not None:
        reason = found.candidates[0].why if options.tol is not None else "no tolerance was given: tol="
    applying = ", ".join(repr(c.method) for c in found.candidates if c.cost is not None) or "'exact'"
    raise ArgumentError(f"method={asked!r} does not apply here: {reason}. What applies is {applying}.")


def words_of_size(size: tuple[int, ...]) -> str:
    """Extents in words."""
    return "x".join(map(str, size))
