"""`fleetpulse alerts serve`: the alerts command for a program, as JSON lines over standard input and output.

A request is one line, `{"id": 7, "do": "list", ...}` (fields: `streams.manager.ask.answer.Request`). Many may be under
way; each is answered by one line with its id, `{"id": 7, "ok": {...}}` or
`{"id": 7, "error": {"kind", "message", "setting", "way_out"}}`. Kinds: `invalid` (the request), `unknown` (no such
alert or silence), `unfit` (there is one, and the order makes no sense for it), `broker`. Between them stand lines that
nobody asked for: `{"event": "ready"}` first, then `{"event": "alert", "alert": {...}}` and `{"event": "forgotten"}` as
alerts change: only the newest of each where the reader is slow. It ends when standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import KafkaError
from pydantic import ValidationError

from infra.runtime.errors import FleetpulseError, SettingError
from infra.runtime.lifecycle import stop_on_signals
from infra.runtime.logs import get_logger
from streams.manager.ask.act import UnfitAlertError
from streams.manager.ask.answer import Answer, Request, answer
from streams.manager.ask.choose import UnknownAlertError
from streams.manager.ask.documents import alert_json
from streams.manager.ask.follow import Follower
from streams.manager.model import Alert

LONGEST_LINE_BYTES = 1024 * 1024
_MOST_AT_ONCE = 64
_log = get_logger("alerts-serve")
Say = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass
class Changes:
    """Changes that wait to be told: one per alert, so that a slow reader costs no memory."""

    tenants: dict[str, str] = field(default_factory=dict)
    _waiting: dict[str, Alert | None] = field(default_factory=dict)
    _some: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, name: str, alert: Alert | None) -> None:
        """An alert is now like this; None: forgotten."""
        self._waiting[name] = alert
        self._some.set()

    async def tell(self, say: Say) -> None:
        """Say them as they come, for ever."""
        while True:
            await self._some.wait()
            self._some.clear()
            waiting, self._waiting = self._waiting, {}
            for name, alert in waiting.items():
                await say(self._line(name, alert))

    def _line(self, name: str, alert: Alert | None) -> dict[str, Any]:
        if alert is None:
            return {"event": "forgotten", "fingerprint": name, "user_id": self.tenants.pop(name, "")}
        self.tenants[name] = alert.user_id
        return {"event": "alert", "alert": alert_json(alert)}

    def forget_all(self, known: dict[str, Alert]) -> None:
        """What was there from the beginning is no change."""
        self._waiting.clear()
        self.tenants = {name: alert.user_id for name, alert in known.items()}


async def serve(bootstrap: str) -> None:
    """Until standard input ends, or SIGTERM. Raises `FleetpulseError`: no broker, no topics, no pipe."""
    reader, writer = await _pipes()
    changes = Changes()
    follower = Follower(bootstrap, changes.note)
    lock = asyncio.Lock()

    async def say(document: dict[str, Any]) -> None:
        async with lock:
            writer.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
            await writer.drain()

    with stop_on_signals() as asked:
        following = asyncio.create_task(follower.run())
        work = asyncio.create_task(_work(follower, changes, reader, say))
        stop = asyncio.create_task(asked.wait())
        try:
            done, _ = await asyncio.wait((following, work, stop), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _end(following, work, stop)
            writer.close()


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _work(follower: Follower, changes: Changes, reader: asyncio.StreamReader, say: Say) -> None:
    """Answer until the requests end; those under way are answered first."""
    await follower.caught_up.wait()
    changes.forget_all(follower.state.alerts)
    await say({"event": "ready", "alerts": len(follower.state.active)})
    places, replies = asyncio.Semaphore(_MOST_AT_ONCE), set[asyncio.Task[None]]()
    try:
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(changes.tell(say))
            while line := await _line(reader):
                await places.acquire()
                task = group.create_task(_reply(follower, line, say))
                replies.add(task)
                task.add_done_callback(replies.discard)
                task.add_done_callback(lambda _: places.release())
            await asyncio.gather(*replies)
            telling.cancel()
    except* (BrokenPipeError, ConnectionResetError):
        _log.info("who listened has gone")


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError as error:
        raise SettingError(f"a request is longer than {LONGEST_LINE_BYTES} bytes", setting="standard input") from error


async def _reply(follower: Follower, line: bytes, say: Say) -> None:
    name: object = None
    try:
        raw = json.loads(line)
        name = raw.get("id") if isinstance(raw, dict) else None
        request = Request.model_validate(raw)
        await say({"id": name, "ok": await _carried_out(follower, request)})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "request"
        await say(_error(name, "invalid", SettingError(first["msg"], setting=place)))
    except ValueError as error:
        await say(_error(name, "invalid", SettingError(f"not JSON: {error}", setting="request")))
    except UnfitAlertError as error:
        await say(_error(name, "unfit", error))
    except UnknownAlertError as error:
        await say(_error(name, "unknown", error))
    except SettingError as error:
        await say(_error(name, "invalid", error))
    except FleetpulseError as error:
        await say(_error(name, "broker", error))


async def _carried_out(follower: Follower, request: Request) -> Answer:
    try:
        return await answer(follower, request)
    except KafkaError as error:
        raise FleetpulseError(f"the broker did not do as asked: {error!r}") from error


def _error(name: object, kind: str, error: FleetpulseError) -> dict[str, Any]:
    told = {"kind": kind, "message": error.problem, "setting": error.setting, "way_out": error.way_out}
    return {"id": name, "error": told}


async def _pipes() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Standard input and output. Raises `SettingError` where they are no pipes: a file cannot be waited for."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LONGEST_LINE_BYTES)
    try:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        # Of its own descriptor: the transport closes what it was given.
        transport, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, os.fdopen(os.dup(1), "wb")
        )
    except (ValueError, OSError) as error:
        raise SettingError(
            "standard input and output are no pipes",
            setting="alerts serve",
            way_out="It is for programs, not for files",
        ) from error
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)
