"""The server's secret: all gateways and APIs of a fleet, and `fleetpulse keys`, must have the same."""

from __future__ import annotations

import ipaddress
import os
import secrets
import stat
from pathlib import Path

from infra.access.settings import load_access_settings
from infra.runtime.errors import SettingError

SETTING = "FLEETPULSE_SECRET"
SHORTEST = 32
"""Bytes of a secret that people choose."""
_BYTES = 32
_NAME = "secret"


def server_secret(data_dir: Path, bootstrap: str) -> bytes:
    """FLEETPULSE_SECRET, else what `data_dir`/secret holds (0600); that is made where the broker is a local one.

    Raises `SettingError` where it is too short, unreadable, readable by others, or missing beside a broker elsewhere.
    """
    given = load_access_settings().secret.get_secret_value()
    if given:
        return _long_enough(given.encode(), SETTING)
    path = data_dir / _NAME
    try:
        return _from_file(path, local=is_local(bootstrap))
    except OSError as error:
        raise SettingError(f"the server's secret in {path} cannot be used: {error}", setting=SETTING) from error


def is_local(bootstrap: str) -> bool:
    """Whether all brokers of HOST:PORT[,HOST:PORT] are on this machine, as far as their names tell."""
    return all(_is_here(address.rpartition(":")[0].strip("[] ")) for address in bootstrap.split(","))


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _long_enough(secret: bytes, setting: str) -> bytes:
    if len(secret) < SHORTEST:
        raise SettingError(
            f"the server's secret is shorter than {SHORTEST} bytes",
            setting=setting,
            way_out="Make one: python -c 'import secrets; print(secrets.token_hex())'",
        )
    return secret


def _from_file(path: Path, *, local: bool) -> bytes:
    if not path.exists():
        if not local:
            raise SettingError(
                "the server's secret is missing, and one made here would fit no key of the fleet",
                setting=SETTING,
                way_out=f"Set it to the secret of the other gateways, or put that into {path} (chmod 600)",
            )
        _make(path)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingError(
            f"others may read the server's secret in {path}", setting=SETTING, way_out=f"chmod 600 {path}"
        )
    return _long_enough(path.read_bytes().strip(), str(path))


def _make(path: Path) -> None:
    """Two who make it at once agree: who is second finds the file of the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{_NAME}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
        path.hardlink_to(own)
    except FileExistsError:
        pass  # somebody was quicker
    finally:
        own.unlink(missing_ok=True)
