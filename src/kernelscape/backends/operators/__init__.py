"""Element-wise operators and conversions as LLVM instructions, equal bit for bit to ``semantics.py``.

Operands come in the register types of the dtypes that ``semantics.result_dtypes`` asked for; nothing is cast here.
Integers and booleans are in ``integer.py``, floating values in ``floating.py`` (elementary functions in
``vector_math.py``), conversions in ``casts.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kernelscape.backends import vector_math
from kernelscape.backends.ir import Builder, Value
from kernelscape.backends.operators import floating, integer
from kernelscape.backends.operators.casts import (
    cast,
    convert_saturating,
    from_memory,
    memory_type,
    register_type,
    to_memory,
)
from kernelscape.backends.operators.floating import maximum_without_nan, minimum_without_nan
from kernelscape.errors import NotYetSupportedError
from kernelscape.machine import Target

__all__ = [
    "apply_operator",
    "cast",
    "convert_saturating",
    "from_memory",
    "maximum_without_nan",
    "memory_type",
    "minimum_without_nan",
    "register_type",
    "to_memory",
]

Dtype = np.dtype[Any]
_BOOL: Dtype = np.dtype(bool)


def apply_operator(
    builder: Builder,
    target: Target,
    name: str,
    operands: Sequence[Value],
    operand_dtypes: Sequence[Dtype],
    result_dtype: Dtype,
) -> Value:
    """The value of an operator of ``semantics.OPERATORS`` on register values.

    Parameters
    ----------
    builder : Builder
    target : Target
    name : str
    operands : sequence of Value
        In the register types of `operand_dtypes`, all with the same lanes.
    operand_dtypes : sequence of numpy.dtype
        As ``semantics.result_dtypes`` returns them.
    result_dtype : numpy.dtype

    Returns
    -------
    Value
        In the register type of `result_dtype`.
    """
    if name == "select":
        return builder.select(*operands)
    if name == "cast":
        return cast(builder, target, operands[0], operand_dtypes[0], result_dtype)
    dtype = operand_dtypes[0]
    if name.startswith("logical_"):
        truths = [cast(builder, target, v, d, _BOOL) for v, d in zip(operands, operand_dtypes, strict=True)]
        return _from_table(builder, name, truths, _BOOL, integer.BOOLEAN)
    if dtype.kind == "f":
        return _floating(builder, target, name, operands)
    if dtype.kind == "b":
        return _from_table(builder, name, operands, dtype, integer.BOOLEAN)
    if name in integer.PREDICATES:
        a, b = operands
        return integer.compare(builder, integer.PREDICATES[name], a, b, dtype, operand_dtypes[1])
    return _from_table(builder, name, operands, dtype, integer.INTEGER)


def _floating(builder: Builder, target: Target, name: str, operands: Sequence[Value]) -> Value:
    if name in floating.PREDICATES:
        return builder.fcmp(floating.PREDICATES[name], *operands)
    known = floating.FLOATING.get(name)
    if known is None:
        known = vector_math.FUNCTIONS.get("power" if name == "float_power" else name)
    if known is None:
        raise _unknown(name, "floating values")
    return known(builder, target, *operands)


def _from_table(
    builder: Builder,
    name: str,
    operands: Sequence[Value],
    dtype: Dtype,
    table: integer.Table,
) -> Value:
    if name not in table:
        raise _unknown(name, str(dtype))
    return table[name](builder, *operands, dtype)


def _unknown(name: str, kind: str) -> NotYetSupportedError:
    return NotYetSupportedError(
        f"The operator {name!r} has no machine code for {kind}; cast its operands to the dtypes of "
        "semantics.result_dtypes first."
    )
