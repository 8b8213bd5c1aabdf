"""A connection that was closed with bytes unsent does not outlive its loop; without the tidy loop it does."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import ssl
import subprocess
import sys
import warnings
from pathlib import Path

import anonymous_tls
import anyio
import pytest
from aiokafka.conn import AIOKafkaConnection
from tidy_loop import LEFT_OPEN, TidyLoop, let_go


def _closed_unsent(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Close a connection whose peer reads nothing, end the loop; the warnings about what was left."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    async def leave() -> None:
        _, writer = await asyncio.open_connection(sock=ours)
        writer.write(bytes(4_000_000))
        writer.close()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop.run_until_complete(leave())
        loop.close()
        gc.collect()
    theirs.close()
    return [str(each.message) for each in caught if "unclosed transport" in str(each.message)]


def test_what_was_closed_goes_with_its_loop() -> None:
    assert _closed_unsent(TidyLoop()) == []


def test_the_usual_loop_leaves_it_to_the_collector() -> None:
    assert len(_closed_unsent(asyncio.SelectorEventLoop())) == 1


def _closed_without_a_goodbye(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Close a connection of TLS whose peer does not answer that, end the loop; the warnings about what was left."""

    async def leave() -> ssl.SSLSocket:
        _, writer, peer = await anonymous_tls.connected()
        writer.close()
        return peer

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        peer = loop.run_until_complete(leave())
        loop.close()
        gc.collect()
    peer.close()
    return [str(each.message) for each in caught if each.category is ResourceWarning]


def test_tls_whose_peer_says_no_goodbye_goes_with_its_loop() -> None:
    assert _closed_without_a_goodbye(TidyLoop()) == []
    assert not LEFT_OPEN
    left = _closed_without_a_goodbye(asyncio.SelectorEventLoop())
    assert any("unclosed transport <_SelectorSocketTransport" in each for each in left), left


def test_the_output_of_a_process_that_has_ended_goes_with_its_loop() -> None:
    """Its child holds that open. The usual loop leaves it to the collector, whose attempt to close it raises."""

    async def run() -> int:
        command = "sleep 60 & echo $!"
        process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        child = int(await process.stdout.readline())
        while process.returncode is None:  # noqa: ASYNC110  # `wait` may wait for the child, too
            await asyncio.sleep(0.01)
        return child

    loop = TidyLoop()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        child = loop.run_until_complete(run())
        loop.close()
        gc.collect()
    os.kill(child, signal.SIGKILL)
    assert not caught


def test_what_a_server_accepted_goes_with_its_loop() -> None:
    """The loop ends between a connection and its handler, which is cancelled as whoever ends a loop does with all."""
    loop = TidyLoop()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    def handlers() -> list[asyncio.Task[object]]:
        return [task for task in asyncio.all_tasks() if "handle" in repr(task.get_coro())]

    async def connect() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        peer.connect(server.sockets[0].getsockname())
        while not (begun := handlers()):  # noqa: ASYNC110  # the first moment at which it is there
            await asyncio.sleep(0)
        begun[0].cancel()
        server.close()
        await asyncio.wait(begun)

    with socket.socket() as peer:
        loop.run_until_complete(connect())
        loop.close()
        peer.settimeout(10)
        assert peer.recv(1) == b""


@pytest.mark.parametrize("ending", ["cancelled", "server closed"])
def test_what_a_server_accepted_without_a_transport_goes_with_its_loop(ending: str) -> None:
    """The loop, or the server, ends between a connection and the task that was to make a transport of it."""
    loop = TidyLoop()

    def accepting() -> list[asyncio.Task[object]]:
        return [task for task in asyncio.all_tasks() if "_accept_connection2" in repr(task.get_coro())]

    async def connect() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        peer.connect(server.sockets[0].getsockname())
        while not (begun := accepting()):  # noqa: ASYNC110  # the first moment at which it is there
            await asyncio.sleep(0)
        if ending == "cancelled":
            begun[0].cancel()
        server.close()
        await asyncio.wait(begun)

    with socket.socket() as peer:
        loop.run_until_complete(connect())
        loop.close()
        gc.collect()
        peer.settimeout(10)
        assert peer.recv(1) == b""


