"""The table of the planner beside a clock: that it runs, and that its numbers say what they claim."""

import pytest

from benchmarks import estimates as planner
from benchmarks.estimates import Row, main, rows, summary


def test_every_stencil_is_run_by_all_its_methods():
    found = list(rows(40, [], 1, sizes=(3,)))
    assert len(found) == sum(len(entry.dtypes) for entry in planner.ENTRIES)
    assert all(row.chosen in row.times for row in found)
    assert all("direct" in row.times for row in found)
    assert any(len(row.times) > 1 for row in found)


def test_the_summary_counts_estimates_and_choices():
    good = Row("good", {"direct": (1.0, 1.1), "columns": (2.0, 3.5)}, "direct")
    bad = Row("bad", {"direct": (1.0, 3.0), "columns": (2.0, 2.0)}, "direct")
    assert good.regret == 1.0
    assert bad.regret == 1.5
    lines = summary([good, bad])
    assert lines[0] == "4 estimates: 75 % within a factor of 2, 50 % within 1.5"
    assert lines[1] == "2 choices: 1.22 times the fastest method on average, at most 1.50 (bad)"


def test_the_command_fails_where_a_choice_is_too_bad(monkeypatch, capsys):
    bad = Row("bad", {"direct": (1.0, 3.0), "columns": (2.0, 2.0)}, "direct")
    monkeypatch.setattr(planner, "rows", lambda *_: iter([bad]))
    assert main([]) == 0
    assert main(["--worst", "1.6"]) == 0
    assert main(["--worst", "1.3"]) == 1
    assert "bad" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nothing"])
def test_an_unknown_name_is_an_error(name, capsys):
    assert main(["--only", name]) == 2
    assert "no stencil" in capsys.readouterr().err
