"""`fleetpulse bench NAME`: benchmarks are entry points of group `fleetpulse.benches`, `main(json_output)`."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import Annotated

import typer

GROUP = "fleetpulse.benches"
app = typer.Typer(
    no_args_is_help=True, help="Measure this system beside its peers.  Example:  fleetpulse bench streams --json"
)


def _make(name: str, what: str) -> None:
    def bench(
        as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of a table")] = False,
    ) -> None:
        found = [entry for entry in entry_points(group=GROUP) if entry.name == name]
        if not found:
            from infra.runtime.errors import FleetpulseError

            raise FleetpulseError(f"the benchmark {name} is not installed", way_out="Install again: make install")
        found[0].load()(as_json)
        sys.stdout.flush()

    bench.__doc__ = f"{what}\n\nExample:  fleetpulse bench {name} --json"
    app.command(name)(bench)


_make("streams", "The stream worker against stock Faust, a loop written by hand, and the bare consumer, on one topic.")
_make("lake", "The lake writer against a loop written by hand, and bytes an event before and after compaction.")
_make("reporter", "What a call of the Reporter costs its host.")
_make("sdk", "Import time, memory and processor time of an AgentReporter at 10 events/s, over Kafka and over HTTP.")
_make("rules", "What judging rules adds to the stream worker's work, by kind of rule.")
_make("anomaly", "The anomaly operator on 160,000 series, beside plain NumPy.")
_make(
    "alerts", "From an event by rules, alert manager and notifier to a webhook: alerts a second, and how long it takes."
)
_make("notify", "The notifier: alerts a second to a webhook, one by one and grouped, and how long each takes.")
_make("whole", "The whole system for 60 s at 30,000 events/s, and alert latency at 1,000 events/s.")
_make("policies", "What ten governance policies cost over an answer of 2,000 characters.")
_make(
    "api", "Gateway and query API under wrk while the pipeline runs, beside an app that does nothing; SDK and policies."
)
_make(
    "dashboard",
    "The dashboard in a real browser: first paint, page changes, broker to screen, 100 viewers, 100,000 agents.",
)
