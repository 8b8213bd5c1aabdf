"""`fleetpulse api`."""

from __future__ import annotations

from pathlib import Path
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

PREFIX = "FLEETPULSE_API_"
DEFAULT_PORT = 8080


def api(
    bootstrap: Annotated[
        str | None, typer.Option(help="HOST:PORT of the brokers; default FLEETPULSE_BOOTSTRAP")
    ] = None,
    lake: Annotated[
        Path | None, typer.Option(help="folder of the lake; default FLEETPULSE_LAKE or DATA_DIR/lake")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="folder of the server's secret; default FLEETPULSE_DATA_DIR")
    ] = None,
    rules: Annotated[Path | None, typer.Option(help="file of alert rules that POST /alerts may replace")] = None,
    agents_file: Annotated[
        Path | None, typer.Option(help="labels and places of agents; default DATA_DIR/agents.yaml, where there is one")
    ] = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard/--no-dashboard", envvar=f"{PREFIX}DASHBOARD", help="serve the pages at /ui/")
    ] = True,
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
    """Answer questions about the fleet over HTTP: the latest from memory, history from the lake. Runs until Ctrl-C.

    Example:  fleetpulse api --bootstrap 127.0.0.1:9092 --lake ./lake --port 8080
    """
    import os

    from infra.runtime.logs import configure_logs
    from infra.runtime.settings import load_settings
    from infra.runtime.trust_settings import load_trust_settings
    from infra.runtime.which_broker import require_named
    from infra.web.options import load_options
    from infra.web.serve import run_server
    from sinks.api.labels.file import named_agents_file
    from sinks.api.service import ApiConfig
    from sinks.api.service import api as serving_api

    settings = load_settings(bootstrap=bootstrap, data_dir=data_dir, lake=lake)
    require_named(settings)
    configure_logs(settings.log_level, settings.log_format, "api")
    if port is None and f"{PREFIX}PORT" not in os.environ:
        port = DEFAULT_PORT
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
    config = ApiConfig(
        settings.bootstrap,
        settings.data_dir,
        settings.lake_dir,
        web,
        load_trust_settings(),
        rules,
        named_agents_file(agents_file, settings.data_dir),
        dashboard=dashboard,
    )
    run_server(lambda: serving_api(config), process="api")
