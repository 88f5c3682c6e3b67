"""Kernel fields: a kernel for every pixel, in every way in which people have such kernels."""

from kernelscape.kernels.dense import Dense
from kernelscape.kernels.gaussian import Gaussian

__all__ = ["Dense", "Gaussian"]
