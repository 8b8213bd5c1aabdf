"""Report an agent's events: `from producers.sdk import AgentReporter`, or the plain `Reporter`.

Calls only queue; one daemon thread sends. The import loads neither pydantic nor a client of Kafka.
"""

from producers.sdk.shadow import refuse_shadows

refuse_shadows()

from typing import TYPE_CHECKING  # noqa: E402  # nothing of ours is imported from who shadows it

from producers.sdk.agent import AgentReporter  # noqa: E402  # as above
from producers.sdk.governed import GovernedResponse  # noqa: E402  # as above
from producers.sdk.report import FlushReport, TopicReport  # noqa: E402  # as above
from producers.sdk.reporter import Reporter  # noqa: E402  # as above

if TYPE_CHECKING:
    from producers.sdk.agent_config import AgentConfig, TrustConfig

__all__ = [
    "AgentConfig",
    "AgentReporter",
    "FlushReport",
    "GovernedResponse",
    "Reporter",
    "TopicReport",
    "TrustConfig",
]


def __getattr__(name: str) -> object:
    """The configuration's models, which need pydantic, when they are asked for."""
    if name in {"AgentConfig", "TrustConfig"}:
        from producers.sdk import agent_config  # noqa: PLC0415  # pydantic is paid for by who wants it

        return getattr(agent_config, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
