"""A resumable agent: search, analyze, respond. Kill it anywhere and start it again: it goes on, and pays nothing twice.

    python examples/resumable_agent.py run_001 "What is durable execution?"
    HOLDFAST_STORE="valkey://localhost?workspace=agents" python examples/resumable_agent.py run_001

The search and the model are stand-ins; put yours in their places.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import holdfast


@holdfast.tool(cache="10m")
def web_search(query: str) -> list[dict[str, str]]:
    """Search the web. What was found holds for ten minutes, for all runs that ask the same."""
    return [{"title": f"About {query}", "text": "Steps are recorded, and not done again."}]


@holdfast.tool(retries=2, timeout="60s", usage=lambda answer: {"tokens": len(answer.split())})
def call_llm(prompt: str) -> str:
    """Ask a model."""
    return f"In short: {prompt[-60:]}"


def run_agent(db: holdfast.Store, run_id: str, query: str) -> Any:
    """Do what is left of a run, and return its answer."""
    with db.run(run_id, input={"query": query}) as run:
        run.log("search", {"query": query})
        results = run.step("search", web_search, query)
        run.state["results"] = results

        run.log("analyze", {"input": "search results"})
        analysis = run.step("analyze", call_llm, f"Analyze: {results}")

        run.log("respond", {"status": "generating"})
        run.result = run.step("respond", call_llm, f"Respond based on: {analysis}")
    return db.run(run_id).result


def main() -> None:
    """Run it, and show its log."""
    run_id, query = [*sys.argv[1:], "run_001", "What is durable execution?"][:2]
    with holdfast.connect(os.environ.get("HOLDFAST_STORE", "agents.db")) as db:
        print(run_agent(db, run_id, query))
        for event in db.events(run_id):
            print(f"  [{event.seq}] {event.kind} {event.step or ''}: {event.data}")


if __name__ == "__main__":
    main()
