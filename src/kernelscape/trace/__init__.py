"""The tracer: plain NumPy functions of windows, pixels, kernels, indices and numbers become expressions.

``trace`` runs the function on `Traced` values. Each module here holds one side of them: operators and NEP 50
(`operators`), indexing, the value itself (`value`), and NumPy's functions by theme (`statistics`, `choosing`,
`shaping`, `algebra`). `Guard` says whether an earlier trace still stands.
"""

from kernelscape.trace import algebra as _algebra
from kernelscape.trace import choosing as _choosing
from kernelscape.trace import matrices as _matrices
from kernelscape.trace import shaping as _shaping
from kernelscape.trace import statistics as _statistics
from kernelscape.trace.distributions import entropy, majority, skew, variety
from kernelscape.trace.guard import Guard
from kernelscape.trace.recorder import Captured
from kernelscape.trace.run import Parameter, Trace, trace
from kernelscape.trace.value import Selected, Traced
from kernelscape.trace.windows import count, own_arrays, valid

__all__ = [
    "Captured",
    "Guard",
    "Parameter",
    "Selected",
    "Trace",
    "Traced",
    "count",
    "entropy",
    "majority",
    "own_arrays",
    "skew",
    "trace",
    "valid",
    "variety",
]

del _algebra, _choosing, _matrices, _shaping, _statistics
