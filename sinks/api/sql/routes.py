"""SQL over HTTP: for admins, and keys that allow SQL; a tenant's text reaches that tenant's rows alone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Query, Request, Response

from infra.access import AuditTrail
from infra.web.call import principal
from infra.web.problem import Problem
from infra.web.rules import needs
from sinks.api.models import answers
from sinks.api.noting import note
from sinks.api.sql.models import ExportQuestion, SqlAnswer, SqlQuestion, SqlSchema
from sinks.api.sql.queue import Queue
from sinks.api.sql.run import Told
from sinks.api.sql.schema import schema_body
from sinks.lake.sql_process import Spares

T = TypeVar("T")
_MAX_BODY_BYTES = 64 * 1024
_GONE = 499
_FILES: dict[str, dict[str, str]] = {"text/csv": {}, "application/vnd.apache.parquet": {}}


def sql_router(lake: Path, audit: AuditTrail, spares: Spares | None = None) -> APIRouter:
    """The routes over the lake at `lake`; every text is written to `audit`. `spares`: processes that wait for texts."""
    router = APIRouter(tags=["sql"])
    queue = Queue(lake, spares)
    asking = _Asking(queue, audit)

    @router.post(
        "/api/sql",
        dependencies=[needs("viewer", sql=True, max_body_bytes=_MAX_BODY_BYTES)],
        response_model=None,
        responses={200: {"model": SqlAnswer, "content": _FILES}},
    )
    async def sql(request: Request, question: SqlQuestion) -> Response:
        """One SELECT. In CSV, text that a spreadsheet would take for a formula begins with an apostrophe."""
        told = await asking.answer(request, question)
        return Response(told.body, media_type=told.media_type, headers=_headers(told))

    @router.post(
        "/api/sql/export",
        dependencies=[needs("viewer", sql=True, max_body_bytes=_MAX_BODY_BYTES)],
        response_class=Response,
        responses={200: {"content": _FILES}},
    )
    async def export(
        request: Request,
        question: ExportQuestion,
        format_: Annotated[Literal["csv", "parquet"], Query(alias="format")] = "csv",
    ) -> Response:
        """The answer of one SELECT as a file to be kept: the first 100,000 rows; X-Truncated says whether all."""
        told = await asking.answer(request, SqlQuestion(sql=question.sql, limit=question.limit, format=format_))
        headers = _headers(told) | {"Content-Disposition": f'attachment; filename="fleetpulse-sql.{format_}"'}
        return Response(told.body, media_type=told.media_type, headers=headers)

    @router.get(
        "/api/sql/schema",
        dependencies=[needs("viewer", sql=True)],
        response_model=None,
        responses=answers(SqlSchema),
    )
    async def schema(request: Request) -> Response:
        """Tables and columns that a text of the caller may name, and words of the language, for completion."""
        queue.warm()  # who asks for this is about to write a text
        body = await asyncio.to_thread(schema_body, whole_fleet=_tenant(request) is None)
        return Response(body, media_type="application/json")

    return router


class _Asking:
    """A question of a request: asked, written down, ended where its client goes away."""

    def __init__(self, queue: Queue, audit: AuditTrail) -> None:
        self._queue = queue
        self._audit = audit

    async def answer(self, request: Request, question: SqlQuestion) -> Told:
        """Raises `Problem`."""
        status = 200
        try:
            return await _while_there(request, self._queue.ask(question, _tenant(request)))
        except Problem as problem:
            status = problem.status
            raise
        except asyncio.CancelledError:
            status = _GONE
            raise
        finally:
            note(self._audit, request, "sql", status, question.sql)


async def _while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; cancelled when the client closes its connection. Raises `Problem` 499 then."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Problem(_GONE, detail="the client has gone", type="gone")
    finally:
        for task in (working, leaving):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await leaving


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _headers(told: Told) -> dict[str, str]:
    return {"X-Row-Count": str(told.rows), "X-Truncated": str(told.truncated).lower()}


def _tenant(request: Request) -> str | None:
    """Whose rows a caller's text reaches. Raises `Problem` 403 for a key of some agents: SQL is for a whole tenant."""
    who = principal(request)
    if who.agents:
        raise Problem(403, detail="the key is for some agents only; SQL needs one for all of them", type="agents")
    return who.tenant
