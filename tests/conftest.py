"""What all tests share: where the real traces are, how long a property is searched, and the seconds of each suite."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import engines
from tests import postgresql as server

SOAK = os.environ.get("HOLDFAST_SOAK") == "1"

hypothesis.settings.register_profile("usual", deadline=None, print_blob=True)
hypothesis.settings.register_profile(
    "soak", deadline=None, print_blob=True, max_examples=5_000, stateful_step_count=200
)
hypothesis.settings.load_profile("soak" if SOAK else "usual")


@pytest.fixture(scope="session")
def root(pytestconfig: pytest.Config) -> Path:
    """Return the project's root folder."""
    return pytestconfig.rootpath


@pytest.fixture(scope="session")
def traces(root: Path) -> Path:
    """Return the folder of real agent traces, or skip where it is absent."""
    folder = root.parent / "shared" / "traces"
    if not folder.is_dir():
        pytest.skip("real agent traces are not here: ../shared/traces")
    return folder


@pytest.fixture(scope="session")
def soak() -> bool:
    """Tell whether tests run in their long form (`make soak`)."""
    return SOAK


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Yield what to connect to a PostgreSQL server with, one for each process of the run.

    Where none is installed tests are skipped aloud, but in CI they fail: there it must be.
    """
    if not server.installed():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(server.MISSING)
    with server.running() as connection:
        yield connection


class Suites:
    """Adds up, per folder of tests/, what ran and for how long; with xdist, over all its processes."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.outcomes: dict[str, Counter[str]] = {}
        self.told: list[str] = []
        self.ran: engines.Ran = {}
        self.lacking: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one phase of one test. Xdist hands those of its workers to the controller, where this runs."""
        folder, _, below = report.nodeid.removeprefix("tests/").partition("/")
        suite = folder if below else "tests"
        self.seconds[suite] += report.duration  # type: ignore[assignment]  # a Counter adds floats too
        if report.when == "call" or not report.passed:
            self.outcomes.setdefault(suite, Counter())[report.outcome] += 1
        if report.when == "call" and report.passed and (ran := engines.ran_on(report.nodeid)):
            self.ran.setdefault(ran[0], set()).add(ran[1])
        if report.when == "call":  # record_property("told", ...): what a test has found out, such as a soak
            self.told += [str(text) for name, text in report.user_properties if name == "told"]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let a run in which nothing passed fail in CI: skipping everything proves nothing."""
        passed = sum(outcomes["passed"] for outcomes in self.outcomes.values())
        if os.environ.get("CI") and not passed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        self._compare(session)

    def _compare(self, session: pytest.Session) -> None:
        """Hold what ran on which engine against what docs/engines.md promises, or write it there."""
        page = session.config.rootpath / engines.PAGE
        if os.environ.get("HOLDFAST_WRITE_DOCS") == "1":
            page.write_text(engines.written(page.read_text("utf-8"), self.ran), "utf-8")
        elif session.exitstatus == pytest.ExitCode.OK and _is_whole(session.config):
            self.lacking = engines.lacking(page.read_text("utf-8"), self.ran)
            if os.environ.get("CI") and self.lacking:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what tests had to tell, and a line per suite."""
        for text in self.told:
            title, _, lines = text.partition("\n")
            terminalreporter.section(title)
            terminalreporter.write_line(lines)
        if self.lacking:
            terminalreporter.section(f"promised by {engines.PAGE}")
            terminalreporter.write_line("\n".join(self.lacking))
        if self.outcomes:
            terminalreporter.section("seconds of each suite, added over all processes")
        for suite, outcomes in sorted(self.outcomes.items()):
            counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
            terminalreporter.line(f"{suite:<12} {self.seconds[suite]:8.2f} s  {counts}")


def _is_whole(config: pytest.Config) -> bool:
    """Tell whether all tests run, on the usual engines."""
    some = config.option.keyword or config.option.markexpr or config.option.collectonly
    return (
        config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and not some
        and engines.POSTGRES in engines.ENGINES[:2]
    )


def pytest_configure(config: pytest.Config) -> None:
    """Count in the process that reports, not in the workers of xdist."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Suites(), "suites")
