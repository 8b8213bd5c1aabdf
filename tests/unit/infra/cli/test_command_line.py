"""The command line itself: our errors are one line and exit code 2, help is quick, what is not installed is said."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from typer.testing import CliRunner

from infra.cli import main
from infra.runtime.errors import FleetpulseError

HEAVY = ("faust", "polars", "numba", "duckdb", "pyarrow", "numpy")


def absent(**_: str) -> list[EntryPoint]:
    return [EntryPoint("flying", "no_such_module.cli:app", main.GROUP)]


def test_a_command_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "entry_points", absent)
    assert "(not installed: no_such_module)" in CliRunner().invoke(main.app, ["--help"], env={"COLUMNS": "200"}).output
    done = CliRunner().invoke(main.app, ["flying", "--high", "now"])
    assert isinstance(done.exception, FleetpulseError)
    assert "`fleetpulse flying` needs the module no_such_module" in str(done.exception)


def test_errors_for_people(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(main, "entry_points", absent)
    monkeypatch.setattr(sys, "argv", ["fleetpulse", "flying"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_unknown_command() -> None:
    done = CliRunner().invoke(main.app, ["fly"])
    assert done.exit_code == 2


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom infra.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_group_has_the_commands_that_other_parts_add_once() -> None:
    (entry,) = main.entry_points(group=main.GROUP, name="alerts")
    for _ in range(2):
        names = [command.name for command in main.load(entry).registered_commands]
        assert names.count("history") == 1
        assert "list" in names
