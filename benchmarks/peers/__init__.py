"""What users of other packages would write for the jobs of the grid: one module for each kind of package.

Each function prepares a contestant: it takes what the job is about (weights, window sizes) and gives a factory, which
takes the arrays and gives a `Run`. Outputs are allocated beforehand where a package can write to one, threads are set,
compiled pipelines are made once.
"""

from collections.abc import Callable

from benchmarks.harness import Run

Factory = Callable[..., Run]

NEEDS = {
    "torch": "torch",
    "torch unfold": "torch",
    "jax": "jax",
    "skimage": "skimage",
    "bottleneck": "bottleneck",
    "astropy": "astropy",
}
"""Name of a contestant -> the module that it needs, where it is optional."""
