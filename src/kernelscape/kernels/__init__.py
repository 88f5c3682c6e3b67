"""Kernel fields: a kernel for every pixel, in every way in which people have such kernels."""
