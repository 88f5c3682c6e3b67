"""Kernelscape: any function, any kernel, every pixel.

Generalised convolution: each output element is computed from a window of one or several arrays, by any NumPy-style
function (`apply`, `stencil`) or linear kernel (`correlate`, `convolve`).

Importing the package loads nothing of it; a name brings its module with it when it is first used.

>>> import numpy as np
>>> import kernelscape as ks
>>> ks.apply(lambda w: np.median(w), np.array([1.0, 9.0, 2.0, 3.0]), size=3)
array([1., 2., 3., 3.])
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelscape import kernels
    from kernelscape.api import (
        Stencil,
        apply,
        convolve,
        correlate,
        feather,
        index,
        iterate,
        kernel,
        linear_operator,
        pixel,
        sample,
        stencil,
        window,
    )
    from kernelscape.config import configure, set_defaults, settings
    from kernelscape.errors import KernelscapeError, PerformanceWarning, TracingError
    from kernelscape.trace import count, entropy, majority, skew, valid, variety

    plan: Any  # the function of `api.plans`; a module has that name, too

__version__ = "0.1.0"
__all__ = [
    "KernelscapeError",
    "PerformanceWarning",
    "Stencil",
    "TracingError",
    "apply",
    "configure",
    "convolve",
    "correlate",
    "count",
    "entropy",
    "feather",
    "index",
    "iterate",
    "kernel",
    "kernels",
    "linear_operator",
    "majority",
    "pixel",
    "plan",
    "sample",
    "set_defaults",
    "settings",
    "skew",
    "stencil",
    "valid",
    "variety",
    "window",
]

_HOMES = {
    "kernelscape.config": ("configure", "set_defaults", "settings"),
    "kernelscape.errors": ("KernelscapeError", "PerformanceWarning", "TracingError"),
    "kernelscape.trace": ("count", "entropy", "majority", "skew", "valid", "variety"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'kernelscape' has no attribute {name!r}")
    import importlib

    if name == "kernels":
        return importlib.import_module("kernelscape.kernels")
    home = next((module for module, names in _HOMES.items() if name in names), "kernelscape.api")
    found = globals()[name] = getattr(importlib.import_module(home), name)
    return found


class _Face(ModuleType):
    """The package as users see it: its `plan` is the function, although a module of the library has that name, too.

    Importing a module sets an attribute of its package; here that changes nothing.
    """

    @property
    def plan(self) -> Any:
        from kernelscape.api.plans import plan

        return plan

    @plan.setter
    def plan(self, module: ModuleType) -> None:
        pass


sys.modules[__name__].__class__ = _Face


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
