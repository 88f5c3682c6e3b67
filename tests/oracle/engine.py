"""Jobs through the engine, for tests: plans of given arrays, results amid guard bytes, functions of LLVM text."""

import ctypes
import math

import numpy as np

from kernelscape.backends import cpu
from kernelscape.backends.ir import I64, PTR, VOID, Module
from kernelscape.execute import Executable
from kernelscape.machine import named_target
from kernelscape.plan import Layout, make_plan
from kernelscape.reference import evaluate
from tests.oracle.jobs import make_job

TARGETS = ("host", "x86-64", "x86-64-v3")
_GUARD = 256
_PATTERN = 0xA5


def target_named(name):
    return cpu.host_target() if name == "host" else named_target(name)


def compiled_function(signature, write, target="host", result=VOID):
    """Give ``f(*integers and addresses)`` whose body `write(builder)` emits; what `write` returns is the result."""
    target = target_named(target)
    module = Module(cpu.function_attributes(target))
    builder = module.function("f", signature, result)
    builder.finish(write(builder))
    code = cpu.load_object(cpu.compile_text(module.text(), target), ("f",))
    prototype = ctypes.CFUNCTYPE(ctypes.c_int64 if result == "i64" else None, *(_C[t] for _, t in signature))
    function = prototype(code.addresses["f"])
    function.code = code  # keeps the machine code in memory
    return function


_C = {I64: ctypes.c_int64, PTR: ctypes.c_void_p}


class Guarded:
    """An array of a dtype and shape amid bytes that nobody may touch; `order` is the memory order of its axes."""

    def __init__(self, shape, dtype, order=None):
        dtype, size = np.dtype(dtype), math.prod(shape)
        self._bytes = np.full(size * dtype.itemsize + 2 * _GUARD, _PATTERN, np.uint8)
        order = tuple(range(len(shape))) if order is None else order
        inner = self._bytes[_GUARD : _GUARD + size * dtype.itemsize].view(dtype)
        self.array = inner.reshape([shape[a] for a in order]).transpose(np.argsort(order))

    def assert_intact(self):
        """Nothing was written before or behind the array."""
        edges = np.concatenate([self._bytes[:_GUARD], self._bytes[-_GUARD:]])
        assert (edges == _PATTERN).all()


def plan_of(job, arrays, outputs=None, arguments=(), target="host"):
    """Give the plan of a job on these arrays; results are in C order unless they are given."""
    if outputs is None:
        outputs = [r.array for r in results_for(job)]
    layouts = [Layout(a.dtype, a.shape, a.strides) for a in arrays]
    output_layouts = [Layout(o.dtype, o.shape, o.strides) for o in outputs]
    slots = [(a.dtype, a.shape) for a in arguments]
    return make_plan(job, layouts, output_layouts, slots, target_named(target))


def results_for(job, order=None):
    """Give guarded arrays for the results; `order` is the memory order of the position axes."""
    counts = job.counts
    found = []
    for node, dtype in zip(job.outputs, job.output_dtypes, strict=True):
        axes = None if order is None else (*order, *range(len(counts), len(counts) + node.ndim))
        found.append(Guarded((*counts, *node.shape), dtype, axes))
    return found


def run(job, arrays, arguments=(), *, order=None, target="host", checked=False, workers=1, executable=None):
    """Give the results of a job by the engine, after checks that nothing else was written."""
    guarded = results_for(job, order)
    outputs = [g.array for g in guarded]
    copies = [a.copy() for a in arrays]
    if executable is None:
        executable = Executable(plan_of(job, arrays, outputs, arguments, target), checked=checked)
    executable.run(arrays, arguments, outputs, workers)
    for guard in guarded:
        guard.assert_intact()
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    return outputs


def assert_as_defined(function, arrays, words=None, *, arguments=(), order=None, target="host", **options):
    """The engine gives the bits of the definition (for functions and data without rounding)."""
    __tracebackhide__ = True
    job = make_job(function, arrays, words, **options)
    got = run(job, arrays, arguments, order=order, target=target)
    for result, wanted in zip(got, evaluate(job, arrays, arguments), strict=True):
        assert result.dtype == wanted.dtype
        np.testing.assert_array_equal(result, wanted)


def whole_numbers(shape, dtype=np.float32, seed=0):
    """Small whole numbers, whose sums and products are exact in any order."""
    rng = np.random.default_rng(seed)
    low = 0 if np.dtype(dtype).kind in "ub" else -9
    return rng.integers(low, 2 if np.dtype(dtype).kind == "b" else 10, shape).astype(dtype)
