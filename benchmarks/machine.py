"""What the machine can do at best: the speed of copying, and the rate of multiply-adds. Both with all threads.

No filter reads its input and writes its output faster than a copy does; no sum of products is faster than the processor
multiplies and adds in registers.
"""

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from benchmarks import THREADS
from benchmarks.harness import Run, clock
from kernelscape.backends.cpu import compile_text, function_attributes, host_target, load_object

ACCUMULATORS = 12
"""Independent sums: enough to hide the latency of a multiply-add on the processors of the last ten years."""
ROUNDS = 2_000_000


@dataclass(frozen=True)
class Limits:
    """Bytes read and written per second, and floating-point operations per second by dtype."""

    copy: float
    flops: dict[str, float]


def best_of(work: Callable[[], object], number: int = 10) -> float:
    return min(clock(Run(work)) for _ in range(number))


def copy_speed(extent: int = 2048) -> float:
    """Bytes read and written per second when a float32 image is copied into reused memory, by one thread or by all."""
    source = np.ones((extent, extent), np.float32)
    target = np.empty_like(source)
    parts = list(zip(np.array_split(source, THREADS), np.array_split(target, THREADS), strict=True))
    with ThreadPoolExecutor(THREADS) as pool:
        together = best_of(lambda: list(pool.map(lambda pair: np.copyto(pair[1], pair[0]), parts)))
    alone = best_of(lambda: np.copyto(target, source))
    return 2 * source.nbytes / min(alone, together)


def loop_of(dtype: np.dtype) -> tuple[str, int]:
    """LLVM IR of a loop of independent multiply-adds, and the operations of one round."""
    target = host_target()
    lanes = target.vector_bytes // dtype.itemsize
    element, suffix = ("double", "f64") if dtype.itemsize == 8 else ("float", "f32")
    vector = f"<{lanes} x {element}>"
    numbers = range(ACCUMULATORS)
    phis = "\n".join(f"  %a{i} = phi {vector} [ zeroinitializer, %entry ], [ %b{i}, %loop ]" for i in numbers)
    steps = "\n".join(
        f"  %b{i} = call {vector} @llvm.fma.v{lanes}{suffix}({vector} %x, {vector} %x, {vector} %a{i})" for i in numbers
    )
    stores = "\n".join(
        f"  %p{i} = getelementptr {vector}, ptr %out, i64 {i}\n  store {vector} %b{i}, ptr %p{i}, align 8"
        for i in numbers
    )
    text = f"""
declare {vector} @llvm.fma.v{lanes}{suffix}({vector}, {vector}, {vector})
define void @rounds(i64 %count, ptr %out) {function_attributes(target)} {{
entry:
  %x = load {vector}, ptr %out, align 8
  br label %loop
loop:
  %n = phi i64 [ 0, %entry ], [ %next, %loop ]
{phis}
{steps}
  %next = add i64 %n, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %done
done:
{stores}
  ret void
}}
"""
    return text, 2 * lanes * ACCUMULATORS


def multiply_adds(dtype: np.dtype, rounds: int = ROUNDS) -> float:
    """Floating-point operations per second of all threads together."""
    text, operations = loop_of(dtype)
    code = load_object(compile_text(text, host_target()), ("rounds",))
    function = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(code.addresses["rounds"])
    buffers = [np.full(4096, 1e-3, dtype) for _ in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        seconds = best_of(lambda: list(pool.map(lambda buffer: function(rounds, buffer.ctypes.data), buffers)), 5)
    return THREADS * rounds * operations / seconds


@lru_cache(maxsize=1)
def limits() -> Limits:
    return Limits(copy_speed(), {name: multiply_adds(np.dtype(name)) for name in ("float32", "float64")})
