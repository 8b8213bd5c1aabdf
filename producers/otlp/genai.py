"""What a span's attributes say under the GenAI conventions, current and older, and those of two instrumentations.

Sources: OpenTelemetry semantic conventions for generative AI (`gen_ai.*`; before 1.37 `gen_ai.system`, before 1.27
`gen_ai.usage.prompt_tokens`), OpenLLMetry (`traceloop.span.kind`), OpenInference (`openinference.span.kind`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from producers.otlp.values import Attributes, cut, named_texts, number, text

Kind: TypeAlias = Literal["turn", "tool", "model", "step"]
"""turn: an agent or workflow at work; tool: a call of one; model: a request to one; step: another part of a turn."""

_OPERATION = ("gen_ai.operation.name", "traceloop.span.kind", "openinference.span.kind", "llm.request.type")
_THREAD = (
    "gen_ai.conversation.id",
    "session.id",  # OpenInference
    "traceloop.association.properties.thread_id",
    "gen_ai.thread.id",
)
_TOKENS_IN = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
)
_TOKENS_OUT = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
)
_OPERATIONS: Mapping[str, Kind] = MappingProxyType(
    {
        "invoke_agent": "turn",
        "invoke_workflow": "turn",
        "execute_tool": "tool",
        "chat": "model",
        "text_completion": "model",
        "generate_content": "model",
        "embeddings": "step",
        "retrieval": "step",
        "create_agent": "step",
        "plan": "step",
        "execute": "step",
        "workflow": "turn",  # OpenLLMetry
        "agent": "turn",  # OpenLLMetry, OpenInference
        "tool": "tool",
        "task": "step",
        "llm": "model",  # OpenInference
        "retriever": "step",
        "embedding": "step",
        "reranker": "step",
        "guardrail": "step",
        "chain": "step",
    }
)
KEPT = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.system",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.response.finish_reasons",
    "gen_ai.agent.id",
    "gen_ai.agent.name",
    "gen_ai.agent.version",
    "gen_ai.tool.type",
    "gen_ai.tool.call.id",
    "gen_ai.data_source.id",
    "server.address",
    "error.type",
)
"""Attributes of spans that are kept. Others may hold what users said: prompts, answers, arguments of tools."""


def kind_of(attributes: Attributes) -> Kind | None:
    """What a span is; None where it is nothing of an agent."""
    named = text(attributes, *_OPERATION)
    if named is not None:
        return _OPERATIONS.get(named.lower(), "step")
    if text(attributes, "gen_ai.tool.name") is not None:
        return "tool"
    if text(attributes, "gen_ai.provider.name", "gen_ai.system") is not None:
        return "model"
    return "turn" if text(attributes, "gen_ai.agent.id", "gen_ai.agent.name") is not None else None


def agent_id_of(attributes: Attributes) -> str | None:
    """The agent that a span names: `gen_ai.agent.id`. A name alone is no identity."""
    return text(attributes, "gen_ai.agent.id", limit=257)


def thread_of(attributes: Attributes) -> str | None:
    """The conversation, where it is told."""
    return text(attributes, *_THREAD)


def tool_of(attributes: Attributes, span_name: str) -> str:
    """The name of a tool; else that of the span, without the operation before it."""
    named = text(attributes, "gen_ai.tool.name", "tool.name", "traceloop.entity.name")
    return named or cut(span_name.removeprefix("execute_tool").strip(), 256) or "tool"


def display_name(attributes: Attributes, span_name: str) -> str:
    """What people call the run or step."""
    named = text(attributes, "gen_ai.agent.name", "gen_ai.workflow.name", "gen_ai.tool.name", "traceloop.entity.name")
    return named or cut(span_name, 256) or "span"


def arguments_hash(attributes: Attributes) -> str | None:
    """A digest of a tool's arguments, where the span carries them: equal arguments, equal digest."""
    given = attributes.get("gen_ai.tool.call.arguments", attributes.get("traceloop.entity.input"))
    return None if given is None else digest_of(str(given))


def digest_of(arguments: str) -> str:
    """8 bytes of BLAKE2b, hex: tells arguments apart and says nothing of them."""
    return hashlib.blake2b(arguments.encode("utf-8", "replace"), digest_size=8).hexdigest()


def tokens_of(attributes: Attributes) -> tuple[float, float] | None:
    """Tokens that went in and came out; None where neither is told. Negative numbers are none."""
    sent, got = number(attributes, *_TOKENS_IN), number(attributes, *_TOKENS_OUT)
    return None if sent is None and got is None else (max(sent or 0.0, 0.0), max(got or 0.0, 0.0))


def facts(attributes: Attributes) -> dict[str, str]:
    """What is kept of a span as attributes of its run or step."""
    kept = named_texts(attributes, KEPT)
    if "gen_ai.system" in kept:
        kept.setdefault("gen_ai.provider.name", kept.pop("gen_ai.system"))
    if (tokens := tokens_of(attributes)) is not None:
        kept["gen_ai.usage.input_tokens"], kept["gen_ai.usage.output_tokens"] = (f"{count:.0f}" for count in tokens)
    return kept
