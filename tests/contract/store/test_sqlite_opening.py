"""SQLite: what must be true before the first row is read."""

import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from goniec.ports import Tx, Unavailable
from goniec.store import Refused
from goniec.store.migrations import HEAD
from goniec.store.sqlite import connect, open_store
from goniec.store.sqlite.files import file_system, refuse_network
from tests.contract.store.scribe import NOW, Scribe, endpoint, put
from tests.core.build import rule


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "goniec.db"


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True, check=False
    )


async def test_the_file_is_its_owners_alone(path: Path) -> None:
    store = open_store(path, server=True)
    await put(store, endpoint())
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(["goniec.db", "goniec.db-wal", "goniec.db-shm", "goniec.db.lock"], 0o600)
    await store.close()


async def test_how_it_is_set_up(path: Path) -> None:
    store = open_store(path, server=True)
    db = store._writer._db
    settings = {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 0,
        "page_size": 4096,
        "wal_autocheckpoint": 0,
        "cache_size": -28 * 1024,
    }
    assert {name: db.execute(f"PRAGMA {name}").get for name in settings} == settings
    await store.close()


def test_no_folder_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "new", tmp_path / "file"):
        with pytest.raises(Refused, match=f"there is no folder {folder} for the database: make it first"):
            open_store(folder / "goniec.db", server=True)
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]


def test_a_folder_that_takes_no_file() -> None:
    with pytest.raises(Refused, match="cannot be made"):
        open_store(Path("/proc/goniec.db"), server=True)


async def test_it_is_there_again_after_closing(path: Path) -> None:
    store = open_store(path, server=True)
    event = await Scribe(store).happen("c1")
    await store.close()
    await store.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["goniec.db", "goniec.db.lock"]
    store = open_store(path, server=True)
    assert await store.queries.event(event.id) == (event, ())
    await store.close()


async def test_a_closed_store_is_unavailable(path: Path) -> None:
    store = open_store(path, server=True, durable=False)
    await store.close()
    with pytest.raises(Unavailable):
        await store.transact(lambda tx: tx.setup_version())
    with pytest.raises(Unavailable):
        await store.queries.rules()


# --- one server -----------------------------------------------------------------------------------------------------

HOLD = """
import sys, pathlib
from goniec.store.sqlite import open_store
store = open_store(pathlib.Path(sys.argv[1]), server=True, durable=False)
print("open", flush=True)
sys.stdin.read()
"""


async def test_a_second_server_is_told_who_has_the_file(path: Path) -> None:
    first = open_store(path, server=True, durable=False)
    with pytest.raises(Refused, match=rf"goniec\.db is in use by process {os.getpid()}\b"):
        open_store(path, server=True)
    await first.close()
    second = open_store(path, server=True, durable=False)
    await second.close()


