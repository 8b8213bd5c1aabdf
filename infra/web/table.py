"""Every route of an app with its rule, found before FastAPI looks: the door judges by it, counts by it, and itself
calls routes that take a plain `Request`, since FastAPI's own way to them costs more than what they do.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, get_type_hints

from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.convertors import Convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Host, Mount, Router, WebSocketRoute, compile_path

from infra.web.rules import Rule, rule_of_dependency, rule_of_target

Direct: TypeAlias = Callable[[Request], Awaitable[Response]]


class UnruledRouteError(AssertionError):
    """A route that says nothing, or two things, about who may call it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One route. `methods` None: all. `direct`: the endpoint, where the door may call it without FastAPI."""

    template: str
    methods: frozenset[str] | None
    pattern: re.Pattern[str]
    convertors: Mapping[str, Convertor[Any]]
    rule: Rule | None
    app: object
    direct: Direct | None = None
    fault: str = ""

    def takes(self, method: str) -> bool:
        """Whether it answers this method; HEAD wherever GET."""
        methods = self.methods
        return methods is None or method in methods or (method == "HEAD" and "GET" in methods)

    def parameters(self, found: re.Match[str]) -> dict[str, Any]:
        """Path parameters, converted."""
        return {name: self.convertors[name].convert(text) for name, text in found.groupdict().items()}


class RouteTable:
    """The routes in their order; the first that fits path and method answers, as in Starlette."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        fixed = {entry.template for entry in entries if "{" not in entry.template}
        self._fixed = {path: [each for each in entries if each.pattern.match(path)] for path in fixed}
        self._varying = [entry for entry in entries if "{" in entry.template]

    @classmethod
    def of(cls, app: Starlette) -> RouteTable:
        """Of an app and what is mounted in it."""
        return cls(list(_walk(app.routes, "", app)))

    def find(self, method: str, path: str) -> tuple[Entry | None, re.Match[str] | None, list[Entry]]:
        """The route that answers and its match; else None and those of the same path that answer other methods."""
        others: list[Entry] = []
        for entry in self._fixed.get(path) or self._varying:
            found = entry.pattern.match(path)
            if found is not None:
                if entry.takes(method):
                    return entry, found, others
                others.append(entry)
        return None, None, others

    def faults(self) -> list[str]:
        """What is wrong with the rules, one line a route."""
        return [f"{entry.template}: {entry.fault}" for entry in self.entries if entry.fault]


def assert_every_route_has_a_rule(app: Starlette) -> RouteTable:
    """The table of an app whose every route, mounted ones too, has one rule. Raises `UnruledRouteError`."""
    table = RouteTable.of(app)
    if faults := table.faults():
        raise UnruledRouteError("; ".join(faults) + ". Say dependencies=[needs(role)] or [public()]")
    return table


def _walk(routes: Sequence[BaseRoute], prefix: str, app: object) -> Iterator[Entry]:
    for context in iter_route_contexts(routes):
        # What router inclusion made of the route (its whole path, all its dependencies) is known to the context alone.
        route: Any = context
        plain = context.original_route
        if isinstance(plain, Mount):
            yield from _walk_mount(route, plain, prefix)
        elif isinstance(plain, Host | WebSocketRoute):
            yield _entry(
                prefix + (context.path or "/"), None, None, app, fault=f"{type(plain).__name__} is not served here"
            )
        else:
            yield _walk_route(route, prefix, app)


def _walk_mount(context: Any, mount: Mount, prefix: str) -> Iterator[Entry]:  # noqa: ANN401  # FastAPI's, by attributes
    path = prefix + context.path
    rule = rule_of_target(mount.app)
    if rule is not None:
        yield _entry(path + "/{path:path}", None, rule, mount.app)
    elif isinstance(mount.app, Starlette | Router):
        yield from _walk(mount.app.routes, path, mount.app)
    else:
        yield _entry(path + "/{path:path}", None, None, mount.app, fault="has no rule")


def _walk_route(context: Any, prefix: str, app: object) -> Entry:  # noqa: ANN401  # FastAPI's, by attributes
    path, endpoint = prefix + (context.path or ""), context.endpoint
    if not path.startswith("/") or endpoint is None:
        return _entry("/" + path, None, None, app, fault=f"{type(context.original_route).__name__} has no rule")
    dependencies = getattr(context, "dependencies", [])
    rules = [rule for each in dependencies if (rule := rule_of_dependency(each)) is not None]
    marked = rule_of_target(endpoint)
    rules += [marked] if marked is not None else []
    if len(rules) != 1:
        return _entry(path, context.methods, None, app, fault="has two rules" if rules else "has no rule")
    direct = endpoint if len(dependencies) == 1 and not prefix and is_direct(endpoint) else None
    return _entry(path, context.methods, rules[0], app, direct=direct)


def is_direct(endpoint: Callable[..., Any]) -> bool:
    """Whether an endpoint is `async def f(request: Request) -> Response` (or a subclass of it), so needs no FastAPI."""
    if not inspect.iscoroutinefunction(endpoint):
        return False
    try:
        hints = get_type_hints(endpoint)
    except NameError:
        return False
    given = hints.pop("return", None)
    return list(hints.values()) == [Request] and isinstance(given, type) and issubclass(given, Response)


def _entry(
    path: str,
    methods: set[str] | None,
    rule: Rule | None,
    app: object,
    *,
    direct: Direct | None = None,
    fault: str = "",
) -> Entry:
    pattern, template, convertors = compile_path(path)
    return Entry(template, frozenset(methods) if methods else None, pattern, convertors, rule, app, direct, fault)
