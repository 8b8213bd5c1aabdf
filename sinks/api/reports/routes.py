"""GET /api/reports/compliance: for audits, as JSON, CSV, or a page to print."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from infra.web.problem import Problem
from infra.web.rules import needs
from sinks.api.once import ONCE
from sinks.api.past.pool import LakePool
from sinks.api.reports.as_csv import as_csv
from sinks.api.reports.as_html import POLICY, as_html
from sinks.api.reports.compliance import MOST_EVIDENCE, TABLES, compliance, last_day
from sinks.api.reports.models import ComplianceReport
from sinks.api.times import Span, TimeError, parse_span
from sinks.api.world import scope_in

LONGEST = timedelta(days=366)
Format = Literal["json", "csv", "html"]


def reports_router(past: LakePool) -> APIRouter:
    """Routes over the lake of a pool."""
    router = APIRouter(tags=["reports"], dependencies=[ONCE])

    @router.get(
        "/api/reports/compliance",
        dependencies=[needs("viewer")],
        response_model=None,
        responses={200: {"model": ComplianceReport, "content": {"text/csv": {}, "text/html": {}}}},
    )
    async def compliance_report(
        request: Request,
        since: Annotated[str | None, Query(alias="from", max_length=60, examples=["2026-11-01"])] = None,
        until: Annotated[str | None, Query(alias="to", max_length=60, description="excluded; now by default")] = None,
        format_: Annotated[Format, Query(alias="format")] = "json",
        evidence: Annotated[int, Query(ge=0, le=MOST_EVIDENCE, description="violations shown in full")] = 200,
        only_violating: Annotated[bool, Query(description="agents and days with violations alone")] = False,
    ) -> Response:
        """Violations by policy, severity, action, agent and day, the rate of compliance, who is covered, and evidence.

        Of the last 30 days unless said, of at most 366.
        """
        now = datetime.now(UTC)
        span, scope = _span(now, since, until), scope_in(request)
        question = compliance(span, scope, now, evidence, only_violating=only_violating)
        report = await past.ask(question, scope=scope, tables=TABLES, span=span)
        return await asyncio.to_thread(_written, report, format_)

    return router


def _span(now: datetime, since: str | None, until: str | None) -> Span:
    """Raises `Problem` 422."""
    try:
        span = parse_span(now, since=since, until=until, default="30d")
    except TimeError as error:
        raise Problem(422, detail=str(error), type="bad-range") from None
    if span.end - span.start > LONGEST:
        raise Problem(422, detail=f"a report is over at most {LONGEST.days} days", type="bad-range")
    return span


def _written(report: dict[str, Any], wanted: Format) -> Response:
    if wanted == "json":
        return JSONResponse(report)
    if wanted == "html":
        return Response(as_html(report), media_type="text/html", headers={"Content-Security-Policy": POLICY})
    part = "_violations" if report["only_violating"] else ""
    name = f"compliance_{report['from'][:10]}_{last_day(report)}{part}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(as_csv(report), media_type="text/csv", headers=headers)
