"""A small memory of what was made before.

Every operation is one step of a dict, so that threads need no lock and a forked child inherits none.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

_V = TypeVar("_V")


class Kept(Generic[_V]):
    """At most `most` values by key; the oldest ones are dropped.

    Examples
    --------
    >>> kept = Kept(2)
    >>> for number in range(3):
    ...     _ = kept.put(number, str(number))
    >>> kept.get(0), kept.get(2)
    (None, '2')
    """

    __slots__ = ("_items", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: dict[Hashable, _V] = {}

    def get(self, key: Hashable) -> _V | None:
        """The value under the key, or None."""
        return self._items.get(key)

    def put(self, key: Hashable, value: _V) -> _V:
        """Keep a value, and give it back."""
        items = self._items
        items[key] = value
        while len(items) > self._most:
            try:
                items.pop(next(iter(items)), None)
            except (RuntimeError, StopIteration):  # another thread changed it just now, and tidies up as well
                break
        return value