async def test_a_server_in_another_process_and_its_end_by_a_kill(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(Refused, match=rf"process {other.pid}\b"):
            open_store(path, server=True)
        beside = open_store(path, server=False, durable=False)
        await put(beside, endpoint())
        await beside.close()
        other.kill()
    store = open_store(path, server=True, durable=False)
    assert len(await store.queries.endpoints()) == 1
    await store.close()


async def test_other_commands_write_beside_a_server(path: Path) -> None:
    server = open_store(path, server=True, durable=False)
    version = await server.transact(lambda tx: tx.setup_version())
    command = open_store(path, server=False, durable=False)
    await put(command, rule())
    await command.close()
    assert await server.transact(lambda tx: tx.setup_version()) > version
    assert len(await server.queries.rules()) == 1
    await server.close()


# --- what is not ours, or not for us --------------------------------------------------------------------------------


async def test_a_newer_database_is_refused(path: Path) -> None:
    store = open_store(path, server=True, durable=False)
    await store.close()
    db = apsw.Connection(str(path))
    db.execute("UPDATE alembic_version SET version_num = '0999'")
    db.close()
    before = path.read_bytes()
    for server in (True, False):
        with pytest.raises(Refused, match=rf"schema 0999.* up to {HEAD}"):
            open_store(path, server=server)
    assert path.read_bytes() == before


async def test_another_programs_database_is_refused(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE precious (x); INSERT INTO precious VALUES (1)")
    db.close()
    with pytest.raises(Refused, match="not Goniec's"):
        open_store(path, server=True)
    db = apsw.Connection(str(path))
    assert db.execute("SELECT x FROM precious").get == 1
    db.close()


async def test_what_is_no_database_is_refused(path: Path) -> None:
    path.write_text("dear diary, " * 1_000)
    with pytest.raises(Refused, match="damaged"):
        open_store(path, server=True)
    assert path.read_text() == "dear diary, " * 1_000


async def test_a_file_that_nothing_was_written_to_is_made_anew(path: Path) -> None:
    path.touch()
    store = open_store(path, server=True, durable=False)
    assert await store.queries.health() is None
    await store.close()


@pytest.mark.parametrize("version", ["3.51.2", "3.40.1", "3.9.0", "2.8.17"])
def test_an_older_library_is_refused(version: str) -> None:
    with pytest.raises(Refused, match=rf"SQLite {version} .*3\.51\.3"):
        connect.check_library(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.54.1", "3.100.0", "4.0.0"])
def test_a_newer_library_is_fine(version: str) -> None:
    connect.check_library(version)


MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/srv /srv/shared nfs4 rw 0 0
//nas/data /srv/with\\040blank cifs rw 0 0
/dev/vdb /srv/shared/local xfs rw 0 0
jan@host:/x /mnt/far fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/goniec.db", "ext4"),
        ("/srv/shared/goniec.db", "nfs4"),
        ("/srv/shared/local/goniec.db", "xfs"),
        ("/srv/sharedsomething/goniec.db", "ext4"),
        ("/srv/with blank/goniec.db", "cifs"),
        ("/mnt/far/deep/goniec.db", "fuse.sshfs"),
    ],
)
def test_network_file_systems_are_refused(tmp_path: Path, path: str, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert file_system(Path(path), mounts) == kind
    if kind in {"ext4", "xfs"}:
        refuse_network(Path(path), mounts)
    else:
        with pytest.raises(Refused, match=rf"network file system \({kind}\)"):
            refuse_network(Path(path), mounts)


def test_where_nothing_tells_the_file_system_it_is_taken(tmp_path: Path) -> None:
    assert file_system(tmp_path, tmp_path / "none") is None
    refuse_network(tmp_path, tmp_path / "none")


# --- damage ---------------------------------------------------------------------------------------------------------


async def test_a_corrupt_rule_stops_nothing(path: Path) -> None:
    store = open_store(path, server=True, durable=False)
    for n, position in ((1, 3), (2, 2), (3, 1)):
        await put(store, rule(f"rul_{n}", position=position))
    await put(store, endpoint("end_1"), endpoint("end_2"))
    await store.close()
    db = apsw.Connection(str(path))
    db.execute('UPDATE rules SET doc = CAST(\'{"id": "rul_2", "trig\' AS BLOB) WHERE id = \'rul_2\'')
    db.execute("UPDATE rules SET doc = CAST(replace(doc, 'contact.tagged', 'no.such') AS BLOB) WHERE id = 'rul_3'")
    db.execute("UPDATE endpoints SET doc = x'00' WHERE id = 'end_1'")
    db.execute("INSERT INTO funnels VALUES ('fun_1', x'00'); INSERT INTO api_keys VALUES ('key_1', x'07', x'00')")
    db.close()
    store = open_store(path, server=True, durable=False)
    found = await store.queries.rules()
    assert [(one.id, one.active) for one in found] == [("rul_3", False), ("rul_2", False), ("rul_1", True)]
    assert found[1].name == "(unreadable rule) rul_2"
    assert await store.transact(lambda tx: tx.rules()) == found
    assert await store.queries.rule("rul_2") == found[1]
    assert [one.id for one in await store.queries.endpoints()] == ["end_2"]
    assert await store.queries.endpoint("end_1") is None
    assert await store.queries.funnels() == []
    assert (await store.queries.keys(), await store.queries.key(b"\x07")) == ([], None)
    wrong = await store.integrity()
    assert [line.split(":")[0] for line in wrong] == [
        "rules, rul_2",
        "rules, rul_3",
        "endpoints, end_1",
        "funnels, fun_1",
        "api_keys, key_1",
    ]
    await put(store, rule("rul_2", version=2))
    assert (await store.queries.rules())[2].active
    await store.close()


async def test_damaged_pages_are_found(path: Path) -> None:
    store = open_store(path, server=True, durable=False)
    scribe = Scribe(store)
    await scribe.save(*(scribe.sent(scribe.event("c1")) for _ in range(500)))
    assert await store.integrity() == []
    await store.close()
    damaged = bytearray(path.read_bytes())
    db = apsw.Connection(str(path))
    page = db.execute("SELECT max(pageno) FROM dbstat WHERE name = 'ix_runs_rule_outcome'").get
    db.close()
    damaged[(page - 1) * 4096 + 8 : page * 4096] = b"\xff" * 4088
    path.write_bytes(damaged)
    store = open_store(path, server=True, durable=False)
    assert await store.integrity() != []
    await store.close()


async def test_quarantine_is_kept_for_a_person(path: Path) -> None:
    store = open_store(path, server=True, durable=False)

    async def work(tx: Tx) -> None:
        for n in range(3):
            await tx.quarantine(b"%d" % n, "ValueError: why", NOW + n)

    await store.transact(work)
    assert await store.quarantined(2) == [(3, NOW + 2, "ValueError: why", b"2"), (2, NOW + 1, "ValueError: why", b"1")]
    await store.close()


# --- what an import costs -------------------------------------------------------------------------------------------


async def test_opening_loads_neither_alembic_nor_sqlalchemy_nor_a_second_sqlite(path: Path) -> None:
    script = (
        "import sys, pathlib; from goniec.store.sqlite import open_store; path = pathlib.Path(sys.argv[1]);"
        " [open_store(path, server=False) for _ in range(2)];"
        " print(*sorted({name.partition('.')[0] for name in sys.modules} & {'alembic', 'sqlalchemy', 'sqlite3'}))"
    )
    ran = run(script, str(path))
    assert (ran.returncode, ran.stdout) == (0, "\n"), ran.stderr