def test_what_nobody_closed_is_closed_and_named() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    loop = TidyLoop()

    kept = loop.run_until_complete(asyncio.open_connection(sock=ours))
    loop.close()
    del kept
    gc.collect()
    assert theirs.recv(1) == b""
    theirs.close()
    assert "asyncio.streams.StreamReaderProtocol" in LEFT_OPEN.pop()


class _Unasked(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka ships no usable types
    """One that believes its peer without asking which versions it speaks."""

    async def _do_version_lookup(self) -> None:
        self._versions: dict[int, tuple[int, int]] = {}


@pytest.mark.parametrize("taken_over", [False, True])
def test_of_aiokafkas_connections_those_that_no_client_took_over_are_closed(taken_over: bool) -> None:
    loop = TidyLoop()

    async def connect(port: int) -> AIOKafkaConnection:
        connection = _Unasked("127.0.0.1", port, on_close=(lambda *_: None) if taken_over else None)
        await connection.connect()
        return connection

    async def close(connection: AIOKafkaConnection) -> None:
        await connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = loop.run_until_complete(connect(server.getsockname()[1]))
        let_go(loop)
        assert connection.connected() == taken_over
        assert ["AIOKafkaProtocol" in each for each in LEFT_OPEN] == [True] * taken_over
        LEFT_OPEN.clear()
        if taken_over:
            loop.run_until_complete(close(connection))
        loop.close()


@pytest.mark.parametrize("taken_over", [False, True])
def test_the_collector_closes_them_before_their_loop_ends(taken_over: bool) -> None:
    loop = TidyLoop()

    async def forget(port: int) -> None:
        await _Unasked("127.0.0.1", port, on_close=(lambda *_: None) if taken_over else None).connect()

    with socket.create_server(("127.0.0.1", 0)) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop.run_until_complete(forget(server.getsockname()[1]))
        gc.collect()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    assert ["Unclosed AIOKafkaConnection" in str(each.message) for each in caught] == [True] * taken_over


def _forgotten_by_anyio(loop: asyncio.AbstractEventLoop) -> list[str]:
    with socket.create_server(("127.0.0.1", 0)) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kept = [loop.run_until_complete(anyio.connect_tcp("127.0.0.1", server.getsockname()[1]))]
        loop.close()
        kept.clear()
        gc.collect()
    return [str(each.message) for each in caught if "unclosed transport" in str(each.message)]


def test_a_connection_that_httpx_forgets_goes_with_its_loop() -> None:
    assert _forgotten_by_anyio(TidyLoop()) == []
    assert len(_forgotten_by_anyio(asyncio.SelectorEventLoop())) == 1


def test_the_summary_names_the_test_that_left_one(tmp_path: Path) -> None:
    (tmp_path / "test_forgetful.py").write_text(
        "import asyncio, socket\n"
        "async def test_forgets():\n"
        "    ours, theirs = socket.socketpair()\n"
        "    ours.setblocking(False)\n"
        "    test_forgets.kept = theirs, await asyncio.open_connection(sock=ours)\n"
    )
    tests = Path(__file__).parents[1]
    options = ["-p", "conftest", "-p", "no:cacheprovider", "-c", str(tests.parent / "pyproject.toml")]
    said = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(tests.parent), str(tmp_path)],
        env={name: value for name, value in os.environ.items() if "PYTEST" not in name} | {"PYTHONPATH": str(tests)},
        cwd=tests.parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "test_forgetful.py::test_forgets" in said
    assert "LeftOpenWarning: asyncio.streams.StreamReaderProtocol" in said


def test_everybody_gets_such_loops() -> None:
    loop = asyncio.new_event_loop()
    assert isinstance(loop, TidyLoop)
    loop.close()
