"""`goniec migrate`, `backup` and `restore`: the file as a whole."""

import json

from tests.cli.commands import call, goniec, serving
from tests.cli.conftest import Worked


def test_migrate_makes_what_is_not_there_and_leaves_what_is(worked: Worked) -> None:
    for fresh in (True, False):
        ran = goniec(worked.folder, "migrate", database="sqlite:///other.db")
        assert (ran.returncode, ran.stdout) == (0, "")
        assert ("A new database was made at " in ran.stderr) is fresh
        assert "other.db has schema " in ran.stderr
    assert (worked.folder / "other.db").exists()


def test_a_backup_is_made_beside_a_server_and_is_whole(worked: Worked) -> None:
    with serving(worked.folder):
        ran = goniec(worked.folder, "backup", "copy.db")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert f"keep {worked.folder / 'goniec.key'} too" in ran.stderr
    copy = worked.folder / "copy.db"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert b"hunter2" not in copy.read_bytes()
    ran = goniec(worked.folder, "deliveries", "list", "--json", database="sqlite:///copy.db")
    assert [json.loads(line)["id"] for line in ran.stdout.splitlines()] == [worked.delivery]


def test_a_key_in_the_environment_is_what_has_to_be_kept(worked: Worked) -> None:
    ran = goniec(worked.folder, "backup", "copy.db", secret_key=(worked.folder / "goniec.key").read_text().strip())
    assert "keep GONIEC_SECRET_KEY too" in ran.stderr


def test_a_backup_overwrites_nothing(worked: Worked) -> None:
    (worked.folder / "copy.db").write_text("mine")
    ran = goniec(worked.folder, "backup", "copy.db")
    assert ran.returncode == 1
    assert "exists: name a new file" in ran.stderr
    assert (worked.folder / "copy.db").read_text() == "mine"
    ran = goniec(worked.folder, "backup", "nowhere/copy.db")
    assert ran.returncode == 1
    assert "make it first" in ran.stderr


def test_what_is_restored_is_paused_and_the_erased_stay_erased(worked: Worked) -> None:
    key = goniec(worked.folder, "key", "create", "admin", "--scope", "admin").stdout.strip()
    assert goniec(worked.folder, "backup", "copy.db").returncode == 0
    with serving(worked.folder) as (_, url):
        call(url, key, "DELETE", f"/contacts/{worked.jan}")
    ran = goniec(worked.folder, "restore", "copy.db")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "Contacts erased again that had been erased since the backup: 1." in ran.stderr
    assert "endpoints are paused" in ran.stderr
    with serving(worked.folder) as (_, url):
        assert call(url, key, "GET", f"/endpoints/{worked.endpoint}")["paused"] == "restored"
    assert b"jan@example.com" not in (worked.folder / "goniec.db").read_bytes()


def test_nothing_to_restore(worked: Worked) -> None:
    before = (worked.folder / "goniec.db").read_bytes()
    ran = goniec(worked.folder, "restore", "nothing.db")
    assert ran.returncode == 1
    assert "nothing.db is not there" in ran.stderr
    (worked.folder / "copy.db").write_bytes(b"never a database\n" * 1000)
    ran = goniec(worked.folder, "restore", "copy.db")
    assert ran.returncode == 1
    assert f"{worked.folder / 'copy.db'} is no database; goniec backup writes what can be restored" in ran.stderr
    assert (worked.folder / "goniec.db").read_bytes() == before
