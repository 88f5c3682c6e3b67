"""What ``calibrate`` prints: where the measurement is kept, and how good the planner's estimates are with it."""

from __future__ import annotations

from dataclasses import fields

from .. import calibration
from ..errors import ArgumentError
from ..plan.explanation import in_time

_UNITS = {"tile": "", "call": "", "wake": "", "near": "B/s", "far": "B/s", "shared": "B/s"}


def run(verbose: bool) -> list[str]:
    """Measure this machine, keep what was found, and give the lines to print.

    Raises
    ------
    ArgumentError
        Another processor is compiled for, or the folder cannot be written to.
    """
    from ..api.calibrating import calibrate
    from ..config import settings

    if settings().target is not None:
        raise ArgumentError(
            f"Only this machine can be measured, and target is {settings().target!r}, whose rates are shipped; unset "
            "KERNELSCAPE_TARGET."
        )
    found = calibrate()
    try:
        file = calibration.save(found.target, found.rates)
    except OSError as error:
        raise ArgumentError(f"The measurement cannot be kept in {calibration.path()}: {error}.") from None
    lines = [f"{'':16}{'measured':>12}{'shipped':>12}"]
    shipped = type(found.rates)()
    for field in fields(found.rates):
        unit = _UNITS.get(field.name, "/s")
        now, before = (_number(getattr(r, field.name), unit) for r in (found.rates, shipped))
        lines.append(f"{field.name:16}{now:>12}{before:>12}")
    if verbose:
        lines += ["", f"{'':28}{'time':>10}{'expected':>10}{'before':>10}"]
        for m in found.measurements:
            times = "".join(f"{in_time(seconds):>10}" for seconds in (m.seconds, m.after, m.before))
            lines.append(f"{m.name:28}{times}")
    count = len(found.measurements)
    near = f"{100 * found.within_two:.0f} % of {count} jobs take what is expected, within a factor of 2"
    return [*lines, "", near, f"kept in {file}; later runs plan with it ('kernelscape calibrate --reset' forgets it)"]


def reset() -> list[str]:
    """Forget what was measured, and give the line to print."""
    file = calibration.path()
    try:
        there = calibration.remove()
    except OSError as error:
        raise ArgumentError(f"{file} cannot be removed: {error}.") from None
    return [f"removed {file}" if there else f"nothing was measured: there is no {file}"]


def _number(value: float, unit: str) -> str:
    return f"{value / 1e9:.2f} G{unit}" if unit else in_time(value)
