"""Calibration: rates from times, the file that keeps them, and that plans follow it without changing what is computed.

The fit is checked with times that are made up from known rates, so that there is a right answer; the measurement itself
runs once, briefly, and is only asked to be possible.
"""

import json
import math
import subprocess
import sys
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

import kernelscape as ks
from kernelscape import calibration
from kernelscape.api import calibrating
from kernelscape.api.calibrating import FITTED, Calibration, Measurement, calibrate, expected
from kernelscape.backends.cpu import host_target
from kernelscape.backends.peak import peak_rate
from kernelscape.cli import main
from kernelscape.machine import X86_64_V3, Rates, named_target

HOST = host_target()
OTHER = Rates(**{f.name: 3.0 * getattr(Rates(), f.name) for f in fields(Rates)})


@pytest.fixture(autouse=True)
def folder(tmp_path):
    """A folder of its own for each test, of which nothing has been read."""
    calibration._known.cache_clear()
    with ks.configure(cache_directory=tmp_path):
        yield tmp_path
    calibration._known.cache_clear()


# -- the file ----------------------------------------------------------------------------------------------------------


def test_what_is_saved_is_loaded(folder):
    assert calibration.load(HOST) is None
    file = calibration.save(HOST, OTHER)
    assert file == calibration.path() == folder / "calibration.json"
    assert calibration.load(HOST) == OTHER
    assert [path.name for path in folder.iterdir()] == ["calibration.json"]
    assert calibration.remove()
    assert not calibration.remove()
    assert calibration.load(HOST) is None


def test_the_users_folder_is_the_default(monkeypatch):
    monkeypatch.setattr("platformdirs.user_config_dir", lambda name, **_: f"/somewhere/{name}")
    with ks.configure(cache_directory=None):
        assert str(calibration.path()) == "/somewhere/kernelscape/calibration.json"


