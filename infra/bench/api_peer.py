"""The peer of the servers: a FastAPI application that reads the body and answers 202, and nothing else.

What it cannot do faster, nobody can with this framework on this machine at this moment. It is a script for an
interpreter of its own, so that this package does not import the framework.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from infra.bench.children import Child, until
from infra.broker.ports import free_port
from infra.runtime.errors import FleetpulseError
from infra.supervisor.child import die_with_parent

_SOURCE = """
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

app = FastAPI()


@app.api_route("/{path:path}", methods=["GET", "POST"])
async def nothing(request: Request) -> Response:
    await request.body()
    return Response(status_code=202)
"""
_WITHIN_S = 120.0


def listens(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


@asynccontextmanager
async def doing_nothing(folder: Path) -> AsyncIterator[Child]:
    """The peer while the block runs; its URL is in what it says. Raises `FleetpulseError` when it does not start."""
    (folder / "doing_nothing.py").write_text(_SOURCE, encoding="utf-8")
    port = free_port()
    options = ("--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--log-level", "warning")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "--app-dir", str(folder), *options, "doing_nothing:app"),
        stdout=DEVNULL,
        preexec_fn=die_with_parent(),
    )
    try:
        if not await until(lambda: process.returncode is not None or listens(port), _WITHIN_S) or process.returncode:
            raise FleetpulseError(
                "the peer of the benchmark does not start", way_out="pip install 'fleetpulse[gateway]'"
            )
        yield Child(process.pid, {"url": f"http://127.0.0.1:{port}"})
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
