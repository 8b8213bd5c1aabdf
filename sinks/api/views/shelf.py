"""Every saved view, in memory, from a compacted topic: each API process follows it, none keeps anything of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection

from aiokafka.errors import KafkaError
from pydantic import ValidationError

from infra.access.topic import BegunAnewError, reading, write
from infra.runtime.errors import FleetpulseError
from infra.runtime.logs import get_logger
from schemas.catalogue import SAVED_VIEWS
from sinks.api.views.models import View

MOST_OF_ONE, MOST_OF_TENANT, MOST = 200, 2_000, 50_000
_MAX_BYTES = 64 * 1024
_AGAIN_S = 2.0
_log = get_logger("views")


class FullError(FleetpulseError):
    """No more views can be kept."""


class Shelf:
    """`ready`: whether all was read that there was. What this process writes it knows at once, others in a second."""

    def __init__(self, bootstrap: str, topic: str = SAVED_VIEWS) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._views: dict[str, View] = {}
        self._being_read: dict[str, View] | None = None
        """What the topic has as it is read from its beginning; it takes the place of what was known once it is whole,
        since of what was deleted long ago the topic says nothing."""
        self.ready = asyncio.Event()

    def take(self, key: str, value: bytes | None) -> None:
        """One record, known from now on; what is no view is left out."""
        _take(self._views, key, value)
        if self._being_read is not None:
            _take(self._being_read, key, value)

    def seen(self, tenant: str | None, owners: Collection[str]) -> list[View]:
        """What somebody of `tenant` sees who is `owners`: their own, and what is shared; by name."""
        found = [v for v in self._views.values() if v.tenant == tenant and (v.shared or v.owner in owners)]
        return sorted(found, key=lambda view: (view.name.casefold(), view.id))

    def one(self, view_id: str, tenant: str | None, owners: Collection[str]) -> View | None:
        """One of them."""
        view = self._views.get(view_id)
        return view if view is not None and view.tenant == tenant and (view.shared or view.owner in owners) else None

    async def put(self, view: View) -> None:
        """Keep a view, in place of an older one of its id. Raises `FullError`, `KafkaError`, `FleetpulseError`."""
        if view.id not in self._views:
            self._check_room(view)
        value = view.model_dump_json().encode()
        await write(self._bootstrap, {view.id: value}, self._topic)
        self.take(view.id, value)

    async def remove(self, view_id: str) -> None:
        """Keep a view no longer. Raises `KafkaError`, `FleetpulseError`."""
        await write(self._bootstrap, {view_id: None}, self._topic)
        self.take(view_id, None)

    def _check_room(self, view: View) -> None:
        of_tenant = [each for each in self._views.values() if each.tenant == view.tenant]
        of_one = Counter(each.owner for each in of_tenant)[view.owner]
        if of_one >= MOST_OF_ONE or len(of_tenant) >= MOST_OF_TENANT or len(self._views) >= MOST:
            raise FullError("there are too many saved views already", way_out="Delete some that nobody needs")

    async def run(self) -> None:
        """Follow the topic, until cancelled; while it cannot be read what is known stays known."""
        away = False
        while True:
            try:
                await self._read()
            except BegunAnewError:
                continue
            except (KafkaError, OSError, TimeoutError, FleetpulseError) as error:
                if not away:
                    _log.warning("saved views cannot be read and are tried again, quietly", error=str(error))
                away = True
            await asyncio.sleep(_AGAIN_S)

    async def _read(self) -> None:
        async with reading(self._bootstrap, self._topic) as reader:
            self._being_read = {}
            while True:
                if self._being_read is not None and await reader.caught_up():
                    self._views, self._being_read = self._being_read, None
                    self.ready.set()
                for key, value in await reader.poll():
                    _take(self._views if self._being_read is None else self._being_read, key, value)


def _take(views: dict[str, View], key: str, value: bytes | None) -> None:
    if value is None:
        views.pop(key, None)
    elif why := _refused(views, key, value):
        _log.warning("a saved view is not taken", key=key[:64], why=why)


def _refused(views: dict[str, View], key: str, value: bytes) -> str:
    """Take a view in; why not, where it is not."""
    if len(value) > _MAX_BYTES or (key not in views and len(views) >= MOST):
        return "there are too many, or it is too long"
    try:
        view = View.model_validate_json(value)
    except ValidationError as error:
        return f"{error.error_count()} mistakes"
    if view.id != key:
        return "not under its own key"
    views[key] = view
    return ""
