"""`fleetpulse alerts`; `history` comes from the lake's side, by entry point."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from streams.manager.ask.act import Order, Outcome
    from streams.manager.ask.picture import Picture

T = TypeVar("T")
PIPE_WIDTH = 200
app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="What fires now, who knows, and what to do about it.  Example:  fleetpulse alerts list",
)

Bootstrap = Annotated[
    str | None, typer.Option(help="HOST:PORT of the brokers; default FLEETPULSE_BOOTSTRAP, else that of DATA_DIR")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text")]
By = Annotated[str | None, typer.Option(help="who says so; default: your user name")]
Comment = Annotated[str, typer.Option(help="why, for the others")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="wait until the alert manager has done it")]
Timeout = Annotated[str, typer.Option(help="how long to wait")]
Fingerprints = Annotated[list[str], typer.Argument(help="fingerprints, or how they begin", metavar="FINGERPRINT")]


def run_asked(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, with what brokers answer as errors for people."""
    from infra.runtime import asked

    return asked.run_asked(work)


def _picture(bootstrap: str) -> Picture:
    from streams.manager.ask.picture import read_picture

    return run_asked(read_picture(bootstrap))


def _print(content: RenderableType) -> None:
    """To the terminal at its width, into a pipe wide and without colours."""
    import sys

    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False).print(content)


def _print_json(content: object) -> None:
    import json

    typer.echo(json.dumps(content, indent=2))


def _warn(text: str | None) -> None:
    if text:
        typer.echo(f"fleetpulse: {text}", err=True)


def _order(bootstrap: str | None, by: str | None, comment: str, wait: bool, timeout: str) -> Order:
    import getpass

    from infra.runtime.durations import parse_duration_s
    from streams.manager.ask.act import Order
    from streams.manager.ask.connect import bootstrap_of

    within_s = parse_duration_s(timeout, "--timeout") if wait else None
    try:
        actor = by or getpass.getuser()
    except (OSError, KeyError):
        actor = "somebody"
    return Order(bootstrap_of(bootstrap), actor, comment, within_s)


def _end(outcome: Outcome, order: Order) -> None:
    """Say what did not go well; then the exit code is 1."""
    from streams.manager.ask.picture import WAY_OUT

    for each in outcome.refused:
        _warn(f"the alert manager did not do it: {each}")
    if outcome.taken is False:
        _warn(
            f"sent, but no alert manager took it up within {order.within_s:g} s: none seems to be running. It is kept, "
            f"and done once one is. {WAY_OUT}"
        )
    if not outcome.is_well:
        raise typer.Exit(1)


@app.command("list")
def list_alerts(
    matchers: Annotated[
        list[str] | None, typer.Argument(help="only what fits: name=cpu_high 'host=~web-.*'", metavar="MATCHER")
    ] = None,
    severity: Annotated[str | None, typer.Option(help="info, warning or critical; * and ? fit any text")] = None,
    agent: Annotated[str | None, typer.Option(help="an agent, or a pattern such as 'web-*'")] = None,
    name: Annotated[str | None, typer.Option(help="an alert's name, or a pattern")] = None,
    label: Annotated[list[str] | None, typer.Option(help="the same as a matcher: host=web-1")] = None,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="also what is suppressed, members of incidents, what is over of late")
    ] = False,
    top: Annotated[int, typer.Option(min=1, max=100_000, help="so many rows of the table")] = 200,
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """What fires now and what is acknowledged: the gravest and newest first.

    Example:  fleetpulse alerts list --severity critical 'deployment_id=~prod-.*'
    """
    from streams.manager.ask.choose import Wanted, choose, parse_matchers
    from streams.manager.ask.connect import bootstrap_of
    from streams.manager.ask.documents import list_json
    from streams.manager.ask.show import list_table

    wanted = Wanted(
        parse_matchers(matchers or [], "MATCHER") + parse_matchers(label or [], "--label"), severity, agent, name
    )
    picture = _picture(bootstrap_of(bootstrap))
    chosen = choose(picture.alerts, wanted, everything=everything)
    if as_json:
        _print_json(list_json(picture, chosen))
    else:
        _print(list_table(picture, chosen, top))
    _warn(picture.trouble)


