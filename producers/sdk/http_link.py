"""The connection to an HTTP gateway: the same encoded events as over Kafka, acknowledged by 202.

A gateway says 202 only when the broker has the events, so an acknowledgement means here what it means there.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import struct
import zlib
from collections.abc import Sequence

from producers.sdk.config import ReporterConfig
from producers.sdk.encode import Record
from producers.sdk.http_answers import PERSON_NEEDED_PAUSE_S, Setback, Standing, judge_hello, judge_send
from producers.sdk.http_wire import Answer, Connection, address_of, verified_tls
from producers.sdk.transport import BrokerAwayError, TooLargeError, TopicRefusedError

_log = logging.getLogger("fleetpulse.sdk.link")
CONTENT_TYPE = "application/vnd.fleetpulse.events"
HELLO = "/v1/events"
_MOST_IDLE = 4
_COMPRESS_FROM_BYTES = 4_096
_GZIP = 31
_LENGTH = struct.Struct(">I")


def frame_events(records: Sequence[Record]) -> bytes:
    """The body of a POST: of every event its length, u32 big-endian, and its bytes in single-object encoding."""
    pack = _LENGTH.pack
    return b"".join(part for record in records for part in (pack(len(record.value)), record.value))


class HttpLink:
    """Keeps connections to a gateway, as many as lanes send at once; a `Link`.

    It begins, and begins again after every failure, with a GET that shows the key and asks for limits. What must be
    said is said once, and again only after events went through in between.
    """

    def __init__(self, config: ReporterConfig) -> None:
        assert config.gateway is not None
        self._config = config
        self._url = config.gateway
        self._address = address_of(config.gateway)
        self._headers = {"User-Agent": "fleetpulse-sdk"}
        if config.api_key is not None:
            self._headers["X-API-Key"] = config.api_key.get_secret_value()
        self._tls: ssl.SSLContext | None = None
        self._idle: list[Connection] = []
        self._broken = asyncio.Event()
        self._pause_s: float | None = None
        self._growing_s = config.retry_delay_s
        self._told: set[tuple[Standing, str]] = set()
        self._max_body_bytes: int | None = None
        self.away = False
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Say hello until a gateway answers, wait until a send fails, say hello again; until cancelled."""
        grace = asyncio.get_running_loop().call_later(self._config.slow_after_s, self._end_grace)
        self._warn_of_plain_text()
        try:
            while True:
                await self._connect()
                await self._broken.wait()
        finally:
            grace.cancel()
            self.ready.clear()
            self._hang_up()

    def _end_grace(self) -> None:
        self.away = self.away or not self.ready.is_set()

    def _warn_of_plain_text(self) -> None:
        if "X-API-Key" in self._headers and not self._address.tls and not self._address.local:
            _log.warning("the key travels unencrypted to %s: use https://", self._url)

    async def _connect(self) -> None:
        failed = 0
        while True:
            if self._pause_s is not None:
                await asyncio.sleep(self._pause_s * random.uniform(1.0, 1.1))  # noqa: S311  # jitter, not a secret
            try:
                self._welcome(judge_hello(await self._ask("GET", HELLO)))
            except Setback as setback:
                failed += 1
                if setback.standing is not Standing.AWAY or failed >= self._config.retry_attempts:
                    self._tell(setback)
                self.away = True
                self._pause_s = self._pause_after(setback)
                continue
            self._pause_s = None
            self._broken.clear()
            self.away = False
            self.ready.set()
            return

    def _welcome(self, hello: dict[str, object]) -> None:
        limit = hello.get("max_body_bytes")
        self._max_body_bytes = limit if isinstance(limit, int) and limit > 0 else None
        tenant = hello.get("tenant")
        if isinstance(tenant, str) and tenant != self._config.user_id:
            mine = self._config.user_id
            detail = f"the key belongs to user_id {tenant[:256]!r}, this agent reports as {mine!r} and will be refused"
            self._tell(Setback(Standing.WRONG_TENANT, detail, way_out="Set user_id, or use a key of that tenant"))

    async def _ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """One request on an idle or new connection. Raises `Setback` when nothing useful comes back in time."""
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        try:
            async with asyncio.timeout(self._config.request_timeout_s):
                return await self._exchange(method, self._address.prefix + path, self._headers | named, body)
        except ssl.SSLError as error:
            raise Setback(Standing.TLS, f"no trusted TLS with it: {error.reason or error}") from error
        except (OSError, TimeoutError) as error:
            raise Setback(Standing.AWAY, str(error) or type(error).__name__) from error

    async def _exchange(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """A kept connection that the other side had just closed is no failure: once more, on a new one.

        An event that arrives twice by this is one row in the lake.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                try:
                    return await self._on(connection, method, path, headers, body)
                except OSError:
                    if connection.answered:
                        raise
                    break
            connection.close()
        if self._address.tls and self._tls is None:
            self._tls = await asyncio.to_thread(verified_tls, self._config.gateway_ca)
        return await self._on(await Connection.to(self._address, self._tls), method, path, headers, body)

    async def _on(self, connection: Connection, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        answer = None
        try:
            answer = await connection.request(method, path, headers, body)
        finally:
            if answer is not None and connection.reusable and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
            else:
                connection.close()
        return answer

    async def send(self, topic: str, records: Sequence[Record]) -> None:
        """POST events of one topic and wait for their 202; raises as `Link.send` says."""
        if not self.ready.is_set():
            raise BrokerAwayError("the gateway does not answer")
        body = frame_events(records)
        if self._max_body_bytes is not None and len(body) > self._max_body_bytes:
            raise TooLargeError(f"{len(body)} bytes, the gateway takes {self._max_body_bytes}")
        headers = {"content_type": CONTENT_TYPE}
        if len(body) >= _COMPRESS_FROM_BYTES and not self._address.local:
            packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
            body = packer.compress(body) + packer.flush()
            headers["content_encoding"] = "gzip"
        try:
            judge_send(await self._ask("POST", f"{HELLO}/{topic}", body, **headers), len(records))
        except Setback as setback:
            self._give_way(topic, setback)
        self._recover(topic)

    def _give_way(self, topic: str, setback: Setback) -> None:
        """Tell, and raise what the lane is to do about it."""
        if setback.standing is Standing.TOO_LARGE:
            raise TooLargeError(setback.detail) from setback
        if setback.standing is Standing.EVENTS_REFUSED:
            self._tell(setback, topic)
            raise TopicRefusedError(f"{topic}: {setback.detail}", pause_s=setback.pause_s, told=True) from setback
        self._tell(setback)
        self.ready.clear()
        self.away = True
        self._pause_s = self._pause_after(setback)
        self._broken.set()
        raise BrokerAwayError(setback.detail) from setback

    def _pause_after(self, setback: Setback) -> float:
        """As long as the gateway asks for, else longer each time until events go through."""
        if setback.pause_s is not None:
            return setback.pause_s
        pause_s = self._growing_s
        longest_s = PERSON_NEEDED_PAUSE_S if setback.way_out else self._config.retry_max_s
        self._growing_s = min(pause_s * 2, longest_s)
        return pause_s

    def _tell(self, setback: Setback, topic: str = "") -> None:
        """Say it, unless it was said since events last went through; what one topic meets, by topic."""
        if (setback.standing, topic) not in self._told:
            self._told.add((setback.standing, topic))
            level = logging.ERROR if setback.way_out else logging.WARNING
            way_out = f". {setback.way_out}" if setback.way_out else ""
            what = f"events of {topic}" if topic else "events"
            _log.log(level, "gateway %s: %s; %s wait%s", self._url, setback.detail, what, way_out)

    def _recover(self, topic: str) -> None:
        self._growing_s = self._config.retry_delay_s
        over = {told for told in self._told if told[1] in {"", topic}}
        if over:
            self._told -= over
            _log.warning("the gateway %s takes events again", self._url)

    def _hang_up(self) -> None:
        while self._idle:
            self._idle.pop().close()
