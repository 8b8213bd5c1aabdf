"""Answers for a terminal. Names and texts come from agents: they are shown as text, whatever they hold."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import datetime

from rich.box import SQUARE
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from infra.runtime.text import printable
from sinks.trust.answer import AgentAnswer, Factor, GroupAnswer
from sinks.trust.moved import Mover
from sinks.trust.read import Score

_BARS = "▁▂▃▄▅▆▇█"
_UNITS = {"compliance": "checks", "reliability": "requests", "liveness": "beats", "behaviour": "values"}
_LONGEST_TEXT = 120


def _safe(text: str | None) -> Text:
    shown = printable(text or "")
    return Text(shown if len(shown) <= _LONGEST_TEXT else shown[: _LONGEST_TEXT - 1] + "…")


def sparkline(values: Iterable[float]) -> str:
    """Values 0 to 1 as bars: the scale is fixed, so that a fall looks like one."""
    return "".join(_BARS[min(int(max(value, 0.0) * len(_BARS)), len(_BARS) - 1)] for value in values)


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _rendered(*parts: RenderableType) -> str:
    text = io.StringIO()
    Console(file=text, width=160, color_system=None, highlight=False, markup=False).print(Group(*parts))
    return text.getvalue()


def show_agent(answer: AgentAnswer) -> str:
    """Score, bound, factors with their evidence, trend, and the events that moved it most."""
    score = answer.score
    bound = "" if answer.bound is None else f", bound {answer.bound:.3f}"
    lines = [
        Text.assemble(_safe(score.agent_id), f": trust {score.trust:.3f}{bound}, p {score.p:.3f}, n {score.n:,.1f}"),
        Text.assemble(
            f"model {score.model}, {score.violations:,} violations, as of {_moment(score.at)} UTC, tenant ",
            _safe(score.user_id), ", deployment ", _safe(score.deployment_id or "-"),
        ),
    ]  # fmt: skip
    if answer.trend:
        values = [trust for _, trust in answer.trend]
        low, high = min(values), max(values)
        lines.append(Text(f"trend {sparkline(values)}  from {_moment(answer.trend[0][0])}, {low:.3f} to {high:.3f}"))
    return _rendered(*lines, _factor_table(answer.factors), *_mover_parts(answer.movers, with_agent=False))


def _factor_table(factors: dict[str, Factor]) -> Table:
    table = Table(box=SQUARE)
    table.add_column("factor")
    for name in ("share", "effect", "good", "bad"):
        table.add_column(name, justify="right")
    table.add_column("counted in")
    for name, factor in factors.items():
        share = "no evidence" if factor.value is None else f"{factor.value:.4f}"
        effect = "" if factor.effect is None else f"× {factor.effect:.3f}"
        found = factor.evidence
        counts = ["", ""] if found is None else [f"{found.good:,.1f}", f"{found.bad:,.1f}"]
        table.add_row(name, share, effect, *counts, _UNITS[name])
    return table


def _mover_parts(movers: list[Mover], *, with_agent: bool) -> list[RenderableType]:
    if not movers:
        return [Text("no event of this time lowered it")]
    table = Table(box=SQUARE)
    table.add_column("time (UTC)")
    if with_agent:
        table.add_column("agent", overflow="fold")
    table.add_column("event")
    table.add_column("trust", justify="right")
    table.add_column("weighs", justify="right")
    table.add_column("what", overflow="fold")
    for mover in movers:
        delta = "" if mover.delta is None else f"{mover.delta:+.3f}"
        who = [_safe(mover.agent_id)] if with_agent else []
        table.add_row(
            _moment(mover.at), *who, mover.kind, delta, f"{mover.weight:,.1f} {mover.unit}", _safe(mover.text)
        )
    return [Text("events that moved it most:"), table]


def show_group(answer: GroupAnswer) -> str:
    """Mean, pooled score and factors of a group, its lowest agents, and its heaviest violations."""
    mean = "no score yet" if answer.mean is None else f"mean trust {answer.mean:.3f}"
    parts: list[RenderableType] = [
        Text.assemble(f"{answer.kind} ", _safe(answer.name), f": {answer.agents:,} agents, {mean}")
        if answer.name
        else Text(f"{answer.kind}: {answer.agents:,} agents, {mean}")
    ]
    if answer.pooled is not None:
        bound, p, n = answer.pooled
        parts.append(Text(f"all evidence together: bound {bound:.3f}, p {p:.3f}, n {n:,.1f}"))
        parts.append(Text("mean of factors: " + ", ".join(f"{k} {v:.3f}" for k, v in answer.factors.items())))
    if answer.lowest:
        parts.append(_lowest_table(answer.lowest))
    if answer.pooled is not None:
        parts += _mover_parts(answer.movers, with_agent=True)
    return _rendered(*parts)


def _lowest_table(scores: list[Score]) -> Table:
    table = Table(box=SQUARE, title="lowest", title_justify="left")
    for name in ("agent", "tenant", "deployment"):
        table.add_column(name, overflow="fold")
    for name in ("trust", "p", "n", "violations"):
        table.add_column(name, justify="right")
    table.add_column("as of (UTC)")
    for score in scores:
        table.add_row(
            _safe(score.agent_id), _safe(score.user_id), _safe(score.deployment_id), f"{score.trust:.3f}",
            f"{score.p:.3f}", f"{score.n:,.1f}", f"{score.violations:,}", _moment(score.at),
        )  # fmt: skip
    return table
