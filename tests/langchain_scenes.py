"""Chains and graphs of LangChain with a fake model. Imported by the tests that use it: it takes seconds to load."""

from __future__ import annotations

from typing import Any, TypedDict

from adapter_world import Told
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolCall
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt

from producers.adapters.langchain import ReporterCallbackHandler


@tool
def look_up(order: str) -> str:
    """Where an order is."""
    if order == "0":
        raise LookupError("no such order")
    return f"order {order} is on its way"


class State(TypedDict):
    question: str
    answer: str


def model_of(*answers: AIMessage) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter(answers))


def answer(text: str) -> AIMessage:
    usage: Any = {"input_tokens": 12, "output_tokens": 5, "total_tokens": 17}
    return AIMessage(content=text, usage_metadata=usage)


def graph_of(order: str) -> Any:  # noqa: ANN401  # LangGraph's type has four parameters
    """Asks a model for a tool call, calls the tool, asks again."""
    call = AIMessage(content="", tool_calls=[ToolCall(name="look_up", args={"order": order}, id="call-1")])
    model = model_of(call, answer("It is on its way."))

    def think(state: State) -> dict[str, str]:
        asked = model.invoke([HumanMessage(state["question"])])
        found = look_up.invoke(asked.tool_calls[0]["args"])
        return {"answer": str(model.invoke([HumanMessage(found)]).content)}

    graph = StateGraph(State)
    graph.add_node("think", think)
    graph.add_edge(START, "think")
    graph.add_edge("think", END)
    return graph.compile(name="orders")


def configured(told: Told, thread: str = "thread-7") -> RunnableConfig:
    return {"callbacks": [ReporterCallbackHandler(told)], "configurable": {"thread_id": thread}}


def echo_and_answer() -> Runnable[str, AIMessage]:
    """A chain of two links."""
    return RunnableLambda(lambda text: text) | model_of(answer("the SECRET answer"))


@tool
def broken(order: str) -> str:
    """Does not work."""
    raise ValueError("out of order")


def two_tools_at_once() -> Any:  # noqa: ANN401  # as above
    """LangGraph's own node of tools, of which one fails and is answered as an error."""

    def ask(_state: MessagesState) -> dict[str, list[AIMessage]]:
        calls = [ToolCall(name=name, args={"order": "3"}, id=name) for name in ("broken", "look_up")]
        return {"messages": [AIMessage(content="", tool_calls=calls)]}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_node("tools", ToolNode([broken, look_up], handle_tool_errors=True))
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "tools")
    graph.add_edge("tools", END)
    return graph.compile(name="two tools")


def asks_a_person() -> Any:  # noqa: ANN401  # as above
    """Stops until a person has answered."""

    def wait(_state: MessagesState) -> dict[str, list[AIMessage]]:
        return {"messages": [AIMessage(str(interrupt("may I?")))]}

    graph = StateGraph(MessagesState)
    graph.add_node("wait", wait)
    graph.add_edge(START, "wait")
    graph.add_edge("wait", END)
    return graph.compile(checkpointer=InMemorySaver(), name="asks")
