"""What exporters send late and in the wrong order is no silent failure: the operator that looks for them finds none."""

from __future__ import annotations

import polars as pl
import pytest
from otlp_world import JSON, NOW_US, mapped, of, operation, span, traces

from producers.otlp.event import OtlpEvent
from streams.operators import silent
from streams.operators.silent_model import SilentConfig

AGENT = operation("invoke_agent")
TOOL = operation("execute_tool", gen_ai__tool__name="look_up")
COLUMNS = (
    "kind", "run_id", "thread_id", "tool", "tool_call_id", "arguments_hash", "deadline_s", "latency_ms", "status",
    "claimed_health",
)  # fmt: skip
SCHEMA = {name: pl.Float64 if name in {"deadline_s", "latency_ms"} else pl.String for name in COLUMNS}


def frame_of(events: list[OtlpEvent]) -> pl.DataFrame:
    rows = [{name: each.fields.get(name) for name in COLUMNS} for each in events]
    frame = pl.DataFrame(rows, schema=SCHEMA)
    stamps = pl.Series("timestamp", [each.timestamp_us for each in events]).cast(pl.Datetime("us", "UTC"))
    return frame.with_columns(stamps, agent_id=pl.Series([each.agent_id for each in events], dtype=pl.String))


def exported(turn_s: float, tool_s: float, flush_s: float, agent: dict[str, object]) -> list[tuple[float, list[JSON]]]:
    """Requests of a turn by seconds after its beginning: spans are exported at the flush after their end."""
    spans = []
    for number in range(int(turn_s / tool_s)):
        began_s, ended_s = number * tool_s, number * tool_s + 0.9 * tool_s
        spans.append((ended_s, span(number + 2, 1, (1e3 * (turn_s - began_s), 1e3 * (turn_s - ended_s)), TOOL)))
    spans.append((turn_s, span(1, None, (1e3 * turn_s, 0), agent)))
    flushes = sorted({flush_s * (1 + int(ended_s / flush_s)) for ended_s, _ in spans})
    return [(at_s, [each for end_s, each in spans if at_s - flush_s <= end_s < at_s]) for at_s in flushes]


@pytest.mark.parametrize("agent", [AGENT, {**AGENT, "gen_ai.agent.id": "clerk-2"}])
@pytest.mark.parametrize(("turn_s", "tool_s"), [(0.5, 0.2), (12.0, 2.5), (60.0, 4.0)])
def test_a_clean_turn_in_several_requests_raises_nothing(
    turn_s: float, tool_s: float, agent: dict[str, object]
) -> None:
    config, state = SilentConfig(), silent.State()
    began_s = NOW_US / 1e6 - turn_s
    waiting = exported(turn_s, tool_s, 5.0, agent)
    found = []
    for tick in range(int(2 * (turn_s + 300))):
        now_s = began_s + tick / 2
        while waiting and began_s + waiting[0][0] <= now_s:
            result = mapped("traces", traces(*waiting.pop(0)[1]))
            found += silent.update(config, state, frame_of(of(result, "fleet.lifecycle")), now_s)
        found += silent.scan(config, state, now_s)
    assert [each.kind for each in found] == []
    assert not waiting


def test_a_turn_that_never_ends_is_found() -> None:
    config, state = SilentConfig(), silent.State()
    result = mapped("traces", traces(span(2, 1, (1000, 0), TOOL)))
    now_s = NOW_US / 1e6
    silent.update(config, state, frame_of(of(result, "fleet.lifecycle")), now_s)
    assert [each.kind for each in silent.scan(config, state, now_s + 200)] == ["stale_thread"]
