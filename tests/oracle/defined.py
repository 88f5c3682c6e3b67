"""What the definition gives for a call: the function is traced and its expression evaluated by the reference."""

import numpy as np

from kernelscape.api.framing import make_frame
from kernelscape.api.options import Options
from kernelscape.boundary import MODES, Outside
from kernelscape.geometry import Job
from kernelscape.reference import evaluate
from kernelscape.trace import trace


def defined(function, arguments, output=None, **words):
    """Give the definition's result for a call of `ks.apply`."""
    frame = make_frame(Options(**words), arguments)
    missing = any(MODES[axis.mode].outside is Outside.MISSING for i in frame.inputs for axis in i.axes)
    traced = trace(function, frame.parameters, missing=missing)
    dtypes = tuple(np.dtype(output or node.dtype) for node in traced.outputs)
    job = Job(traced.outputs, dtypes, frame.inputs, frame.batch, frame.grid)
    arrays = [getattr(a, "array", a) for a in arguments]
    values = [np.asarray(a.value) for a in traced.arguments if a is not None]
    return evaluate(job, arrays, values)[0]
