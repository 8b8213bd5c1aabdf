"""Hosts, as the OpenAPI document tells them."""

from __future__ import annotations

from pydantic import Field

from sinks.api.models import AgentLine, Answer, Moment, Share, Status


class Measured(Answer):
    """What a probe read off a host last; null: the host has no such thing, or its probe does not tell it."""

    at: Moment
    cpu_usage: float | None = Field(description="percent, all cores", examples=[41.5])
    cpu_cores: int | None = Field(examples=[16])
    load_1m: float | None = Field(examples=[3.2])
    memory_usage: float | None = Field(description="percent", examples=[63.0])
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    swap_usage: float | None = Field(description="percent")
    disk_usage: float | None = Field(description="percent", examples=[71.0])
    disk_free_bytes: int | None
    disk_read_rate: float | None = Field(description="bytes/s")
    disk_write_rate: float | None = Field(description="bytes/s")
    network_receive_rate: float | None = Field(description="bytes/s")
    network_send_rate: float | None = Field(description="bytes/s")
    processes: int | None
    gpu_usage: float | None = Field(description="percent, mean of all")
    gpu_memory_usage: float | None = Field(description="percent, mean of all")
    gpu_temperature: float | None = Field(description="degrees Celsius, the hottest")
    gpu_count: int | None


class HostLine(Answer):
    """A host in a list."""

    host: str = Field(examples=["web-1"])
    agents: int = Field(ge=0, description="that run on it, without its probe")
    by_status: dict[str, int] = Field(examples=[{"online": 11, "late": 1}])
    trust_mean: Share | None
    trust_lowest: Share | None
    probe: Status | None = Field(description="how the host's probe is; null: it has none")
    measured: Measured | None = Field(description="of the last hour")


class HostPage(Answer):
    """A page of hosts."""

    items: list[HostLine]
    total: int = Field(ge=0, description="how many fit, over all pages")
    as_of: Moment


class HostHistory(Answer):
    """What the probe measured over time; null: nothing in that bucket."""

    bucket_s: int = Field(examples=[60])
    at: list[Moment] = Field(description="begin of every bucket")
    series: dict[str, list[float | None]] = Field(examples=[{"cpu_usage": [41.5]}])


class HostDetail(HostLine):
    """A host with its past and its agents."""

    on_it: list[AgentLine] = Field(description="the least trusted first, at most 200")
    history: HostHistory
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    as_of: Moment
