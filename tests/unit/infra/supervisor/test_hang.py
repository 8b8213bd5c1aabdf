"""When a process counts as hung: silence that somebody watched, of one incarnation."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil

from infra.health.pulse import Pulse
from infra.supervisor.child import Child
from infra.supervisor.hang import Patience


def pulse(beats: int, pid: int = 1) -> Pulse:
    return Pulse(pid, beats, "healthy", "", 7)


def test_silence_counts_while_somebody_looks() -> None:
    patience = Patience()
    assert patience.silent_s(pulse(1), 100.0) == 0
    assert [patience.silent_s(pulse(1), 100.0 + n) for n in (1, 2, 3)] == [1, 2, 3]
    assert patience.silent_s(pulse(2), 104.0) == 0
    assert patience.silent_s(pulse(2), 105.0) == 1


def test_a_machine_that_slept_takes_nobody_for_hung() -> None:
    patience = Patience()
    patience.silent_s(pulse(1), 0.0)
    assert patience.silent_s(pulse(1), 36_000.0) <= 2


def test_who_has_given_no_sign_yet_is_not_hung() -> None:
    patience = Patience()
    assert [patience.silent_s(None, float(n)) for n in range(5)] == [0] * 5
    patience.silent_s(pulse(9), 5.0)
    patience.silent_s(pulse(9), 6.0)
    assert patience.silent_s(None, 7.0) == 0
    assert patience.silent_s(pulse(1, pid=2), 8.0) == 0


async def test_only_signs_of_this_incarnation_count(tmp_path: Path) -> None:
    file = tmp_path / "part.json"
    child = Child("part", ("--help",), tmp_path / "log", dict(os.environ), pulse_file=file)
    file.write_text("from before")
    await child.start()
    assert not file.exists()
    file.write_text('{"pid": 1, "beats": 3, "health": "healthy", "reason": "", "progress": 1}')
    assert child.feel() is None
    file.write_text(f'{{"pid": {child.pid}, "beats": 3, "health": "degraded", "reason": "r", "progress": 1}}')
    assert child.feel() == child.pulse is not None
    assert await child.wait() == 0
    assert child.feel() is None


async def test_a_stopped_process_is_ended_though_it_does_not_hear(tmp_path: Path) -> None:
    child = Child("part", ("broker", "start", "--broker", "tansu"), tmp_path / "log", dict(os.environ))
    child.environment |= {"FLEETPULSE_DATA_DIR": str(tmp_path)}
    await child.start()
    await child.wait_ready(120)
    assert child.pid is not None
    psutil.Process(child.pid).send_signal(signal.SIGSTOP)
    async with asyncio.timeout(60):
        assert await child.stop(0.2) == -signal.SIGKILL
