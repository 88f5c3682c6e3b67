"""The words of the tables by which ``execute/`` tells the worker for single points (``point_driver.py``) what to do.

As in ``words.py``: names that end in AT are byte offsets in the scratch memory of a worker; those that end in TABLE,
TABLES, MAPS, STEPS, LIMITS, BASES or ROW are addresses.
"""

from __future__ import annotations

from enum import auto

from kernelscape.backends.words import Words

IN_INTERIOR, AT_BORDER = 0, 1
"""The two kinds of points: those whose windows lie in the arrays, and the others."""


class Points(Words):
    """What is the same for all calls of one executable.

    AXES counts the axes of an output's place: those of the job and, behind them, the number of the point in a list.
    Points are noted until there are GROUP of them; CAPACITY is the room for them. The windows of BLOCK of them are
    gathered at once, and PAD points are computed at once.
    """

    KERNEL = auto()
    MASKED_KERNEL = auto()
    AXES = auto()
    INPUTS = auto()
    PLANES = auto()
    INPUT_TABLE = auto()
    PLANE_TABLE = auto()
    LOW_TABLE = auto()
    HIGH_TABLE = auto()
    EXTENTS_TABLE = auto()
    GROUP = auto()
    BLOCK = auto()
    CAPACITY = auto()
    PAD = auto()
    KEEPS = auto()
    MAY_MISS = auto()
    STAGE_AXES = auto()
    ROWS = auto()
    ROWS_AT = auto()
    FLAGS_AT = auto()
    OUTPUTS_AT = auto()
    LIMITS_AT = auto()
    COORDINATES_AT = auto()
    PLACES_AT = auto()
    OFFSETS_AT = auto()
    AHEAD = auto()
    AHEAD_TABLE = auto()


class Ahead(Words):
    """A line of memory that is asked for as soon as a point is known: of an input, or (IS_OUTPUT) of an output plane.

    It lies OFFSET behind where the input or the plane begins, plus the place along each axis times its step.
    """

    IS_OUTPUT = auto()
    NUMBER = auto()
    OFFSET = auto()
    STEPS = auto()


class PointCall(Words):
    """What belongs to one call; the first four are written while it runs, as in ``words.Call``.

    Either MASK_TABLE says which outputs are wanted, one byte for each in C order: then a tile is PER_TILE pieces of
    COUNT rows, each of PIECES pieces of PIECE outputs. Or PLACE_TABLES has for each axis the places of COUNT points:
    then a tile is PER_TILE of them.
    """

    COUNTER = auto()
    CANCEL = auto()
    ERROR = auto()
    NAN = auto()
    TILES = auto()
    PER_TILE = auto()
    COUNT = auto()
    PIECE = auto()
    PIECES = auto()
    MASK_TABLE = auto()
    PLACE_TABLES = auto()
    ARGUMENTS = auto()
    INPUT_BASES = auto()
    PLANE_BASES = auto()
    INPUT_LIMITS = auto()
    PLANE_LIMITS = auto()
    KEPT_TABLE = auto()


class Kept(Words):
    """What an output plane holds where a mask wants nothing: copied from BASE plus steps; 0: it is there."""

    BASE = auto()
    STEPS = auto()
    FIRST = auto()
    END = auto()


class PointInput(Words):
    """An input: where its samples are, and the worker's own rows for them.

    The samples of an output at some place begin at BASE plus, for each axis, the place times its step, or, where there
    is a table for the axis, what that has there. They are RUNS runs of samples (see ``emit/points.py``), or, without
    GATHER, of one sample each. At the border each of TAPS samples is looked up: TAP_TABLE has its place along each
    axis, the last one (of INNER_TAPS places) running fastest, and BORDER_MAPS say where these lie. COORDINATE is an
    axis whose coordinates are the input, or -1.
    """

    FILL = auto()
    GATHER = auto()
    BASE = auto()
    STEPS = auto()
    TABLES = auto()
    RUNS = auto()
    RUN_TABLE = auto()
    ROW_BYTES = auto()
    ROWS_AT = auto()
    PLANES = auto()
    FIRST_ROW = auto()
    CONSTANT_ROW = auto()
    TAPS = auto()
    INNER_TAPS = auto()
    TAP_TABLE = auto()
    BORDER_MAPS = auto()
    STRIDES = auto()
    FLAGS_AT = auto()
    FLAG_BYTES = auto()
    COORDINATE = auto()
    OFFSETS_AT = auto()
    INNER_AT = auto()
    OUTER_AT = auto()


class PointPlane(Words):
    """One element of one output: how it lies in memory, and the worker's own row for it."""

    STEPS = auto()
    ITEM = auto()
    ROW_AT = auto()
    ROW_BYTES = auto()
