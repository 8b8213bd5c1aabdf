"""What a worker can be told, a backtest of what it did can be told too, by the same variables."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from infra.runtime.errors import SettingError
from streams.backtest.cli import backtest
from streams.cli import stream_worker

SETTINGS = {"trust_model", "anomaly_threshold", "anomaly_sensitivity", "least_interval"}


def _app(command: Any) -> typer.Typer:  # noqa: ANN401  # a command's function
    app = typer.Typer()
    app.command()(command)
    return app


@pytest.mark.parametrize("command", [stream_worker, backtest], ids=["stream-worker", "backtest"])
def test_operators_are_set_by_the_same_variables(command: Any) -> None:  # noqa: ANN401  # a command's function
    found: Any = typer.main.get_command(_app(command))
    variables = {param.name: param.envvar for param in found.params if param.name in SETTINGS}
    assert variables == {
        "trust_model": "FLEETPULSE_TRUST_MODEL",
        "anomaly_threshold": "FLEETPULSE_ANOMALY_THRESHOLD",
        "anomaly_sensitivity": "FLEETPULSE_ANOMALY_SENSITIVITY",
        "least_interval": "FLEETPULSE_LEAST_INTERVAL_S",
    }


def test_a_variable_that_cannot_be_is_told_with_its_name() -> None:
    told = CliRunner().invoke(_app(backtest), env={"FLEETPULSE_ANOMALY_SENSITIVITY": "9"}).exception
    assert isinstance(told, SettingError)
    assert "FLEETPULSE_ANOMALY_SENSITIVITY" in str(told)
