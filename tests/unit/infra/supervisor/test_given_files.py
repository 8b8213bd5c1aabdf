"""Files that a run is given are found wanting before anything starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.runtime.errors import SettingError
from infra.supervisor.files import check_files, readable
from infra.supervisor.plan import RunPlan


async def test_both_files_are_checked_and_everything_is_told_at_once(tmp_path: Path) -> None:
    rules, channels = tmp_path / "rules.yaml", tmp_path / "channels.yaml"
    rules.write_text("version: 1\nrules:\n  - {name: a, kind: status, status: gone}\n")
    channels.write_text("version: 1\nchannels: [{name: a, kind: apprise, urls: [nonsense]}]\n")
    plan = RunPlan("", tmp_path, tmp_path, rules=rules, channels=channels)
    with pytest.raises(SettingError) as caught:
        await check_files(plan, dict(os.environ))
    assert f"{rules}:3:" in str(caught.value)
    assert "channel a: " in str(caught.value)

    rules.write_text("version: 1\n")
    channels.write_text("version: 1\nchannels: [{name: a, kind: webhook, url: 'http://127.0.0.1:1/'}]\n")
    await check_files(plan, dict(os.environ))


def test_a_file_is_named_without_detours_but_by_its_link(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "v1.yaml").write_text("version: 1")
    (tmp_path / "rules.yaml").symlink_to("v1.yaml")
    assert readable(tmp_path / "live" / ".." / "rules.yaml", "--rules") == tmp_path.resolve() / "rules.yaml"
    assert readable(None, "--rules") is None
    with pytest.raises(SettingError, match=r"cannot read .*none\.yaml: No such file"):
        readable(tmp_path / "none.yaml", "--rules")