@app.command("show")
def show_alert(
    fingerprint: Annotated[str, typer.Argument(help="the fingerprint, or how it begins")],
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """Everything of one alert: why, who was told when and where, members, and its course.

    Example:  fleetpulse alerts show 5f3a09c1
    """
    from streams.manager.ask.choose import find_alert
    from streams.manager.ask.connect import bootstrap_of
    from streams.manager.ask.documents import show_json
    from streams.manager.ask.show import details
    from streams.manager.ask.trail import read_trail

    where = bootstrap_of(bootstrap)
    picture = _picture(where)
    alert = find_alert(picture.alerts, fingerprint, active=False)
    trail = run_asked(read_trail(where, alert, picture.partitions))
    if as_json:
        _print_json(show_json(picture, alert, trail))
    else:
        _print(details(picture, alert, trail))
    _warn(picture.trouble)


@app.command("ack")
def acknowledge_alerts(
    fingerprints: Fingerprints,
    comment: Comment = "",
    by: By = None,
    wait: Wait = True,
    timeout: Timeout = "10s",
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """Say that you look after alerts: escalation ends, whoever was told hears of it.

    Example:  fleetpulse alerts ack 5f3a09c1 --comment "restarting it"
    """
    from streams.manager.ask.act import acknowledge

    _change_alerts(
        acknowledge, "acknowledged", fingerprints, _order(bootstrap, by, comment, wait, timeout), as_json=as_json
    )


@app.command("unack")
def unacknowledge_alerts(
    fingerprints: Fingerprints,
    comment: Comment = "",
    by: By = None,
    wait: Wait = True,
    timeout: Timeout = "10s",
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """Take an acknowledgement back: people are told again, escalation begins anew.

    Example:  fleetpulse alerts unack 5f3a09c1 --comment "not mine after all"
    """
    from streams.manager.ask.act import unacknowledge

    _change_alerts(
        unacknowledge, "unacknowledged", fingerprints, _order(bootstrap, by, comment, wait, timeout), as_json=as_json
    )


@app.command("resolve")
def resolve_alerts(
    fingerprints: Fingerprints,
    comment: Comment = "",
    by: By = None,
    wait: Wait = True,
    timeout: Timeout = "10s",
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """Declare alerts over: whoever was told hears of it. If the rule still holds, the alert comes back only once the
    rule was over and fires anew. Outages, incidents, the fleet and budgets cannot be resolved by hand: silence them.

    Example:  fleetpulse alerts resolve 5f3a09c1 --comment "decommissioned"
    """
    from streams.manager.ask.act import resolve

    _change_alerts(resolve, "resolved", fingerprints, _order(bootstrap, by, comment, wait, timeout), as_json=as_json)


@app.command("escalate")
def escalate_alerts(
    fingerprints: Fingerprints,
    comment: Comment = "",
    by: By = None,
    wait: Wait = True,
    timeout: Timeout = "10s",
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """Tell whom the next step of the alerts' route names, now instead of when it is due. An acknowledgement ends by it.

    Example:  fleetpulse alerts escalate 5f3a09c1 --comment "needs the database people"
    """
    from streams.manager.ask.act import escalate

    _change_alerts(escalate, "escalated", fingerprints, _order(bootstrap, by, comment, wait, timeout), as_json=as_json)


def _change_alerts(
    act: Callable[..., Coroutine[Any, Any, Any]], what: str, fingerprints: list[str], order: Order, *, as_json: bool
) -> None:
    """Give an order about alerts, and say what became of it; `what` is the state that it leads to."""
    found, outcome = run_asked(act(order, _picture(order.bootstrap), fingerprints))
    _tell_of_alerts(what, found, outcome, as_json=as_json)
    _end(outcome, order)


def _tell_of_alerts(what: str, alerts: list[Any], outcome: Outcome, *, as_json: bool) -> None:
    from streams.manager.ask.words import safe

    if as_json:
        _print_json({"alerts": [alert.fingerprint for alert in alerts], "done": outcome.taken and outcome.is_well})
    elif outcome.is_well:
        sent = "" if outcome.taken else " (sent, not waited for)"
        for alert in alerts:
            already = f", by {safe(alert.actor)} before" if alert.status == what else ""
            typer.echo(
                f"{what} {safe(alert.fingerprint[:8])} {safe(alert.name)} of {safe(alert.agent_id)}{already}{sent}"
            )


@app.command("silence")
def silence_alerts(
    matchers: Annotated[
        list[str], typer.Argument(help="NAME=VALUE, NAME!=VALUE, NAME=~REGEX, NAME!~REGEX; all must fit")
    ],
    for_: Annotated[str, typer.Option("--for", help="how long: 30m, 2h, 1h30m, 7d")],
    comment: Comment = "",
    by: By = None,
    wait: Wait = True,
    timeout: Timeout = "10s",
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """Keep alerts quiet for a while, those that fire and those to come. Prints the id of the silence.

    Example:  fleetpulse alerts silence name=cpu_high 'host=~web-.*' --for 2h --comment "load test"
    """
    from streams.manager.ask.act import check_silence, silence, silence_s, unknown_fields
    from streams.manager.ask.choose import parse_matchers
    from streams.manager.ask.documents import silence_json

    wanted = parse_matchers(matchers, "MATCHERS")
    check_silence(wanted)
    for_s = silence_s(for_)
    order = _order(bootstrap, by, comment, wait, timeout)
    picture = _picture(order.bootstrap)
    made, outcome = run_asked(silence(order, wanted, for_s))
    if as_json:
        _print_json(silence_json(picture, made) | {"done": outcome.taken and outcome.is_well})
    else:
        typer.echo(made.id)
        _tell_of_silence(picture, made.until_s, len(silence_json(picture, made)["alerts"]))
    for name in unknown_fields(picture, wanted):
        _warn(f"no alert that is known has the field {name}: is it misspelt? `fleetpulse alerts show` names them")
    _end(outcome, order)


def _tell_of_silence(picture: Picture, until_s: float, count: int) -> None:
    from streams.manager.ask.words import moment

    fits = f"{count:,} of {len(picture.state.active):,} alerts that fire now fit"
    typer.echo(f"until {moment(until_s)} UTC; {fits}", err=True)


@app.command("silences")
def list_silences(bootstrap: Bootstrap = None, as_json: AsJson = False) -> None:
    """The silences in force: what they keep quiet, until when, who made them and why.

    Example:  fleetpulse alerts silences
    """
    from streams.manager.ask.connect import bootstrap_of
    from streams.manager.ask.documents import manager_json, silence_json
    from streams.manager.ask.show import silences_table

    picture = _picture(bootstrap_of(bootstrap))
    if as_json:
        found = [silence_json(picture, each) for each in picture.silences]
        _print_json({"silences": found, "manager": manager_json(picture)})
    else:
        _print(silences_table(picture))
    _warn(picture.trouble)


@app.command("unsilence")
def unsilence_alerts(
    ids: Annotated[list[str], typer.Argument(help="ids of silences, or how they begin", metavar="ID")],
    by: By = None,
    wait: Wait = True,
    timeout: Timeout = "10s",
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """End silences: people are told of what still fires.

    Example:  fleetpulse alerts unsilence 5f3a09c1
    """
    from streams.manager.ask.act import unsilence
    from streams.manager.ask.words import matchers_text, safe

    order = _order(bootstrap, by, "", wait, timeout)
    picture = _picture(order.bootstrap)
    found, outcome = run_asked(unsilence(order, picture, ids))
    if as_json:
        _print_json({"silences": [each.id for each in found], "done": outcome.taken and outcome.is_well})
    elif outcome.is_well:
        for each in found:
            typer.echo(f"ended {each.id} {safe(matchers_text(each.matchers))}")
    _end(outcome, order)