DAMAGED = {
    "no text": lambda d: b"\xff\xfe\x00",
    "no json": lambda d: b"{",
    "a list": lambda d: b"[]",
    "a number": lambda d: b"3",
    "another format": lambda d: {**d, "format": 0},
    "another processor": lambda d: {**d, "target": [*d["target"][:-1], 8]},
    "no rates": lambda d: {**d, "rates": None},
    "a rate less": lambda d: {**d, "rates": {k: v for k, v in d["rates"].items() if k != "load"}},
    "a rate more": lambda d: {**d, "rates": {**d["rates"], "luck": 1.0}},
    "zero": lambda d: {**d, "rates": {**d["rates"], "load": 0.0}},
    "negative": lambda d: {**d, "rates": {**d["rates"], "load": -1.0}},
    "not a number": lambda d: {**d, "rates": {**d["rates"], "load": math.nan}},
    "infinite": lambda d: {**d, "rates": {**d["rates"], "load": math.inf}},
    "words": lambda d: {**d, "rates": {**d["rates"], "load": "fast"}},
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_counts_as_missing(name):
    file = calibration.save(HOST, OTHER)
    changed = DAMAGED[name](json.loads(file.read_text()))
    file.write_bytes(changed if isinstance(changed, bytes) else json.dumps(changed).encode())
    assert calibration.load(HOST) is None
    assert calibration.calibrated(HOST).rates == Rates()


def test_a_process_reads_it_once():
    assert calibration.calibrated(HOST).rates == Rates()
    calibration.save(HOST, OTHER)
    assert calibration.calibrated(HOST).rates == Rates(), "plans of one process do not change under way"
    calibration._known.cache_clear()
    assert calibration.calibrated(HOST).rates == OTHER


# -- plans follow it ---------------------------------------------------------------------------------------------------

WEIRD = replace(Rates(), store=1e5)
IMAGE = np.random.default_rng(0).normal(size=(60, 70)).astype(np.float32)


def test_plans_follow_the_rates_of_this_machine_and_of_no_other():
    calibration.save(HOST, WEIRD)
    plan = ks.stencil(np.max, size=9).plan(IMAGE)
    assert plan.target.rates == WEIRD
    assert plan.method == "direct"
    assert ks.stencil(np.max, size=9, method="columns").plan(IMAGE).method == "columns"
    with ks.configure(target="x86-64-v3"):
        named = ks.stencil(np.max, size=9).plan(IMAGE)
    assert named.target.rates == Rates()
    assert named.method == "columns"


def test_rates_are_no_part_of_machine_code():
    """Code that is compiled once is found again, whatever was measured since."""
    other = replace(HOST, rates=OTHER)
    assert other == HOST
    assert hash(other) == hash(HOST)
    assert repr(other) == repr(HOST)
    assert named_target("x86-64-v3").rates == X86_64_V3.rates == Rates()


def test_another_process_plans_with_it(folder):
    calibration.save(HOST, WEIRD)
    code = (
        "import numpy as np, kernelscape as ks\n"
        "print(ks.stencil(np.max, size=9).plan(np.zeros((60, 70), np.float32)).method)"
    )
    command = [sys.executable, "-c", f"import os; os.environ['KERNELSCAPE_CACHE_DIR'] = {str(folder)!r}\n{code}"]
    for method in ("direct", "columns"):
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        assert done.stdout == f"{method}\n"
        calibration.remove()


# -- the fit -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plans():
    return [plan for _, _, plan in calibrating._jobs()]


def shipped():
    return replace(HOST, rates=Rates())


def test_times_that_follow_some_rates_are_expected_afterwards(plans):
    rng = np.random.default_rng(1)
    for _ in range(3):
        factors = np.exp(rng.uniform(-1, 1, len(FITTED)))
        rates = replace(Rates(), **{n: getattr(Rates(), n) * f for n, f in zip(FITTED, factors, strict=True)})
        truth = replace(HOST, rates=rates)
        times = [expected(plan, truth) for plan in plans]
        found = replace(HOST, rates=calibrating._fitted(plans, times, shipped()))
        errors = [abs(math.log(expected(plan, found) / t)) for plan, t in zip(plans, times, strict=True)]
        assert max(errors) < math.log(1.35)
        assert np.mean(errors) < math.log(1.1)


def test_shipped_rates_explain_their_own_times(plans):
    times = [expected(plan, shipped()) for plan in plans]
    found = calibrating._fitted(plans, times, shipped())
    np.testing.assert_allclose(list(asdict(found).values()), list(asdict(Rates()).values()), rtol=1e-6)


def test_one_mishap_does_little_harm(plans):
    times = [expected(plan, shipped()) for plan in plans]
    times[8] *= 30
    found = replace(HOST, rates=calibrating._fitted(plans, times, shipped()))
    rest = [n for n in range(len(plans)) if n != 8]
    errors = [abs(math.log(expected(plans[n], found) / times[n])) for n in rest]
    assert max(errors) < math.log(1.5)


def test_each_fitted_rate_is_needed_by_some_job(plans):
    for name in FITTED:
        slow = replace(HOST, rates=replace(Rates(), **{name: getattr(Rates(), name) * (50 if name in TIMES else 0.02)}))
        assert any(expected(plan, slow) > 1.2 * expected(plan, shipped()) for plan in plans), name


TIMES = ("tile", "call")


# -- the measurement ---------------------------------------------------------------------------------------------------


def test_a_machine_can_be_measured(monkeypatch):
    monkeypatch.setattr(calibrating, "SECONDS", 1e-4)
    monkeypatch.setattr(calibrating, "PASSES", 1)
    told = []
    found = calibrate(told.append)
    assert all(math.isfinite(value) and value > 0 for value in asdict(found.rates).values())
    assert told[0] == "call"
    assert len(found.measurements) == len({m.name for m in found.measurements}) == len(told) - 1
    assert 0 <= found.within_two <= 1
    assert calibration.load(HOST) is None, "measuring keeps nothing"


@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3"])
def test_the_peak_is_a_rate(target):
    """More than one multiply-add per microsecond, fewer than a hundred per nanosecond."""
    assert 1e6 < peak_rate(named_target(target), repeat=2) < 1e11


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def measured(monkeypatch):
    made = Calibration(replace(HOST, rates=OTHER), (Measurement("sum 3x3", 1e-3, 3e-3, 1.1e-3),))
    monkeypatch.setattr(calibrating, "calibrate", lambda: made)


@pytest.mark.usefixtures("measured")
def test_the_command_measures_and_keeps(capsys, folder):
    assert main(["calibrate", "--verbose"]) == 0
    text = capsys.readouterr().out
    assert "arithmetic" in text
    assert "100 % of 1 jobs" in text
    assert "sum 3x3 1.0 ms 1.1 ms 3.0 ms" in " ".join(text.split())
    assert str(folder / "calibration.json") in text
    assert calibration.load(HOST) == OTHER
    assert main(["info"]) == 0
    assert f"calibrated:   yes, {folder / 'calibration.json'}" in capsys.readouterr().out
    assert main(["calibrate", "--reset"]) == 0
    assert capsys.readouterr().out == f"removed {folder / 'calibration.json'}\n"
    assert main(["calibrate", "--reset"]) == 0
    assert "nothing was measured" in capsys.readouterr().out
    assert main(["info"]) == 0
    assert "calibrated:   no ('kernelscape calibrate' does it)" in capsys.readouterr().out


@pytest.mark.usefixtures("measured")
def test_the_command_says_what_is_wrong(capsys, folder):
    with ks.configure(target="x86-64-v3"):
        assert main(["calibrate"]) == 2
    assert "Only this machine can be measured" in capsys.readouterr().err
    (folder / "file").write_text("")
    with ks.configure(cache_directory=folder / "file"):
        assert main(["calibrate"]) == 2
        assert "cannot be kept" in capsys.readouterr().err
    calibration.save(replace(HOST, vector_bytes=8), OTHER)
    assert main(["info"]) == 0
    assert "is of another processor or version" in capsys.readouterr().out
    with ks.configure(target="x86-64-v3"):
        assert main(["info"]) == 0
    assert "no, since another processor is compiled for" in capsys.readouterr().out
