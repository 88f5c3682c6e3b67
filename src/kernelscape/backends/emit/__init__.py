"""From expressions to LLVM values: `Emitter` writes the kernel of a stage.

`values.py` holds the emitter and the leaves, `shapes.py` the shape operators, `folds.py` the reductions, `order.py`
what needs sorted samples, `bisection.py` single ranks of many, `rows.py` the functions that fill padded rows,
`planes.py` those that take arrays at each position apart, `phases.py` those that take strided rows apart, `points.py`
those that bring scattered windows together, `tiles.py` what is found for all rows and positions of a tile together
(`levels.py`, `ordinals.py`).
"""

from kernelscape.backends.emit.kernel import kernel_text
from kernelscape.backends.emit.phases import Phases, phases_text
from kernelscape.backends.emit.planes import planes_text
from kernelscape.backends.emit.points import Run, gather_text
from kernelscape.backends.emit.rows import LARGEST_STEP, Loading, fill_text
from kernelscape.backends.emit.tiles import tile_bytes

__all__ = [
    "LARGEST_STEP",
    "Loading",
    "Phases",
    "Run",
    "fill_text",
    "gather_text",
    "kernel_text",
    "phases_text",
    "planes_text",
    "tile_bytes",
]
