"""Backends turn a stage into machine code and run it.

They know operators and rows, never modes, methods or reductions by name.
"""
