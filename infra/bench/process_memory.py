"""Memory of a process and of those that it started (Linux)."""

from __future__ import annotations

from pathlib import Path


def peak_bytes(pid: int) -> dict[str, int]:
    """The most that a living process had in RAM, and the same with its children as they are now, each at its most."""
    own = _high_water_bytes(pid)
    return {"process": own, "with_children": own + sum(_high_water_bytes(each) for each in _descendants(pid))}


def _high_water_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return 0  # it has ended meanwhile
    found = next((line for line in lines if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(found.split()[1]) * 1_024


def _descendants(pid: int) -> list[int]:
    try:
        listed = " ".join(each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/children"))
    except FileNotFoundError:
        return []
    children = [int(each) for each in listed.split()]
    return children + [each for child in children for each in _descendants(child)]
