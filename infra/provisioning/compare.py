"""What is on the broker against what should be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from infra.provisioning.plan import TopicPlan
from infra.runtime.errors import TopicMismatchError

_TOLD = 3
State = Literal["ok", "missing", "mismatch"]


@dataclass(frozen=True)
class Finding:
    """One topic: `expected` partitions, `found` ones (None: the topic is not there)."""

    name: str
    expected: int
    found: int | None

    @property
    def state(self) -> State:
        """Whether the topic is as it should be."""
        if self.found is None:
            return "missing"
        return "ok" if self.found == self.expected else "mismatch"


def compare(plans: Iterable[TopicPlan], partitions: Mapping[str, int]) -> list[Finding]:
    """A finding for every plan; `partitions` is the number of partitions of the topics that exist, by name."""
    return [Finding(plan.name, plan.partitions, partitions.get(plan.name)) for plan in plans]


def require_no_mismatch(findings: Iterable[Finding]) -> None:
    """Raises `TopicMismatchError`, naming topics whose number of partitions differs, with both (fault 17)."""
    wrong = [f for f in findings if f.state == "mismatch"]
    if not wrong:
        return
    told = ", ".join(f"{f.name} has {f.found} partitions instead of {f.expected}" for f in wrong[:_TOLD])
    told += f" and {len(wrong) - _TOLD} more topics differ" if len(wrong) > _TOLD else ""
    counts = {f.found for f in wrong}
    raise TopicMismatchError(
        f"{told}; partition p of every topic must hold the same agents",
        setting="FLEETPULSE_PARTITIONS",
        way_out=(
            f"Set it to {counts.pop()} if all topics are to have as many" if len(counts) == 1 else "Make them equal"
        )
        + ", or delete the topics named and run: fleetpulse topics create",
    )
