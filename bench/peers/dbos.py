"""DBOS: workflows whose steps are recorded in SQLite, or on a server. One workflow does all that are asked for."""

from __future__ import annotations

import os
import queue
import sys
from pathlib import Path
from typing import Any

from dbos import DBOS

from bench.peers import serve
from bench.runs import answer

folder = Path(sys.argv[1])
asked: queue.Queue[int] = queue.Queue()
done: queue.Queue[object] = queue.Queue()

where = sys.argv[3] if len(sys.argv) > 3 else f"sqlite:///{folder}/dbos.sqlite"
DBOS(config={"name": "bench", "system_database_url": where, "log_level": "ERROR"})


@DBOS.step()
def turn(number: int) -> dict[str, Any]:
    return answer(number)


@DBOS.workflow()
def loop() -> None:
    while True:
        done.put(turn(asked.get()))


def step(number: int) -> None:
    asked.put(number)
    done.get()


DBOS.launch()
DBOS.start_workflow(loop)
serve({"step": step})
os._exit(0)  # its threads wait for the next step
