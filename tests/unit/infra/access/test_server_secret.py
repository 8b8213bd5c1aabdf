"""The server's secret: where it comes from, and what is said where there is none."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.access.secret import SETTING, is_local, server_secret
from infra.runtime.errors import SettingError

HERE, AWAY = "127.0.0.1:9092", "broker.example:9092"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)


def test_it_is_made_once_for_a_local_broker_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: server_secret(folder, HERE), range(32)))
    assert len(found) == 1
    assert len(found.pop()) == 64
    assert [path.name for path in folder.iterdir()] == ["secret"]
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600


def test_beside_a_broker_of_another_machine_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="missing") as raised:
        server_secret(tmp_path, AWAY)
    assert raised.value.setting == SETTING
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_taken_wherever_the_broker_is(tmp_path: Path) -> None:
    made = server_secret(tmp_path, HERE)
    assert server_secret(tmp_path, AWAY) == made


def test_the_variable_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "x" * 32)
    assert server_secret(tmp_path, AWAY) == b"x" * 32
    assert list(tmp_path.iterdir()) == []


def test_a_short_one_is_refused_without_telling_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "x" * 31)
    with pytest.raises(SettingError, match="shorter than 32") as raised:
        server_secret(tmp_path, HERE)
    assert "xxx" not in str(raised.value)


def test_one_that_others_may_read_is_refused(tmp_path: Path) -> None:
    server_secret(tmp_path, HERE)
    (tmp_path / "secret").chmod(0o640)
    with pytest.raises(SettingError, match="others may read"):
        server_secret(tmp_path, HERE)


@pytest.mark.parametrize(
    ("bootstrap", "local"),
    [(HERE, True), ("localhost:1,[::1]:2", True), (AWAY, False), (f"{HERE},{AWAY}", False), ("10.0.0.1:9092", False)],
)
def test_which_brokers_are_local(bootstrap: str, local: bool) -> None:
    assert is_local(bootstrap) == local


def test_random_bytes_will_do_and_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(bytes(range(128, 170)))
    path.chmod(0o600)
    assert server_secret(tmp_path, AWAY) == bytes(range(128, 170))
    path.unlink()
    path.mkdir(mode=0o700)
    with pytest.raises(SettingError, match="cannot be used"):
        server_secret(tmp_path, HERE)
