"""Looking for damage: every node is read anew, and the tree must be what its parts say."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator

from holdfast.engine.tree import keys
from holdfast.engine.tree.draft import Draft
from holdfast.engine.tree.keys import BORN, BRANCH, COMMIT, ENDED, HASH, ROW, SCHEMA, TAG, TOUCH, TRUNK
from holdfast.engine.tree.nodes import Nodes
from holdfast.engine.tree.recent import Recent, read_anew
from holdfast.engine.tree.records import commit_record, line_record, unpacked
from holdfast.engine.tree.tree import Tree
from holdfast.errors import StoreCorrupt


def damage_of(tree: Tree) -> Iterator[str]:
    """Yield what is wrong with a tree: nodes that are missing or damaged, and entries that contradict each other.

    Of an open commit what is below it is looked at, which is what is stored.
    """
    recent = tree.base if isinstance(tree, Draft) else tree
    below = recent.base if isinstance(recent, Recent) else recent
    fresh = Tree(Nodes(below.nodes.store, bytes_max=0), below.root)
    if fresh.root is None:
        yield "the tree is empty: not even the first commit is there"
        return
    broken = False
    for finding in itertools.chain(_nodes(fresh, fresh.root, None), _changes(recent)):
        broken = True
        yield finding
    if not broken:
        yield from _entries(recent)


def _changes(recent: Tree) -> Iterator[str]:
    """Yield what is wrong with the changes that the tree has not taken in."""
    if not isinstance(recent, Recent):
        return
    try:
        stored = read_anew(recent)
        for key, held in stored.changes():
            if isinstance(held, list):
                stored.load(key, held)
    except StoreCorrupt as error:
        yield str(error)


def _nodes(tree: Tree, digest: bytes, first: bytes | None) -> Iterator[str]:
    """Yield what is wrong with a node and those below it."""
    try:
        node = tree.nodes.read(digest)
    except StoreCorrupt as error:
        yield str(error)
        return
    if not node.keys or len(node.keys) != len(node.values) or sorted(set(node.keys)) != node.keys:
        yield f"node {digest.hex()} is not in order"
    if first is not None and node.keys[:1] != [first]:
        yield f"node {digest.hex()} does not begin where its place says"
    for key, value in zip(node.keys, node.values, strict=False):
        if node.level and isinstance(value, bytes):
            yield from _nodes(tree, value, key)
        elif not isinstance(value, bytes):
            try:
                tree.load(key, value)
            except StoreCorrupt as error:
                yield str(error)


def _entries(tree: Tree) -> Iterator[str]:
    """Yield where entries that are written together are not there together."""
    yield from _names(tree)
    yield from _schemas(tree)
    yield from _versions(tree)
    for key, held in tree.prefix(keys.LINE):
        if key[25:26] == TOUCH:
            kind, version = keys.touched_version(key)
            told = version if kind == BORN else keys.end_key(version, keys.point_of(key[1:]))
            if tree.held(told) is None:
                yield f"commit {keys.point_of(key[1:]).n} of line {key[1:17].hex()} touched a version that is missing"
        elif key[17:] == b"\xff" * 8:
            yield from _seal(tree, key, tree.load(key, held))
        elif key[25:] == COMMIT:
            digest = commit_record(tree.load(key, held)).hash
            if tree.get(HASH + digest) != key[1:25]:
                yield f"commit {digest.hex()[:12]} cannot be found by its hash"


def _versions(tree: Tree) -> Iterator[str]:
    version = b""
    for key, _ in tree.prefix(ROW):
        if key[-1:] == BORN:
            version, place, kind = key, keys.born_of(key), BORN
        else:
            ended, place = keys.end_of(key)
            kind = ENDED
            if ended != version:
                yield "the end of a version is there, and the version is not"
                continue
        if tree.held(keys.touch_key(place, kind, version)) is None:
            yield f"commit {place.n} of line {place.line} does not know of a version that it made or ended"


def _names(tree: Tree) -> Iterator[str]:
    for key, raw in tree.load_many(tree.prefix(BRANCH)):
        if tree.held(keys.head_key(raw.hex())) is None:
            yield f"branch {key[1:].decode(errors='replace')!r} names a line that is not there"
    for key, raw in tree.load_many(tree.prefix(TAG)):
        if tree.held(keys.head_key(raw[:16].hex())) is None:
            yield f"tag {key[1:].decode(errors='replace')!r} is on a line that is not there"


def _schemas(tree: Tree) -> Iterator[str]:
    for key, raw in tree.load_many(tree.prefix(SCHEMA)):
        digest, text = unpacked(raw)
        if hashlib.sha256(text.encode()).digest() != digest:
            yield f"version {int.from_bytes(key[1:])} of the schema is damaged"


def _seal(tree: Tree, key: bytes, raw: bytes) -> Iterator[str]:
    record = line_record(raw)
    trunk = record.sealed_by
    if trunk is None:
        return
    merge = tree.get(keys.commit_key(trunk))
    parents = commit_record(merge).parents if merge is not None else ()
    known = tree.held(TRUNK + keys.point_bytes(trunk) + key[1:17]) is not None
    if parents[1:] != (record.head_hash,) or not known:
        yield f"line {key[1:17].hex()} is sealed by a commit that did not merge its head"
