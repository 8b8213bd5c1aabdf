"""The way to the alert manager: a child `fleetpulse alerts serve`, asked by many at once, started anew when it ends.

Rooms do not import each other, so what the command knows of alerts comes through its console script, as JSON lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from infra.runtime.console import command
from infra.runtime.logs import get_logger
from infra.web.problem import Problem, not_found, unavailable
from sinks.api.alerts.known import Known
from sinks.api.scope import Scope

_LONGEST_LINE_BYTES = 64 * 1024 * 1024
_MOST_WAITING = 512
_ANSWER_WITHIN_S = 20.0
_AGAIN_S, _AGAIN_AT_MOST_S = 0.2, 10.0
_STOP_WITHIN_S = 3.0
_log = get_logger("alert-desk")
Listener = Callable[[dict[str, Any]], None]


@dataclass
class AlertDesk:
    """`start` returns at once; `ready` is set while a child answers. `restarts`: how often it was started anew."""

    bootstrap: str
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    restarts: int = 0
    _process: asyncio.subprocess.Process | None = None
    _waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _listeners: list[Listener] = field(default_factory=list)
    _keeping: asyncio.Task[None] | None = None
    _known: Known = field(default_factory=Known)
    _catching_up: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the child, while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def status(self) -> dict[str, Any]:
        """For health: whether it answers, how often it was started anew, how many wait for an answer."""
        return {"ready": self.ready.is_set(), "restarts": self.restarts, "waiting": len(self._waiting)}

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called with every change, in the loop; it must not block. Returns what ends it.

        Changes are `{"event": "alert", "alert": {...}}`, `{"event": "forgotten", "fingerprint", "user_id"}`,
        `{"event": "away"}` and `{"event": "ready"}`: soon after it comes what changed meanwhile.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def start(self) -> None:
        """Have a child kept; does not wait for it."""
        self._keeping = asyncio.create_task(self._keep(), name="alert-desk")

    async def stop(self) -> None:
        """End the child; who waits is answered 503."""
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None

    async def ask(self, do: str, scope: Scope, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # fields of a request
        """The answer to a request within a scope.

        Raises `Problem`: 404 unknown, 409 unfit, 422 invalid, 503 with Retry-After while no child answers.
        """
        if not self.ready.is_set():
            raise unavailable("alerts are being read", retry_after_s=2.0, type="alerts-away")
        if len(self._waiting) >= _MOST_WAITING:
            raise unavailable("too many questions about alerts at once", type="busy")
        number = next(self._numbers)
        request = {"id": number, "do": do, "tenant": scope.tenant, "agents": scope.agents, **more}
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                await self._send(request)
                return _result(await answer)
        except TimeoutError as error:
            raise unavailable("alerts are not answered for", retry_after_s=2.0, type="alerts-slow") from error
        finally:
            self._waiting.pop(number, None)

    async def _send(self, request: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _gone() from error

    async def _keep(self) -> None:
        pause_s = _AGAIN_S
        while True:
            try:
                was_ready = await self._live()
            except (OSError, ValueError) as error:
                _log.error("alerts serve cannot be used", error=repr(error))
                was_ready = False
            finally:
                self._away()
            self.restarts += 1
            pause_s = _AGAIN_S if was_ready else min(pause_s * 2, _AGAIN_AT_MOST_S)
            _log.warning("alerts serve has ended and is started anew", pause_s=pause_s, restarts=self.restarts)
            await asyncio.sleep(pause_s)

    async def _live(self) -> bool:
        """One child, from its start to its end; whether it was ever ready."""
        self._process = await asyncio.create_subprocess_exec(
            *command("alerts", "serve"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "FLEETPULSE_BOOTSTRAP": self.bootstrap},
            start_new_session=True,  # Ctrl-C is for the API, which ends it by its standard input
            limit=_LONGEST_LINE_BYTES,
        )
        try:
            return await self._read(self._process)
        finally:
            await asyncio.shield(_ended(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> bool:
        assert process.stdout is not None
        was_ready = False
        async for line in process.stdout:
            message = json.loads(line)
            if "event" in message:
                was_ready |= message["event"] == "ready"
                if message["event"] == "ready":
                    self.ready.set()
                    self._catching_up = asyncio.create_task(self._catch_up())
                self._tell(message)
            elif (waiting := self._waiting.get(message["id"])) is not None and not waiting.done():
                waiting.set_result(message)
        return was_ready

    async def _catch_up(self) -> None:
        try:
            missed = await self._known.missed(partial(self.ask, "list", Scope()))
        except Problem:
            return  # it has gone again; the next one catches up
        for news in missed:
            self._tell(news)

    def _away(self) -> None:
        if self._catching_up is not None:
            self._catching_up.cancel()
        if self.ready.is_set():
            self.ready.clear()
            self._tell({"event": "away"})
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_gone())

    def _tell(self, message: dict[str, Any]) -> None:
        self._known.take(message)
        for listener in tuple(self._listeners):
            listener(message)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Ask it to end by closing its input; kill it where it does not."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _gone() -> Problem:
    return unavailable("alerts are away for a moment; what was ordered may have been done", type="alerts-away")


def _result(message: Mapping[str, Any]) -> dict[str, Any]:
    """The document of an answer. Raises `Problem` for what the child refuses."""
    if "ok" in message:
        found: dict[str, Any] = message["ok"]
        return found
    error = message["error"]
    raise _PROBLEMS.get(error["kind"], _of_broker)(error)


def _told(error: Mapping[str, Any]) -> str:
    return ". ".join(filter(None, (error["message"], error["way_out"])))


def _of_broker(error: Mapping[str, Any]) -> Problem:
    return unavailable(_told(error), retry_after_s=2.0, type="broker-away")


def _unknown(error: Mapping[str, Any]) -> Problem:
    # The command's way out names other commands; here the routes are known.
    return not_found(error["message"])


def _unfit(error: Mapping[str, Any]) -> Problem:
    return Problem(409, detail=_told(error), type="unfit")


def _invalid(error: Mapping[str, Any]) -> Problem:
    return Problem(
        422, detail=_told(error), type="invalid", errors=[{"field": error["setting"], "message": error["message"]}]
    )


_PROBLEMS: Mapping[str, Callable[[Mapping[str, Any]], Problem]] = MappingProxyType(
    {"unknown": _unknown, "unfit": _unfit, "invalid": _invalid, "broker": _of_broker}
)
