"""LangGraph with its SQLite checkpoints: what the store of a thread holds that waits for an approval. Prints JSON."""

from __future__ import annotations

import json
import operator
import sys
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver  # pyright: ignore[reportMissingImports] - a peer
from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingImports] - as above
from langgraph.types import interrupt  # pyright: ignore[reportMissingImports] - as above


class State(TypedDict):
    """What a thread holds."""

    messages: Annotated[list[dict[str, Any]], operator.add]


def measure(folder: str, turns: int, size: int) -> dict[str, Any]:
    """Play so many turns of a call and its answer, and wait; return the bytes of the store."""

    def model(state: State) -> dict[str, Any]:
        number = sum(message["role"] == "tool" for message in state["messages"])
        name, given = ("page", {"number": number}) if number < turns else ("pay", {"amount": 1, "to": "x"})
        call = {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        return {"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}

    def tools(state: State) -> dict[str, Any]:
        call = state["messages"][-1]["tool_calls"][0]
        if call["function"]["name"] == "pay":
            interrupt(call)
        number = json.loads(call["function"]["arguments"])["number"]
        answer = {"role": "tool", "tool_call_id": call["id"], "content": f"{number:04}" * (size // 4)}
        return {"messages": [answer]}

    file = Path(folder) / "langgraph.db"
    graph = StateGraph(State)
    graph.add_node("model", model)
    graph.add_node("tools", tools)
    graph.add_edge(START, "model")
    graph.add_edge("model", "tools")
    graph.add_conditional_edges("tools", lambda _: "model", ["model", END])
    with SqliteSaver.from_conn_string(str(file)) as saver:
        made: Any = graph.compile(checkpointer=saver)
        began = time.perf_counter()
        options = {"configurable": {"thread_id": "t"}, "recursion_limit": 10 * turns}
        made.invoke({"messages": [{"role": "user", "content": "go"}]}, options)
        seconds = time.perf_counter() - began
        saver.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return {"bytes": file.stat().st_size, "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
