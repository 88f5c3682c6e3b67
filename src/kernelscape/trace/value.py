"""The traced value: behaves like an ndarray, and builds an expression instead of computing.

Rules. A value is a cell that holds a node; operations make new cells, and item assignment and in-place operators put a
new node into the cell, so that all names of one value see the change. Parts that NumPy would make a view of (slices,
rows, reshapes, transposes) stay views: a change of either side shows on the other. Shapes are static. What would need
the data (float, int, an array, a slice bound) is refused with a page; ``bool()`` forks the trace.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from kernelscape.expression import BOOL, INT64, DType, Node, Shape, broadcast, cast, reshape, transpose
from kernelscape.reductions import fold
from kernelscape.trace import indexing
from kernelscape.trace.notation import FUNCTIONS, KINDS, Operators, wrap
from kernelscape.trace.operators import Value, elementwise, node_of, operate, plain, selected_misused
from kernelscape.trace.page import tracing_error
from kernelscape.trace.recorder import Recorder, supported

Write = Callable[[Node, Node], Node]
Read = Callable[[Node], Node]


class Traced(Operators):
    """An array whose elements are not known yet."""

    __slots__ = ()

    @property
    def shape(self) -> Shape:
        return self._node.shape

    @property
    def ndim(self) -> int:
        return len(self._node.shape)

    @property
    def size(self) -> int:
        return self._node.size

    @property
    def itemsize(self) -> int:
        return self._node.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def T(self) -> Any:  # noqa: N802
        return self.transpose()

    @property
    def real(self) -> Any:
        return self

    @property
    def flat(self) -> Any:
        return self.ravel()

    def __hash__(self) -> int:  # type: ignore[override]
        if self._node.shape:
            raise TypeError("unhashable type: a window, as a numpy.ndarray")
        raise tracing_error(
            "A set or a dict is asked for a value that is not known while the function is traced.",
            "lambda w: len(set(w.flat))",
            "lambda w: np.count_nonzero(np.diff(np.sort(w, axis=None))) + 1",
        )

    def __format__(self, specification: str) -> str:
        if not specification:
            return repr(self)
        raise tracing_error(
            "A text is made of a number that is not known while the function is traced.",
            'lambda w: float(f"{np.mean(w):.2f}")',
            "lambda w: np.round(np.mean(w), 2)",
        )

    def __repr__(self) -> str:
        return f"Traced(shape={self.shape}, dtype={self.dtype})"

    def __len__(self) -> int:
        if not self._node.shape:
            raise TypeError("len() of unsized object")
        return self._node.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self._node.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self._node.shape[0]))

    def __contains__(self, item: Any) -> bool:
        return bool(FUNCTIONS[np.any](self._recorder, self == item))

    def __bool__(self) -> bool:
        node = self._node
        if node.size != 1:
            raise ValueError(
                f"The truth value of {node.size} elements is ambiguous: expected one value, got shape {node.shape}; "
                "use np.any(...) or np.all(...), or np.where(condition, a, b) to choose element by element."
            )
        return self._recorder.decide(cast(reshape(node, ()), BOOL))

    def __matmul__(self, other: Any) -> Any:
        return FUNCTIONS[np.matmul](self._recorder, self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return FUNCTIONS[np.matmul](self._recorder, other, self)

    def __round__(self, digits: int | None = None) -> Any:
        rounded = FUNCTIONS[np.round](self._recorder, self, digits or 0)
        return rounded if digits is not None else rounded.astype(np.int64)

    # -- parts --------------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        node = self._node
        entries = indexing.normal_key(key, node.ndim)
        region = indexing.basic_region(entries, node.shape)
        if region is not None:
            return self._view(region.read, region.write)
        if any(isinstance(e, Value) for e in entries):
            return self._read_traced(entries)
        return wrap(self._recorder, indexing.gather(node, indexing.static_positions(entries, node.shape)))

    def _read_traced(self, entries: list[Any]) -> Any:
        mask = self._mask_among(entries)
        if mask is None:
            return wrap(self._recorder, indexing.read_traced(self._node, entries))
        return wrap(self._recorder, self._node, mask)

    def _mask_among(self, entries: list[Any]) -> Node | None:
        """The boolean mask that an index is, if it is one."""
        if not any(isinstance(e, Value) and e.dtype == BOOL for e in entries):
            return None
        (mask, *others) = entries
        if others or mask._mask is not None or mask._node.shape != self._node.shape:
            raise tracing_error(
                f"A boolean mask that depends on the data has to cover the whole value: expected shape {self.shape}, "
                "alone between the brackets.",
                "lambda w: np.sum(w[0, w[0] > 0])",
                "lambda w: np.sum(w[0][w[0] > 0])",
            )
        node: Node = mask._node
        return node

    def __setitem__(self, key: Any, value: Any) -> None:
        r, node = self._recorder, self._node
        if isinstance(value, Selected):
            self._set_selected(key, value)
            return
        entries = indexing.normal_key(key, node.ndim)
        source = plain_value(r, value, node.dtype)
        region = indexing.basic_region(entries, node.shape)
        if region is not None:
            self._replace(region.write(node, fitted(source, region.shape)))
        elif any(isinstance(e, Value) for e in entries):
            self._set_traced(entries, source)
        else:
            positions = indexing.static_positions(entries, node.shape)
            self._replace(indexing.scatter(node, positions, fitted(source, positions.shape)))

    def _set_traced(self, entries: list[Any], source: Node) -> None:
        r, node = self._recorder, self._node
        mask = self._mask_among(entries)
        if mask is None:
            scalar = all(
                isinstance(e, (int, np.integer)) or (isinstance(e, Value) and not e._node.shape) for e in entries
            )
            if not scalar or source.size != 1:
                raise tracing_error(
                    "An assignment at a position that depends on the data can set one element.",
                    "w[np.argmax(w[0])] = row",
                    "w[np.argmax(w[0]), 0] = value      # or np.where(condition, row, w)",
                )
            iota = [r.array(np.arange(n), INT64) for n in node.shape]
            self._replace(indexing.write_at(node, entries, reshape(source, ()), iota))
            return
        if source.size != 1:
            raise selected_misused()
        self._replace(elementwise("select", node.dtype, mask, reshape(source, ()), node))

    def _set_selected(self, key: Any, value: Value) -> None:
        mask, node = value._mask, self._node
        if not isinstance(key, Traced) or mask is None:
            raise selected_misused()
        own = wrap(self._recorder, node, self._mask_among([key]))
        _, shared = operate(self._recorder, "equal", (own, value))  # raises where the masks differ
        assert shared is not None
        self._replace(elementwise("select", node.dtype, shared, cast(value._node, node.dtype), node))

    # -- views --------------------------------------------------------------------------------------------------------

    def _view(self, read: Read, write: Write) -> Any:
        """A part that shares its elements with this value, as NumPy's views do."""
        view = wrap(self._recorder, read(self._node))
        view._source = (self, write)
        if self._views is None:
            self._views = []
        self._views.append((weakref.ref(view), read))
        return view

    def _replace(self, node: Node) -> None:
        """Put another node into the cell, and into what shares elements with it."""
        self._node = node
        if self._source is not None:
            whole, write = self._source
            whole._replace(write(whole._node, node))
        else:
            self._refresh()

    def _refresh(self) -> None:
        for reference, read in self._views or ():
            view = reference()
            if view is not None:
                view._node = read(self._node)
                view._refresh()

    # -- methods ------------------------------------------------------------------------------------------------------

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        if order != "C":
            return FUNCTIONS[np.reshape](self._recorder, self, shape[0] if len(shape) == 1 else shape, order=order)
        wanted, own = full_shape(shape[0] if len(shape) == 1 else shape, self.size), self._node.shape
        return self._view(lambda n: reshape(n, wanted), lambda _, v: reshape(v, own))

    def ravel(self, order: str = "C") -> Any:
        return self.reshape(self.size) if order in {"C", "A", "K"} else self.T.flatten()

    def flatten(self, order: str = "C") -> Any:
        return self.ravel(order).copy()

    def transpose(self, *axes: Any) -> Any:
        if not axes or axes[0] is None:
            order = tuple(reversed(range(self.ndim)))
        else:
            order = tuple(a % self.ndim for a in (axes[0] if isinstance(axes[0], (tuple, list)) else axes))
        if sorted(order) != list(range(self.ndim)):
            raise ValueError("axes don't match array")
        inverse = tuple(int(i) for i in np.argsort(order))
        return self._view(lambda n: transpose(n, order), lambda _, v: transpose(v, inverse))

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        wanted = supported(np.dtype(dtype))
        if not np.can_cast(self.dtype, wanted, casting):  # type: ignore[arg-type]
            raise TypeError(f"Cannot cast array data from {self.dtype} to {wanted} according to the rule {casting!r}")
        return wrap(self._recorder, cast(self._node, wanted))

    def copy(self, order: str = "C") -> Any:
        return wrap(self._recorder, self._node)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, _: Any) -> Any:
        return self.copy()

    def fill(self, value: Any) -> None:
        self[...] = value

    def sort(self, axis: int = -1, kind: Any = None, order: Any = None) -> None:
        self._replace(FUNCTIONS[np.sort](self._recorder, self, axis)._node)

    def partition(self, kth: Any, axis: int = -1, kind: Any = None, order: Any = None) -> None:
        self.sort(axis)

    def dot(self, other: Any) -> Any:
        return FUNCTIONS[np.dot](self._recorder, self, other)

    def conj(self) -> Any:
        return self

    conjugate = conj

    def __getattr__(self, name: str) -> Any:
        return _method(self, name)


