"""`/ping/{key}`: a beat for whatever can call a URL; the key is in the path, and is never logged.

`/ping/KEY` healthy, `/ping/KEY/start` a run begins, `/ping/KEY/fail` it failed, `/ping/KEY/log` text only,
`/ping/KEY/0` to `/255` the exit code of a program. `?rid=` joins a start and its end. `?next=25h` promises that the
next ping comes within that time. A body becomes a log line.

What pings is no loop: a job begins and ends within a second, and comes again tomorrow. So nothing is learned from the
gaps between pings; when the next is due is said, or what is usual.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from infra.runtime.durations import parse_duration_s
from infra.runtime.errors import SettingError
from infra.web.problem import Problem
from infra.web.rules import needs
from producers.gateway.event import Event
from producers.gateway.routes.common import accept, agent_header, body_of

MAX_TEXT_BYTES = 10_000
_LONGEST_RID = 128
_INTERVAL_S = 60.0
"""Declared with every ping: what may be lost on the way is judged by minutes, however long the promise is."""
_LONGEST_RUN_S = 3_600.0
"""How long a run may take that says nothing of it: no sign of life is due before."""
_LONGEST_NEXT_S = 400 * 86_400.0
_METHODS = ["GET", "HEAD", "POST"]
_RULE = needs("ingest", key_param="key", max_body_bytes=MAX_TEXT_BYTES)
_SHOWN_NEXT = {"type": "string", "pattern": "^([1-9][0-9]{0,2}[smh]|[1-9][0-9]?d)$"}
_QUERY: dict[str, Any] = {
    "parameters": [
        {
            "name": "rid",
            "in": "query",
            "schema": {"type": "string", "pattern": f"^[!-~]{{1,{_LONGEST_RID}}}$"},
            "description": "the run that a start and its end belong to",
        },
        {
            "name": "next",
            "in": "query",
            "schema": _SHOWN_NEXT,
            "example": "25h",
            "description": "within which time the next ping comes: 10m, 25h, 8d",
        },
    ]
}
router = APIRouter(tags=["pings"])


@router.api_route(
    "/ping/{key}",
    methods=_METHODS,
    dependencies=[_RULE],
    operation_id="ping",
    response_class=PlainTextResponse,
    openapi_extra=_QUERY,
)
async def ping(request: Request) -> Response:
    """All is well; where a run with this `rid` began, it is over."""
    return await _take(request, "success")


@router.api_route(
    "/ping/{key}/{signal}",
    methods=_METHODS,
    dependencies=[_RULE],
    operation_id="ping_signal",
    response_class=PlainTextResponse,
    openapi_extra=_QUERY,
)
async def ping_signal(request: Request) -> Response:
    """start, fail, log, or the exit code of a program, 0 to 255."""
    return await _take(request, _kind_of(request.path_params["signal"]))


def _kind_of(signal: str) -> str:
    if signal in {"start", "fail", "log"}:
        return signal
    if signal.isascii() and signal.isdigit() and int(signal[:4]) <= 255 and len(signal) <= 3:
        return signal
    raise Problem(
        404, detail="after the key comes nothing, start, fail, log or an exit code 0 to 255", type="not-found"
    )


async def _take(request: Request, kind: str) -> Response:
    run_id = request.query_params.get("rid")
    if run_id is not None and not (0 < len(run_id) <= _LONGEST_RID and run_id.isprintable()):
        raise Problem(422, detail=f"rid is 1 to {_LONGEST_RID} printable characters", type="unfit")
    text = body_of(request).decode("utf-8", "replace").strip()
    next_s = _next_s(request.query_params.get("next"))
    await accept(request, list(events_of(kind, run_id, text, agent_header(request), next_s, time.time())))
    return Response(b"OK\n", 200, media_type="text/plain")


def _next_s(given: str | None) -> float | None:
    """Seconds within which the next ping is promised. Raises `Problem` 422."""
    if given is None:
        return None
    try:
        next_s = parse_duration_s(given[:40], "next")
    except SettingError:
        raise Problem(422, detail="next is no duration: write it like 10m, 25h or 8d", type="unfit") from None
    if not 1 <= next_s <= _LONGEST_NEXT_S:
        raise Problem(422, detail="next lies between 1s and 400d", type="unfit")
    return next_s


def events_of(
    kind: str, run_id: str | None, text: str, agent_id: str | None, next_s: float | None, now_s: float
) -> Iterator[Event]:
    """The events of a ping: its text as a log line, the run that it begins or ends, and the beat.

    `kind`: success, start, fail, log, or an exit code as text. `next_s`: how long after `now_s` (s since 1970) the next
    ping is promised; None: not said.
    """
    failed = kind == "fail" or (kind.isdigit() and int(kind) > 0)
    if text:
        fields = {"level": "error" if failed else "info", "category": "system", "source": "ping", "message": text}
        yield Event("fleet.logs", agent_id, fields | ({"run_id": run_id} if run_id is not None else {}))
    if kind == "log":
        return
    if run_id is not None:
        yield from _run_of(kind, run_id, failed, agent_id)
    yield Event("fleet.heartbeats", agent_id, {"status": "failed" if failed else "healthy"} | _due(kind, next_s, now_s))


def _due(kind: str, next_s: float | None, now_s: float) -> dict[str, Any]:
    """When the next ping is due, as fields of a beat."""
    if next_s is None and kind == "start":
        next_s = _LONGEST_RUN_S
    promised = {} if next_s is None else {"next_beat_by": round((now_s + next_s) * 1e6)}
    return {"interval_s": _INTERVAL_S, **promised}


def _run_of(kind: str, run_id: str, failed: bool, agent_id: str | None) -> Iterator[Event]:
    def run(**fields: Any) -> Event:  # noqa: ANN401  # the schema's fields
        return Event("fleet.runs", agent_id, {"run_id": run_id, **fields})

    if kind == "start":
        yield run(kind="run_started")
        return
    if failed:
        code = f"exit_{kind}" if kind.isdigit() else "fail"
        yield run(kind="failure", status="failure", failure_type="ping", failure_code=code)
    yield run(kind="run_finished", status="failure" if failed else "success")
