"""The README tells the truth: its examples run, and its commands are the ones that the checks of the repository run."""

import re
from pathlib import Path

import numpy as np
import scipy.signal

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_examples_run_and_give_what_they_say():
    names: dict[str, object] = {}
    blocks = code_blocks("python")
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    A, B, k = names["A"], names["B"], names["k"]
    inner = np.lib.stride_tricks.sliding_window_view
    windows_a, windows_b = inner(A, (3, 3)), inner(B, (3, 3))
    np.testing.assert_allclose(names["spread"][2:-2, 2:-2], inner(A, (5, 5)).std(axis=(2, 3)), rtol=1e-5)
    np.testing.assert_allclose(
        names["difference"][1:-1, 1:-1], np.sum(windows_a**2 - windows_b**2, axis=(2, 3)), atol=1e-5
    )
    np.testing.assert_array_equal(names["brightest"][1:, 1:], np.max(inner(A, (2, 2)) * k, axis=(2, 3)))
    np.testing.assert_array_equal(names["soft"][0, :20], A[0, :20])  # in focus
    for y, x in [(240, 320), (400, 20)]:
        line = scipy.signal.windows.gaussian(2 * int(4 * names["sigma"][y, x] + 0.5) + 1, names["sigma"][y, x])
        reach = len(line) // 2
        block = A[y - reach : y + reach + 1, x - reach : x + reach + 1]
        np.testing.assert_allclose(names["soft"][y, x], line @ block @ line / line.sum() ** 2, rtol=1e-5)
    dy, dx = names["dy"], names["dx"]
    y = np.arange(2, A.shape[0] - 2)[:, None, None, None]
    weights = np.exp(-(dx**2 + dy**2) / (y + 1))
    np.testing.assert_allclose(names["blurred"][2:-2, 2:-2], np.sum(inner(A, (5, 5)) * weights, axis=(2, 3)), rtol=1e-5)
    right_minus_left = windows_a[::2, ::2, :, 2].sum(axis=2) - windows_a[::2, ::2, :, 0].sum(axis=2)
    np.testing.assert_allclose(names["edges"], right_minus_left, atol=1e-5)


def test_both_commands_are_marked_for_the_checks():
    for name in ("demo", "tests"):
        assert re.search(rf"^<!-- command: {name} -->\n```sh\n", README, flags=re.MULTILINE), name
        assert f"run_readme_command {name} " in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
