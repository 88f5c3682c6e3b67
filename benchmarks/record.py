"""What one run of the public benchmark measured: plain data in a file, from which the page and its plots are made.

Each part is written as soon as it is measured, so that a run that is cut short has lost only the rest.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.grid import Row
from benchmarks.machine import Limits


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
    """Everything; empty where it was not measured."""

    machine: list[str] = field(default_factory=list)
    size: int = 2048
    limits: Limits | None = None
    rows: list[Row] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)


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
    )


def tupled(values: Mapping[str, object]) -> dict[str, object]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
