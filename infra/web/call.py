"""What the door found out about one request, for those who handle it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.web.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from starlette.requests import HTTPConnection

    from infra.access import Principal, Session
    from infra.web.rules import Rule

KEY = "fleetpulse"
"""Where it lies in an ASGI scope."""


class Call:
    """One request: `template` is the route's path with names for its `parameters`, never their values. `session`:
    of a browser that showed its cookie and nothing else."""

    __slots__ = (
        *("address", "body", "headers", "method", "parameters"),
        *("principal", "request_id", "rule", "secure", "session", "template"),
    )

    def __init__(
        self, request_id: str, address: str, secure: bool, headers: Mapping[bytes, bytes], method: str = "POST"
    ) -> None:
        self.request_id = request_id
        self.address = address
        self.secure = secure
        self.headers = headers
        self.method = method
        self.session: Session | None = None
        self.principal: Principal | None = None
        self.rule: Rule | None = None
        self.template = ""
        self.parameters: Mapping[str, Any] = {}
        self.body = b""

    def header(self, name: bytes) -> str:
        """A header's text, "" where it is absent; `name` in lower case."""
        return self.headers.get(name, b"").decode("latin-1")


def call_in(scope: MutableMapping[str, Any]) -> Call | None:
    """The call of an ASGI scope; None where no door was passed."""
    found = scope.get(KEY)
    return found if isinstance(found, Call) else None


def call_of(request: HTTPConnection) -> Call:
    """The call of a request. Raises `Problem` 401 where no door was passed."""
    found = call_in(request.scope)
    if found is None:
        raise Problem(401, detail="this way in is not guarded", type="unguarded")
    return found


def principal(request: HTTPConnection) -> Principal:
    """Who calls. Raises `Problem` 401 on a public route that was called without a key."""
    found = call_of(request).principal
    if found is None:
        raise Problem(401, detail="a key is needed", type="no-key")
    return found


def body_of(request: HTTPConnection) -> bytes:
    """The body, unpacked, already read by the door; for routes that take a plain `Request`."""
    return call_of(request).body
