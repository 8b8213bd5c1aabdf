"""A Faust schema that hands the batch through untouched: decoding is columnar and happens in the operators' thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import faust


class BatchSchema(faust.Schema):  # type: ignore[misc]  # Faust ships no usable types
    """The value of an event is the `Batch` of the message; there is no key."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[Any]]:  # noqa: ANN401  # Faust's own signature
        """The decode function that Faust calls for every message."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ANN401  # Faust's own signature
            del propagate
            return create_event(None, message.value, message.headers, message)

        return decode
