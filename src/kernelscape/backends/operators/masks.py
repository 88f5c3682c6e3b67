"""Truth values in registers (i1 per lane), and what can be known of a value while code is written."""

from __future__ import annotations

from kernelscape.backends.ir import I1, Builder, Type, Value, constant


def both(builder: Builder, a: Value, b: Value) -> Value:
    """*and*, bit by bit."""
    return builder.binary("and", a, b)


def either(builder: Builder, a: Value, b: Value) -> Value:
    """*or*, bit by bit."""
    return builder.binary("or", a, b)


def exclusive(builder: Builder, a: Value, b: Value) -> Value:
    """*exclusive or*, bit by bit."""
    return builder.binary("xor", a, b)


def negate(builder: Builder, a: Value) -> Value:
    """*not*, bit by bit."""
    return builder.binary("xor", a, constant(a.type, -1 if a.type.element != "i1" else 1))


def any_lane(builder: Builder, mask: Value) -> Value:
    """Whether the mask is set in any lane, as a scalar i1."""
    if mask.type.lanes == 1:
        return mask
    return builder.remember(("any lane", mask), lambda: _emit_any_lane(builder, mask))


def _emit_any_lane(builder: Builder, mask: Value) -> Value:
    """``llvm.vector.reduce.or``, which is named by its operand's type and not by its result's."""
    name = f"llvm.vector.reduce.or.v{mask.type.lanes}i1"
    builder.module.declare(name, "i1", [mask.type.text])
    result = builder.fresh(I1)
    builder.line(f"{result.name} = call i1 @{name}({mask.type.text} {mask.name})")
    return result


def known_integer(value: Value) -> int | None:
    """The number in every lane of an integer constant; None for a value that is known only when the code runs.

    Examples
    --------
    >>> known_integer(constant(Type("i8", 4), 7))
    7
    """
    text = value.name
    if text[0] in "%@":
        return None
    if value.type.lanes > 1:
        lanes = {lane.strip() for lane in text.strip("<>").split(",")}
        if len(lanes) != 1:
            return None
        text = lanes.pop().split()[-1]
    if value.type == Type("i1", value.type.lanes):
        return int(text == "true")
    return int(text)
