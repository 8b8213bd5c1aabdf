"""The listener: TLS with a self-made certificate, a whole process with its ready line and sign of life, a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from rude_world import Gate, answers, rude_app
from web_world import Keys, options_of, running, until

from infra.runtime.errors import SettingError
from infra.web.access import Access
from infra.web.door import Door
from infra.web.serve import serving


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-made certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fleetpulse test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


async def test_tls_with_a_certificate_of_ones_own(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    async with running(rude_app(), tls_cert=cert, tls_key=key, header_timeout_s=2) as server:
        assert server.listening.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(cert))
        async with httpx.AsyncClient(base_url=server.listening.url, verify=trusting, timeout=60) as client:
            answer = await client.get("/open")
            assert answer.json()["secure"] is True
            assert "max-age" in answer.headers["strict-transport-security"]
        with pytest.raises(httpx.ConnectError):
            async with httpx.AsyncClient(base_url=server.listening.url, timeout=60) as stranger:
                await stranger.get("/open")
        assert not (await server.raw(b"GET /open HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200")
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", server.listening.port, ssl=old)
        writer.write(b"GET /open HTTP/1.1\r\n")  # a head that stays open is cut off here, too
        [cut] = answers(await reader.read())
        assert cut.status == 408
        writer.close()


async def test_what_cannot_be_listened_at_is_said_in_one_line(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    app, keys = rude_app(), Keys()
    async with serving(Door(app, Access(keys.directory), options_of(), name="test")) as first:
        taken = Door(app, Access(keys.directory), options_of(port=first.port), name="test")
        with pytest.raises(SettingError, match="--host and --port"):
            async with serving(taken):
                pass
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    torn = Door(app, Access(keys.directory), options_of(tls_cert=broken, tls_key=certificate[1]), name="test")
    with pytest.raises(SettingError, match="--tls-cert"):
        async with serving(torn):
            pass
    with pytest.raises(SettingError, match="both a certificate and its key"):
        options_of(tls_cert=broken)


async def test_what_is_in_flight_is_finished_at_the_end() -> None:
    gate = Gate()
    app, keys = rude_app(gate), Keys()
    door = Door(app, Access(keys.directory), options_of(), name="test")
    async with httpx.AsyncClient(timeout=60) as client:
        async with serving(door) as listening:
            held = asyncio.create_task(client.get(f"{listening.url}/held"))
            await until(lambda: gate.waiting == 1)
            asyncio.get_running_loop().call_later(0.3, gate.opened.set)
        assert (await held).text == "at last"
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{listening.url}/open")


PROCESS = """
import contextlib, sys
from collections.abc import AsyncIterator
sys.path.insert(0, {tests!r})
from infra.health import Registry
from infra.web.access import Access
from infra.web.door import Door
from infra.web.serve import Served, run_server
from rude_world import rude_app
from web_world import Keys, options_of

@contextlib.asynccontextmanager
async def build() -> AsyncIterator[Served]:
    door = Door(rude_app(), Access(Keys().directory), options_of(), name="test")
    yield Served(door, Registry("test"), "127.0.0.1:1", {{"topics": 1}})
    print("left", file=sys.stderr)

run_server(build, process="test")
"""


@contextlib.asynccontextmanager
async def _process(pulse: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    tests = str(Path(__file__).parents[3])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROCESS.format(tests=tests),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "", "FLEETPULSE_SELF_AUDIT": "false", "FLEETPULSE_PULSE_FILE": str(pulse)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.fault)])
async def test_a_process_says_where_it_listens_and_ends_cleanly(tmp_path: Path, how: signal.Signals) -> None:
    pulse = tmp_path / "pulse.json"
    async with _process(pulse) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = json.loads(await process.stdout.readline())
        assert ready == {"event": "ready", "process": "test", "port": ready["port"], "url": ready["url"], "topics": 1}
        async with httpx.AsyncClient(base_url=ready["url"], timeout=60) as client:
            assert (await client.get("/open")).status_code == 200
        await until(pulse.exists)
        process.send_signal(how)
        assert await asyncio.wait_for(process.wait(), 60) == 0
        assert (await process.stderr.read()).strip() == b"left"
        assert not pulse.exists()