def _method(value: Value, name: str) -> Any:
    """A method that is the NumPy function of the same name; a page for what else an ndarray has."""
    if not name.startswith("_") and hasattr(np.ndarray, name):
        implementation = FUNCTIONS.get(getattr(np, name, None))
        if implementation is not None:
            return lambda *args, **kwargs: implementation(value._recorder, value, *args, **kwargs)
        raise tracing_error(
            f"ndarray.{name} has no meaning for a value that is not known while the function is traced.",
            f"lambda w: w.{name}",
            "the same written with arithmetic, comparisons, np.where and reductions",
        )
    raise AttributeError(f"{type(value).__name__!r} object has no attribute {name!r}")


class Selected(Operators):
    """Elements of an array picked by a boolean mask that depends on the data.

    Its size is not static. It can be combined element by element with numbers and with selections by the same mask, and
    reduced, over the elements that are in the mask.
    """

    __slots__ = ()

    ndim = 1

    @property
    def size(self) -> Any:
        assert self._mask is not None
        return wrap(self._recorder, fold("add", cast(self._mask, INT64), tuple(range(self._mask.ndim))))

    def __repr__(self) -> str:
        return f"Selected(from shape {self._node.shape}, dtype={self.dtype})"

    def __len__(self) -> int:
        raise selected_size()

    @property
    def shape(self) -> NoReturn:
        raise selected_size()

    def __bool__(self) -> bool:
        raise selected_misused()

    def __iter__(self) -> Iterator[Any]:
        raise selected_misused()

    def __getitem__(self, key: Any) -> Any:
        raise selected_misused()

    def astype(self, dtype: Any, **_: Any) -> Any:
        return wrap(self._recorder, cast(self._node, supported(np.dtype(dtype))), self._mask)

    def copy(self) -> Any:
        return wrap(self._recorder, self._node, self._mask)

    def ravel(self) -> Any:
        return self

    flatten = ravel

    def __getattr__(self, name: str) -> Any:
        return _method(self, name)


