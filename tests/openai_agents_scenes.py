"""Agents of the OpenAI Agents SDK with a fake model. Imported by the tests that use it: it takes seconds to load."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import agents
from adapter_world import Told
from agents import Model, ModelResponse, RunConfig, Usage, function_tool
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseOutputText,
)

from producers.adapters.openai_agents import ReporterTracingProcessor


def told_to(told: Told) -> None:
    """Ours instead of the SDK's exporter, so that nothing leaves this machine."""
    agents.set_trace_processors([ReporterTracingProcessor(told)])


def message(text: str) -> ResponseOutputMessage:
    content = ResponseOutputText(annotations=[], text=text, type="output_text")
    return ResponseOutputMessage(id="m", content=[content], role="assistant", status="completed", type="message")


def call(name: str, arguments: str) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(arguments=arguments, call_id="call-1", name=name, type="function_call")


class FakeModel(Model):
    """Says what it is told to say, within the span that the SDK's own models open."""

    def __init__(self, *answers: ResponseOutputItem | Exception) -> None:
        self._answers = list(answers)

    async def get_response(self, *given: object, **more: object) -> ModelResponse:
        with agents.generation_span(model="fake-1") as span:
            said = self._answers.pop(0)
            if isinstance(said, Exception):
                span.set_error({"message": str(said), "data": {}})
                raise said
            span.span_data.usage = {"input_tokens": 30, "output_tokens": 4}
            return ModelResponse(
                output=[said], usage=Usage(requests=1, input_tokens=30, output_tokens=4), response_id=None
            )

    async def stream_response(self, *given: object, **more: object) -> AsyncIterator[Any]:
        raise AssertionError("the scenes do not stream")
        yield


@function_tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


@function_tool(failure_error_function=None)
def broken() -> str:
    """Does not work."""
    raise LookupError("no weather today")


def run_config(model: Model) -> RunConfig:
    return RunConfig(model=model, workflow_name="weather desk", group_id="chat-9")
