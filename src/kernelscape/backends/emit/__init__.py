"""From expressions to LLVM values: `Emitter` writes the kernel of a stage.

`values.py` holds the emitter and the leaves, `shapes.py` the shape operators, `folds.py` the reductions, `order.py`
what needs sorted samples, `rows.py` the functions that fill padded rows, `planes.py` those that take arrays at each
position apart.
"""

from kernelscape.backends.emit.kernel import kernel_text
from kernelscape.backends.emit.planes import planes_text
from kernelscape.backends.emit.rows import fill_text

__all__ = ["fill_text", "kernel_text", "planes_text"]
