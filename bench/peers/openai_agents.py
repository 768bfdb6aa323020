"""OpenAI's Agents SDK: how large the state of a run is that waits for an approval. Prints bytes and seconds as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import agents  # pyright: ignore[reportMissingImports] - a peer, which only the benchmark has
import openai


async def measure(url: str, size: int) -> dict[str, Any]:
    """Let an agent call a tool many times, and wait for somebody; return the size of its state."""

    @agents.function_tool
    def page(number: int) -> str:
        """Return a page."""
        return f"{number:04}" * (size // 4)

    @agents.function_tool(needs_approval=True)
    def pay(amount: int, to: str) -> str:
        """Pay."""
        return f"paid {amount} to {to}"

    client = openai.AsyncOpenAI(base_url=url, api_key="-", max_retries=0)
    agents.set_tracing_disabled(disabled=True)
    model = agents.OpenAIChatCompletionsModel(model="m", openai_client=client)
    agent = agents.Agent(name="long", model=model, tools=[page, pay])
    result = await agents.Runner.run(agent, "go", max_turns=100)
    assert result.interruptions
    began = time.perf_counter()
    text = json.dumps(result.to_state().to_json(), separators=(",", ":"))
    return {"bytes": len(text), "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], int(sys.argv[2])))))
