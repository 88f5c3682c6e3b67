"""Reading and writing the tables of words from generated code; ``words.py`` has their names."""

from __future__ import annotations

from collections.abc import Callable

from kernelscape.backends.ir import I64, Builder, Type, Value, constant
from kernelscape.backends.words import Sweep, Words


class Records:
    """What the parts of the worker share: its arguments, and access to tables and to its scratch memory."""

    def __init__(self, builder: Builder, checked: bool) -> None:
        self.b, self.checked = builder, checked
        self.sweep, self.call, self.scratch = builder.arguments

    def word(self, table: Value, name: int, type: Type = I64) -> Value:
        return self.b.load(type, self.b.offset(table, 8 * name))

    def entry(self, table: Value, index: Value, type: Type = I64) -> Value:
        return self.b.load(type, self.b.element_pointer(table, "i64", index))

    def record(self, table: Value, index: Value, words: type[Words]) -> Value:
        return self.b.offset(table, self.b.mul(index, constant(I64, 8 * len(words))))

    def room(self, name: Sweep) -> Value:
        """A table of the worker's own, in its scratch memory."""
        return self.b.offset(self.scratch, self.word(self.sweep, name))

    def count(self, stop: Value, body: Callable[[Value], None]) -> None:
        def run(i: Value, _: list[Value]) -> list[Value]:
            body(i)
            return []

        self.b.loop(constant(I64, 0), stop, 1, [], run)

    def put(self, table: Value, index: Value, value: Value) -> None:
        self.b.store(value, self.b.element_pointer(table, "i64", index))

    def number(self, value: int) -> Value:
        return constant(I64, value)
