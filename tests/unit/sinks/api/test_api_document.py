"""The OpenAPI document: every route said, with an example that fits; every answer fits its model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from api_world import Api, api, status, trust
from pydantic import BaseModel

from infra.web.openapi import openapi_of
from sinks.api import models
from sinks.api.app import create_app
from sinks.api.past import agent_models as explained
from sinks.api.past import models as past
from sinks.api.routes.fleet import Fleet
from sinks.api.world import World

MODELS: dict[str, type[BaseModel]] = {
    "/api/agents": models.AgentPage,
    "/api/fleet": Fleet,
    "/api/agents/status/bot": models.AgentStatus,
    "/api/agents/bot/metrics": past.Metrics,
    "/api/agents/bot/violations": past.ViolationPage,
    "/api/agents/bot/logs": past.LogPage,
    "/api/agents/bot/forecasts": past.ForecastPage,
    "/api/agents/bot/anomalies": explained.AnomalyPage,
    "/api/agents/bot/lifecycle": explained.LifecyclePage,
    "/api/agents/bot/timeline": explained.Timeline,
    "/api/agents/bot/metric-names": explained.MetricNames,
    "/api/agents/bot/trust-history": explained.TrustHistory,
    "/api/agents/bot/trust": past.Trust,
    "/api/agents/bot/ledger": past.Ledger,
    "/v1/runs": past.RunPage,
    "/v1/runs/r": past.RunDetail,
}


@pytest.mark.parametrize("model", MODELS.values())
def test_the_example_of_a_model_fits_it(model: type[BaseModel]) -> None:
    model.model_validate(models.example_of(model))


def test_every_route_is_described_with_an_example(tmp_path: Path) -> None:
    document = openapi_of(create_app(World("127.0.0.1:1", tmp_path)))
    for path in MODELS:
        template = path.replace("/bot", "/{agent_id}").replace("/runs/r", "/runs/{run_id}")
        operation: dict[str, Any] = document["paths"][template]["get"]
        content = operation["responses"]["200"]["content"]["application/json"]
        assert operation["description"], template
        assert content["example"], template
        assert "$ref" in content["schema"], template
        named = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
        assert named == ({template.partition("{")[2].partition("}")[0]} - {""}), template


async def test_every_answer_fits_its_model(tmp_path: Path) -> None:
    async with api(tmp_path) as world:
        _fill(world)
        for path, model in MODELS.items():
            model.model_validate(await world.json(path))


def _fill(world: Api) -> None:
    world.tell("fleet.status", status("bot", host="h", gateway="g", deployment_id="eu", loss=0.1, clock_skew_s=0.5))
    world.tell("fleet.trust", trust("bot", violating=3.0, reliability=0.9, behaviour=0.99))
    common = {"agent_id": "bot", "user_id": "acme", "run_id": "r"}
    named = [{"name": "rule", "value": "x"}]
    world.lake.add("metrics", [common | {"cpu_usage": 1.0, "seq": 4}])
    world.lake.add("violations", [common | {"severity": "high", "context": named}])
    world.lake.add("logs", [common | {"metadata": named, "level": "warn"}])
    world.lake.add("forecasts", [common | {"metric": "memory_usage", "probability": 0.5}])
    world.lake.add("anomalies", [common | {"metric": "cpu_usage", "value": 9.0, "expected": 1.0}])
    world.lake.add("status", [status("bot", previous="late")])
    world.lake.add("trust", [trust("bot")])
    world.lake.add("lifecycle", [common | {"kind": "agent_started", "thread_id": "t"}])
    kinds = ("run_started", "step", "failure", "run_finished")
    world.lake.add("runs", [common | {"kind": kind, "step_id": "1", "attributes": named} for kind in kinds])
