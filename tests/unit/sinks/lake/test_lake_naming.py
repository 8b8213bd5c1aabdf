"""Names say what files hold; readers pick those that nothing else stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from sinks.lake.naming import LakeFile, folder_hour, hour_folder, parse_name, visible, visible_files

FOLDER = "date=2026-01-02/hour=03"


def name(first: int, last: int, part: int = 1, parts: int = 1, *, compacted: bool = False, epoch: int = 0) -> str:
    return f"{FOLDER}/{LakeFile('fleet.metrics', 3, first, last, part, parts, compacted, epoch).name}"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (LakeFile("fleet.metrics", 3, 10, 20, 1, 2), "fleet.metrics+3+10+20+1of2.parquet"),
        (LakeFile("fleet.metrics", 3, 10, 20, compacted=True), "fleet.metrics+3+10+20+1of1c.parquet"),
        (LakeFile("a-b_c.d", 0, 0, 0, compacted=True, epoch=2), "a-b_c.d+0+0+0+1of1c+e2.parquet"),
    ],
)
def test_a_name_says_all_and_is_read_back(file: LakeFile, text: str) -> None:
    assert file.name == text
    assert parse_name(text) == file


@pytest.mark.parametrize(
    "text", ["x.parquet", "fleet.metrics+3+10+20.parquet", "fleet.metrics+3+10+20+1of2.parquet.tmp"]
)
def test_other_names_are_nobodys(text: str) -> None:
    assert parse_name(text) is None
    assert visible([f"{FOLDER}/{text}"]) == []


def test_hours_and_their_folders() -> None:
    hour = 490_000
    assert folder_hour(f"metrics/{hour_folder(hour)}") == hour
    assert folder_hour("metrics/date=2026-13-45/hour=03") is None


def test_a_compacted_file_stands_for_what_it_contains() -> None:
    raw = [name(0, 9), name(10, 19, 1, 2), name(20, 29)]
    union = name(0, 19, compacted=True)
    assert visible([*raw, union]) == [name(20, 29), union]


def test_a_wider_compacted_file_stands_for_a_narrower_one() -> None:
    assert visible([name(0, 9, compacted=True), name(0, 19, compacted=True)]) == [name(0, 19, compacted=True)]


def test_a_compacted_file_of_one_raw_file_stands_for_it() -> None:
    assert visible([name(0, 9), name(0, 9, compacted=True)]) == [name(0, 9, compacted=True)]


def test_folders_partitions_and_epochs_are_apart() -> None:
    other_hour = name(0, 9).replace("hour=03", "hour=04")
    other_partition = f"{FOLDER}/{LakeFile('fleet.metrics', 4, 0, 9).name}"
    names = [other_hour, other_partition, name(0, 9, epoch=1), name(0, 19, compacted=True)]
    assert visible(names) == names


def test_parts_of_one_group_do_not_hide_each_other() -> None:
    assert len(visible([name(0, 9, 1, 2), name(0, 9, 2, 2)])) == 2


def test_an_incomplete_group_hides_nothing() -> None:
    assert visible([name(0, 9), name(0, 19, 1, 2)]) == [name(0, 9), name(0, 19, 1, 2)]


def test_a_table_without_a_folder_has_no_files(tmp_path: Path) -> None:
    assert visible_files(tmp_path, "metrics") == []
