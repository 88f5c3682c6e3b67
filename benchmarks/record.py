"""What one run of the public benchmark measured: plain data in a file, from which the page and its plots are made.

Each part is written as soon as it is measured, so that a run that is cut short has lost only the rest.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.harness import OURS
from benchmarks.machine import Limits

ALLOWED = {("u8", 3): 1.2}
"""How many times the best peer's time is allowed, by kind and size: small u8 windows are bound by memory. Else 1."""
COMPILE_GOAL = 0.15


@dataclass(frozen=True)
class Row:
    """What was measured for a member of the grid: plain data, which is kept in a file.

    Attributes
    ----------
    best, median
        Seconds by contestant, for the full image.
    scaled
        Contestant -> the extent of the smaller image on which it was timed.
    failures, notes, details
        By contestant: why its result is wrong, what a reader has to know, how it was done.
    aside
        Contestants whose result is less exact than ours: shown, but no peer.
    alone
        Contestants that did it on one thread, although they were allowed more.
    compile
        Seconds of processor time that our first call took more than the second: tracing, planning, compiling.
    bytes, operations
        That must be moved, for input and output; that a sum of products takes, else 0.
    load
        The machine's load average after the row.
    """

    name: str
    family: str
    kind: str
    side: int
    best: dict[str, float]
    median: dict[str, float]
    scaled: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    aside: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    contestants: int = 0
    compile: float = 0.0
    bytes: int = 0
    operations: int = 0
    load: float = 0.0

    @property
    def peer(self) -> str | None:
        """The fastest peer."""
        peers = [name for name in self.best if name != OURS and name not in self.aside]
        return min(peers, key=self.best.__getitem__, default=None)

    @property
    def ratio(self) -> float | None:
        """How many times faster than the best peer we are."""
        return self.best[self.peer] / self.best[OURS] if self.peer and OURS in self.best else None

    @property
    def faster_aside(self) -> list[str]:
        """Contestants whose result is less exact than ours, and who are faster."""
        return [name for name in self.aside if OURS in self.best and self.best.get(name, math.inf) < self.best[OURS]]

    def with_allowance(self) -> float:
        """The ratio, times what the best peer is allowed to be ahead; less than 1 is too slow."""
        return math.inf if self.ratio is None else self.ratio * ALLOWED.get((self.kind, self.side), 1.0)

    @property
    def is_behind(self) -> bool:
        """Whether a peer is faster by more than is allowed."""
        return self.with_allowance() < 1

    @property
    def agreement(self) -> str:
        """How many of the contestants gave the right result."""
        return f"{self.contestants - len(self.failures)} of {self.contestants}"

    def of_copy_speed(self, limits: Limits) -> float:
        """Which part of our time a copy of the same bytes would take."""
        return self.bytes / limits.copy / self.best[OURS]

    def of_peak(self, limits: Limits) -> float | None:
        """Which part of our time the processor would need for the multiply-adds alone."""
        if not self.operations:
            return None
        rate = limits.flops["float64" if self.kind == "f64" else "float32"]
        return self.operations / rate / self.best[OURS]


@dataclass(frozen=True)
class Curve:
    """How one contestant's time depends on one thing.

    `axis` is "threads", "extent" (of square images) or "side" (of square windows); `seconds` are for the whole image,
    `pixels` its size.
    """

    job: str
    axis: str
    contestant: str
    xs: tuple[int, ...]
    seconds: tuple[float, ...]
    pixels: tuple[int, ...]


@dataclass(frozen=True)
class Wait:
    """What a user of a package waits for besides the work, in seconds: medians of several processes.

    `first` is the first call of a fresh process, imports done; `again` is any later one, for an image of 64 x 64.
    """

    package: str
    job: str
    imports: float
    first: float
    again: float


@dataclass(frozen=True)
class Footprint:
    """Bytes that a call took beyond its input and its output, at the peak, in a process of its own."""

    job: str
    contestant: str
    extent: int
    image: int
    extra: int


@dataclass
class Record:
    """Everything; empty where it was not measured.

    `tables` are rows of text by heading, of the jobs that are no part of the grid; `remarks` are about them.
    """

    machine: list[str] = field(default_factory=list)
    size: int = 2048
    limits: Limits | None = None
    rows: list[Row] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def save(record: Record, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def load(path: Path) -> Record:
    values = json.loads(path.read_text(encoding="utf-8"))
    return Record(
        machine=values["machine"],
        size=values["size"],
        limits=Limits(**values["limits"]) if values["limits"] else None,
        rows=[Row(**tupled(row)) for row in values["rows"]],
        curves=[Curve(**tupled(curve)) for curve in values["curves"]],
        waits=[Wait(**wait) for wait in values["waits"]],
        footprints=[Footprint(**footprint) for footprint in values["footprints"]],
        tables=values["tables"],
        remarks=values["remarks"],
    )


def tupled(values: Mapping[str, object]) -> dict[str, object]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def geometric_mean(values: Iterable[float]) -> float:
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else math.nan
