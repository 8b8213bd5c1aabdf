"""A FastAPI application as both servers want it: errors as problems, nothing that nobody asked for."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from infra.runtime.logs import get_logger
from infra.web.call import call_in
from infra.web.problem import Problem

_log = get_logger("web")
_LONGEST_INPUT = 200


def web_app(title: str, *, version: str, description: str, lifespan: Any = None) -> FastAPI:  # noqa: ANN401  # FastAPI's
    """An application without FastAPI's own documents (they load scripts from elsewhere; see `infra.web.openapi`),
    without redirects for slashes (made of the Host header), without telemetry of its own, with problems as errors.
    """
    return FastAPI(
        title=title,
        version=version,
        description=description,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
        exception_handlers={
            Problem: _answer,
            HTTPException: _answer,
            RequestValidationError: _answer,
            Exception: _answer,
        },
    )


async def _answer(request: Request, error: Exception) -> Response:
    call = call_in(request.scope)
    problem = problem_of(error)
    headers = dict(problem.raw_headers())
    response = Response(problem.body(call.request_id if call else ""), problem.status)
    response.raw_headers = [(b"content-length", str(len(response.body)).encode()), *headers.items()]
    return response


def problem_of(error: Exception) -> Problem:
    """An exception as the problem that a client is told; what is not known is 500 without a word of what happened."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return Problem(error.status_code, detail=str(error.detail or ""), headers=error.headers)
    if isinstance(error, RequestValidationError):
        if isinstance(error.body, bytes):
            return Problem(422, detail="the body is JSON: say so, Content-Type: application/json", type="invalid")
        return invalid(error.errors())
    return Problem(500, detail="something went wrong here; the server's log says what, by the request id")


def invalid(findings: Any, *, line: int | None = None) -> Problem:  # noqa: ANN401  # pydantic's list of mappings
    """422 of what pydantic found: `ValidationError.errors()`; `line` where a body has several."""
    return Problem(
        422, detail="the request does not fit", type="invalid", errors=[finding(each, line) for each in findings]
    )


def finding(error: Any, line: int | None = None) -> dict[str, Any]:  # noqa: ANN401  # pydantic's mapping
    """One thing that pydantic found: field, message and, cut short, what was given."""
    found: dict[str, Any] = {"field": ".".join(map(str, error["loc"])), "message": error["msg"]}
    if line is not None:
        found["line"] = line
    given = error.get("input")
    if given is None or isinstance(given, str | int | float | bool):
        found["input"] = given[:_LONGEST_INPUT] if isinstance(given, str) else given
    return found
