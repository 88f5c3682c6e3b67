"""The table of wanted outputs: that it runs, and that its results are checked."""

import pytest

from benchmarks import selection


@pytest.mark.parametrize("more", [[], ["--cpu"]])
def test_every_filter_is_measured_with_every_mask(capsys, more):
    assert selection.main(["--size", "48", "--repeat", "1", *more]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:16].strip() for line in lines[1:]] == list(selection.FILTERS)
    assert all(line.count("%") == 3 for line in lines[1:])


def test_a_wrong_result_is_no_number(monkeypatch):
    monkeypatch.setattr(selection, "FILTERS", {"wrong": lambda image, at=None, **words: image + (at is not None)})
    with pytest.raises(AssertionError, match="not the whole filter"):
        list(selection.rows(48, 1))
