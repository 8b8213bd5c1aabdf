"""Points where the fault suite has the process kill itself, so that "killed between these two steps" is a test.

`FLEETPULSE_CRASH_AT=NAME` or `NAME:N`: SIGKILL at the first, or N-th, time that the point is passed. Unset, which is
always outside the fault suite, a point costs a look into a variable.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "FLEETPULSE_CRASH_AT"
POINTS = (
    "before_rename",  # temporary files are durable, none has its final name
    "between_files",  # the first file of a group has its final name, the last does not
    "after_rename",  # a whole round has its final names, nothing else knows
    "before_checkpoint",  # a position hint is about to be replaced
    "between_checkpoint_files",  # the sessions are replaced, the hint is not
    "after_dead_letters",  # dead letters are acknowledged, their range has no file
    "compact_before_rename",  # the union file is durable under its temporary name
    "compact_after_rename",  # the union file and all that it contains are there
    "compact_between_removals",  # some of what it contains is gone
)


class _Countdown:
    """What is left until the crash; read once, so that a running process cannot be made to crash from outside."""

    def __init__(self, setting: str) -> None:
        self.point, _, times = setting.partition(":")
        self.left = int(times or 1)


_COUNTDOWN = _Countdown(os.environ.get(VARIABLE, ""))


def crash_point(name: str) -> None:
    """End the process with SIGKILL if the fault suite asked for it here."""
    if _COUNTDOWN.point != name:
        return
    _COUNTDOWN.left -= 1
    if _COUNTDOWN.left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
