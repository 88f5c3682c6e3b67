"""Kernelscape beside its peers: the same job, the same image, the same output dtype, in the same run.

`python -m benchmarks` measures, `python -m benchmarks --check` only compares results, on small images. Rules that keep
the numbers fair: everybody gets the same number of threads, preallocated outputs where the peer has a way to take one,
borders included, warmed up first; and the contestants of a job take turns, so that a busy moment of the machine hits
all of them. Whoever is too slow for the full image works on a smaller one and is scaled by its number of pixels; the
table says so. The environment variable BENCHMARK_THREADS is the number of threads, two by default.
"""

import os

THREADS_VARIABLE = "BENCHMARK_THREADS"
THREADS = int(os.environ.get(THREADS_VARIABLE, "2"))

# Read by the libraries when they are loaded, so it has to stand before any of those imports.
os.environ["HL_NUM_THREADS"] = str(THREADS)
os.environ["NUMBA_NUM_THREADS"] = str(THREADS)
os.environ["OMP_NUM_THREADS"] = str(THREADS)
