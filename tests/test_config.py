"""Settings hold where they were made: in a block, a thread, a task; the environment is read once and checked."""

import asyncio
import os
import pickle
import subprocess
import sys
import threading
import timeit
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import numpy as np
import pytest

from kernelscape import config
from kernelscape.config import Settings, configure, set_defaults, settings
from kernelscape.errors import ArgumentError, ArgumentTypeError, UnknownNameError


@pytest.fixture(autouse=True)
def _defaults_as_before(monkeypatch):
    settings()
    monkeypatch.setattr(config, "_defaults", config._defaults)


def test_every_setting_is_checked_and_can_come_from_the_environment():
    names = {field.name for field in fields(Settings)}
    assert set(config._CANONICAL) == names
    assert {name for name, _ in config._ENVIRONMENT.values()} == names


def test_defaults_without_any_environment():
    assert config._from_environment({}) == Settings(None, None, True, False, False, None, 2 * 1024**3)


def test_settings_are_frozen_and_picklable():
    with pytest.raises(FrozenInstanceError):
        settings().workers = 3
    assert pickle.loads(pickle.dumps(Settings(workers=3))) == Settings(workers=3)


def test_blocks_nest_and_end():
    before = settings()
    with configure(workers=3, checked=True) as outer:
        assert settings() is outer
        with configure(workers=5):
            assert (settings().workers, settings().checked) == (5, True)
        assert settings() is outer
        with pytest.raises(ZeroDivisionError), configure(verify=True):
            raise ZeroDivisionError
        assert settings() is outer
    assert settings() is before


def test_a_block_is_seen_by_its_own_thread_only():
    seen = []
    with configure(workers=7):
        thread = threading.Thread(target=lambda: seen.append(settings().workers))
        thread.start()
        thread.join()
    assert seen == [config._defaults.workers]


def test_blocks_of_tasks_do_not_mix():
    async def task(workers, entered, other_entered):
        with configure(workers=workers):
            entered.set()
            await other_entered.wait()
            await asyncio.sleep(0)
            return settings().workers

    async def both():
        first, second = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(task(2, first, second), task(3, second, first))

    assert asyncio.run(both()) == [2, 3]


def test_set_defaults_reaches_other_threads_but_no_open_block():
    seen = []
    with configure(workers=4):
        assert set_defaults(workers=9).workers == 9
        thread = threading.Thread(target=lambda: seen.append(settings().workers))
        thread.start()
        thread.join()
        assert settings().workers == 4
    assert seen == [9]
    assert settings().workers == 9


@pytest.mark.parametrize("change", [configure, set_defaults])
def test_unknown_settings_are_refused_at_the_call(change):
    with pytest.raises(UnknownNameError, match="Unknown setting 'worker'; did you mean 'workers'"):
        change(worker=3)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("workers", 0, ArgumentError),
        ("workers", -2, ArgumentError),
        ("workers", 2.0, ArgumentTypeError),
        ("workers", True, ArgumentTypeError),
        ("cache_directory", "", ArgumentError),
        ("cache_directory", "a\0b", ArgumentError),
        ("cache_directory", b"bytes", ArgumentTypeError),
        ("cache_directory", 3, ArgumentTypeError),
        ("disk_cache", 1, ArgumentTypeError),
        ("checked", "yes", ArgumentTypeError),
        ("verify", None, ArgumentTypeError),
        ("target", "", ArgumentError),
        ("target", "x86 64", ArgumentError),
        ("target", 64, ArgumentTypeError),
        ("memory_budget", 0, ArgumentError),
        ("memory_budget", "2G", ArgumentTypeError),
    ],
)
@pytest.mark.parametrize("change", [configure, set_defaults, Settings])
def test_wrong_values_name_the_setting_and_change_nothing(change, name, value, error):
    before = settings()
    with pytest.raises(error, match=rf"{name} must be .*; got "):
        change(**{name: value})
    assert settings() is before


def test_values_become_canonical(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = settings()
    with configure(workers=np.int8(-1), cache_directory=Path("here"), memory_budget=np.int64(5)) as inside:
        expected = replace(before, workers=-1, cache_directory=str(tmp_path / "here"), memory_budget=5)
        assert inside == expected
        assert type(inside.workers) is int


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("KERNELSCAPE_WORKERS", "3", "workers", 3),
        ("KERNELSCAPE_WORKERS", " -1 ", "workers", -1),
        ("KERNELSCAPE_WORKERS", "", "workers", None),
        ("KERNELSCAPE_CACHE_DIR", "/var/cache/me", "cache_directory", "/var/cache/me"),
        ("KERNELSCAPE_CACHE_DIR", "~/somewhere", "cache_directory", os.path.expanduser("~/somewhere")),
        ("KERNELSCAPE_DISK_CACHE", "Off", "disk_cache", False),
        ("KERNELSCAPE_CHECKED", "1", "checked", True),
        ("KERNELSCAPE_VERIFY", "yes", "verify", True),
        ("KERNELSCAPE_TARGET", "x86-64-v3", "target", "x86-64-v3"),
        ("KERNELSCAPE_MEMORY_BUDGET", "1000000", "memory_budget", 1000000),
        ("KERNELSCAPE_MEMORY_BUDGET", "512MiB", "memory_budget", 512 * 2**20),
        ("KERNELSCAPE_MEMORY_BUDGET", "4g", "memory_budget", 4 * 2**30),
    ],
)
def test_the_environment_is_understood(variable, text, name, value):
    assert getattr(config._from_environment({variable: text}), name) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("KERNELSCAPE_WORKERS", "two"),
        ("KERNELSCAPE_WORKERS", "0"),
        ("KERNELSCAPE_DISK_CACHE", "maybe"),
        ("KERNELSCAPE_CHECKED", "2"),
        ("KERNELSCAPE_VERIFY", "y e s"),
        ("KERNELSCAPE_TARGET", "my cpu"),
        ("KERNELSCAPE_MEMORY_BUDGET", "lots"),
        ("KERNELSCAPE_MEMORY_BUDGET", "0"),
        ("KERNELSCAPE_MEMORY_BUDGET", "-5"),
    ],
)
def test_a_wrong_variable_is_named(variable, text):
    with pytest.raises(ArgumentError, match=rf"environment variable {variable} is {text!r}: .*Correct it or unset it"):
        config._from_environment({variable: text})


def test_a_wrong_variable_fails_the_first_use_and_not_the_import():
    script = "import kernelscape, kernelscape.config as c\nprint('imported')\nc.settings()"
    environment = {**os.environ, "KERNELSCAPE_WORKERS": "many"}
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert result.stdout == "imported\n"
    assert result.returncode == 1
    assert "The environment variable KERNELSCAPE_WORKERS is 'many': expected an integer." in result.stderr


def test_only_config_reads_the_environment():
    source = Path(config.__file__).parent
    readers = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in ("os.environ", "getenv", "environb"))
    }
    assert readers == {"config.py"}


def test_asking_costs_less_than_half_a_microsecond():
    settings()
    best = min(timeit.repeat(settings, number=20000, repeat=5)) / 20000
    assert best < 0.5e-6
