"""The command line: a thin surface over the store. Its libraries come with `pip install "holdfast[cli]"`."""

import sys


def main() -> None:
    """Run the command line, or say what to install for it."""
    try:
        from holdfast.cli.app import commands  # noqa: PLC0415 - `import holdfast.cli` must not need click and rich
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich"}:
            raise
        sys.exit(f'holdfast: the command line needs {error.name}: pip install "holdfast[cli]"')
    commands(prog_name="holdfast")
