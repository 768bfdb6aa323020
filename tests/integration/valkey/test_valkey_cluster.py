"""Goal: a cluster is one server: a store is on one node of it, and a node that is gone is an error until it returns."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import valkey

import holdfast
from holdfast import Versioned
from holdfast.engine.kv.valkey import store as valkey_store
from tests.valkey_server import Server, cluster, until

WORKSPACES = ("acme", "globex", "initech", "umbrella", "hooli", "stark")


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Server]]:
    with cluster() as made:
        yield made


def on(nodes: list[Server], workspace: str) -> list[int]:
    """Return which nodes have keys of a workspace."""
    found = []
    for at, node in enumerate(nodes):
        with valkey.Valkey(port=node.port) as client:
            if list(client.scan_iter(match=f"{{{workspace}}}*")):
                found.append(at)
    return found


@pytest.mark.slow
def test_c13_each_store_is_on_one_node_and_any_node_leads_there(nodes: list[Server]) -> None:
    for at, workspace in enumerate(WORKSPACES):
        with holdfast.connect(f"{nodes[at % 3].url}?workspace={workspace}") as db:
            with db.run("r") as run:
                run.state["who"] = workspace
                for number in range(70):  # the tree takes them in
                    run.step("one", str, number)
            assert db.verify().commits
    valkey_store.OPENED.forget()
    for at, workspace in enumerate(WORKSPACES):
        with holdfast.connect(f"{nodes[(at + 1) % 3].url}?workspace={workspace}") as db:
            assert db.run("r").state["who"] == workspace
            db.gc()
            assert len(db.run("r").steps()) == 70
        assert len(on(nodes, workspace)) == 1
    assert {on(nodes, workspace)[0] for workspace in WORKSPACES} == {0, 1, 2}


def test_what_is_known_of_the_slots_is_asked_anew(nodes: list[Server]) -> None:
    """After a look while some were nobody's."""
    with holdfast.connect(f"{nodes[0].url}?workspace=slots") as db:
        cluster_of = db._engine._shared.store.inner._server._cluster  # type: ignore[attr-defined]
        cluster_of.nodes_manager.slots_cache = {}
        db.branch("made")
        assert [branch.name for branch in db.branches()] == ["made", "main"]


@pytest.mark.slow
def test_c13_a_master_that_is_gone_is_an_error_and_nothing_is_lost_when_it_returns() -> None:
    with cluster() as nodes:
        url = f"{nodes[0].url}?workspace=acme"
        with holdfast.connect(url, timeout=2) as db:
            at = 0

            def body() -> None:
                nonlocal at
                with db.run("r") as run:
                    run.step("one", str, 1)
                    at = on(nodes, "acme")[0]
                    nodes[at].stop(signal.SIGKILL)
                    run.step("two", str, 2)

            with pytest.raises(holdfast.StoreUnavailable):
                body()
            nodes[at].start()
            until(lambda: answers(db))
            with db.run("r") as run:
                assert run.step("one", str, 1) == "1"
                assert run.step("two", str, 2) == "2"
            assert db.verify().commits


def answers(db: holdfast.Store) -> bool:
    try:
        return bool(db.log(limit=1))
    except holdfast.StoreUnavailable:
        return False


@pytest.mark.slow
def test_a_replica_that_takes_over_has_all_that_was_acknowledged() -> None:
    """With `replicas=1` each commit waits for it. C7: nobody is told of a commit that may go."""
    with cluster(3) as nodes:
        replica = Server({**nodes[0]._settings, "repl-diskless-sync-delay": "0"})
        try:
            replica.start()
            url = f"{nodes[0].url}?workspace=acme&replicas=1"
            with Versioned(f"{nodes[0].url}?workspace=acme") as state:
                state["n"] = 0
                state.commit()
            owner = nodes[on(nodes, "acme")[0]]
            with valkey.Valkey(port=owner.port) as client, valkey.Valkey(port=replica.port) as other:
                client.config_set("repl-diskless-sync-delay", "0")
                other.execute_command("CLUSTER", "MEET", "127.0.0.1", owner.port)
                owner_id = client.execute_command("CLUSTER", "MYID").decode()
                until(lambda: owner_id in str(other.execute_command("CLUSTER", "NODES")))
                other.execute_command("CLUSTER", "REPLICATE", owner_id)
                until(lambda: other.info("replication").get("master_link_status") == "up")
                until(lambda: client.info("replication").get("connected_slaves") == 1)
            with Versioned(url, timeout=20) as state:
                for number in range(1, 30):
                    state["n"] = number
                    state.commit()
                owner.stop(signal.SIGKILL)
                state["n"] = 30
                with pytest.raises(holdfast.StoreUnavailable, match="replicas have confirmed"):
                    state.commit()  # it is taken over, and there is no replica any more
                state.discard()
            with Versioned(f"{replica.url}?workspace=acme") as state:
                assert state["n"] in (29, 30)
        finally:
            replica.close()
