"""The door of a server: what every request passes before somebody handles it. Pure ASGI, one object for all requests.

1. its address, behind named proxies; its head; a page's origin
2. limits: by address, in flight
3. the route, its rule, who calls, the limit of the key
4. the body, within limits of size and time, unpacked
5. the handler, within a limit of time; what it raises becomes a problem
"""

from __future__ import annotations

import asyncio
import os
import time
import traceback
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request

from infra.access.limits import TokenBuckets, address_name
from infra.runtime.logs import get_logger
from infra.web.access import Access, Refused
from infra.web.answer import HSTS, SECURITY, Answer, Headers, Send
from infra.web.app import problem_of
from infra.web.body import Buffers, ClientGoneError, Receive, announced_bytes, read_body
from infra.web.call import KEY, Call
from infra.web.deadlines import Deadlines, Slot
from infra.web.figures import UNMATCHED, Figures
from infra.web.head import judge_head, request_id_of
from infra.web.options import WebOptions
from infra.web.origins import Cors, Proxies
from infra.web.problem import Problem, not_found, too_many, unavailable
from infra.web.table import Entry, assert_every_route_has_a_rule
from infra.web.whole import AT_ONCE, AtOnce, Whole, head_of

Scope = MutableMapping[str, Any]
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GONE = 499
"""Counted for clients that did not wait, as nginx does; never sent."""
_BURST_S = 2.0
_log = get_logger("web")


