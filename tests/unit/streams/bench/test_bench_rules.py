"""`fleetpulse bench rules` runs the production code and says how it compares."""

from __future__ import annotations

import json

import pytest

from streams.bench import rules


def test_the_figures_are_there_and_rules_beat_the_first_thing_one_would_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rules, "AGENTS", 2_000)
    monkeypatch.setattr(rules, "EVENTS", 1_000)
    monkeypatch.setattr(rules, "ROUNDS", 15)  # a call takes 0.03 ms: of three rounds two may be disturbed
    rules.main(json_output=True)
    found = json.loads(capsys.readouterr().out)
    assert found["agents"] == 2_000
    assert min(value for value in found.values()) > 0
    assert found["rules_ratio_to_loop"] > 1
    rules.main(json_output=False)
    assert "us an event" in capsys.readouterr().out
