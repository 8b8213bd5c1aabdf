"""The console script: what people can mend is one line, what is ours to mend keeps its trace."""

from __future__ import annotations

from typing import NoReturn

import pytest

from infra.cli import main as cli
from infra.runtime.errors import SettingError


def _run(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail() -> NoReturn:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    cli.main()


def test_a_mistake_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _run(monkeypatch, SettingError("7 is too much", setting="--n", way_out="Use 1"))
    assert ended.value.code == 2
    assert capsys.readouterr().err == "fleetpulse: 7 is too much (setting --n). Use 1\n"


def test_an_extra_that_is_not_installed_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        _run(monkeypatch, ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow"))
    assert ended.value.code == 2
    assert "needs the module pyarrow" in capsys.readouterr().err


def test_a_module_of_ours_that_is_missing_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModuleNotFoundError):
        _run(monkeypatch, ModuleNotFoundError("No module named 'sinks.x'", name="sinks.x"))
