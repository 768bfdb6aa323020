"""Other people's traces in: SWE-agent trajectories and OpenAI-format conversations become rows of `iterations`."""

from holdfast.capture.importing import (
    INSERT_STEP,
    ITERATIONS,
    TRAJECTORIES,
    Imported,
    import_trace,
    read_traces,
    step_row,
)
from holdfast.capture.trajectory import TraceStep, Trajectory, run_name

__all__ = [
    "INSERT_STEP",
    "ITERATIONS",
    "TRAJECTORIES",
    "Imported",
    "TraceStep",
    "Trajectory",
    "import_trace",
    "read_traces",
    "run_name",
    "step_row",
]
