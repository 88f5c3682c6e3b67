"""What the rows of the grid are to reach, and what they reached. A goal of which no row was measured is left out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.harness import OURS
from benchmarks.machine import Limits
from benchmarks.record import COMPILE_GOAL, Row, geometric_mean

FLAT = 1.5
"""Times of windows from 7 to 31 may differ by this factor where they should not depend on the window."""
FLAT_FAMILIES = ("mean", "minimum", "maximum")


@dataclass(frozen=True)
class Goal:
    """A goal: what was reached is a number, and the row that it is about if it is one row's."""

    text: str
    value: float
    wanted: float
    row: str = ""
    is_limit: bool = False  # the value must not be larger
    unit: str = "x"

    @property
    def is_reached(self) -> bool:
        return self.value <= self.wanted if self.is_limit else self.value >= self.wanted

    def shown(self, number: float) -> str:
        return {"x": f"{number:.2f}x", "%": f"{number:.0%}", "ms": f"{number * 1e3:.0f} ms"}[self.unit]


def extreme(
    text: str,
    rows: Sequence[Row],
    value: Callable[[Row], float],
    wanted: float,
    unit: str = "x",
    is_limit: bool = False,
) -> Iterator[Goal]:
    """The row that is farthest from a goal of many."""
    if rows:
        worst = (max if is_limit else min)(rows, key=value)
        yield Goal(text, value(worst), wanted, worst.name, is_limit, unit)


def chosen(rows: Sequence[Row], family: str, kind: str, low: int, high: int) -> list[Row]:
    members = (row for row in rows if (row.family, row.kind) == (family, kind))
    return [row for row in members if low <= row.side <= high and OURS in row.best]


def goals_of(rows: Sequence[Row], limits: Limits) -> list[Goal]:
    """All goals of which something was measured."""
    compared = [row for row in rows if row.ratio is not None]
    found = list(extreme("no row slower than its best peer, as far as is allowed", compared, Row.with_allowance, 1.0))
    if compared:
        found.append(Goal("geometric mean of all rows", geometric_mean(row.ratio for row in compared), 4.0))
    for text, low, high, part, wanted in (
        ("f32 correlation 3x3, of copy speed", 3, 3, Row.of_copy_speed, 0.5),
        ("f32 correlation 7x7, of the peak of multiply-adds", 7, 7, Row.of_peak, 0.4),
        ("f32 correlation 11x11 to 31x31, of that peak", 11, 31, Row.of_peak, 0.6),
    ):
        members = chosen(rows, "correlate", "f32", low, high)
        found += extreme(text, members, lambda row, part=part: part(row, limits), wanted, "%")
    medians = [row for row in chosen(rows, "median", "u8", 7, 31) if "opencv" in row.best]
    found += extreme(
        "u8 median 7x7 to 31x31, beside OpenCV", medians, lambda row: row.best["opencv"] / row.best[OURS], 10
    )
    found += flatness(rows)
    compiled = [row for row in rows if OURS in row.best]
    found += extreme("compile time of any row", compiled, lambda row: row.compile, COMPILE_GOAL, "ms", is_limit=True)
    return found


def flatness(rows: Sequence[Row]) -> Iterator[Goal]:
    """Times that should not depend on the window: the slowest size beside the fastest, for the worst dtype."""
    for family in FLAT_FAMILIES:
        spreads = {}
        for kind in dict.fromkeys(row.kind for row in rows if row.family == family):
            times = [row.best[OURS] for row in chosen(rows, family, kind, 7, 31)]
            if len(times) > 1:
                spreads[kind] = max(times) / min(times)
        if spreads:
            worst = max(spreads, key=spreads.__getitem__)
            yield Goal(f"{family}, slowest of 7x7 to 31x31", spreads[worst], FLAT, f"{family} {worst}", is_limit=True)


def goal_table(rows: Sequence[Row], limits: Limits) -> list[list[str]]:
    table = [["goal", "wanted", "measured", "row", ""]]
    for goal in goals_of(rows, limits):
        wanted = f"at {'most' if goal.is_limit else 'least'} {goal.shown(goal.wanted)}"
        verdict = "reached" if goal.is_reached else "missed"
        table.append([goal.text, wanted, goal.shown(goal.value), goal.row, verdict])
    return table
