"""Releasing versions, in a folder of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from infra.runtime.errors import SettingError
from infra.schema_cli import all_standings, avsc_folder, read_released, release_schema, standing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(avsc_folder(), tmp_path / "avsc"))


def change(folder: Path, name: str, **more: object) -> None:
    """Append a field to a schema."""
    path = folder / f"{name}.avsc"
    schema = json.loads(path.read_text())
    schema["fields"].append({"name": "extra", "type": "long", "doc": "More.", "unit": "count", **more})
    path.write_text(json.dumps(schema))


def test_the_schemas_as_they_are_break_no_rule_and_are_released() -> None:
    for found in all_standings(avsc_folder()):
        assert found.problems == ()
        assert not found.unreleased


def test_a_change_that_everybody_can_read_is_released_as_the_next_version(folder: Path) -> None:
    change(folder, "run", default=0)
    assert standing(folder, "run").unreleased
    assert release_schema(folder, "run").name == "run.v2.avsc"
    assert list(read_released(folder, "run")) == [1, 2]
    assert not standing(folder, "run").unreleased
    with pytest.raises(SettingError, match="run is what version 2 already is"):
        release_schema(folder, "run")


def test_a_change_that_breaks_readers_is_told_and_not_released(folder: Path) -> None:
    change(folder, "run")
    (problem,) = standing(folder, "run").problems
    assert problem == "run.extra: a new field needs a default, or older data cannot be read (against run.v1)"
    with pytest.raises(SettingError, match=r"run cannot be released: run\.extra"):
        release_schema(folder, "run")
    assert list(read_released(folder, "run")) == [1]


def test_versions_are_ordered_by_number_not_by_name(folder: Path) -> None:
    for number in (2, 10):
        shutil.copy(folder / "run.avsc", folder / "released" / f"run.v{number}.avsc")
    assert list(read_released(folder, "run")) == [1, 2, 10]


def test_a_schema_that_is_not_there(folder: Path) -> None:
    with pytest.raises(SettingError, match=r"there is no schema runs.*There are: .*run"):
        standing(folder, "runs")


def test_a_file_that_is_not_json(folder: Path) -> None:
    (folder / "run.avsc").write_text("{")
    with pytest.raises(SettingError, match=r"run\.avsc is not JSON"):
        standing(folder, "run")
