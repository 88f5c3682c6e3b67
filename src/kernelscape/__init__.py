"""Kernelscape: any function, any kernel, every pixel.

Generalised convolution: each output element is computed from a window of one or several arrays, by any NumPy-style function
(`apply`, `stencil`) or linear kernel (`correlate`, `convolve`).

>>> import numpy as np
>>> import kernelscape as ks
>>> ks.apply(lambda w: np.median(w), np.array([1.0, 9.0, 2.0, 3.0]), size=3)
array([1., 2., 3., 3.])
"""

from kernelscape.api import Stencil, apply, convolve, correlate, index, kernel, pixel, stencil, window
from kernelscape.config import configure, set_defaults, settings
from kernelscape.errors import KernelscapeError, PerformanceWarning, TracingError
from kernelscape.trace import count, valid

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
    "index",
    "kernel",
    "pixel",
    "set_defaults",
    "settings",
    "stencil",
    "valid",
    "window",
]
