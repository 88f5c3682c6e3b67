"""Kernel fields: a kernel for every pixel, in every way in which people have such kernels."""

from kernelscape.kernels.combination import Chebyshev, Combination, LowRank
from kernelscape.kernels.dense import Dense
from kernelscape.kernels.disc import Disc
from kernelscape.kernels.formula import Formula
from kernelscape.kernels.gaussian import Gaussian
from kernelscape.kernels.grid import Grid
from kernelscape.kernels.scattered import Scattered
from kernelscape.kernels.separable import Separable

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
]
