"""A process that is alive but hangs is ended, so that it is started again: it will not end by itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from infra.health.pulse import PULSE_EVERY_S, Pulse
from infra.runtime.logs import get_logger
from infra.supervisor.child import Child

GRACE_S = 5.0
"""How long a hung process may take to end when it is asked to; a stopped one does not hear."""
_LOOK_S = PULSE_EVERY_S
_log = get_logger("up")


@dataclass
class Patience:
    """For how long a process has given no sign of life; time in which nobody looked does not count, so that a machine
    that slept takes nobody for hung."""

    _last: Pulse | None = None
    _silent_s: float = 0.0
    _looked_s: float | None = None

    def silent_s(self, pulse: Pulse | None, now_s: float) -> float:
        """Look: `pulse` is the newest sign, None when this incarnation has given none yet; monotonic seconds."""
        passed_s = 0.0 if self._looked_s is None else min(now_s - self._looked_s, 2 * _LOOK_S)
        self._looked_s = now_s
        if pulse is None or pulse != self._last:
            self._last, self._silent_s = pulse, 0.0
        else:
            self._silent_s += passed_s
        return self._silent_s


async def end_when_hung(child: Child, after_s: float) -> None:
    """End a process without sign of life for `after_s`: SIGTERM, then SIGKILL. Who keeps it alive starts it again."""
    loop, patience = asyncio.get_running_loop(), Patience()
    while True:
        await asyncio.sleep(_LOOK_S)
        silent_s = patience.silent_s(child.feel(), loop.time())
        if silent_s <= after_s or not child.restart or child.pid is None:
            continue
        child.hung += 1
        _log.warning("process hangs, ending it", process=child.name, silent_s=round(silent_s, 1))
        patience = Patience()
        await child.stop(GRACE_S)
