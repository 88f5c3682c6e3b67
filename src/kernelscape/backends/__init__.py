"""Backends turn a stage into machine code and run it; they know operators and rows, never modes, methods or reductions by name."""
