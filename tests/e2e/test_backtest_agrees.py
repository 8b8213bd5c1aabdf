"""The rules that ran, replayed over the lake of the same run, raise what was raised."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from up_world import SCRIPT, environment


@pytest.mark.fault
@pytest.mark.timeout(700)
def test_a_replay_of_a_whole_run_agrees_with_its_alerts(tmp_path: Path) -> None:
    run = tmp_path / "run"
    up = ("up", "--for", "30s", "--agents", "60", "--rate", "200", "--broker", "tansu", "--plain")
    subprocess.run([SCRIPT, *up, "--data-dir", str(run)], check=True, env=environment(), timeout=400)
    replay = ("backtest", "--lake", str(run / "lake"), "--since", "1h", "--json")
    done = subprocess.run([SCRIPT, *replay], check=True, env=environment(), timeout=280, capture_output=True)
    found = json.loads(done.stdout)
    alone = found["only_then"] + found["only_now"]
    assert found["rows"] > 1_000
    assert len(found["matched"]) >= 5, found["rules"]
    assert len(alone) <= len(found["matched"]) / 5, alone
    assert all(one["why"] for one in alone)
