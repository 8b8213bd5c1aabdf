"""LangChain and LangGraph to a `Reporter`.

    told = ReporterCallbackHandler(reporter)
    graph.invoke(question, config={"callbacks": [told], "configurable": {"thread_id": "7"}})

Needs `langchain-core`. The outermost chain or graph is the turn, its nodes are steps; prompts, answers and arguments
are not kept, of arguments only a digest that tells equal ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler

from producers.adapters.guard import harmless
from producers.adapters.turns import Failure, Sink, Turns, failure_of
from producers.otlp.genai import Kind, digest_of

if TYPE_CHECKING:
    from uuid import UUID

    from langchain_core.documents import Document
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import LLMResult

_THREAD = ("thread_id", "conversation_id", "session_id")
_FACTS = {
    "ls_provider": "gen_ai.provider.name",
    "ls_model_name": "gen_ai.request.model",
    "langgraph_node": "langgraph.node",
    "langgraph_step": "langgraph.step",
}


class ReporterCallbackHandler(BaseCallbackHandler):
    """Tells a reporter of turns, tools, requests to models and retrievals. Does not start or close the reporter.

    One handler may serve any number of runs at once, in threads and in asyncio.
    """

    run_inline = True
    """In the caller's thread, in order: what it does takes microseconds."""

    def __init__(self, reporter: Sink) -> None:
        super().__init__()
        self._turns = Turns(reporter)

    def _begin(
        self,
        kind: Kind | None,
        name: str,
        run_id: UUID,
        parent_run_id: UUID | None,
        metadata: Mapping[str, Any] | None,
        arguments_hash: str | None = None,
    ) -> None:
        known = metadata or {}
        thread = next((str(known[name]) for name in _THREAD if known.get(name)), None)
        self._turns.begin(
            str(run_id),
            kind,
            name,
            parent_id=None if parent_run_id is None else str(parent_run_id),
            thread_id=thread,
            arguments_hash=arguments_hash,
            facts={ours: str(known[theirs])[:256] for theirs, ours in _FACTS.items() if theirs in known},
        )

    @harmless
    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: object,  # noqa: ARG002  # what users said is not kept
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **more: object,
    ) -> None:
        """A chain, graph or node begins."""
        name = _name(serialized, more, "chain")
        kind: Kind | None = "turn" if parent_run_id is None else None
        if kind is None and (metadata or {}).get("langgraph_node") == name:
            kind = "step"
        self._begin(kind, name, run_id, parent_run_id, metadata)

    @harmless
    def on_chain_end(self, outputs: object, *, run_id: UUID, **_more: object) -> None:  # noqa: ARG002  # as above
        """It is over."""
        self._turns.end(str(run_id))

    @harmless
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_more: object) -> None:
        """It failed."""
        self._turns.end(str(run_id), failure_of(error))

    @harmless
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],  # noqa: ARG002  # what users said is not kept
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **more: object,
    ) -> None:
        """A request to a chat model."""
        self._begin("model", _name(serialized, more, "model"), run_id, parent_run_id, metadata)

    @harmless
    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],  # noqa: ARG002  # what users said is not kept
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **more: object,
    ) -> None:
        """A request to a model for text."""
        self._begin("model", _name(serialized, more, "model"), run_id, parent_run_id, metadata)

    @harmless
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_more: object) -> None:
        """The model has answered."""
        self._turns.end(str(run_id), tokens=_tokens(response))

    @harmless
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_more: object) -> None:
        """The model did not answer."""
        self._turns.end(str(run_id), failure_of(error))

    @harmless
    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **more: object,
    ) -> None:
        """A tool begins."""
        digest = digest_of(str(input_str))
        self._begin("tool", _name(serialized, more, "tool"), run_id, parent_run_id, metadata, digest)

    @harmless
    def on_tool_end(self, output: object, *, run_id: UUID, **_more: object) -> None:
        """A tool is done; one that answers with an error message has failed."""
        failed = getattr(output, "status", None) == "error"
        self._turns.end(str(run_id), Failure("error") if failed else None)

    @harmless
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_more: object) -> None:
        """A tool failed."""
        self._turns.end(str(run_id), failure_of(error))

    @harmless
    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,  # noqa: ARG002  # what users said is not kept
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **more: object,
    ) -> None:
        """A retrieval begins."""
        self._begin("step", _name(serialized, more, "retriever"), run_id, parent_run_id, metadata)

    @harmless
    def on_retriever_end(self, documents: Sequence[Document], *, run_id: UUID, **_more: object) -> None:
        """A retrieval is done."""
        self._turns.end(str(run_id), facts={"documents": str(len(documents))})

    @harmless
    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_more: object) -> None:
        """A retrieval failed."""
        self._turns.end(str(run_id), failure_of(error))


def _name(serialized: Mapping[str, Any] | None, more: Mapping[str, object], otherwise: str) -> str:
    told = more.get("name") or (serialized or {}).get("name")
    if not told and (path := (serialized or {}).get("id")):
        told = path[-1]
    return str(told or otherwise)


def _tokens(response: LLMResult) -> tuple[float, float] | None:
    """Tokens in and out of all answers; None where no answer tells."""
    found = [
        usage
        for answers in response.generations
        for answer in answers
        if (usage := getattr(getattr(answer, "message", None), "usage_metadata", None))
    ]
    if found:
        return sum(each["input_tokens"] for each in found), sum(each["output_tokens"] for each in found)
    usage = (response.llm_output or {}).get("token_usage") or {}
    if not usage:
        return None
    return float(usage.get("prompt_tokens") or 0), float(usage.get("completion_tokens") or 0)
