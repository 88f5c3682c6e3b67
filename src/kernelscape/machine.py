"""What the generated code may assume of a processor, as data.

A target is a table of differences from its parent (``x86-64`` knows SSE2 only). Everything above asks for facts
(`vector_bytes`, `fma`), never for a processor's name, so that a GPU or another architecture is one more row.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kernelscape.errors import unknown_name


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast a processor is, for the planner: what its estimates are made of.

    The first seven are vector instructions per second of one worker, on registers of the target's width; they include
    what such code waits for on the way, so that they are below what the units could do. The values here were measured
    on two cores of an EPYC (Zen 4) with 512-bit registers; ``kernelscape calibrate`` measures those of a machine.

    Attributes
    ----------
    arithmetic, selection : float
        Additions and multiplications, fused or not; comparisons, selections, minima and maxima.
    division : float
        Divisions and square roots in float32; one in float64 counts twice.
    elementary : float
        Instructions of elementary functions, as `semantics.Operator.cost` counts them.
    order : float
        Minima and maxima of comparator networks.
    load, store : float
        Registers read from and written to the first-level cache.
    peak : float
        Fused multiply-adds per second at best, for comparison only.
    transform : float
        Samples of a Fourier transform of real float32, times the logarithm of their number to the base 2, per second.
    near, far : float
        Bytes per second, read or written, of arrays that fit into the second-level cache, and of those that do not.
    shared : float
        The same as `far`, of all workers together.
    tile : float
        Seconds from one tile of rows to the next.
    row : float
        Seconds that making a row takes beside what its samples do.
    call : float
        Seconds of a call, however small.
    wake : float
        Seconds until other threads have begun to help, and are waited for.
    """

    arithmetic: float = 6.7e9
    selection: float = 3.1e9
    division: float = 6.0e8
    elementary: float = 4.0e9
    order: float = 4.3e9
    load: float = 2.5e9
    store: float = 8.0e8
    peak: float = 3.7e9
    transform: float = 6.0e9
    near: float = 6.0e10
    far: float = 2.1e10
    shared: float = 3.0e10
    tile: float = 3.1e-7
    row: float = 1.2e-7
    call: float = 1.5e-5
    wake: float = 5.0e-5


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of processor.

    Attributes
    ----------
    name : str
        What a user writes in ``configure(target=...)``.
    cpu, features : str
        LLVM's names.
    vector_bytes : int
        Width of the vector registers that the emitter fills.
    registers : int
        Number of vector registers.
    fma : bool
        Fused multiply-add exists; otherwise sums of products are rounded twice.
    rounding : bool
        ``floor``, ``ceil``, ``trunc`` and ``roundeven`` are instructions (SSE4.1); otherwise they are library calls,
        which generated code must not contain, and are written in other operations.
    half : bool
        Conversions between float16 and float32 are instructions (F16C).
    cache_bytes : int
        Second-level cache of one core.
    scaling : bool
        Multiplication by a power of two is one instruction, also with a subnormal result (AVX-512).
    rates : Rates
        How fast it is. No code depends on it, so that it is no part of what tells targets apart.
    """

    name: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    fma: bool
    rounding: bool
    half: bool
    cache_bytes: int = 1 << 20
    scaling: bool = False
    rates: Rates = field(default=Rates(), compare=False, repr=False)

    @property
    def needs(self) -> tuple[str, ...]:
        """LLVM's names of the features without which code for this target cannot run."""
        if not self.features:
            return _LEVELS.get(self.cpu, ())
        return tuple(flag[1:] for flag in self.features.split(",") if flag.startswith("+"))


_V2 = ("sse2", "cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3")
_V3 = (*_V2, "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave")
_V4 = (*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
_LEVELS = {"x86-64": ("sse2",), "x86-64-v2": _V2, "x86-64-v3": _V3, "x86-64-v4": _V4}
"""Features of the levels of the System V Application Binary Interface for x86-64, chapter 3."""

X86_64 = Target("x86-64", "x86-64", "", 16, 16, fma=False, rounding=False, half=False)
X86_64_V2 = replace(X86_64, name="x86-64-v2", cpu="x86-64-v2", rounding=True)
X86_64_V3 = replace(X86_64_V2, name="x86-64-v3", cpu="x86-64-v3", vector_bytes=32, fma=True, half=True)
X86_64_V4 = replace(X86_64_V3, name="x86-64-v4", cpu="x86-64-v4", vector_bytes=64, registers=32, scaling=True)
GENERIC = Target("generic", "generic", "", 16, 32, fma=True, rounding=True, half=True)
"""Any 64-bit ARM or other architecture with 16-byte vectors: what every such processor can do."""

TARGETS = {target.name: target for target in (X86_64, X86_64_V2, X86_64_V3, X86_64_V4)}


def named_target(name: str) -> Target:
    """The portable target called `name`."""
    try:
        return TARGETS[name]
    except KeyError:
        raise unknown_name("target", name, sorted(TARGETS)) from None


def describe_host(cpu: str, features: dict[str, bool], is_x86: bool) -> Target:
    """The target of this machine, from what LLVM reports of it."""
    flags = ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(features.items()))
    if not is_x86:
        return replace(GENERIC, name="host", cpu=cpu, features=flags)
    wide = all(features.get(f, False) for f in ("avx512f", "avx512bw", "avx512vl", "avx512dq"))
    avx2 = features.get("avx2", False) and features.get("fma", False)
    return Target(
        name="host",
        cpu=cpu,
        features=flags,
        vector_bytes=64 if wide else 32 if avx2 else 16,
        registers=32 if wide else 16,
        fma=features.get("fma", False),
        rounding=features.get("sse4.1", False),
        half=features.get("f16c", False),
        scaling=wide,
    )
