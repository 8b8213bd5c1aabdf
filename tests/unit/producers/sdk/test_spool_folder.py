"""Session folders: one holder, leftovers are taken over once, empty ones go away."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from infra.runtime.errors import SettingError
from producers.sdk.encode import Record
from producers.sdk.folder import adopt_leftovers, claim
from producers.sdk.spool import Budget

BUDGET = 10**6


def test_a_held_folder_is_not_taken_over(tmp_path: Path) -> None:
    mine = claim(tmp_path, "s1", "agent")
    mine.spool("fleet.logs", Budget(BUDGET), 4096).append([Record(b"k", b"v", 1, 0)])
    assert list(adopt_leftovers(tmp_path)) == []
    os.close(mine.lock_fd)
    (left,) = adopt_leftovers(tmp_path)
    assert (left.session_id, left.agent_id, left.topics()) == ("s1", "agent", ["fleet.logs"])
    assert list(adopt_leftovers(tmp_path)) == []
    spool = left.spool("fleet.logs", Budget(BUDGET), 4096)
    found = spool.head()
    assert found is not None
    spool.settle(found[0], 1)
    left.release()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_leftover_is_removed(tmp_path: Path) -> None:
    os.close(claim(tmp_path, "s1", "agent").lock_fd)
    assert list(adopt_leftovers(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_being_made_is_left_to_who_makes_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = tmp_path / ".new-s1"
    made.mkdir()
    (made / "lock").touch()  # not locked yet, and no description yet
    assert list(adopt_leftovers(tmp_path)) == []
    assert not [record for record in caplog.records if record.name.startswith("fleetpulse.")]
    fd = os.open(made / "lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


def test_a_leftover_without_its_description_stops_nobody(tmp_path: Path) -> None:
    os.close(claim(tmp_path, "s1", "agent").lock_fd)
    (tmp_path / "s1" / "session.json").write_text("{", encoding="utf-8")
    (tmp_path / "stray").touch()
    assert list(adopt_leftovers(tmp_path)) == []
    claim(tmp_path, "s2", "agent").release()


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="spool_dir"):
        claim(tmp_path / "file", "s1", "agent")
