"""The files that belong to the project: what git tracks, or, where there is no git, what lies in its folders."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_MADE = {"__pycache__", "node_modules"}


@cache
def tracked() -> tuple[Path, ...]:
    """Paths relative to the root of files that exist."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        folders = ("schemas", "infra", "producers", "streams", "sinks", "tests", "docs", ".ci")
        found = [p for f in folders for p in (ROOT / f).rglob("*") if not _MADE & set(p.parts)]
        listed = [str(p.relative_to(ROOT)) for p in (*found, *ROOT.glob("*.*")) if p.is_file()]
    return tuple(Path(name) for name in sorted(listed) if name and (ROOT / name).is_file())


@cache
def text_of(path: Path) -> str:
    """The text of a tracked file; empty where it is not text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
