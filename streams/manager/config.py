"""Settings of the alert manager beside the pack of rules; times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.rules.model import Pack


@dataclass(frozen=True)
class ManagerConfig:
    """`hold_s`: how long an absence alert of an agent with a host or gateway waits for the outage that explains it.
    `recovery_s`: how long members of an outage that is over may take to end before people are told of them.
    `silent_s`: a partition without a summary for so long has no worker; they write one every 30 s at least.
    `keep_ended_s`, `most_ended`: how long, and how many, ended alerts are remembered, for flapping and replays.
    """

    pack: Pack = field(default_factory=lambda: Pack(version=1))
    hold_s: float = 1.0
    recovery_s: float = 3.0
    silent_s: float = 75.0
    keep_ended_s: float = 900.0
    most_ended: int = 20_000

    @property
    def forget_s(self) -> float:
        """How long ended alerts are kept: never shorter than flapping looks back."""
        return max(self.keep_ended_s, self.pack.flapping.within_s, self.pack.flapping.calm_s + 1.0)