class Door:
    """An ASGI application around `app`. `name` ("gateway", "api") begins the names of its metrics: fleetpulse_NAME_...

    Raises `UnruledRouteError` where a route has no rule; routes that are added later are not found.
    """

    def __init__(self, app: Starlette, access: Access, options: WebOptions, *, name: str) -> None:
        self.app = app
        self.access = access
        self.options = options
        self.table = assert_every_route_has_a_rule(app)
        self.figures = Figures(f"fleetpulse_{name}")
        self.deadlines = Deadlines()
        self.buffers = Buffers(options.max_buffered_bytes)
        self.streams = 0
        self.by_address = TokenBuckets(options.rate_per_address, _burst(options.rate_per_address))
        self.by_key = TokenBuckets(options.rate_per_key, _burst(options.rate_per_key))
        self._proxies = Proxies(options.trusted_proxies)
        self._cors = Cors(options.cors_origins)
        self._address_name = lru_cache(maxsize=4_096)(address_name)
        self._fixed: Headers = [*SECURITY, HSTS] if options.secure else list(SECURITY)
        self._fixed_head = head_of(self._fixed)
        self._prefix = os.urandom(5).hex()
        self._number = 0
        self.figures.gauge("in_flight", "Requests being handled", lambda: len(self.deadlines))
        self.figures.gauge("streams", "Answers that go on", lambda: self.streams)
        self.figures.gauge("buffered_bytes", "Bytes of bodies in memory", lambda: self.buffers.held_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. Websockets are closed; the lifespan is `serving`'s."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008} if scope["type"] == "websocket" else _no_lifespan())
            return
        began_s = time.perf_counter()
        call = self._call(scope)
        answer = Answer(send, self._headers(call))
        try:
            await self._pass(scope, receive, answer, call)
        except ClientGoneError:
            answer.status = answer.status or _GONE
        except Problem as told:
            await self._tell(scope, answer, call, told)
        except Exception as error:  # noqa: BLE001  # nobody is behind the door: told to the log, and as 500 to the client
            problem = problem_of(error)
            if problem.status >= 500:
                _log.error("a request failed", route=call.template, request=call.request_id, trace=_trace(error))
            await self._tell(scope, answer, call, problem)
        finally:
            # It knows the server's request, which knows the scope: a circle, which would hold the body until collected.
            scope.pop(AT_ONCE, None)
            self._count(scope, answer, call, time.perf_counter() - began_s)

    def _call(self, scope: Scope) -> Call:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope["client"]
        address, secure = client[0] if client else "", scope["scheme"] == "https"
        if self._proxies:
            forwarded = ",".join(
                value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"
            )
            address, said = self._proxies.client(address, headers, forwarded)
            secure = secure if said is None else said
        self._number += 1
        request_id = request_id_of(headers) or f"{self._prefix}-{self._number:x}"
        call = Call(request_id, address, secure, headers, scope["method"])
        scope[KEY] = call
        return call

    def _headers(self, call: Call) -> Headers:
        headers = [*self._fixed, (b"x-request-id", call.request_id.encode())]
        if self._cors and (origin := call.headers.get(b"origin")) is not None:
            of_page = self._cors.headers(origin)
            named = {name for name, _ in of_page}
            return of_page + [each for each in headers if each[0] not in named]
        return headers

    async def _pass(self, scope: Scope, receive: Receive, answer: Answer, call: Call) -> None:
        judge_head(scope, call)
        if (wait_s := self.by_address.take(self._address_name(call.address), time.monotonic())) > 0:
            raise self._refuse("address", too_many("too many requests from this address", retry_after_s=wait_s))
        if len(self.deadlines) >= self.options.max_in_flight:
            raise self._refuse("in_flight", unavailable("too many requests at once", type="busy"))
        if scope["method"] == "OPTIONS" and await self._preflight(answer, call):
            return
        entry = self._entry(scope, call)
        loop = asyncio.get_running_loop()
        slot = self.deadlines.begin(loop, loop.time() + self.options.request_timeout_s)
        try:
            await self._handle(scope, receive, answer, call, entry, slot)
        except asyncio.CancelledError:
            if not slot.expired:
                raise
            slot.task.uncancel()
            raise self._refuse("timeout", _late(call)) from None
        finally:
            self.deadlines.finish(slot)

    def _entry(self, scope: Scope, call: Call) -> Entry:
        entry, found, others = self.table.find(scope["method"], scope["path"])
        if entry is not None and found is not None:
            call.template = entry.template
            call.rule = entry.rule
            call.parameters = entry.parameters(found)
            return entry
        if not others:
            raise not_found()
        call.template = others[0].template
        allowed = sorted({method for other in others for method in other.methods or ()})
        raise Problem(
            405, detail=f"this takes {', '.join(allowed)}", type="method", headers={"Allow": ", ".join(allowed)}
        )

    async def _preflight(self, answer: Answer, call: Call) -> bool:
        origin = call.headers.get(b"origin")
        if not self._cors or origin is None or b"access-control-request-method" not in call.headers:
            return False
        headers = self._cors.preflight(origin)
        if headers is None:
            raise Problem(403, detail="this origin is not named", type="origin")
        await answer({"type": "http.response.start", "status": 204, "headers": headers})
        await answer({"type": "http.response.body", "body": b""})
        return True

    async def _handle(
        self, scope: Scope, receive: Receive, answer: Answer, call: Call, entry: Entry, slot: Slot
    ) -> None:
        rule = call.rule
        assert rule is not None  # the table was checked when the door was built
        await self.access.admit(call, rule, str(call.parameters[rule.key_param]) if rule.key_param else "")
        if call.principal is not None and (wait_s := self.by_key.take(call.principal.id, time.monotonic())) > 0:
            raise self._refuse("key", too_many("too many requests with this key", retry_after_s=wait_s))
        limit_bytes = min(rule.max_body_bytes or self.options.max_body_bytes, self.options.max_body_bytes)
        held = 0
        if announced_bytes(call, limit_bytes) is not None:
            held = await read_body(call, receive, limit_bytes, self.buffers)
            receive = _replayed(call.body, receive)
            slot.extend(self.options.request_timeout_s)
        try:
            if rule.stream:
                await self._stream(scope, receive, answer, entry, slot)
            else:
                await self._dispatch(scope, receive, answer, entry)
        finally:
            self.buffers.give(held)

    async def _stream(self, scope: Scope, receive: Receive, answer: Answer, entry: Entry, slot: Slot) -> None:
        self.deadlines.finish(slot)
        answer.stream = True
        self.streams += 1
        try:
            await self._dispatch(scope, receive, answer, entry)
        finally:
            self.streams -= 1

    async def _dispatch(self, scope: Scope, receive: Receive, answer: Answer, entry: Entry) -> None:
        if scope["method"] == "HEAD" and entry.methods is not None and "HEAD" not in entry.methods:
            scope = {**scope, "method": "GET"}  # the server that sends the answer still knows that it was HEAD
        if entry.direct is None:
            await self.app(scope, receive, answer)
            return
        scope["app"] = self.app
        scope["path_params"] = scope[KEY].parameters
        response = await entry.direct(Request(scope, receive))
        if not (isinstance(response, Whole) and self._at_once(scope, answer, response)):
            await response(scope, receive, answer)

    def _at_once(self, scope: Scope, answer: Answer, response: Whole) -> bool:
        """Whether the server could write the answer as it is, with the headers that every answer has."""
        call: Call = scope[KEY]
        at_once: AtOnce | None = scope.get(AT_ONCE)
        if at_once is None or answer.stream or (self._cors and b"origin" in call.headers):
            return False
        if not at_once.write(response, b"%sx-request-id: %s\r\n" % (self._fixed_head, call.request_id.encode())):
            return False
        answer.status, answer.complete = response.status_code, True
        return True

    def _refuse(self, reason: str, problem: Problem) -> Problem:
        self.figures.refused[reason] += 1
        return problem

    async def _tell(self, scope: Scope, answer: Answer, call: Call, problem: Problem) -> None:
        """Answer with a problem; one that has begun already the server cuts off, since it is not complete."""
        self._audit(scope, call, problem)
        if answer.status:
            return
        body = problem.body(call.request_id)
        headers = [*problem.raw_headers(), (b"content-length", str(len(body)).encode())]
        if b"expect" in call.headers:
            headers.append((b"connection", b"close"))  # who waited for a word does not send the body now
        answer.stream = False
        await answer({"type": "http.response.start", "status": problem.status, "headers": headers})
        await answer({"type": "http.response.body", "body": body})

    def _audit(self, scope: Scope, call: Call, problem: Problem) -> None:
        if problem.status not in {401, 403, 429}:
            return
        reason = self.access.note_refusal(call, scope["method"], problem)
        if isinstance(problem, Refused):
            self.figures.refused[reason] += 1

    def _count(self, scope: Scope, answer: Answer, call: Call, took_s: float) -> None:
        method = scope["method"]
        figures = self.figures
        status = answer.status or _GONE
        figures.answered += 1
        figures.failed += status >= 500
        figures.of(call.template or UNMATCHED).count(method if method in _METHODS else "other", status, took_s)


def _burst(rate_per_s: float) -> float:
    return max(rate_per_s * _BURST_S, 1.0)


def _late(call: Call) -> Problem:
    if call.rule is not None and not call.body and announced(call):
        return Problem(408, detail="the body did not come in time", type="slow-body")
    return unavailable("this took too long", type="slow")


def announced(call: Call) -> bool:
    """Whether the request has a body."""
    return call.headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in call.headers


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return replay


def _trace(error: Exception) -> str:
    """Where it was raised, without the values of variables: among them are keys."""
    return "".join(traceback.format_exception(error, limit=20))[-8_192:]


def _no_lifespan() -> dict[str, str]:
    return {"type": "lifespan.startup.complete"}
