"""One `fleetpulse up` in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.runtime.errors import SettingError
from infra.supervisor.alone import alone_in


def test_a_second_run_in_a_folder_is_refused_until_the_first_is_over(tmp_path: Path) -> None:
    with (
        alone_in(tmp_path),
        pytest.raises(SettingError, match="another `fleetpulse up` runs in"),
        alone_in(tmp_path),
    ):
        pass
    with alone_in(tmp_path):
        pass


def test_runs_in_two_folders_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with alone_in(tmp_path), alone_in(tmp_path / "other"):
        pass
