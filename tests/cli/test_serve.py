"""`goniec serve`: it starts, it stops, and what keeps it from starting is told in a sentence."""

import asyncio
import signal
import socket
import urllib.request
from pathlib import Path
from urllib.error import URLError

import apsw
import pytest

from goniec.core.endpoint import Endpoint
from goniec.store.sqlite import open_store
from goniec.store.vault import open_vault
from tests.cli.commands import call, goniec, serving

DATABASE = "goniec.db"


def fails(folder: Path, *arguments: str, code: int = 1, **settings: str) -> str:
    """Give what a server says that cannot start, which has to be sentences."""
    ran = goniec(folder, "serve", *arguments, **{"port": "0", **settings})
    assert ran.returncode == code
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    assert all(line.startswith("goniec: ") for line in ran.stderr.splitlines())
    return ran.stderr


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own server
            return int(response.status)
    except URLError:
        return 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path) as (process, url):
        assert status(f"{url}/healthz") == 200
        assert status(f"{url}/readyz") == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0
    assert out == ""
    assert '"stopped"' in err
    assert (tmp_path / DATABASE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "goniec.key").stat().st_mode & 0o777 == 0o600


def test_keys_are_made_beside_a_server_that_runs(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, url):
        key = goniec(tmp_path, "key", "create", "sklep", "--scope", "read").stdout.strip()
        assert call(url, key, "GET", "/events")["items"] == []


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = fails(tmp_path, "--port", str(port))
    assert f"127.0.0.1 port {port} is in use by another program" in said
    assert "--port" in said
    assert not (tmp_path / DATABASE).exists()


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    assert "this machine does not have that address" in fails(tmp_path, "--host", "192.0.2.1")


def test_a_host_that_is_not_found(tmp_path: Path) -> None:
    assert "cannot be listened on" in fails(tmp_path, "--host", "goniec.invalid")


def test_a_second_server_on_the_same_file(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, url):
        said = fails(tmp_path)
        assert f"{DATABASE} is in use by process {process.pid}" in said
        assert "stop that one first" in said
        assert status(f"{url}/healthz") == 200


def test_migrate_and_restore_leave_a_server_alone(tmp_path: Path) -> None:
    with serving(tmp_path):
        assert goniec(tmp_path, "backup", "copy.db").returncode == 0
        for arguments in (["migrate"], ["restore", "copy.db"]):
            ran = goniec(tmp_path, *arguments)
            assert ran.returncode == 1
            assert "is in use by process" in ran.stderr


def test_a_database_newer_than_the_program(tmp_path: Path) -> None:
    assert goniec(tmp_path, "migrate").returncode == 0
    change(tmp_path / DATABASE, "UPDATE alembic_version SET version_num = '9999'")
    said = fails(tmp_path)
    assert "has schema 9999" in said
    assert "install the newer Goniec" in said


def test_a_database_of_something_else(tmp_path: Path) -> None:
    change(tmp_path / DATABASE, "CREATE TABLE photos (id)")
    assert "is a database, but not Goniec's" in fails(tmp_path)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"never a database\n" * 1000)
    assert "the database file is damaged: restore a backup" in fails(tmp_path)
    assert (tmp_path / DATABASE).read_bytes().startswith(b"never")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    assert "/proc/goniec.db.lock cannot be made" in fails(tmp_path, "--database", "sqlite:////proc/goniec.db")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    told = f"there is no folder {tmp_path}/new for the database: make it first, or set GONIEC_DATABASE"
    assert told in fails(tmp_path, "--database", "sqlite:///new/goniec.db")
    assert [*tmp_path.iterdir()] == []
    (tmp_path / "new").touch()
    assert told in fails(tmp_path, "--database", "sqlite:///new/goniec.db")


def test_a_missing_key_file_with_secrets_in_the_database(tmp_path: Path) -> None:
    seal_something(tmp_path)
    (tmp_path / "goniec.key").unlink()
    said = fails(tmp_path)
    assert "the database holds secrets, and the key that opens them is missing" in said
    assert f"put {tmp_path / 'goniec.key'} back" in said
    assert not (tmp_path / "goniec.key").exists()


def test_another_key_than_the_secrets_were_sealed_with(tmp_path: Path) -> None:
    seal_something(tmp_path)
    said = fails(tmp_path, secret_key="k" * 40)
    assert "is not the one that the secrets in the database were sealed with" in said
    assert "kkkk" not in said


def test_a_locked_file(tmp_path: Path) -> None:
    assert goniec(tmp_path, "migrate").returncode == 0
    holder = apsw.Connection(str(tmp_path / DATABASE))
    try:
        holder.execute("BEGIN IMMEDIATE")
        assert "the database file is locked by another program" in fails(tmp_path)
        ran = goniec(tmp_path, "key", "create", "sklep")
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr.startswith("goniec: the database file is locked by another program")
    finally:
        holder.close()
    assert goniec(tmp_path, "key", "create", "sklep").returncode == 0


def test_wrong_options_are_named_as_options(tmp_path: Path) -> None:
    said = fails(tmp_path, "--database", "postgresql://u:p@h/d/e", code=2)
    assert "--database is 'postgresql://…@h/d/e': the database's name is missing" in said
    assert "--role is 'web': roles of their own need PostgreSQL" in fails(tmp_path, "--role", "web", code=2)


def change(database: Path, sql: str) -> None:
    db = apsw.Connection(str(database))
    try:
        db.execute(sql)
    finally:
        db.close()


def seal_something(folder: Path) -> None:
    async def seal() -> None:
        store = open_store(folder / DATABASE, server=False)
        try:
            vault = await open_vault(store, folder / "goniec.key")
            secret = vault.seal("end_1", "whsec_" + "a" * 44)
            endpoint = Endpoint(
                id="end_1", version=1, url="https://crm.example/", secret=secret, created_at=0, updated_at=0
            )
            await store.transact(lambda tx: tx.put_endpoint(endpoint))
        finally:
            await store.close()

    asyncio.run(seal())
