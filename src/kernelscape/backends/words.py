"""The words of the tables by which ``execute/`` tells the native worker (``driver.py``) what to do.

A table is a record of 64-bit integers, or several of them one behind the other; the name of a word is its place in the
record. Names that end in AT are byte offsets in the scratch memory of a worker; those that end in TABLE, MAP, MAPS,
EXTENTS, STRIDES, BASES, LIMITS, ROW or FLAGS are addresses.
"""

from __future__ import annotations

from enum import IntEnum, auto

APART = -(1 << 63)
"""As the step of a run of samples: another function fills it."""


class Words(IntEnum):
    """A record of 64-bit words, numbered from 0 in the order in which they are written here."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class Sweep(Words):
    """What is the same for all calls of one executable; KEEPS: outputs are read before they are written."""

    KERNEL = auto()
    MASKED_KERNEL = auto()
    INPUTS = auto()
    PLANES = auto()
    OUTER = auto()
    ROWS = auto()
    SPACING = auto()
    HELD_ROWS = auto()
    Y_COUNT = auto()
    STRIP = auto()
    STRIPS = auto()
    SEGMENTS = auto()
    SLABS_PER_TILE = auto()
    SLABS = auto()
    TILES = auto()
    SEGMENT_TABLE = auto()
    INPUT_TABLE = auto()
    PLANE_TABLE = auto()
    OUTER_EXTENTS = auto()
    AXES = auto()
    AXIS_TABLE = auto()
    TOTAL_ROWS = auto()
    ROWS_AT = auto()
    FLAGS_AT = auto()
    OUTPUTS_AT = auto()
    LIMITS_AT = auto()
    COORDINATES_AT = auto()
    OUTER_AT = auto()
    PLANE_BASE_AT = auto()
    COLUMNS_AT = auto()
    COLUMN_BYTES = auto()
    SOURCE_ROWS_AT = auto()
    SOURCE_FLAGS_AT = auto()
    SOURCE_LIMITS_AT = auto()
    MADE_AT = auto()
    KEEPS = auto()


class Call(Words):
    """What belongs to one call; the first four are written while it runs.

    TILES tiles are computed: those in CHOSEN_TABLE, or, where that is 0, all of them. ERROR is the first offending
    address of a checked build; NAN, right behind it, says that an integer output met NaN.
    """

    COUNTER = auto()
    CANCEL = auto()
    ERROR = auto()
    NAN = auto()
    TILES = auto()
    CHOSEN_TABLE = auto()
    ARGUMENTS = auto()
    INPUT_BASES = auto()
    PLANE_BASES = auto()
    INPUT_LIMITS = auto()
    PLANE_LIMITS = auto()


class InputWord(Words):
    """An input: where its rows come from, and the worker's own rows for it.

    Where MAKE is not 0 its rows are made by this kernel of SOURCES other rows each: SOURCE_TABLE has their places in
    the table of row pointers, row by row, and ITEM_TABLE the bytes of their elements.
    """

    FILL = auto()
    FILL_BLOCK = auto()
    COMBINATIONS = auto()
    Y_OFFSETS = auto()
    Y_OFFSET_TABLE = auto()
    PHASES = auto()
    Y_STRIDE = auto()
    Y_MAP = auto()
    Y_LAST = auto()
    Y_AHEAD = auto()
    Y_NEXT = auto()
    COMBINATION_TABLE = auto()
    OUTER_MAPS = auto()
    OUTER_STRIDES = auto()
    RING = auto()
    RING_SLOTS = auto()
    ROW_BYTES = auto()
    RING_AT = auto()
    CONSTANT_ROW = auto()
    CONSTANT_BYTES = auto()
    NO_FLAGS = auto()
    FIRST_ROW = auto()
    BASES_AT = auto()
    HELD_AT = auto()
    MAKE = auto()
    LANES = auto()
    ITEM = auto()
    SOURCES = auto()
    SOURCE_TABLE = auto()
    ITEM_TABLE = auto()


class Segment(Words):
    """A piece of the rows along x."""

    X0 = auto()
    POSITIONS = auto()
    COUNT = auto()
    MISSING = auto()
    INPUT_TABLE = auto()


class SegmentInput(Words):
    """An input in one segment: read in place (DIRECT), or copied row by row, or all rows of a source row at once.

    With a BLOCK of 1 that is all of them; with one of 2 their ends are filled row by row. The block begins at byte
    BLOCK_AT of the rows; the other words are those that ``emit/planes.py`` and ``emit/phases.py`` ask for.
    """

    DIRECT = auto()
    BLOCK = auto()
    BLOCK_AT = auto()
    BLOCK_START = auto()
    BLOCK_COUNT = auto()
    BLOCK_STEP = auto()
    PHASE_TABLE = auto()


class Phase(Words):
    """How ``fill`` makes the row of one phase (its arguments, see ``emit/rows.py``), and the row of flags beside it."""

    TABLE = auto()
    COUNT = auto()
    LOW = auto()
    HIGH = auto()
    START = auto()
    STEP = auto()
    FLAGS = auto()


class Plane(Words):
    """One element of one output: how it lies in memory, and the worker's own rows for it."""

    OUTER_STRIDES = auto()
    Y_STEP = auto()
    X_STEP = auto()
    ITEM = auto()
    ROWS_AT = auto()
    ROW_BYTES = auto()


class AxisWord(Words):
    """A window axis: KIND is the number of an outer axis, or Y or X as in ``loops.py``."""

    KIND = auto()
    FIRST = auto()
    STRIDE = auto()
