"""`fleetpulse alerts serve`; part of the group by entry point."""

from __future__ import annotations

from streams.manager.ask.cli import Bootstrap, run_asked


def serve_alerts(bootstrap: Bootstrap = None) -> None:
    """For programs: requests such as {"id": 1, "do": "list"} and answers, a line each, over standard input and output,
    which must be pipes; and every change as it comes. Ends when standard input does.

    Example:  fleetpulse alerts serve --bootstrap 127.0.0.1:9092
    """
    from infra.runtime.logs import configure_logs  # noqa: PLC0415  # --help stays quick
    from infra.runtime.settings import load_settings  # noqa: PLC0415  # --help stays quick
    from streams.manager.ask.connect import bootstrap_of  # noqa: PLC0415  # --help stays quick
    from streams.manager.ask.serve import serve  # noqa: PLC0415  # --help stays quick

    settings = load_settings(bootstrap=bootstrap)
    configure_logs(settings.log_level, settings.log_format, "alerts")
    run_asked(serve(bootstrap_of(bootstrap)))
