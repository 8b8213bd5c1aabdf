"""Forecasts within the pipeline: which columns they read, where their state lives, and the rows that come of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.forecast_rows import forecast_rows, learned_store
from streams.operators import forecast
from streams.operators.arrays import SlotArrays
from streams.operators.times import seconds
from streams.outputs import Row
from streams.state.partition import PartitionState
from streams.state.stores import KeyedStore

I4 = npt.NDArray[np.int32]


class Forecaster:
    """The operator with its settings for agents (`metrics`: their columns) and hosts (`host_metrics`)."""

    def __init__(
        self,
        config: forecast.ForecastConfig,
        host_targets: tuple[forecast.Target, ...],
        metrics: tuple[str, ...],
        host_metrics: tuple[str, ...],
    ) -> None:
        self._configs = {"agents": config, "hosts": replace(config, targets=host_targets)}
        names = {"agents": metrics, "hosts": host_metrics}
        self._columns: dict[str, I4] = {
            name: np.array([names[name].index(target.metric) for target in of.targets], np.int32)
            for name, of in self._configs.items()
        }

    def arrays(self, name: str) -> SlotArrays:
        """Empty state of the series of store `name`."""
        return SlotArrays(forecast.fields(self._configs[name].targets))

    def learned(self) -> KeyedStore:
        """An empty store of learned weights, by bucket: the snapshot of a bucket holds its agents and its weights."""
        return learned_store({name: config.targets for name, config in self._configs.items()})

    def rows(
        self,
        state: PartitionState,
        name: str,
        frame: pl.DataFrame,
        slots: I4,
        of_store: I4,
        values: npt.NDArray[np.float64],
    ) -> tuple[I4, list[Row]]:
        """Take in a frame: agent slots and rows of what is told.

        `slots` i4[n]: of the agents; `of_store` i4[n]: of store `name`; `values` f8[n, m]: its columns.
        """
        config = self._configs[name]
        told = forecast.update(
            config,
            state.stores[name].arrays["forecast"],
            state.stores["learned"].arrays[name],
            of_store,
            state.agents.buckets[slots],
            values,
            self._columns[name],
            seconds(frame["timestamp"]),
        )
        return slots[told.row], forecast_rows(frame, told, config.targets)
