"""`goniec user`: passwords come on standard input or are asked for; who was added can sign in."""

import asyncio
import os
import pty
import subprocess
from pathlib import Path

import pytest

from goniec.core.model import User
from goniec.store.passwords import Argon2
from goniec.store.sqlite import open_store
from tests.cli.commands import GONIEC, environment, goniec

PASSWORD = "zażółć gęślą"


def add(folder: Path, email: str, *options: str, stdin: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    return goniec(folder, "user", "add", email, "--password-stdin", *options, stdin=stdin)


def users(folder: Path) -> list[User]:
    async def read() -> list[User]:
        store = open_store(folder / "goniec.db", server=False)
        try:
            return await store.queries.users()
        finally:
            await store.close()

    return asyncio.run(read())


def fits(user: User, password: str) -> bool:
    return asyncio.run(Argon2().fits(password, user.password))


def typed(folder: Path, *arguments: str, lines: bytes) -> tuple[int, str]:
    """Run a command on a terminal, where somebody types; give its exit code and all that stands there then."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*GONIEC, *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    asked = lines.splitlines(keepends=True)
    try:
        while chunk := os.read(ours, 1024):
            shown += chunk
            if shown.endswith(b": ") and asked:
                os.write(ours, asked.pop(0))
    except OSError:
        pass  # Linux says so when the other side has closed it
    os.close(ours)
    return process.wait(60), shown.decode()


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a41_a_line_end_is_no_part_of_the_password(tmp_path: Path, end: str) -> None:
    ran = add(tmp_path, "Ewa@x.pl", "--role", "viewer", "--name", "Ewa Żak", stdin=PASSWORD + end)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "Ewa@x.pl may sign in as viewer: http://127.0.0.1:8000/login" in ran.stderr
    (ewa,) = users(tmp_path)
    assert (ewa.email, ewa.role, ewa.name, ewa.language) == ("Ewa@x.pl", "viewer", "Ewa Żak", None)
    assert fits(ewa, PASSWORD)
    assert PASSWORD.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_the_first_user_leads_unless_told_otherwise(tmp_path: Path) -> None:
    for email in ("a@x.pl", "b@x.pl"):
        assert add(tmp_path, email).returncode == 0
    assert [user.role for user in users(tmp_path)] == ["admin", "editor"]


@pytest.mark.parametrize(
    ("email", "stdin", "told"),
    [
        ("ewa", PASSWORD, "an e-mail address has exactly one @"),
        ("ewa@x.pl", "short\n", "a password has at least 10 characters"),
        ("ewa@x.pl", "", "a password has at least 10 characters"),
        ("ewa@x.pl", "x" * 2_000, "a password has at most 1000 characters"),
        ("ewa@x.pl", f"{PASSWORD}\n\n", "control characters"),
        ("ewa@x.pl", "one line\nand one\n", "control characters"),
        ("ewa@example.pl", "ewa@example.pl\n", "the password cannot be the e-mail address"),
    ],
)
def test_what_is_no_user(tmp_path: Path, email: str, stdin: str, told: str) -> None:
    ran = add(tmp_path, email, stdin=stdin)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_email_is_one_users(tmp_path: Path) -> None:
    assert add(tmp_path, "ewa@x.pl").returncode == 0
    again = add(tmp_path, "EWA@x.pl")
    assert again.returncode == 1
    assert "there is a user with the e-mail EWA@x.pl already" in again.stderr


def test_without_a_terminal_the_password_has_to_be_sent(tmp_path: Path) -> None:
    ran = goniec(tmp_path, "user", "add", "ewa@x.pl", stdin="")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--password-stdin" in ran.stderr
    assert not (tmp_path / "goniec.db").exists()


def test_on_a_terminal_it_is_asked_for_twice_and_not_shown(tmp_path: Path) -> None:
    line = f"{PASSWORD}\n".encode()
    code, shown = typed(tmp_path, "user", "add", "ewa@x.pl", lines=2 * line)
    assert (code, "may sign in as admin" in shown) == (0, True), shown
    assert PASSWORD not in shown
    (ewa,) = users(tmp_path)
    assert fits(ewa, PASSWORD)
    code, shown = typed(tmp_path, "user", "password", "ewa@x.pl", lines=line + b"another one\n")
    assert (code, "the two are not the same" in shown) == (2, True), shown
    code, shown = typed(tmp_path, "user", "password", "ewa@x.pl", lines=b"\x04")
    assert (code, "no password was given" in shown) == (2, True), shown
    assert users(tmp_path) == [ewa]


def test_a_password_is_set_anew(tmp_path: Path) -> None:
    add(tmp_path, "ewa@x.pl")
    ran = goniec(tmp_path, "user", "password", "EWA@x.pl", "--password-stdin", stdin="another one\n")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "ewa@x.pl has a new password, and is signed out everywhere" in ran.stderr
    (ewa,) = users(tmp_path)
    assert (fits(ewa, PASSWORD), fits(ewa, "another one")) == (False, True)


@pytest.mark.parametrize(
    ("email", "stdin", "code", "told"),
    [
        ("ola@x.pl", PASSWORD, 1, "there is no user with the e-mail ola@x.pl; goniec user list shows all"),
        ("ola", PASSWORD, 2, "an e-mail address has exactly one @"),
        ("ewa@x.pl", "short", 2, "a password has at least 10 characters"),
    ],
)
def test_what_cannot_be_set(tmp_path: Path, email: str, stdin: str, code: int, told: str) -> None:
    add(tmp_path, "ewa@x.pl")
    ran = goniec(tmp_path, "user", "password", email, "--password-stdin", stdin=stdin)
    assert ran.returncode == code
    assert told in ran.stderr
    assert fits(users(tmp_path)[0], PASSWORD)


def test_users_are_listed(tmp_path: Path) -> None:
    add(tmp_path, "ewa@x.pl", "--name", "Ewa")
    add(tmp_path, "jan@x.pl")
    ran = goniec(tmp_path, "user", "list")
    assert ran.returncode == 0
    assert ran.stdout.splitlines() == ["e-mail    role    name", "ewa@x.pl  admin   Ewa", "jan@x.pl  editor"]


def test_where_there_is_no_database_nobody_is_listed(tmp_path: Path) -> None:
    ran = goniec(tmp_path, "user", "list")
    assert ran.returncode == 1
    assert "there is no database at" in ran.stderr
