"""Text of LLVM IR, written with value numbering, so that what comes out needs no optimisation passes.

Rules that the rest of the backend relies on:

* The same pure operation on the same operands gives the same value back (within the blocks that dominate). Common
  subexpressions therefore cost nothing, also across the output rows of a register tile, and LLVM's pass pipeline, which
  is half of its compile time, is not needed.
* No fast-math flag, no ``nsw``/``nuw``/``exact``, no ``undef`` operand is ever written: results do not depend on what
  an optimiser makes of them.
* A type is an element name (``float``, ``i8``, ...) and a number of lanes; one lane is LLVM's scalar. Nothing here
  knows a processor, so that the same emitter serves vector units and the scalar lanes of a GPU.
* In a checked build every access to memory goes through :meth:`Builder.load` and :meth:`Builder.store` with the bounds
  of its buffer; an offence is recorded once, the address is clamped and the work goes on.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar, cast

_T = TypeVar("_T")

ELEMENT_BYTES = {"i1": 1, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "half": 2, "float": 4, "double": 8, "ptr": 8}
MANTISSA_BITS = {"half": 10, "float": 23, "double": 52}
INTEGER_OF = {"half": "i16", "float": "i32", "double": "i64"}
"""The integer element of the same width as a floating one."""


class Type(NamedTuple):
    """An element name and a number of lanes."""

    element: str
    lanes: int = 1

    @property
    def text(self) -> str:
        return _type_text(self.element, self.lanes)

    @property
    def is_float(self) -> bool:
        return self.element in INTEGER_OF

    @property
    def bits(self) -> int:
        return 1 if self.element == "i1" else 8 * ELEMENT_BYTES[self.element]

    def of(self, element: str) -> Type:
        """The type with the same lanes and another element."""
        return Type(element, self.lanes)


@lru_cache(maxsize=1024)
def _type_text(element: str, lanes: int) -> str:
    return element if lanes == 1 else f"<{lanes} x {element}>"


class Value(NamedTuple):
    """An SSA value (``%v7``) or a constant's text, with its type."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Bounds:
    """The first and the one-past-last address of a buffer, as i64 values; used by checked builds only."""

    first: Value
    end: Value


I1, I8, I32, I64, PTR = Type("i1"), Type("i8"), Type("i32"), Type("i64"), Type("ptr")
VOID = "void"


def constant(type: Type, value: float | int | bool) -> Value:
    """A constant, the same in every lane. Integers wrap into the width; NaN is the quiet NaN."""
    # The cache takes equal keys for one, and -0.0 == 0: the sign is part of the key.
    return _constant(type, value, value == 0 and str(value)[0] == "-")


@lru_cache(maxsize=4096)
def _constant(type: Type, value: float | int | bool, is_negative_zero: bool) -> Value:
    if type.is_float:
        text = _float_text(type.element, float(value))
    elif type.element == "i1":
        text = "true" if value else "false"
    else:
        bits = type.bits
        number = int(value) & ((1 << bits) - 1)
        text = str(number - (1 << bits) if number >> (bits - 1) else number)
    if type.lanes > 1:
        text = "<" + ", ".join([f"{type.element} {text}"] * type.lanes) + ">"
    return Value(text, type)


def _float_text(element: str, value: float) -> str:
    """LLVM writes half in its own bits and float with the bits of the equal double."""
    if element == "half":
        return f"0xH{int.from_bytes(_rounded('>e', value), 'big'):04X}"
    if element == "float":
        value = struct.unpack(">f", _rounded(">f", value))[0]
    return f"0x{int.from_bytes(struct.pack('>d', value), 'big'):016X}"


def _rounded(form: str, value: float) -> bytes:
    """The bits of the nearest number; an infinity above the largest, where `struct` raises."""
    try:
        return struct.pack(form, value)
    except OverflowError:
        return struct.pack(form, math.copysign(math.inf, value))


def vector_constant(type: Type, values: Sequence[float | int]) -> Value:
    """A constant with its own number in every lane."""
    if type.lanes == 1:
        return constant(type, values[0])
    single = Type(type.element)
    return Value("<" + ", ".join(f"{type.element} {constant(single, v).name}" for v in values) + ">", type)


