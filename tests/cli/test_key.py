"""`goniec key create`: the key on stdout, and nothing but the key."""

import asyncio
import re
from pathlib import Path

import pytest

from goniec.flow.keys import digest
from goniec.store.sqlite import open_store
from tests.cli.commands import goniec


@pytest.fixture(autouse=True)
def database(tmp_path: Path) -> None:
    assert goniec(tmp_path, "migrate").returncode == 0


def test_no_database_is_made_for_a_key(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ran = goniec(elsewhere, "key", "create", "sklep")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"there is no database at {elsewhere}/goniec.db: set GONIEC_DATA_DIR to its folder" in ran.stderr
    assert [*elsewhere.iterdir()] == []


def test_a_name_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    ran = goniec(tmp_path, "key", "create", " ")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("goniec: the name cannot be taken")


def test_the_key_and_only_the_key_goes_to_stdout(tmp_path: Path) -> None:
    ran = goniec(tmp_path, "key", "create", "sklep")
    assert ran.returncode == 0
    assert re.fullmatch(r"gnc_[\w-]{43}\n", ran.stdout)
    assert f"to {tmp_path}/goniec.db, with the scope ingest" in ran.stderr
    assert ran.stdout.strip() not in ran.stderr


def test_only_its_digest_is_kept(tmp_path: Path) -> None:
    text = goniec(tmp_path, "key", "create", "sklep", "--scope", "admin").stdout.strip()
    assert text.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())

    async def kept() -> tuple[str, str]:
        store = open_store(tmp_path / "goniec.db", server=False)
        try:
            key = await store.queries.key(digest(text))
            assert key is not None
            return key.name, key.scope
        finally:
            await store.close()

    assert asyncio.run(kept()) == ("sklep", "admin")


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    assert goniec(tmp_path, "key", "create", "sklep").returncode == 0
    again = goniec(tmp_path, "key", "create", "Sklep")
    assert again.returncode == 1
    assert again.stdout == ""
    assert "there is a key named" in again.stderr
