"""What the command that knows rules says of a text: rooms do not import each other, so it is asked as a process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from infra.runtime.console import command
from infra.web.problem import Problem, unavailable

_WITHIN_S = 20.0


async def check_file(file: Path, *, nice: int = 0) -> dict[str, Any]:
    """`valid`, and either `rules` (how many) with the parsed `pack`, or `errors`.

    `nice`: so far it stands back behind other processes. Raises `Problem` 503 where nothing is said in time.
    """
    try:
        found: dict[str, Any] = json.loads(await _said("rules", "check", "--json", "--parsed", str(file), nice=nice))
    except ValueError as error:
        raise _unchecked() from error
    return found


async def check_text(text: str, *, nice: int = 0) -> dict[str, Any]:
    """The same of a text. Raises `Problem` 503."""
    with tempfile.TemporaryDirectory(prefix="fleetpulse-rules-") as folder:
        file = Path(folder) / "rules.yaml"
        file.write_text(text, encoding="utf-8", newline="")
        return await check_file(file, nice=nice)


async def default_text(*, nice: int = 0) -> str:
    """The pack that comes with the program, as it is written. Raises `Problem` 503."""
    return (await _said("rules", "show", "--written", nice=nice)).decode()


async def _said(*arguments: str, nice: int) -> bytes:
    """What a command writes to its standard output. Raises `Problem` 503."""
    process = await asyncio.create_subprocess_exec(
        *command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        if nice:
            with contextlib.suppress(OSError):  # where it has ended already
                os.setpriority(os.PRIO_PROCESS, process.pid, nice)
        async with asyncio.timeout(_WITHIN_S):
            out, _ = await process.communicate()
    except TimeoutError as error:
        raise _unchecked() from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out


def bad_rules(found: dict[str, Any], detail: str) -> Problem:
    """422 with line, column, field and message of each mistake that a check found."""
    return Problem(422, detail=detail, type="bad-rules", errors=mistakes(found))


def mistakes(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The mistakes of a check, as answers tell them."""
    return [
        {"line": each["line"], "column": each["column"], "field": each["where"], "message": each["problem"]}
        for each in found.get("errors", ())
    ]


def _unchecked() -> Problem:
    return unavailable("the rules could not be checked", retry_after_s=5.0, type="check-failed")
