"""The friendly layer: makes arguments canonical once; below it nothing is guessed."""

from kernelscape.api.arguments import index, kernel, pixel, window
from kernelscape.api.feathering import feather
from kernelscape.api.iteration import iterate
from kernelscape.api.linear import convolve, correlate
from kernelscape.api.linear_operators import linear_operator
from kernelscape.api.sampling import sample
from kernelscape.api.signatures import apply, stencil
from kernelscape.api.stencils import Stencil

__all__ = [
    "Stencil",
    "apply",
    "convolve",
    "correlate",
    "feather",
    "index",
    "iterate",
    "kernel",
    "linear_operator",
    "pixel",
    "sample",
    "stencil",
    "window",
]
