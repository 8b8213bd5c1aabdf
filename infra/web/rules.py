"""The rule of a route: who may call it. Every route of both servers has exactly one.

    @router.get("/api/agents", dependencies=[needs("viewer")])
    @router.get("/livez", dependencies=[public()])

The door (`infra.web.door`) reads the rules of all routes once, and judges a request before its body is read. The
dependency judges a second time, within FastAPI, by what the door has found: who comes around the door is answered 401.
"""

# No `from __future__ import annotations`: FastAPI reads the annotations of a dependency that is an object.
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Depends
from fastapi.params import Depends as Dependency
from starlette.requests import HTTPConnection

from infra.access import Role
from infra.web.call import call_of
from infra.web.problem import Problem

_MARK = "fleetpulse_rule"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call a route, and how it is handled.

    role: needed, None = everybody. sql: the principal's key must allow SQL, or its role be admin.
    loopback: from a loopback address nobody needs a key. key_param: path parameter that holds the key, "" = headers.
    stream: the answer goes on (server-sent events): neither a time limit nor a place among the requests in flight.
    max_body_bytes: of the body, as sent and as unpacked; never more than the server's setting.
    """

    role: Role | None
    sql: bool = False
    loopback: bool = False
    key_param: str = ""
    stream: bool = False
    max_body_bytes: int | None = None


class RuleCheck:
    """The dependency that carries a rule, and judges once more."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    async def __call__(self, request: HTTPConnection) -> None:
        """Raises `Problem` unless the door has judged by this very rule."""
        if call_of(request).rule is not self.rule:
            raise Problem(401, detail="this way in is not guarded", type="unguarded")


def _dependency(rule: Rule) -> Dependency:
    given: Any = Depends(RuleCheck(rule))
    assert isinstance(given, Dependency)
    return given


def needs(
    role: Role,
    *,
    sql: bool = False,
    loopback: bool = False,
    key_param: str = "",
    stream: bool = False,
    max_body_bytes: int | None = None,
) -> Dependency:
    """The rule that a principal with `role` is needed; see `Rule`. For `dependencies=[...]` of a route or router."""
    return _dependency(Rule(role, sql, loopback, key_param, stream, max_body_bytes))


def public(*, stream: bool = False, max_body_bytes: int | None = None) -> Dependency:
    """The rule that everybody may call this; say why beside it."""
    return _dependency(Rule(None, stream=stream, max_body_bytes=max_body_bytes))


def ruled(dependency: Dependency, target: T) -> T:
    """`target`, an ASGI app to be mounted or the endpoint of a plain Starlette route, under a rule."""
    setattr(target, _MARK, rule_of_dependency(dependency))
    return target


def rule_of_dependency(dependency: object) -> Rule | None:
    """The rule that a dependency carries, if any."""
    check = getattr(dependency, "dependency", None)
    return check.rule if isinstance(check, RuleCheck) else None


def rule_of_target(target: Callable[..., Any] | None) -> Rule | None:
    """The rule that `ruled` gave to an app or endpoint, if any."""
    rule = getattr(target, _MARK, None)
    return rule if isinstance(rule, Rule) else None
