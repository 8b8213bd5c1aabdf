"""Options of both servers: the command line over `FLEETPULSE_GATEWAY_*` or `FLEETPULSE_API_*` over the defaults."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from infra.runtime.errors import SettingError
from infra.runtime.settings import unfit

Names = Annotated[tuple[str, ...], NoDecode]


class WebOptions(BaseSettings):
    """What both servers can be told. Sizes in bytes, times in seconds, rates in requests a second."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    host: str = Field(default="127.0.0.1", description="address to listen at")
    port: int = Field(default=8000, ge=0, le=65_535, description="port to listen at; 0: a free one")
    tls_cert: Path | None = Field(default=None, description="certificate chain, PEM")
    tls_key: Path | None = Field(default=None, description="its private key, PEM")
    cors_origins: Names = Field(default=(), description="origins of web pages that may call, e.g. https://ops.example")
    trusted_proxies: Names = Field(default=(), description="addresses or networks whose X-Forwarded-* is believed")
    compat_keys: bool = Field(default=False, description="take guessable promethios_* keys from loopback")
    rate_per_key: float = Field(default=10_000, gt=0, description="requests a second of one key")
    rate_per_address: float = Field(default=20_000, gt=0, description="requests a second of one address")
    max_body_bytes: int = Field(default=16 << 20, ge=1024, le=1 << 30, description="of a body, also when unpacked")
    request_timeout_s: float = Field(default=30.0, gt=0, description="to read a body, and again to answer it")
    header_timeout_s: float = Field(default=10.0, gt=0, description="to send a request's head")
    keep_alive_s: float = Field(default=65.0, ge=1, description="a connection without request stays open")
    max_in_flight: int = Field(default=512, ge=1, description="requests handled at once; more are answered 503")
    max_buffered_bytes: int = Field(default=256 << 20, ge=1024, description="of all bodies in memory at once")
    max_connections: int = Field(default=2_000, ge=1, description="open at once; more are closed")
    max_connections_per_address: int = Field(default=1_000, ge=1, description="open at once from one address")

    @field_validator("cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        return tuple(filter(None, map(str.strip, given.split(",")))) if isinstance(given, str) else given

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for each in given:
            if each == "*" or "://" not in each or each.endswith("/"):
                raise ValueError("an origin is SCHEME://HOST[:PORT], each named; * is not taken")
        return given

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for each in given:
            ipaddress.ip_network(each, strict=False)
        return given

    @property
    def secure(self) -> bool:
        """Whether the listener speaks TLS."""
        return self.tls_cert is not None


def load_options(prefix: str, **given: Any) -> WebOptions:  # noqa: ANN401  # options of a command line
    """Options under an environment prefix such as FLEETPULSE_GATEWAY_; keyword arguments that are not None win.

    `max_body`, `request_timeout`, `cors_origin` and `trusted_proxy` are taken for the fields that they set; empty lists
    count as None. Raises `SettingError` with the name of what does not fit.
    """
    named = {_FIELDS.get(name, name): value for name, value in given.items() if value is not None and value != []}
    try:
        options = WebOptions(_env_prefix=prefix, **named)  # type: ignore[call-arg]  # pydantic-settings' own argument
    except ValidationError as error:
        raise unfit(error, prefix) from error
    if (options.tls_cert is None) != (options.tls_key is None):
        raise SettingError("TLS needs both a certificate and its key", setting="--tls-cert and --tls-key")
    return options


_FIELDS = {
    "max_body": "max_body_bytes",
    "request_timeout": "request_timeout_s",
    "cors_origin": "cors_origins",
    "trusted_proxy": "trusted_proxies",
}

Host = Annotated[str | None, typer.Option("--host", help="address to listen at; default 127.0.0.1")]
Port = Annotated[int | None, typer.Option("--port", help="port to listen at; 0: a free one, told in the ready line")]
TlsCert = Annotated[Path | None, typer.Option("--tls-cert", help="certificate chain, PEM; needs --tls-key")]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="private key, PEM")]
CorsOrigin = Annotated[
    list[str] | None, typer.Option("--cors-origin", help="origin of web pages that may call; again for more")
]
TrustedProxy = Annotated[
    list[str] | None,
    typer.Option("--trusted-proxy", help="address or network whose X-Forwarded-* is believed; again for more"),
]
CompatKeys = Annotated[
    bool | None,
    typer.Option("--compat-keys/--no-compat-keys", help="take guessable promethios_* keys, from loopback only"),
]
RatePerKey = Annotated[float | None, typer.Option("--rate-per-key", help="requests a second of one key; default 10000")]
RatePerAddress = Annotated[
    float | None, typer.Option("--rate-per-address", help="requests a second of one address; default 20000")
]
MaxBody = Annotated[
    int | None, typer.Option("--max-body", help="bytes of a body, also when unpacked; default 16777216")
]
RequestTimeout = Annotated[
    float | None, typer.Option("--request-timeout", help="seconds to read a body, and again to answer; default 30")
]
