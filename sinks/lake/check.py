"""Looks over a lake by its names: what each partition has, and what should not be."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

from schemas.catalogue import TABLES
from sinks.lake.naming import DUPLICATES_TABLE, Group, complete_groups, list_folders, list_names, parse_name, visible
from sinks.lake.positions import Position, load_positions


class CheckReport(TypedDict):
    """`tables`: files and bytes of each; `partitions`: the highest offset of each; `problems`: lines."""

    tables: dict[str, dict[str, int]]
    partitions: dict[str, int]
    problems: list[str]


def check_lake(lake: Path) -> CheckReport:
    """Check a lake that nobody writes at the moment. Raises `OSError`."""
    report: CheckReport = {"tables": {}, "partitions": {}, "problems": []}
    groups: defaultdict[tuple[str, int, int], set[Group]] = defaultdict(set)
    files = []
    for table in (*TABLES, DUPLICATES_TABLE):
        names = [f"{folder}/{name}" for folder in list_folders(lake, table) for name in list_names(lake, folder)]
        shown = visible(names)
        foreign = [name for name in names if parse_name(name.rpartition("/")[2]) is None]
        report["problems"] += [f"not a name of the lake writer: {name}" for name in foreign]
        report["tables"][table] = {
            "files": len(shown),
            "replaced": len(names) - len(shown) - len(foreign),
            "bytes": sum((lake / name).stat().st_size for name in shown),
        }
        files += [file for name in names if (file := parse_name(name.rpartition("/")[2])) is not None]
    complete = complete_groups(files)
    for file in files:
        groups[file.topic, file.partition, file.epoch].add(file.group)
    positions = load_positions(lake)
    for (topic, partition, epoch), found in sorted(groups.items()):
        label = f"{topic}/{partition}" + (f" epoch {epoch}" if epoch else "")
        report["partitions"][label] = max(group.last for group in found)
        report["problems"] += _problems(label, found, complete, positions.get((topic, partition)))
    return report


def _problems(label: str, groups: set[Group], complete: set[Group], hint: Position | None) -> list[str]:
    """What is wrong with the groups of one partition: overlaps of what landed, a torn newest group, a hint ahead."""
    landed = sorted((g for g in groups if not g.compacted), key=lambda g: (g.first, g.last))
    found = [
        f"{label}: {b.first}-{b.last} overlaps {a.first}-{a.last}" for a, b in pairwise(landed) if b.first <= a.last
    ]
    compacted_through = max((g.last for g in groups if g.compacted), default=-1)
    if landed and landed[-1].last > compacted_through and landed[-1] not in complete:
        found.append(f"{label}: the newest group {landed[-1].first}-{landed[-1].last} is not complete")
    if hint is not None and groups and max(g.epoch for g in groups) > hint.epoch:
        found.append(f"{label}: the position hint is of an older epoch")
    return found
