"""Latencies against an agent's own baseline: the `high_latency` of the silent failures.

The limit is a prediction bound for the next logarithm of a latency: Student's t with the degrees of freedom that were
seen, on a spread to which a prior lends `latency_prior_count` observations (the posterior predictive of a normal with a
scaled inverse chi-squared prior on its variance: Gelman et al., Bayesian Data Analysis, 3.3). It widens by itself while
little is known, so that neither luck nor youth makes an alarm. docs/adr/0029 has the figures.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from streams.operators.silent_model import AgentState, Baseline, Event, Finding, SilentConfig, finding_of

_RATE = 0.01
"""Of learning, once more than a hundred latencies are known."""
_FADE = 0.998
"""Of what was highest, with each latency: half in about 350."""
_MEMORY = 2 / _RATE - 1
"""Observations that the decayed mean and variance are worth."""
_ALIKE = 4.0
"""Standard errors by which tools that are alike may differ."""
_WIDEST = 4.0
"""Standard deviations within which a latency is learned from as it is."""


def judge_latency(config: SilentConfig, agent: AgentState, event: Event, what: str) -> list[Finding]:
    """Compare with the agent's baseline for this tool, or for all tools as long as this one is new; then learn."""
    latency_ms = event.latency_ms
    if latency_ms is None or not math.isfinite(latency_ms) or latency_ms <= 0:
        return []
    log_ms = math.log(latency_ms)
    findings: list[Finding] = []
    names = _names(config, agent, event, what)
    if (limit_ms := _exceeded_ms(config, agent, names, log_ms)) is not None:
        findings = [finding_of("high_latency", agent, event, event.call or event.run, event.t, latency_ms, limit_ms)]
    for name in names:
        if (known := agent["latency"].get(name)) is None:
            known = agent["latency"][name] = Baseline(mean=0.0, variance=0.0, count=0, highest=0.0, second=0.0)
        _learn(config, known, log_ms)
    return findings


def _names(config: SilentConfig, agent: AgentState, event: Event, what: str) -> list[str]:
    """The baselines that an event belongs to, its own first; tools beyond `most_tools` have none of their own."""
    if event.tool is None:
        return [what]
    own = f"{what}:{event.tool}"
    new = own not in agent["latency"]
    return [what] if new and len(agent["latency"]) >= config.most_tools else [own, what]


def _exceeded_ms(config: SilentConfig, agent: AgentState, names: list[str], log_ms: float) -> float | None:
    """The limit that a latency is above, if it is."""
    means = [known["mean"] for name in names if (known := agent["latency"].get(name))]
    if not means or log_ms - min(means) <= math.log(config.latency_ratio):  # nearly always
        return None
    judging = _judging(config, agent, names)
    if judging is None:
        return None
    mean = judging.known["mean"]
    limit_ms = max(math.exp(mean + _reach(config, judging)), math.exp(mean) + config.latency_least_ms)
    return limit_ms if math.exp(log_ms) > limit_ms else None


class _Judging(NamedTuple):
    """What to judge by: a baseline, the observations that it is worth, the spread to expect beforehand."""

    known: Baseline
    seen: float
    prior: float


def _judging(config: SilentConfig, agent: AgentState, names: list[str]) -> _Judging | None:
    """None: too little is known.

    An agent's tools are judged together as long as they are alike, because more is known of all than of each; then one
    that was never seen can be judged, too, if enough others say that tools do not differ. Else each stands for itself,
    and the others lend it their spread.
    """
    own, pool = agent["latency"].get(names[0]), agent["latency"].get(names[-1])
    if pool is None or pool["count"] < config.latency_least_calls:
        return None
    tools = _tools(agent)
    within = _within(config, tools)
    alike = own is pool or _alike(pool, tools, within)
    if own is None:
        enough = alike and len(tools) >= config.latency_least_tools
        return _Judging(pool, len(tools), config.latency_prior_spread) if enough else None
    if alike:
        return _Judging(pool, min(pool["count"], _MEMORY), config.latency_prior_spread)
    enough = own["count"] >= config.latency_least_calls
    return _Judging(own, min(own["count"], _MEMORY), within) if enough else None


def _tools(agent: AgentState) -> list[Baseline]:
    return [known for name, known in agent["latency"].items() if name.startswith("tool:")]


def _alike(pool: Baseline, tools: list[Baseline], within: float) -> bool:
    """Whether the mean of each tool lies as near that of all as it does by chance."""
    return all(
        abs(tool["mean"] - pool["mean"]) <= _ALIKE * within / math.sqrt(min(tool["count"], _MEMORY)) for tool in tools
    )


def _within(config: SilentConfig, tools: list[Baseline]) -> float:
    """The standard deviation of the logarithms of one tool's latencies, the mean of all tools."""
    prior, count = config.latency_prior_spread, config.latency_prior_count
    seen = sum(tool["count"] for tool in tools)
    squares = count * prior * prior + sum(tool["count"] * tool["variance"] for tool in tools)
    return math.sqrt(squares / (count + seen - len(tools)))


def _reach(config: SilentConfig, judging: _Judging) -> float:
    """How far above the mean the logarithm of a latency may be: by chance, by the least ratio, by what is habit."""
    known, seen, prior = judging
    freedom = config.latency_prior_count + seen - 1
    spread = _spread(config, known, seen, prior) * math.sqrt(1 + 1 / seen)
    habit = known.get("second", 0.0) + math.log(config.latency_habit)
    return max(_student(config.latency_z, freedom) * spread, math.log(config.latency_ratio), habit)


def _spread(config: SilentConfig, known: Baseline, seen: float, prior: float) -> float:
    count = config.latency_prior_count
    return math.sqrt((count * prior * prior + seen * known["variance"]) / (count + seen - 1))


def _student(z: float, freedom: float) -> float:
    """The quantile of Student's t that has the probability of the normal's `z` (Wallace's approximation, 1959)."""
    scaled = z * (8 * freedom + 3) / (8 * freedom + 1)
    return math.sqrt(freedom * math.expm1(scaled * scaled / freedom))


def _learn(config: SilentConfig, known: Baseline, log_ms: float) -> None:
    """Decayed mean, variance and the two highest; an outlier enters mean and variance as if `_WIDEST` spreads off."""
    count = known["count"]
    off, rate = log_ms - known["mean"], max(_RATE, 1 / (count + 1))
    if count:
        highest, second = _FADE * known.get("highest", 0.0), _FADE * known.get("second", 0.0)
        known["highest"], known["second"] = max(highest, off), max(second, min(highest, off))
    prior = config.latency_prior_spread
    if count > 1 and abs(off) > _WIDEST * prior / 2:  # else it is within
        seen = min(count, _MEMORY)
        widest = _WIDEST * (1 + 8 / (config.latency_prior_count + seen)) * _spread(config, known, seen, prior)
        off = min(max(off, -widest), widest)
    known["mean"] += rate * off
    known["variance"] += rate * ((1 - rate) * off * off - known["variance"])
    known["count"] = count + 1
