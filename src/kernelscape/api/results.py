"""Where results go: what ``output=`` means, which dtypes results have, and what an output cannot hold.

All of it is decided from the arguments, before anything is computed. The engine writes native arrays of compiled
dtypes that share no memory with what it reads; every other output is written through a temporary array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.api.options import dtype_of
from kernelscape.errors import ArgumentError, ArgumentTypeError, NotYetSupportedError, ShapeError, nan_in_integers
from kernelscape.expression import DType, Shape
from kernelscape.semantics import DTYPES, saturate

FLOAT64 = np.dtype(np.float64)


@dataclass(frozen=True, slots=True)
class Result:
    """One result: its shape, the dtype that NumPy gives it, whether it can be invalid, and the mark for that."""

    shape: Shape
    dtype: DType
    may_be_invalid: bool
    invalid: int | float

    @property
    def own_dtype(self) -> DType:
        """The dtype of the array that is made for it: one that can hold the mark."""
        if self.may_be_invalid and self.dtype.kind in "biu" and not isinstance(self.invalid, int):
            return FLOAT64
        return self.dtype


def allocate(results: Sequence[Result], output: Any) -> list[Array]:
    """The arrays that are handed back, made or given.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError, NotYetSupportedError
        An output that cannot be used, or cannot hold the result.
    """
    if output is None:
        return [_made(result, None) for result in results]
    given = output if isinstance(output, tuple | list) else (output,) * len(results)
    if len(given) != len(results):
        expected = f"one dtype, or an array or dtype for each of the {len(results)} results"
        raise ArgumentError(f"output must be {expected}; got {len(given)} of them.")
    if isinstance(output, np.ndarray) and len(results) > 1:
        raise ArgumentError(f"The function has {len(results)} results; expected output= as a tuple of as many arrays.")
    arrays = [_made(result, target) for result, target in zip(results, given, strict=True)]
    for n, array in enumerate(arrays):
        if any(_share(array, other) for other in arrays[:n]):
            raise ArgumentError("The arrays in output= must not share memory, since each is written whole.")
    return arrays


def check_output(output: Any) -> None:
    """Refuse what no result could be written to, where results are known only when they are there."""
    for target in output if isinstance(output, tuple | list) else (output,):
        if target is not None:
            _target_dtype(target)


def _made(result: Result, target: Any) -> Array:
    dtype = result.own_dtype if target is None else _target_dtype(target)
    is_array = isinstance(target, np.ndarray)
    if is_array and target.shape != result.shape:
        raise ShapeError(f"output must have the result's shape {result.shape}; got an array of shape {target.shape}.")
    _check_holds(result, dtype)
    return target if is_array else np.empty(result.shape, dtype)


def _target_dtype(target: Any) -> DType:
    """The dtype of an output that can be written."""
    is_array = isinstance(target, np.ndarray)
    if is_array and type(target) not in (np.ndarray, np.memmap):
        raise _foreign(target)
    if hasattr(target, "__array__") and not isinstance(target, np.ndarray | np.generic | np.dtype | type):
        raise _foreign(target)
    if is_array and not target.flags.writeable:
        raise ArgumentError("output must be writeable; got a read-only array. Give a copy: array.copy().")
    found = target.dtype if is_array else dtype_of("output", target)
    if found.kind not in "biufc":
        raise ArgumentTypeError(f"output must be bool, an integer, a float or a complex dtype; got {found}.")
    return found


def _foreign(given: Any) -> NotYetSupportedError:
    kind = f"{type(given).__module__}.{type(given).__qualname__}"
    return NotYetSupportedError(f"output must be a NumPy array or a dtype; {kind} is not supported yet.")


def _check_holds(result: Result, dtype: DType) -> None:
    """An output must be able to say what the result may be."""
    if dtype.kind == "b" and result.dtype.kind != "b":
        raise ArgumentTypeError(
            f"An output of dtype bool cannot hold a result of dtype {result.dtype}; expected a dtype of numbers, or a "
            "comparison in the function."
        )
    if result.dtype.kind == "c" and dtype.kind != "c":
        raise ArgumentTypeError(
            f"An output of dtype {dtype} cannot hold a result of dtype {result.dtype}; expected a complex dtype, or "
            "the real part or the magnitude in the function."
        )
    if dtype.kind not in "biu":
        return
    invalid = result.invalid
    if not isinstance(invalid, int):
        if result.may_be_invalid:
            raise ArgumentError(
                f"Some outputs may be invalid, and an output of dtype {dtype} cannot hold invalid={invalid!r}. Give "
                "invalid= an integer, or ask for a floating output."
            )
        return
    low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    if not low <= invalid <= high and (result.may_be_invalid or result.dtype.kind == "f"):
        raise ArgumentError(f"An output of dtype {dtype} cannot hold invalid={invalid!r}; expected {low} .. {high}.")


def _share(a: Array, b: Array) -> bool:
    """Whether two arrays have an element in common; yes, where finding out would take long."""
    try:
        return bool(np.shares_memory(a, b, max_work=10_000))  # type: ignore[arg-type]  # any number is one
    except np.exceptions.TooHardError:
        return True


def written(outputs: Sequence[Array], results: Sequence[Result], read: Sequence[Array]) -> list[Array]:
    """The arrays that the engine writes while it reads others: the outputs where it can, elsewhere temporary ones."""
    return [
        array if is_writable(array, read) else _temporary(array, result)
        for array, result in zip(outputs, results, strict=True)
    ]


def is_writable(output: Array, read: Sequence[Array]) -> bool:
    """Whether the engine can write an array while it reads others."""
    compiled = output.dtype.isnative and output.dtype in DTYPES
    return compiled and not any(np.may_share_memory(output, array) for array in read)


def _temporary(output: Array, result: Result) -> Array:
    native = output.dtype.newbyteorder("=")
    return np.empty(output.shape, native if native in DTYPES else result.own_dtype)


def store(computed: Array, output: Array, invalid: int | float) -> None:
    """Write a result of the NumPy path into its output, converted as the engine would."""
    if output.dtype.kind not in "iu" or computed.dtype.kind != "f":
        native = output.dtype.newbyteorder("=")
        known = computed.dtype in DTYPES and native in DTYPES
        output[...] = saturate(computed, computed.dtype, native) if known else computed
        return
    nan = np.isnan(computed)
    if not isinstance(invalid, int) and nan.any():
        raise nan_in_integers(output.dtype)
    native = output.dtype.newbyteorder("=")
    saturated = saturate(computed.astype(np.float64), FLOAT64, native)
    output[...] = np.where(nan, np.array(invalid if isinstance(invalid, int) else 0, native), saturated)
