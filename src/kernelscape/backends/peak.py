"""How many fused multiply-adds a processor makes per second at best: a loop of nothing else.

Filters read what they multiply, and are slower; the number is what they are compared with.
"""

from __future__ import annotations

import ctypes
import math
import time

from kernelscape.backends import cpu
from kernelscape.backends.ir import I64, PTR, Module, Type, constant
from kernelscape.backends.vector_math import fused
from kernelscape.machine import Target

CHAINS = 12
"""Sums that do not wait for each other: more than instructions take until their result is there."""
TURNS = 100_000


def peak_rate(target: Target, repeat: int = 10) -> float:
    """Multiply-adds per second on whole registers, of one worker; the fastest of some runs."""
    module = Module(cpu.function_attributes(target))
    builder = module.function("peak", (("count", I64), ("room", PTR)))
    count, room = builder.arguments
    type_ = Type("float", target.vector_bytes // 4)
    less, more = constant(type_, 0.999), constant(type_, 0.001)
    ends = builder.loop(
        constant(I64, 0),
        count,
        1,
        [constant(type_, float(n)) for n in range(CHAINS)],
        lambda _, sums: [fused(builder, target, one, less, more) for one in sums],
        never_empty=True,
    )
    for n, one in enumerate(ends):
        builder.store(one, builder.offset(room, n * target.vector_bytes))
    builder.finish()
    code = cpu.load_object(cpu.compile_text(module.text(), target), ("peak",))
    run = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(code.addresses["peak"])
    memory = ctypes.create_string_buffer(CHAINS * target.vector_bytes)
    best = math.inf
    for _ in range(repeat):
        start = time.perf_counter()
        run(TURNS, ctypes.addressof(memory))
        best = min(best, time.perf_counter() - start)
    return CHAINS * TURNS / best
