"""The table as a picture: every work as a multiple of its floor, with its budget and its peers."""

from __future__ import annotations

from pathlib import Path

from bench.measure import Row

COLOURS = {"doltlite": "#c44e52", "deeplake": "#8172b2", "sqlite_vec": "#937860", "kvgit": "#da8bc3", "agex": "#55a868"}


def draw(rows: list[Row], path: Path, title: str) -> None:
    """Draw rows, the first on top. Without matplotlib there is no picture, and that is said."""
    try:
        import matplotlib as library  # noqa: PLC0415 - half a second, and only the bench group brings it
    except ImportError:
        print("matplotlib is not installed: no plot")
        return
    library.use("svg")
    library.rcParams["svg.hashsalt"] = "holdfast"  # else every run writes other names
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(figsize=(9, 0.42 * len(rows) + 1.4), layout="constrained")
    for place, row in enumerate(rows):
        low, high = row.spread
        axes.plot([low, high], [place, place], color="#4c72b0", linewidth=5, alpha=0.35)
        for name, ratio in row.peers.items():
            axes.plot(ratio, place, "D", color=COLOURS[name], markersize=5)
        bound = _bound(row)
        if bound is not None:
            axes.plot([bound, bound], [place - 0.35, place + 0.35], color="black")
        axes.plot(row.ratio, place, "o", color="#4c72b0" if row.met is not False else "#dd8452", markersize=7)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [f"{row.work}\n(floor: {row.floor})" for row in rows], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("times the floor of the same round (logarithmic); | budget, orange: missed, the bar: middle half")
    axes.set_title(title, fontsize=10)
    for name in sorted({name for row in rows for name in row.peers}):
        axes.plot([], [], "D", color=COLOURS[name], label=name.replace("_", "-"), markersize=5)
    axes.plot([], [], "o", color="#4c72b0", label="Holdfast")
    axes.legend(fontsize=7, loc="lower right")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _bound(row: Row) -> float | None:
    if row.budget is None:
        return None
    if row.budget.most_us is not None:
        return row.budget.most_us / row.of_floor
    return row.budget.most if row.budget.most is not None else row.budget.least
