"""Runs plans: tables for the native worker, buffers, threads, cancellation.

`executable.py` calls the worker, `tables.py` has what it is told for a plan, `segments.py` the pieces along x and how
rows are had there. `work.py` is what they are made from: the positions to compute; `memory.py` keeps what the worker
reads, and divides its scratch memory. The way of cutting never changes a result: every tile computes each output in the
same order of operations. `points.py` and `pointwise.py` do the same for outputs that lie anywhere;
`survey.py` finds the blocks that have some.
"""

from kernelscape.execute.executable import Executable
from kernelscape.execute.pointwise import PointExecutable

__all__ = ["Executable", "PointExecutable"]
