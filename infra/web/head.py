"""A request's head: what is ambiguous or meant for somebody else is refused before it means something."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, MutableMapping
from typing import Any

from infra.web.call import Call
from infra.web.problem import Problem

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAY_REPEAT = frozenset(
    {
        *(b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"connection", b"cookie", b"via"),
        *(b"forwarded", b"pragma", b"te", b"x-forwarded-for", b"tracestate", b"baggage"),
    }
)
_LONGEST_PATH = 2_048


def request_id_of(headers: Mapping[bytes, bytes]) -> str:
    """The client's own X-Request-Id where it is short and plain; else ""."""
    given = headers.get(b"x-request-id")
    return given.decode() if given is not None and _ID.fullmatch(given) else ""


def judge_head(scope: MutableMapping[str, Any], call: Call) -> None:
    """Raises `Problem` 400 where a header comes twice that must not, HTTP/1.1 names no host, or the path holds
    control characters; 414 where the path is too long.
    """
    given = scope["headers"]
    if len(call.headers) != len(given):
        twice = [name for name, count in Counter(name for name, _ in given).items() if count > 1]
        if wrong := [name for name in twice if name not in _MAY_REPEAT]:
            raise Problem(400, detail=f"the header {_shown(wrong[0])} comes twice", type="duplicate-header")
    if b"host" not in call.headers and scope["http_version"] == "1.1":
        raise Problem(400, detail="HTTP/1.1 wants a Host", type="malformed")
    path = scope["path"]
    if len(path) > _LONGEST_PATH:
        raise Problem(414, detail=f"a path has at most {_LONGEST_PATH} characters", type="too-large")
    if b"%" in scope["raw_path"] and _CONTROL.search(path):
        raise Problem(400, detail="the path holds control characters", type="malformed")


def _shown(name: bytes) -> str:
    return name.decode("latin-1")[:40]