KINDS.extend((Traced, Selected))


def selected_size() -> Exception:
    """The page for len() and shape of a selection."""
    return tracing_error(
        "The size of a boolean selection depends on the data; len() and shape want a number that is known now.",
        "lambda w: len(w[w > 0])",
        "lambda w: w[w > 0].size      # or np.count_nonzero(w > 0)",
    )


# -- helpers of item assignment and shapes ----------------------------------------------------------------------------


def plain_value(r: Recorder, value: Any, dtype: DType) -> Node:
    """A value to be assigned, converted as NumPy converts it."""
    if isinstance(value, Value):
        return node_of(r, value, dtype)
    if isinstance(value, (int, float)) and not isinstance(value, np.generic):
        return r.scalar(np.array(value).astype(dtype)[()] if isinstance(value, float) else value, dtype)
    array = plain(value)
    return (
        r.array(array, dtype) if isinstance(array, np.ndarray) else r.scalar(np.asarray(array).astype(dtype)[()], dtype)
    )


def fitted(value: Node, shape: Shape) -> Node:
    """Broadcast to a region; extra leading axes of extent 1 are dropped, as NumPy does on assignment."""
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = reshape(value, value.shape[1:])
    if value.ndim > len(shape) or any(a not in {1, b} for a, b in zip(value.shape[::-1], shape[::-1], strict=False)):
        raise ValueError(f"could not broadcast input array from shape {value.shape} into shape {shape}")
    return broadcast(value, shape)


def full_shape(shape: Any, size: int) -> Shape:
    """A shape with its -1 worked out."""
    given = [indexing.as_integer(n) for n in (shape if isinstance(shape, (tuple, list)) else (shape,))]
    if given.count(-1) > 1:
        raise ValueError("can only specify one unknown dimension")
    known = int(np.prod([n for n in given if n != -1], dtype=np.int64))
    if -1 in given and known and size % known == 0:
        given[given.index(-1)] = size // known
    if -1 in given or int(np.prod(given, dtype=np.int64)) != size:
        raise ValueError(f"cannot reshape array of size {size} into shape {shape}")
    return tuple(given)
