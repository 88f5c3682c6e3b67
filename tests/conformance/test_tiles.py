"""No result depends on how the work is cut: bit for bit the same for any number of workers and any tiles.

Strips, segments, slabs and the choice between reading rows in place and copying them are forced to other values, so
that borders, tails and the masked code fall on other outputs.
"""

import pytest

from kernelscape.execute import Executable
from tests.conformance.cases import Case, Recipe
from tests.conformance.check import prepare
from tests.conformance.functions import FUNCTIONS
from tests.conformance.running import bits, cut_otherwise, run

CUTS = (
    {"strip": 1, "chunks": 1},
    {"strip": 2, "chunks": 2, "direct": False},
    {"strip": 3, "direct": False},
    {"strip": 100, "chunks": 100},
)
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def case_of(name, mode, shape=(11, 150)):
    function = FUNCTIONS[name]
    dtype = "float32" if "f" in function.kinds else "int16"
    size = (3, 5)
    made = {
        "window": Recipe(dtype, shape, "C", "wide", 5),
        "pixel": Recipe(dtype, shape, "C", "small", 6),
        "kernel": Recipe(dtype, size, "C", "small", 7),
        "index": 1,
        "number": 2,
        "other": Recipe(dtype, shape, "C", "wide", 9),
    }
    others = tuple(made[role] for role in function.roles[1:])
    words = {"size": size, "mode": "nearest"} if "other" in function.roles else {}
    return Case(
        name,
        Recipe(dtype, shape, "C", "special" if dtype == "float32" else "wide", 4),
        {"size": size, "mode": mode},
        others,
        words=words,
    )


@pytest.mark.parametrize("mode", ["reflect", "shrink"])
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_results_do_not_depend_on_workers_or_tiles(name, mode, monkeypatch):
    prepared = prepare(case_of(name, mode))
    wanted = [bits(r) for r in run(prepared)]
    for number, cut in enumerate(CUTS):
        with monkeypatch.context() as patch:
            cut_otherwise(patch, **cut)
            got = run(prepared, workers=(1, 2, 3, 5)[number])
        assert [bits(r) for r in got] == wanted, cut


@pytest.mark.parametrize(
    "options", [{"axes": (1, 2)}, {"dilation": (1, 3, 2)}, {"stride": (1, 2, 3)}, {"padding": "full"}]
)
@pytest.mark.parametrize("name", ["mean", "std", "median", "sum_of_products"])
def test_volumes_and_grids(name, options, monkeypatch):
    size = (3, 3) if "axes" in options else (2, 3, 3)
    others = (Recipe("float32", size, "C", "small", 7),) if name == "sum_of_products" else ()
    prepared = prepare(
        Case(name, Recipe("float32", (4, 9, 70), "C", "wide", 8), {"size": size, "mode": "shrink", **options}, others)
    )
    wanted = [bits(r) for r in run(prepared)]
    for cut in CUTS:
        with monkeypatch.context() as patch:
            cut_otherwise(patch, **cut)
            assert [bits(r) for r in run(prepared, workers=3)] == wanted, cut


def test_the_cuts_are_cuts(monkeypatch):
    """The patches of these tests reach the executor: each of them makes another number of tiles."""
    made = []
    usual = Executable.__init__

    def remember(self, *arguments, **options):
        usual(self, *arguments, **options)
        made.append(self.tiles)

    monkeypatch.setattr(Executable, "__init__", remember)
    prepared = prepare(case_of("mean", "reflect", (50, 150)))
    for cut in CUTS:
        with monkeypatch.context() as patch:
            cut_otherwise(patch, **cut)
            run(prepared)
    assert len(set(made)) == len(CUTS)
