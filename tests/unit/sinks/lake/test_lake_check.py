"""`fleetpulse lake check` for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from small_lake import SmallLake
from typer.testing import CliRunner

from sinks.lake.cli import app


def test_people_get_tables_and_programs_json(lake: SmallLake, moment: Callable[[float], datetime]) -> None:
    lake.add("metrics", [{"agent_id": "a", "session_id": "s", "seq": n, "timestamp": moment(n)} for n in range(3)])
    arguments = ["check", "--lake", str(lake.folder)]
    told = CliRunner().invoke(app, arguments)
    report = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert report["tables"]["metrics"]["files"] >= 1
    lines = [line.split() for line in told.stdout.splitlines()]
    assert any(words[:2] == ["metrics", str(report["tables"]["metrics"]["files"])] for words in lines)
    assert any(words[:2] == ["fleet.metrics/0", str(report["partitions"]["fleet.metrics/0"])] for words in lines)
    assert told.exit_code == (1 if report["problems"] else 0)
    for problem in report["problems"]:
        assert problem in told.stdout
