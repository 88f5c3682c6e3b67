"""What every test shares: reproducible examples, and a compiled-object cache that belongs to this test session alone.

The cache variable is set before anything of Kernelscape is imported, because the configuration may read the
environment only once. It is an environment variable rather than a fixture so that the subprocesses which tests start
share the folder.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

_CACHE = Path(tempfile.mkdtemp(prefix="kernelscape-tests-"))
os.environ["KERNELSCAPE_CACHE_DIR"] = str(_CACHE)
os.environ.setdefault("KERNELSCAPE_VERIFY", "1")  # expressions are verified between the passes: on in tests only

# Compiling a new expression takes milliseconds to tens of them, on a busy machine more: a deadline would only make
# failures random. Failures are not made smaller: that takes minutes each, and most print a script that repeats them.
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.register_profile(
    "long",
    settings.get_profile("ci"),
    derandomize=False,
    max_examples=2000,
    phases=list(Phase),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile(os.environ.get("KERNELSCAPE_HYPOTHESIS", "ci"))


GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what the tests of golden files get into them")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """A function that compares a text with the golden file of a name, or writes it with ``--update-golden``."""

    def compare(name: str, text: str) -> None:
        __tracebackhide__ = True
        path = GOLDEN / name
        text = text.rstrip("\n") + "\n"
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is missing; run pytest --update-golden and review what it wrote"
        assert text == path.read_text(), f"{path} differs; if that is meant, run pytest --update-golden and review it"

    return compare


@pytest.hookimpl(trylast=True)  # after the fixtures
def pytest_runtest_teardown(item: pytest.Item) -> None:
    # What a crash prints names the 100 threads that started last: with more, the crashed one is missing there.
    count = threading.active_count()
    most = 80 + (os.cpu_count() or 0)  # a pool may have a thread for each processor
    assert count < most, f"{count} threads run after {item.nodeid}; it, or a test before it, has to end its own"


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(_CACHE, ignore_errors=True)
