"""A file of rules is read again when it changes; a bad one changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

from streams.rules.load import load_pack
from streams.rules.watch import RulesFile

GOOD = "version: 1\nrules: [{name: a, kind: status, status: late}]"


def _write(path: Path, text: str, at_s: int) -> None:
    path.write_text(text)
    os.utime(path, (at_s, at_s))


def test_a_file_is_taken_when_it_changes_and_a_bad_one_never(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    _write(path, GOOD, 1)
    file = RulesFile(path, load_pack(path))
    assert file.look() is None
    _write(path, "version: 1\nrules: [{name: a, kind: status, status: soon}]", 2)
    assert (file.look(), file.look()) == (None, None)
    assert file.problem is not None
    assert f"{path}:2:41: rules[a].status: " in file.problem
    _write(path, GOOD + "\n# nothing else", 3)
    assert (file.look(), file.problem) == (None, None)
    _write(path, GOOD.replace("late", "offline"), 4)
    pack = file.look()
    assert pack is not None
    assert pack == load_pack(path)
    path.unlink()
    assert file.look() is None
    assert file.problem is not None
