"""The file of rules, replaced: checked by the command that knows rules, then put in its place whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from infra.web.problem import Problem
from sinks.api.rules.book import version_of
from sinks.api.rules.check import bad_rules, check_file


async def replace_rules(file: Path, text: str, replaces: str | None = None) -> int:
    """Put a checked pack in the place of `file`; how many rules it has. `replaces`: version of the text that it is to
    replace, None: whatever is there.

    Raises `Problem` 422 with line, column and message of each mistake, 409 where another text is there; then the file
    is as it was.
    """
    with _written_beside(file, text) as (candidate, target):
        found = await check_file(candidate)
        if not found["valid"]:
            raise bad_rules(found, "the rules cannot be used; those in force stay")
        await asyncio.to_thread(_put, candidate, target, replaces)
    return int(found["rules"])


def _put(candidate: Path, target: Path, replaces: str | None) -> None:
    there = target.read_bytes().decode(errors="replace") if target.exists() else ""
    if replaces is not None and replaces != version_of(there):
        raise Problem(409, detail="somebody else has changed the rules: look at theirs first", type="rules-changed")
    candidate.replace(target)


@contextlib.contextmanager
def _written_beside(file: Path, text: str) -> Iterator[tuple[Path, Path]]:
    """A file of the same folder, so that it can take the other's place at once, and that place; gone at the end."""
    file = file.resolve()  # a link stays a link
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".yaml", dir=file.parent)
    candidate = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as sink:
            sink.write(text)
            sink.flush()
            os.fsync(handle)
        candidate.chmod(mode)
        yield candidate, file
    finally:
        candidate.unlink(missing_ok=True)
