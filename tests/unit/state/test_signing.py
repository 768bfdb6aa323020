"""Goal: one key for each user, made once, kept secret. Method: folders of their own, and processes that race."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.errors import Untrusted
from holdfast.state import signing
from holdfast.state.signing import KeyFile, key_id

DATA = [b"some", b"data"]


def test_the_first_signature_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    signer = KeyFile(tmp_path / "home")
    assert not signer.verify("0" * 16, b"", DATA)
    assert not signer.path.exists(), "verifying makes no key"
    name, mac = signer.sign(DATA)
    key = signer.path.read_bytes()
    assert len(key) == 32
    assert name == hashlib.sha256(key).hexdigest()[:16]
    assert stat.S_IMODE(signer.path.stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["signing.key"]
    assert KeyFile(tmp_path / "home").sign(iter(DATA)) == (name, mac)
    assert signer.verify(name, mac, [b"somedata"])


def test_the_code_is_hmac_of_the_id_and_the_data(tmp_path: Path) -> None:
    signer = KeyFile(tmp_path)
    name, mac = signer.sign(DATA)
    assert mac == hmac.digest(signer.path.read_bytes(), f"16 {name} ".encode() + b"somedata", "sha256")


def test_another_id_code_or_content_is_no_match(tmp_path: Path) -> None:
    signer = KeyFile(tmp_path)
    name, mac = signer.sign(DATA)
    assert not signer.verify(name[::-1], mac, DATA)
    assert not signer.verify("\ud800", mac, DATA)
    assert not signer.verify(name, mac[:-1], DATA)
    assert not signer.verify(name, b"", DATA)
    assert not signer.verify(name, mac, [b"somedatA"])


def test_the_folder_is_that_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "a"))
    assert KeyFile().path == tmp_path / "a" / "signing.key"
    monkeypatch.delenv("HOLDFAST_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert KeyFile().path == tmp_path / ".holdfast" / "signing.key"


def test_trusted_keys_are_believed_as_soon_as_they_are_listed(tmp_path: Path) -> None:
    mine, theirs = KeyFile(tmp_path / "mine"), KeyFile(tmp_path / "theirs")
    mine.sign(DATA)
    name, mac = theirs.sign(DATA)
    assert not mine.verify(name, mac, DATA)
    mine.trusted_path.write_text(f"# ann\n\n{theirs.line()}  # her laptop\n")
    mine.trusted_path.chmod(0o600)
    assert mine.verify(name, mac, DATA)
    assert not theirs.verify(*mine.sign(DATA), DATA)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are those of POSIX")
def test_files_that_others_can_read_are_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    signer = KeyFile(tmp_path)
    name, mac = signer.sign(DATA)
    signer.path.chmod(0o640)
    for act in (lambda: KeyFile(tmp_path).sign(DATA), lambda: KeyFile(tmp_path).verify(name, mac, DATA)):
        with pytest.raises(Untrusted, match=rf"can be read by others; run: chmod 600 '{signer.path}'"):
            act()
    signer.path.chmod(0o600)
    signer.trusted_path.write_text(signer.line())
    signer.trusted_path.chmod(0o604)
    with pytest.raises(Untrusted, match=r"chmod 600 .*trusted\.keys"):
        signer.verify("0" * 16, mac, DATA)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    signer = KeyFile(tmp_path)
    with pytest.raises(Untrusted, match="there is no key"):
        signer.line()
    signer.path.write_bytes(b"short")
    signer.path.chmod(0o600)
    with pytest.raises(Untrusted, match="holds 5 bytes, and a key has 32"):
        signer.sign(DATA)
    signer.path.write_bytes(b"x" * 32)
    for line in ("abc", f"{'0' * 16} {'00' * 32}", f"{key_id(b'x')} {b'x'.hex()}", f"{key_id(b'x' * 32)} zz"):
        signer.trusted_path.write_text(line)
        signer.trusted_path.chmod(0o600)
        with pytest.raises(Untrusted, match=r"line 1 of .*trusted\.keys' is no key"):
            signer.verify("0" * 16, b"", DATA)


def test_a_key_that_somebody_else_makes_meanwhile_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[tuple[str, bytes]] = []
    write = signing._write_new

    def slow_write(path: Path, content: bytes) -> None:
        monkeypatch.undo()
        others.append(KeyFile(tmp_path).sign(DATA))
        write(path, content)

    monkeypatch.setattr(signing, "_write_new", slow_write)
    assert [KeyFile(tmp_path).sign(DATA)] == others


@pytest.mark.slow
def test_processes_that_make_the_key_at_once_use_the_same(tmp_path: Path) -> None:
    program = (
        "import sys; from holdfast.state.signing import KeyFile; sys.stdin.read(); "
        "print(KeyFile(sys.argv[1]).sign([b'x']))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "home")]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for racer in racers:
        assert racer.stdin
        racer.stdin.close()
        racer.stdin = None
    assert len({racer.communicate()[0] for racer in racers}) == 1
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["signing.key"]
