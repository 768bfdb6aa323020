"""LangGraph with its PostgresSaver: one thread whose messages grow, a turn of the graph for each step."""

from __future__ import annotations

import itertools
import operator
import sys
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.graph import END, START, StateGraph

from bench.peers import serve
from bench.runs import answer
from bench.workload import exchange


class State(TypedDict):
    """What the graph keeps."""

    messages: Annotated[list[Any], operator.add]
    at: int
    result: Any


def turn(state: State) -> dict[str, Any]:
    """Do what a step does: two messages, a variable, and what a tool returned."""
    number = state["at"] + 1
    return {"messages": list(exchange(number)), "at": number, "result": answer(number)}


numbers = itertools.count()
with PostgresSaver.from_conn_string(sys.argv[2]) as saver:
    saver.setup()
    made = StateGraph(State)
    made.add_node("turn", turn)
    made.add_edge(START, "turn")
    made.add_edge("turn", END)
    graph = made.compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "r"}}
    start: Any = {"messages": [], "at": 0, "result": None}
    graph.invoke(start, config)

    def step(_: int) -> None:
        """Do a turn on top of what is kept."""
        again: Any = {"messages": []}
        graph.invoke(again, config)

    serve({"step": step})
