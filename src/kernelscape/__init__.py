"""Kernelscape: any function, any kernel, every pixel."""

__version__ = "0.1.0"
