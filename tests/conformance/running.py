"""Executables of a case, built apart from the caches of the library, so that a test can cut the work as it likes."""

import math

import numpy as np

from kernelscape import execute
from kernelscape.api.arguments import canonical_argument
from kernelscape.api.results import allocate
from kernelscape.backends.words import Sweep
from kernelscape.config import settings
from kernelscape.execute import Executable
from tests.conformance.check import Prepared


def run(prepared: Prepared, workers=1, own=lambda array: array):
    """Results of a new executable; `own` gives the arrays that it works on instead of those of the case."""
    arguments = [canonical_argument(a) for a in prepared.arguments]
    traced = prepared.stencil.prepared_for(arguments)
    inputs = [own(a) for a in traced.frame.job_arrays(arguments)]
    slots = [own(a) for a in traced.run_time_arguments(arguments)]
    results = [own(traced.frame.job_view(a)) for a in allocate(traced.shared.results, None)]
    plan = traced.shared.plan(inputs, results)
    Executable(plan, checked=settings().checked).run(inputs, slots, results, workers)
    return results


def cut_otherwise(monkeypatch, *, strip=None, chunks=None, direct=True, threads=True):
    """Strips of `strip` register tiles, segments of `chunks` chunks, and rows copied instead of read in place."""
    tables = execute._Tables
    if threads:
        monkeypatch.setattr(execute, "INLINE_SECONDS", 0.0)
    if chunks is not None:
        monkeypatch.setattr(tables, "_block", lambda self: chunks * self.stage.chunk)
    if not direct:
        monkeypatch.setattr(tables, "_is_readable", lambda self, number: False)
    if strip is None:
        return
    usual = tables._cut

    def cut(self, sweep, segments):
        usual(self, sweep, segments)
        height = strip * self.stage.rows
        slabs = math.prod(self.outer)
        strips = math.ceil(self.y_count / height)
        sweep[Sweep.STRIP], sweep[Sweep.STRIPS], sweep[Sweep.SLABS_PER_TILE] = height, strips, 1
        sweep[Sweep.TILES] = strips * len(segments) * slabs

    monkeypatch.setattr(tables, "_cut", cut)


def bits(array: np.ndarray) -> bytes:
    """The bits of all elements; NaNs are one."""
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    return np.ascontiguousarray(array).tobytes()
