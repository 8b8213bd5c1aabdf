"""Settings made without pydantic's validators are those that pydantic makes, and nothing that it refuses is made."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError

from producers.governance import CallablePolicy, LengthPolicy, PatternPolicy, PiiPolicy, TopicsPolicy
from producers.plainly import made_plainly
from producers.sdk.agent_config import AgentConfig, TrustConfig
from producers.sdk.config import ReporterConfig

KINDS = (ReporterConfig, AgentConfig, TrustConfig, PiiPolicy, LengthPolicy, TopicsPolicy, PatternPolicy, CallablePolicy)
_ODD: list[Any] = [
    *(
        "",
        "a",
        "é",
        "\ud800",
        "a\n",
        "x" * 257,
        "HOST:1",
        "127.0.0.1:9092,b:1",
        "127.0.0.1:9092\n",
        "12",
        "1.5",
        "true",
    ),
    *("warning", "warn", "medium", "redact", "pii", "length", "presidio", "/tmp/x"),
    *(10**400, None, True, False, 0, 1, -1, 16, 5_000, 10**12),
    *(0.0, 0.05, 0.5, 1.0, 60.0, 1e300, math.nan, math.inf, -0.0),
    *(Path("x"), b"x", (), ("a",), ["a"], {}, {"initial_score": 0.5}, TrustConfig(), SecretStr("k"), len, object()),
]


@st.composite
def _settings(draw: st.DrawFn) -> tuple[type[BaseModel], dict[str, Any]]:
    kind = draw(st.sampled_from(KINDS))
    # What the one validator of settings looks at is never made plainly.
    names = [*kind.model_fields.keys() - {"gateway", "api_key"}, "onError", "unknown"]
    given_values = draw(st.dictionaries(st.sampled_from(sorted(names)), st.sampled_from(_ODD), max_size=4))
    usual = {"agent_id": "a"} if issubclass(kind, ReporterConfig) else {"id": "p"} if "id" in kind.model_fields else {}
    return kind, usual | given_values


def _all_of(model: BaseModel) -> list[tuple[str, type, object]]:
    return [(name, type(value), value) for name, value in vars(model).items()]


@given(_settings())
def test_what_is_made_plainly_is_what_pydantic_makes(case: tuple[type[BaseModel], dict[str, Any]]) -> None:
    kind, values = case
    made = made_plainly(kind, values)
    try:
        judged = kind(**values)
    except ValidationError:
        assert made is None
        return
    if made is not None:
        assert _all_of(made) == _all_of(judged)
        assert made.model_fields_set == judged.model_fields_set
        assert made == judged


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (
            AgentConfig,
            {"agent_id": "a", "user_id": "b", "bootstrap": "h:1", "spool_dir": "x", "heartbeat_interval_s": 5},
        ),
        (AgentConfig, {"agent_id": "a", "policies": ({"id": "pii"},), "log_level": "info", "batch_size": 7}),
        (ReporterConfig, {"agent_id": "a", "deployment_id": None, "spool_bytes": 0}),
        (PiiPolicy, {"id": "p", "type": "pii", "severity": "high", "threshold": 1}),
        (LengthPolicy, {"id": "p", "type": "length", "max_length": 5}),
    ],
    ids=["agent", "agent with policies", "reporter", "pii", "length"],
)
def test_usual_settings_need_no_judgement(kind: type[BaseModel], values: dict[str, Any]) -> None:
    made = made_plainly(kind, values)
    assert made is not None
    assert _all_of(made) == _all_of(kind(**values))
    assert made.model_dump_json() == kind(**values).model_dump_json()
