"""Goal: roles reach the workspaces that they were given, and no others. Method: the statements of the page."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

import holdfast
from tests.postgresql import server

TENANTS = ("acme", "other")


@pytest.fixture
def page(root: Path) -> str:
    found: str
    (found,) = re.findall(r"```sql\n(.*?)```", (root / "docs" / "postgresql.md").read_text("utf-8"), re.DOTALL)
    return str(found.replace("agents", "postgres"))


@pytest.fixture
def urls(page: str) -> dict[str, str]:
    """Run what the page says for two tenants; return the URLs of their roles, workspace excluded."""
    with psycopg.connect(server(), autocommit=True) as admin:
        for name in (*TENANTS, "acme_worker", "other_worker"):
            if admin.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchall():
                admin.execute(f"DROP OWNED BY {name} CASCADE")
                admin.execute(f"DROP ROLE {name}")
        for tenant in TENANTS:
            admin.execute(page.replace("acme", tenant))
    names = [*TENANTS, "acme_worker", "other_worker"]
    return {name: server().replace("postgres@", f"{name}@") for name in names}


def test_a_role_has_its_workspace_and_no_other(urls: dict[str, str]) -> None:
    for tenant in TENANTS:
        with holdfast.connect(f"{urls[tenant]}&workspace={tenant}") as db:
            db.state["whose"] = tenant
            db.state.commit()
            with db.run("r") as run:
                run.step("one", str, 1)
            db.gc()
            assert db.verify().commits
    for tenant, another in (TENANTS, TENANTS[::-1]):
        with pytest.raises(holdfast.StoreUnavailable, match=f"permission denied for schema holdfast_{another}; ask"):
            holdfast.connect(f"{urls[tenant]}&workspace={another}")
        with pytest.raises(holdfast.StoreUnavailable, match="permission denied for database postgres; ask"):
            holdfast.connect(f"{urls[tenant]}&workspace=third")


def test_several_roles_may_share_a_workspace(urls: dict[str, str]) -> None:
    """Whatever either of them makes is the owner's."""
    one = f"{urls['acme_worker']}&workspace=acme&options=-c%20role%3Dacme"
    with holdfast.connect(one) as db:
        db.state["x"] = [1]
        db.state.commit()
    with holdfast.connect(f"{urls['acme']}&workspace=acme") as db:
        db.state["x"].append(2)
        db.state.commit()
    with holdfast.connect(one) as db:
        assert db.state["x"] == [1, 2]
        assert db.verify().commits
    with pytest.raises(holdfast.StoreUnavailable, match="permission denied"):
        holdfast.connect(one.replace("acme", "other").replace("other_worker", "acme_worker"))
