from pathlib import Path

import pytest

from infra.broker.ports import LOOPBACK, free_port
from infra.broker.record import serving


@pytest.mark.parametrize("left", ["", "{", "[]", '{"kind": "kafka"}'])
def test_a_file_that_says_nothing_is_removed(tmp_path: Path, left: str) -> None:
    path = tmp_path / "broker.json"
    path.write_text(left)
    assert serving(tmp_path) is None
    assert not path.exists()


def test_a_file_left_by_a_killed_one_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "broker.json"
    path.write_text(f'{{"bootstrap": "{LOOPBACK}:{free_port()}", "kind": "kafka", "why": "", "pid": 1}}')
    assert serving(tmp_path) is None
    assert not path.exists()


def test_no_file(tmp_path: Path) -> None:
    assert serving(tmp_path) is None
