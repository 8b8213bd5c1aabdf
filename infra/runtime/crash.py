"""Points where the fault suite has a process end or fail, so that "killed between these two steps" is a test.

`FLEETPULSE_CRASH_AT=NAME` or `NAME:N`: SIGKILL at the first, or N-th, time that the point is passed; `raise@NAME:N`
raises there instead. Unset, which is always outside the fault suite, a point costs a look into a variable.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "FLEETPULSE_CRASH_AT"


class InjectedError(Exception):
    """What the fault suite asked to be raised."""


class _Countdown:
    """What is left until the crash; read once, so that a running process cannot be made to crash from outside."""

    def __init__(self, setting: str) -> None:
        how, _, point = setting.rpartition("@")
        self.raises = how == "raise"
        self.point, _, times = point.partition(":")
        self.left = int(times or 1)


_COUNTDOWN = _Countdown(os.environ.get(VARIABLE, ""))


def crash_point(name: str) -> None:
    """End the process with SIGKILL, or raise `InjectedError`, if the fault suite asked for it here."""
    if _COUNTDOWN.point != name:
        return
    _COUNTDOWN.left -= 1
    if _COUNTDOWN.left > 0:
        return
    if _COUNTDOWN.raises:
        raise InjectedError(f"asked for at {name}")
    os.kill(os.getpid(), signal.SIGKILL)
