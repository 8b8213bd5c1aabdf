"""What the SDK closes is closed when its loop ends, which is at once."""

from __future__ import annotations

import asyncio
import gc
import ssl

import anonymous_tls
import pytest

from producers.sdk.http_wire import Connection


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_connection_of_tls_waits_for_no_goodbye() -> None:
    """The usual loop, as users have it: nothing closes what it leaves but the garbage collector, with a warning."""

    async def close_one() -> ssl.SSLSocket:
        reader, writer, peer = await anonymous_tls.connected()
        Connection(reader, writer, "gateway").close()
        return peer

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        peer = runner.run(close_one())
    gc.collect()
    with peer:
        peer.settimeout(60)
        assert peer.recv(1) == b"", "the end is said, not broken off"
