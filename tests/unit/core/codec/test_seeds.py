"""Goal: equal values are stored equally in every process. Method: 12 interpreters with other hash seeds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import holdfast

PROGRAM = """
import hashlib, sys
from holdfast.core.codec import Codec
from holdfast.state.signing import KeyFile
from tests.unit.core.codec.samples import Color, Point
from tests.unit.core.codec.test_pickles import Odd
words = ["w%d" % number for number in range(200)]
value = {
    "sets": [set(words[:count]) for count in (3, 10, 40, 200)],
    "nested": {frozenset(words[:5]): {Point(word, frozenset(words)) for word in words[:9]}},
    "mixed": {1, "1", (1, "a"), None, b"x" * 2000, "y" * 70000, Color.RED, frozenset({"q", "r", "s"})},
    "odd": Odd(sets={"tags": set(words), "deep": [frozenset({(word, 1) for word in words[:20]})]}),
    "code": lambda word: word in {"apple", "pear", "plum", "fig"},
}
encoded = Codec(KeyFile(sys.argv[1])).encode(value, "x")
state = repr((encoded.text, encoded.order, [bytes(buffer) for buffer in encoded.buffers]))
print(hashlib.sha256(state.encode()).hexdigest())
"""


@pytest.mark.slow
def test_u4_equal_values_are_stored_equally_under_twelve_hash_seeds(tmp_path: Path, root: Path) -> None:
    source = Path(holdfast.__file__).parents[1]
    path = os.pathsep.join([str(source), str(root)])
    digests: set[str] = set()
    for seed in range(12):
        environment = os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": path}
        command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        digests.add(done.stdout)
    assert len(digests) == 1
