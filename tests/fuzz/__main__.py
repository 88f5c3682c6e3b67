"""The conformance tests without an end: ``python -m tests.fuzz --seconds 600``.

It prints its seed, and failures as scripts.
"""

import argparse
import collections
import random
import time
import traceback
import warnings

from tests.conformance.cases import draw
from tests.conformance.check import check
from tests.conformance.functions import FUNCTIONS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--functions", nargs="*", default=None, choices=sorted(FUNCTIONS))
    parser.add_argument("--programs", type=float, default=0.5, help="the share of functions that are made up")
    parser.add_argument("--failures", type=int, default=1, help="stop after so many")
    given = parser.parse_args()
    seed = random.randrange(2**32) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of what a function does with plain numbers
    end, number, failures = time.monotonic() + given.seconds, 0, 0
    ran: collections.Counter[str] = collections.Counter()
    while time.monotonic() < end and failures < given.failures:
        case = draw(random.Random(f"{seed} {number}"), given.functions, programs=given.programs)
        number += 1
        try:
            ran["checked" if check(case) else "refused"] += 1
        except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
            failures += 1
            text = str(error).partition("\n")[0][:500]
            if not isinstance(error, AssertionError):
                text += "".join(traceback.format_tb(error.__traceback__)[-2:])
            print(f"FAILED case {number - 1}: {type(error).__name__}: {text}\n{case.script()}", flush=True)
    print(f"{number} cases of seed {seed}, {ran['refused']} of them refused, {failures} failures")
    return 1 if failures else 0


raise SystemExit(main())
