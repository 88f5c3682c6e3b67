"""Executables of a case, built apart from the caches of the library, so that a test can cut the work as it likes."""

import math

import numpy as np

from kernelscape.api.arguments import canonical_argument
from kernelscape.api.results import allocate
from kernelscape.api.validity import with_masks
from kernelscape.backends.words import Sweep
from kernelscape.config import settings
from kernelscape.execute import Executable, executable, segments
from kernelscape.execute.tables import Tables
from tests.conformance.check import Prepared


def run(prepared: Prepared, workers=1, own=lambda array: array):
    """Results of a new executable; `own` gives the arrays that it works on instead of those of the case."""
    stencil = prepared.stencil
    arguments = with_masks([canonical_argument(a) for a in prepared.arguments], stencil.where, stencil.options)
    traced = stencil.prepared_for(arguments)
    inputs = [own(a) for a in traced.frame.job_arrays(arguments)]
    slots = [own(a) for a in traced.run_time_arguments(arguments)]
    results = [own(traced.frame.job_view(a)) for a in allocate(traced.shared.results, None)]
    plan = traced.shared.plan(inputs, results)
    Executable(plan, checked=settings().checked).run(inputs, slots, results, workers)
    return results


def cut_otherwise(monkeypatch, *, strip=None, chunks=None, direct=True, threads=True):
    """Strips of `strip` register tiles, segments of `chunks` chunks, and rows copied instead of read in place."""
    if threads:
        monkeypatch.setattr(executable, "INLINE_SECONDS", 0.0)
    if chunks is not None:
        monkeypatch.setattr(segments, "block", lambda work: chunks * work.stage.chunk)
    if not direct:
        monkeypatch.setattr(segments, "is_readable", lambda work, number: False)
    if strip is None:
        return
    usual = Tables._cut

    def cut(self, sweep, pieces):
        usual(self, sweep, pieces)
        height = strip * self.stage.rows
        slabs = self.work.slabs
        strips = math.ceil(self.work.y_count / height)
        sweep[Sweep.STRIP], sweep[Sweep.STRIPS], sweep[Sweep.SLABS_PER_TILE] = height, strips, 1
        sweep[Sweep.TILES] = strips * len(pieces) * slabs

    monkeypatch.setattr(Tables, "_cut", cut)


def bits(array: np.ndarray) -> bytes:
    """The bits of all elements; NaNs are one."""
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    return np.ascontiguousarray(array).tobytes()