class Module:
    """The text of one module: functions, declarations of intrinsics, constant tables."""

    def __init__(self, attributes: str = "nounwind") -> None:
        self.attributes = attributes
        self._functions: list[str] = []
        self._declarations: dict[str, str] = {}
        self._globals: dict[str, str] = {}
        self._integers: dict[tuple[int, ...], str] = {}

    def declare(self, name: str, result: str, arguments: Sequence[str]) -> None:
        self._declarations[name] = f"declare {result} @{name}({', '.join(arguments)})"

    def constant_table(self, name: str, type: Type, values: Sequence[float | int]) -> Value:
        """A read-only table in the module; returns its address. A name stands for one table: it is written once."""
        if name not in self._globals:
            body = ", ".join(f"{type.element} {constant(type, v).name}" for v in values)
            shape = f"[{len(values)} x {type.element}]"
            self._globals[name] = f"@{name} = private unnamed_addr constant {shape} [{body}], align 64"
        return Value(f"@{name}", PTR)

    def integer_table(self, values: tuple[int, ...]) -> Value:
        """A table of 64-bit integers, one for all that ask for the same numbers."""
        name = self._integers.setdefault(values, f"table{len(self._integers)}")
        return self.constant_table(name, I64, values)

    def function(
        self, name: str, arguments: Sequence[tuple[str, Type]], result: str = VOID, *, internal: bool = False
    ) -> Builder:
        return Builder(self, name, arguments, result, internal)

    def add_function(self, text: str) -> None:
        self._functions.append(text)

    def text(self) -> str:
        parts = [
            *self._globals.values(),
            *self._declarations.values(),
            *self._functions,
            f"attributes #0 = {{ {self.attributes} }}",
        ]
        return "\n".join(parts) + "\n"


@dataclass(slots=True)
class _Region:
    """Code in front of a loop that is still being written."""

    lines: list[str]
    block: str
    scopes: list[dict[tuple[object, ...], Any]]


