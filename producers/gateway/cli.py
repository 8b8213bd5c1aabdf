"""`fleetpulse gateway`."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.web.options import (
    CompatKeys,
    CorsOrigin,
    Host,
    MaxBody,
    Port,
    RatePerAddress,
    RatePerKey,
    RequestTimeout,
    TlsCert,
    TlsKey,
    TrustedProxy,
)

PREFIX = "FLEETPULSE_GATEWAY_"


def gateway(
    bootstrap: Annotated[
        str | None, typer.Option(help="HOST:PORT of the brokers; default FLEETPULSE_BOOTSTRAP")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="what heartbeats say they came through; default this host's name")
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="folder of the server's secret and the account; default FLEETPULSE_DATA_DIR")
    ] = None,
    host: Host = None,
    port: Port = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    cors_origin: CorsOrigin = None,
    trusted_proxy: TrustedProxy = None,
    compat_keys: CompatKeys = None,
    rate_per_key: RatePerKey = None,
    rate_per_address: RatePerAddress = None,
    max_body: MaxBody = None,
    request_timeout: RequestTimeout = None,
) -> None:
    """Take events of agents over HTTP; 202 when the broker has them. Runs until Ctrl-C.

    Example:  fleetpulse gateway --bootstrap 127.0.0.1:9092 --port 8000
    """
    import socket

    from infra.runtime.logs import configure_logs
    from infra.runtime.settings import load_settings
    from infra.runtime.which_broker import require_named
    from infra.web.options import load_options
    from infra.web.serve import run_server
    from producers.gateway.config import GatewayConfig
    from producers.gateway.service import gateway as serving_gateway

    settings = load_settings(bootstrap=bootstrap, data_dir=data_dir)
    require_named(settings)
    configure_logs(settings.log_level, settings.log_format, "gateway")
    web = load_options(
        PREFIX,
        host=host,
        port=port,
        tls_cert=tls_cert,
        tls_key=tls_key,
        cors_origin=cors_origin,
        trusted_proxy=trusted_proxy,
        compat_keys=compat_keys,
        rate_per_key=rate_per_key,
        rate_per_address=rate_per_address,
        max_body=max_body,
        request_timeout=request_timeout,
    )
    named = name or socket.gethostname()
    config = GatewayConfig(settings.bootstrap, settings.data_dir, web, settings.lake_dir, named, alone=True)
    run_server(lambda: serving_gateway(config), process="gateway")
