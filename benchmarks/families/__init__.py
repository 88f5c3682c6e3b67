"""The grid of the benchmark: families of jobs, each for several window sizes and kinds of arrays.

A family is one entry, with its peers beside it; `FAMILIES` is all of them. A new family is a new entry.
"""

from benchmarks.families.bands import BANDS
from benchmarks.families.family import KINDS, SIDES, Case, Family
from benchmarks.families.linear import LINEAR
from benchmarks.families.lines import LINES
from benchmarks.families.orders import ORDERS
from benchmarks.families.statistics import STATISTICS
from benchmarks.families.volumes import VOLUMES

FAMILIES: tuple[Family, ...] = (*LINEAR, *BANDS, *ORDERS, *STATISTICS, *LINES, *VOLUMES)

__all__ = ["FAMILIES", "KINDS", "SIDES", "Case", "Family"]
