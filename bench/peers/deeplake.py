"""Deeplake: columns in files, with commits and branches. Its commits wait for no disk."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import deeplake
import numpy

from bench.peers import serve

LAST = "SELECT step, x WHERE run_id = 'q' ORDER BY step DESC LIMIT 1"


def opened(path: Path) -> Any:  # noqa: ANN401 - it has no types
    rows = deeplake.create(f"file://{path}")
    for name, of in (("run_id", "Text"), ("step", "Int32"), ("x", "Text")):
        rows.add_column(name, getattr(deeplake.types, of)())
    rows.commit()
    return rows


def add(to: Any, run: str, steps: list[int], text: str) -> None:  # noqa: ANN401
    to.append({"run_id": [run] * len(steps), "step": steps, "x": [text] * len(steps)})
    to.commit()


def bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main(folder: Path, rows: int, branches: int, text: int) -> None:
    main_branch = opened(folder / "lake")
    numbers = itertools.count()
    other: list[Any] = []
    add(main_branch, "q", list(range(rows)), "z" * 50)
    size = bytes_of(folder / "lake") / rows
    for number in range(branches):
        main_branch.branch(f"old{number}")
    read = main_branch.branches["old7"].open()

    def side(number: int) -> None:
        add(main_branch.branch(f"m{number}").open(), "m", [2 * number, 2 * number + 1], "k")

    def last(_: int) -> object:
        (found,) = read.query(LAST)
        return found["step"], found["x"]

    serve(
        {
            "insert": lambda _: add(main_branch, "r", [next(numbers)], "y" * text),
            "load": (
                lambda number: other.append(opened(folder / f"load{number}")),
                lambda _: add(other.pop(), "q", list(range(rows)), "z" * 50),
            ),
            "branch": lambda _: main_branch.branch(f"b{next(numbers)}"),
            "merge": (side, lambda number: main_branch.merge(f"m{number}")),
            "scan": lambda _: sum(map(len, read["x"][:])),
            "last": last,
        },
        size,
    )


def vectors(folder: Path, count: int, dimensions: int) -> None:
    numbers = numpy.random.default_rng(1)
    matrix = numbers.standard_normal((count, dimensions), dtype=numpy.float32)
    rows = deeplake.create(f"file://{folder / 'lake'}")
    rows.add_column("k", deeplake.types.Int32())
    rows.add_column("v", deeplake.types.Embedding(dimensions))
    rows.append({"k": list(range(count)), "v": matrix})
    rows.commit()

    def nearest(number: int) -> object:
        query = ",".join(map(repr, matrix[number].tolist()))
        return rows.query(f"SELECT k ORDER BY l2_norm(v - ARRAY[{query}]) ASC LIMIT 10")["k"][:]

    serve({"nearest": nearest})


if sys.argv[2] == "vectors":
    vectors(Path(sys.argv[1]), *map(int, sys.argv[3:]))
else:
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
