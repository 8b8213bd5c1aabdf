"""Errors as both servers tell them: application/problem+json (RFC 9457), one shape for every status."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

MEDIA_TYPE = "application/problem+json"
NEVER_STORED = "about:blank"
_UNFIT = {ord(each): None for each in map(chr, [*range(32), 127])}


class Problem(Exception):  # noqa: N818  # the name that RFC 9457 gives it
    """An answer that is an error.

    `status`: 400 to 599. `title`: what kind of error, the same text for every one of its kind; by default the phrase of
    the status. `detail`: this error, for a person; never what a stack trace or a secret says. `type`: a short name for
    programs, without spaces. `errors`: one mapping a finding, e.g. {"line": 3, "field": "cpu", "message": "..."}.
    `headers`: sent with it; control characters are taken out of their values.
    """

    def __init__(
        self,
        status: int,
        title: str = "",
        detail: str = "",
        type: str = NEVER_STORED,  # noqa: A002  # the member's name in RFC 9457
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.title = title or phrase_of(status)
        self.detail = detail
        self.type = type
        self.errors = errors
        self.headers = {name: value.translate(_UNFIT) for name, value in (headers or {}).items()}
        super().__init__(f"{status} {self.title}: {detail}")

    def document(self, request_id: str = "") -> dict[str, Any]:
        """The members of the answer; what is empty is left out."""
        members = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "errors": [dict(each) for each in self.errors],
            "request_id": request_id,
        }
        return {name: value for name, value in members.items() if value}

    def body(self, request_id: str = "") -> bytes:
        """The answer's body. Numbers that JSON does not know become text."""
        return json.dumps(_finite(self.document(request_id)), ensure_ascii=True, allow_nan=False, default=str).encode()

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Headers of the answer as ASGI wants them, without the length."""
        given = [(name.lower().encode("latin-1"), _latin(value)) for name, value in self.headers.items()]
        return [(b"content-type", MEDIA_TYPE.encode()), *given]


def phrase_of(status: int) -> str:
    """The standard's name of a status; "Error" for one that it does not know."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _latin(value: str) -> bytes:
    return value.encode("latin-1", "replace")


def _finite(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    """The value with NaN and infinities as text: what a client sent is shown to it, and may be one."""
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, Mapping):
        return {str(name): _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def not_found(what: str = "") -> Problem:
    """404, the same for what is missing and for what belongs to another tenant."""
    return Problem(404, detail=what or "nothing is here", type="not-found")


def unavailable(detail: str, *, retry_after_s: float = 1.0, type: str = "unavailable") -> Problem:  # noqa: A002  # as above
    """503 with Retry-After in whole seconds, at least 1."""
    return Problem(503, detail=detail, type=type, headers={"Retry-After": whole_seconds(retry_after_s)})


def too_many(detail: str, *, retry_after_s: float) -> Problem:
    """429 with Retry-After in whole seconds, at least 1."""
    return Problem(429, detail=detail, type="rate-limited", headers={"Retry-After": whole_seconds(retry_after_s)})


def whole_seconds(seconds: float) -> str:
    """Seconds as Retry-After wants them: whole, rounded up, 1 to 86,400."""
    return "1" if math.isnan(seconds) else str(math.ceil(min(max(seconds, 1.0), 86_400.0)))