class Builder:
    """Writes one function. Blocks are straight; :meth:`loop` and :meth:`when` make the control flow."""

    def __init__(
        self, module: Module, name: str, arguments: Sequence[tuple[str, Type]], result: str, internal: bool
    ) -> None:
        self.module = module
        self.arguments = [Value(f"%{n}", t) for n, t in arguments]
        signature = ", ".join(f"{t.text} %{n}" for n, t in arguments)
        self._head = f"define {'internal ' if internal else ''}{result} @{name}({signature}) #0 {{\nentry:"
        self._entry: list[str] = []
        self._lines: list[str] = []
        self._count = 0
        self._block = "body"
        self._scopes: list[dict[tuple[object, ...], Any]] = [{}]
        self._regions: list[_Region] = []
        self._sums: dict[Value, tuple[Value, int]] = {}
        self.offence: Callable[[Value], None] | None = None

    # -- bookkeeping -------------------------------------------------------------------------------------------------

    def fresh(self, type: Type) -> Value:
        self._count += 1
        return Value(f"%v{self._count}", type)

    def line(self, text: str) -> None:
        self._lines.append("  " + text)

    def _label(self) -> str:
        self._count += 1
        return f"b{self._count}"

    def _open(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label

    def remember(self, key: tuple[object, ...], make: Callable[[], _T]) -> _T:
        """The value known under `key` in a dominating block, or a new one."""
        for scope in reversed(self._scopes):
            found = scope.get(key)
            if found is not None:
                return cast("_T", found)
        value = make()
        self._scopes[-1][key] = value
        return value

    def finish(self, result: Value | None = None) -> None:
        """Ends the function and adds it to the module."""
        self.line("ret void" if result is None else f"ret {result.type.text} {result.name}")
        body = "\n".join([self._head, *self._entry, "  br label %body", "body:", *self._lines, "}"])
        self.module.add_function(body)

    # -- pure operations ---------------------------------------------------------------------------------------------

    def op(self, opcode: str, type: Type, *operands: Value) -> Value:
        """``opcode type a, b`` where all operands have the type of the first, the result is of `type`."""
        return self.remember((opcode, type, *operands), lambda: self._emit_op(opcode, type, operands))

    def _emit_op(self, opcode: str, type: Type, operands: tuple[Value, ...]) -> Value:
        result = self.fresh(type)
        names = ", ".join(o.name for o in operands)
        self.line(f"{result.name} = {opcode} {operands[0].type.text} {names}")
        return result

    def binary(self, opcode: str, a: Value, b: Value) -> Value:
        return self.op(opcode, a.type, a, b)

    def add(self, a: Value, b: Value) -> Value:
        """Integer sum, which wraps. Scalar sums with constants are collected: ``(x + 2) - 2`` is x again."""
        if a.type.lanes > 1:
            return self.binary("add", a, b)
        if a.name[0] != "%":
            a, b = b, a
        if b.name[0] == "%":
            return self.binary("add", a, b)
        if a.name[0] != "%":
            return constant(a.type, int(a.name) + int(b.name))
        base, offset = self._sums.get(a, (a, 0))
        total = offset + int(b.name)
        if total == 0:
            return base
        result = self.binary("add", base, constant(a.type, total))
        self._sums[result] = (base, total)
        return result

    def base_of(self, a: Value) -> tuple[Value, int]:
        """What a scalar sum adds a constant to, and the constant."""
        return self._sums.get(a, (a, 0))

    def sub(self, a: Value, b: Value) -> Value:
        if a.type.lanes == 1 and b.name[0] != "%":
            return self.add(a, constant(b.type, -int(b.name)))
        return self.binary("sub", a, b)

    def mul(self, a: Value, b: Value) -> Value:
        return b if a.name == "1" else a if b.name == "1" else self.binary("mul", a, b)

    def fadd(self, a: Value, b: Value) -> Value:
        return self.binary("fadd", a, b)

    def fsub(self, a: Value, b: Value) -> Value:
        return self.binary("fsub", a, b)

    def fmul(self, a: Value, b: Value) -> Value:
        return self.binary("fmul", a, b)

    def fdiv(self, a: Value, b: Value) -> Value:
        return self.binary("fdiv", a, b)

    def fneg(self, a: Value) -> Value:
        return self.op("fneg", a.type, a)

    def icmp(self, predicate: str, a: Value, b: Value) -> Value:
        """eq ne slt sle sgt sge ult ule ugt uge"""
        return self.op(f"icmp {predicate}", a.type.of("i1"), a, b)

    def fcmp(self, predicate: str, a: Value, b: Value) -> Value:
        """oeq one olt ole ogt oge ord uno ueq une ult ule ugt uge"""
        return self.op(f"fcmp {predicate}", a.type.of("i1"), a, b)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        if a == b:
            return a
        return self.remember(("select", condition, a, b), lambda: self._emit_select(condition, a, b))

    def _emit_select(self, condition: Value, a: Value, b: Value) -> Value:
        result = self.fresh(a.type)
        text = f"{condition.type.text} {condition.name}, {a.type.text} {a.name}, {b.type.text} {b.name}"
        self.line(f"{result.name} = select {text}")
        return result

    def convert(self, opcode: str, a: Value, to: Type) -> Value:
        """zext sext trunc fpext fptrunc sitofp uitofp fptosi fptoui bitcast ptrtoint inttoptr (the last two scalar)"""
        if a.type == to:
            return a
        return self.remember((opcode, to, a), lambda: self._emit_convert(opcode, a, to))

    def _emit_convert(self, opcode: str, a: Value, to: Type) -> Value:
        result = self.fresh(to)
        self.line(f"{result.name} = {opcode} {a.type.text} {a.name} to {to.text}")
        return result

    def bitcast(self, a: Value, element: str) -> Value:
        """The same bits as another element of the same width."""
        return self.convert("bitcast", a, a.type.of(element))

    def intrinsic(self, name: str, type: Type, *operands: Value) -> Value:
        """A pure LLVM intrinsic, overloaded on `type`: ``intrinsic("fma", t, a, b, c)`` calls ``llvm.fma.<t>``."""
        return self.remember((name, type, *operands), lambda: self._emit_intrinsic(name, type, operands))

    def _emit_intrinsic(self, name: str, type: Type, operands: tuple[Value, ...]) -> Value:
        full = f"llvm.{name}.{mangled(type)}"
        self.module.declare(full, type.text, [o.type.text for o in operands])
        result = self.fresh(type)
        arguments = ", ".join(f"{o.type.text} {o.name}" for o in operands)
        self.line(f"{result.name} = call {type.text} @{full}({arguments})")
        return result

    def splat(self, a: Value, lanes: int) -> Value:
        """A scalar in every lane."""
        if lanes == 1 or a.type.lanes == lanes:
            return a
        return self.remember(("splat", lanes, a), lambda: self._emit_splat(a, lanes))

    def _emit_splat(self, a: Value, lanes: int) -> Value:
        if a.name[0] not in "%@":
            return Value("<" + ", ".join([f"{a.type.text} {a.name}"] * lanes) + ">", Type(a.type.element, lanes))
        wide = Type(a.type.element, lanes)
        first, result = self.fresh(wide), self.fresh(wide)
        self.line(f"{first.name} = insertelement {wide.text} poison, {a.type.text} {a.name}, i64 0")
        zeros = f"<{lanes} x i32> zeroinitializer"
        self.line(f"{result.name} = shufflevector {wide.text} {first.name}, {wide.text} poison, {zeros}")
        return result

    def shuffle(self, a: Value, b: Value, lanes: tuple[int, ...]) -> Value:
        """Lanes of two vectors, those of `b` numbered behind those of `a`."""
        return self.remember(("shuffle", a, b, lanes), lambda: self._emit_shuffle(a, b, lanes))

    def _emit_shuffle(self, a: Value, b: Value, lanes: tuple[int, ...]) -> Value:
        result = self.fresh(Type(a.type.element, len(lanes)))
        mask = ", ".join(f"i32 {i}" for i in lanes)
        type_ = a.type.text
        self.line(f"{result.name} = shufflevector {type_} {a.name}, {type_} {b.name}, <{len(lanes)} x i32> <{mask}>")
        return result

    def vector(self, elements: Sequence[Value]) -> Value:
        """A vector of scalars."""
        wide = Type(elements[0].type.element, len(elements))
        found = "poison"
        for lane, element in enumerate(elements):
            result = self.fresh(wide)
            self.line(
                f"{result.name} = insertelement {wide.text} {found}, {element.type.text} {element.name}, i64 {lane}"
            )
            found = result.name
        return result

    def iota(self, type: Type) -> Value:
        """0, 1, 2, ... over the lanes."""
        return vector_constant(type, range(type.lanes))

    # -- memory ------------------------------------------------------------------------------------------------------

    def offset(self, pointer: Value, bytes: Value | int) -> Value:
        """`pointer` moved by a number of bytes."""
        if isinstance(bytes, int):
            bytes = constant(I64, bytes)
        if bytes.name == "0":
            return pointer
        return self.remember(("offset", pointer, bytes), lambda: self._emit_offset(pointer, bytes))

    def _emit_offset(self, pointer: Value, bytes: Value) -> Value:
        result = self.fresh(PTR)
        self.line(f"{result.name} = getelementptr i8, ptr {pointer.name}, i64 {bytes.name}")
        return result

    def element_pointer(self, pointer: Value, element: str, index: Value) -> Value:
        """The address of element `index` of an array."""
        return self.remember(("element", element, pointer, index), lambda: self._emit_element(pointer, element, index))

    def _emit_element(self, pointer: Value, element: str, index: Value) -> Value:
        result = self.fresh(PTR)
        self.line(f"{result.name} = getelementptr {element}, ptr {pointer.name}, i64 {index.name}")
        return result

    def load(self, type: Type, pointer: Value, bounds: Bounds | None = None) -> Value:
        """Reads memory (again, at each call); `bounds` are used in a checked build, None is trusted memory of ours."""
        pointer = self._checked_pointer(pointer, type, bounds)
        result = self.fresh(type)
        self.line(f"{result.name} = load {type.text}, ptr {pointer.name}, align {self._alignment(type)}")
        return result

    def load_constant(self, type: Type, pointer: Value, bounds: Bounds | None = None) -> Value:
        """Reads memory that nobody writes while the function runs: the value is numbered like a pure operation."""
        return self.remember(("load", type, pointer), lambda: self.load(type, pointer, bounds))

    def prefetch(self, pointer: Value, *, for_writing: bool = False) -> None:
        """Ask for a line of memory that is used soon; any address will do."""
        self.module.declare("llvm.prefetch.p0", "void", ["ptr", "i32", "i32", "i32"])
        self.line(f"call void @llvm.prefetch.p0(ptr {pointer.name}, i32 {int(for_writing)}, i32 2, i32 1)")

    def store(self, value: Value, pointer: Value, bounds: Bounds | None = None) -> None:
        pointer = self._checked_pointer(pointer, value.type, bounds)
        self.line(f"store {value.type.text} {value.name}, ptr {pointer.name}, align {self._alignment(value.type)}")

    @staticmethod
    def _alignment(type: Type) -> int:
        return 8 if type.element == "ptr" else 1

    def _checked_pointer(self, pointer: Value, type: Type, bounds: Bounds | None) -> Value:
        if self.offence is None or bounds is None:
            return pointer
        address = self.convert("ptrtoint", pointer, I64)
        last = self.sub(bounds.end, constant(I64, ELEMENT_BYTES[type.element] * type.lanes))
        low = self.icmp("uge", address, bounds.first)
        inside = self.binary("and", low, self.icmp("ule", address, last))
        report = self.offence
        self.when(self.binary("xor", inside, constant(I1, 1)), lambda: report(address))
        clamped = self.select(inside, address, bounds.first)
        return self.convert("inttoptr", clamped, PTR)

    def fetch_add(self, pointer: Value, value: Value) -> Value:
        """Adds to a counter that several threads share; returns what it was."""
        result = self.fresh(value.type)
        self.line(
            f"{result.name} = atomicrmw add ptr {pointer.name}, {value.type.text} {value.name} monotonic, align 8"
        )
        return result

    def load_shared(self, pointer: Value) -> Value:
        """Reads a 64-bit word that another thread may write meanwhile."""
        result = self.fresh(I64)
        self.line(f"{result.name} = load atomic i64, ptr {pointer.name} monotonic, align 8")
        return result

    def fence(self) -> None:
        """Keeps LLVM from merging reads before this point with reads behind it; no instruction is made.

        A value that is read again is cheaper than one that is kept where registers are few.
        """
        self.line('call void asm sideeffect "", "~{memory}"()')

    def call(self, function: Value, *arguments: Value) -> None:
        """Calls a function (an address or ``@name``) that returns nothing."""
        text = ", ".join(f"{a.type.text} {a.name}" for a in arguments)
        self.line(f"call void {function.name}({text})")

    def local(self, type: Type, count: int = 1) -> Value:
        """Memory of the function's frame: a variable, or an array of `count`."""
        result = self.fresh(PTR)
        self._entry.append(f"  {result.name} = alloca {type.text}, i64 {count}, align 64")
        return result

    # -- control flow ------------------------------------------------------------------------------------------------

    def loop(
        self,
        start: Value,
        stop: Value,
        step: int,
        initial: Sequence[Value],
        body: Callable[[Value, list[Value]], Sequence[Value]],
        *,
        never_empty: bool = False,
    ) -> list[Value]:
        """``for i in range(start, stop, step)`` with values carried from turn to turn; returns their last state.

        What `body` emits under :meth:`hoisted` is placed in front of the loop, in a block that always runs.
        """
        region = _Region([], self._block, list(self._scopes))
        outer_lines, self._lines = self._lines, []
        self._regions.append(region)
        head, after = self._label(), self._label()
        index, carried = self.fresh(I64), [self.fresh(v.type) for v in initial]
        self._block = head
        self._scopes.append({})
        following = list(body(index, carried))
        advanced = self.add(index, constant(I64, step))
        again = self.icmp("slt", advanced, stop)
        self._scopes.pop()
        self._regions.pop()
        self.line(f"br i1 {again.name}, label %{head}, label %{after}")
        inside, latch = self._lines, self._block
        self._lines, self._block = region.lines, region.block
        if never_empty:
            self.line(f"br label %{head}")
        else:
            enter = self.icmp("slt", start, stop)
            self.line(f"br i1 {enter.name}, label %{head}, label %{after}")
        before = self._block
        phis = [self._phi(index, (start, before), (advanced, latch))]
        phis += [self._phi(p, (a, before), (b, latch)) for p, a, b in zip(carried, initial, following, strict=True)]
        self._lines = [*outer_lines, *self._lines, f"{head}:", *phis, *inside]
        self._open(after)
        if never_empty:
            return following
        results = [self.fresh(v.type) for v in initial]
        for result, first, last in zip(results, initial, following, strict=True):
            self._lines.append(self._phi(result, (first, before), (last, latch)))
        return results

    def hoisted(self, make: Callable[[], _T]) -> _T:
        """Emits what `make` emits in front of the outermost loop; its operands must be known there."""
        if not self._regions:
            return make()
        region = self._regions[0]
        kept = (self._lines, self._block, self._scopes, self._regions)
        self._lines, self._block, self._scopes, self._regions = region.lines, region.block, region.scopes, []
        try:
            return make()
        finally:
            region.lines, region.block = self._lines, self._block
            self._lines, self._block, self._scopes, self._regions = kept

    def _phi(self, result: Value, *incoming: tuple[Value, str]) -> str:
        pairs = ", ".join(f"[ {value.name}, %{block} ]" for value, block in incoming)
        return f"  {result.name} = phi {result.type.text} {pairs}"

    def when(self, condition: Value, then: Callable[[], None], otherwise: Callable[[], None] | None = None) -> None:
        """Runs `then` where the scalar condition holds, else `otherwise`; they pass results on through memory."""
        yes, no, after = self._label(), self._label(), self._label()
        target = no if otherwise is not None else after
        self.line(f"br i1 {condition.name}, label %{yes}, label %{target}")
        for label, act in ((yes, then), (no, otherwise)):
            if act is None:
                continue
            self._open(label)
            self._scopes.append({})
            act()
            self._scopes.pop()
            self.line(f"br label %{after}")
        self._open(after)

    def anew(self, make: Callable[[], _T]) -> _T:
        """What `make` emits, knowing only what is known in front of the outermost loop.

        Code that hardly ever runs then keeps nothing in registers for its own use.
        """
        kept = self._scopes
        self._scopes = [*(self._regions[0].scopes if self._regions else kept), {}]
        try:
            return make()
        finally:
            self._scopes = kept

    def fork(
        self, condition: Value, then: Callable[[], Sequence[Value]], otherwise: Callable[[], Sequence[Value]]
    ) -> list[Value]:
        """What `then` returns where the scalar condition holds, else what `otherwise` returns: as many values."""
        yes, no, after = self._label(), self._label(), self._label()
        self.line(f"br i1 {condition.name}, label %{yes}, label %{no}")
        ends: list[tuple[Sequence[Value], str]] = []
        for label, act in ((yes, then), (no, otherwise)):
            self._open(label)
            self._scopes.append({})
            found = act()
            self._scopes.pop()
            ends.append((found, self._block))
            self.line(f"br label %{after}")
        self._open(after)
        (first, one), (second, other) = ends
        results = [self.fresh(value.type) for value in first]
        for result, a, b in zip(results, first, second, strict=True):
            self._lines.append(self._phi(result, (a, one), (b, other)))
        return results

    def repeat(self, condition: Callable[[], Value], body: Callable[[], None]) -> None:
        """``while condition(): body()``; state lives in locals."""
        head, inside, after = self._label(), self._label(), self._label()
        self.line(f"br label %{head}")
        self._open(head)
        self._scopes.append({})
        go_on = condition()
        self.line(f"br i1 {go_on.name}, label %{inside}, label %{after}")
        self._open(inside)
        body()
        self._scopes.pop()
        self.line(f"br label %{head}")
        self._open(after)


def mangled(type: Type) -> str:
    """A type as LLVM writes it in the name of an overloaded intrinsic."""
    element = {"half": "f16", "float": "f32", "double": "f64", "ptr": "p0"}.get(type.element, type.element)
    return element if type.lanes == 1 else f"v{type.lanes}{element}"
