"""Kernel fields: a kernel for every pixel, in every way in which people have such kernels."""

from typing import TYPE_CHECKING, Any

from kernelscape.kernels.combination import Chebyshev, Combination, LowRank
from kernelscape.kernels.dense import Dense
from kernelscape.kernels.disc import Disc
from kernelscape.kernels.formula import Formula
from kernelscape.kernels.gaussian import Gaussian
from kernelscape.kernels.grid import Grid
from kernelscape.kernels.scattered import Scattered
from kernelscape.kernels.separable import Separable

if TYPE_CHECKING:
    from kernelscape.api.compress import compress

__all__ = [
    "Chebyshev",
    "Combination",
    "Dense",
    "Disc",
    "Formula",
    "Gaussian",
    "Grid",
    "LowRank",
    "Scattered",
    "Separable",
    "compress",
]


def __getattr__(name: str) -> Any:
    """`compress` runs the engine, which knows the fields: it is fetched when it is asked for."""
    if name != "compress":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kernelscape.api.compress import compress

    globals()[name] = compress
    return compress
