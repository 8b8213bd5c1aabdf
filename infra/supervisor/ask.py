"""A question to another part of the house, by the command that a user would call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from infra.supervisor.child import ChildError, console_script, die_with_parent


async def run_json(*arguments: str, environment: dict[str, str]) -> dict[str, Any]:
    """The JSON that a `fleetpulse` command prints. Raises `ChildError` when it fails."""
    code, out, said = await _run(arguments, environment)
    if code:
        raise ChildError(f"`fleetpulse {arguments[0]}` failed: {said[-500:]}")
    found: dict[str, Any] = json.loads(out)
    return found


async def complaint(*arguments: str, environment: dict[str, str]) -> str | None:
    """What a `fleetpulse` command that checks something says is wrong; None when all is well."""
    code, _, said = await _run(arguments, environment)
    return said or f"`fleetpulse {arguments[0]}` ended with code {code}" if code else None


async def _run(arguments: Sequence[str], environment: dict[str, str]) -> tuple[int, bytes, str]:
    """Exit code, standard output, and what a person would read on standard error."""
    process = await asyncio.create_subprocess_exec(
        console_script(),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
        preexec_fn=die_with_parent(),
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, out, err.decode(errors="replace").strip().removeprefix("fleetpulse: ")
