"""`fleetpulse alerts serve` as a program has it: lines in, lines out."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from infra.broker.interface import Broker


@dataclass
class Served:
    """The child; `said`: every line that no request asked for."""

    process: asyncio.subprocess.Process
    said: list[dict[str, Any]] = field(default_factory=list)
    _waiting: dict[object, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def read(self) -> None:
        """Take its lines in until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            found = json.loads(line)
            if "event" in found:
                async with self._more:
                    self.said.append(found)
                    self._more.notify_all()
            else:
                self._waiting.pop(found["id"]).set_result(found)

    async def heard(self, enough: Callable[[dict[str, Any]], bool], within_s: float = 120) -> dict[str, Any]:
        """The first line like that, said so far or to come."""
        async with asyncio.timeout(within_s), self._more:
            await self._more.wait_for(lambda: any(map(enough, self.said)))
        return next(filter(enough, self.said))

    async def ask(self, do: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # fields of a request
        """One request, and the whole line of its answer."""
        assert self.process.stdin is not None
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        asked = {"id": number, "do": do, "within_s": 30, **more}  # a busy manager may need more than the usual 5 s
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        async with asyncio.timeout(120):
            return await self._waiting[number]

    async def close(self) -> int:
        """End its standard input; its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(120):
            return await self.process.wait()


@asynccontextmanager
async def served(broker: Broker) -> AsyncIterator[Served]:
    """Started and ready; killed at the end of the block if it still lives."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from infra.cli.main import main; main()", "alerts", "serve",
        "--bootstrap", broker.bootstrap,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=8 * 1024 * 1024,
        env={**os.environ, "FLEETPULSE_LOG_LEVEL": "info"},
    )  # fmt: skip
    found = Served(process)
    reading = asyncio.create_task(found.read())
    try:
        await found.heard(lambda line: line["event"] == "ready")
        yield found
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await reading
