"""The spool: what is in it is on disk, once, in its order, until it is dropped."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from goniec.ports import Spool, Unavailable
from goniec.store import spool as room
from goniec.store.spool import DiskSpool
from tests.flow.spool import MemorySpool

Opening = Callable[[Path], DiskSpool | MemorySpool]


@pytest.fixture(params=[DiskSpool, lambda _: MemorySpool()], ids=["disk", "memory"])
async def spool(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Spool]:
    opened: DiskSpool | MemorySpool = request.param(tmp_path / "spool")
    yield opened
    await opened.close()


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[DiskSpool]:
    opened = DiskSpool(tmp_path / "spool")
    yield opened
    await opened.close()


async def items(spool: Spool) -> list[bytes]:
    return [item for _, item in await spool.waiting(1_000)]


# --- any spool --------------------------------------------------------------------------------------------------------


async def test_what_was_put_in_comes_out_in_its_order(spool: Spool) -> None:
    assert await spool.waiting(10) == []
    await spool.drop([1])
    await spool.keep([b"a", b"\0\xff", b""])
    await spool.keep([])
    await spool.keep([b"x" * 20_000])
    assert await items(spool) == [b"a", b"\0\xff", b"", b"x" * 20_000]
    assert [item for _, item in await spool.waiting(2)] == [b"a", b"\0\xff"]


async def test_what_is_dropped_is_gone_and_its_number_is_nobody_s(spool: Spool) -> None:
    await spool.keep([b"a", b"b", b"c"])
    numbers = [number for number, _ in await spool.waiting(10)]
    assert numbers == sorted(numbers)
    await spool.drop(numbers[1:])
    assert await items(spool) == [b"a"]
    await spool.keep([b"d"])
    await spool.drop(numbers[1:])
    assert await items(spool) == [b"a", b"d"]


async def test_many_at_once(spool: Spool) -> None:
    await asyncio.gather(*(spool.keep([b"%d" % n]) for n in range(3_000)))
    found = [item for _, item in await spool.waiting(5_000)]
    assert found == [b"%d" % n for n in range(3_000)]


# --- on a disk --------------------------------------------------------------------------------------------------------


async def test_nothing_is_made_before_there_is_something_to_keep(tmp_path: Path, disk: DiskSpool) -> None:
    assert await disk.waiting(1) == []
    assert list(tmp_path.iterdir()) == []
    await disk.keep([b"a"])
    folder = tmp_path / "spool"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.db*")} == {0o600}


async def test_what_is_kept_is_there_after_a_kill(tmp_path: Path, disk: DiskSpool) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; from goniec.store.spool import DiskSpool\n"
        "async def main():\n"
        "    await DiskSpool(Path(sys.argv[1])).keep([b'a', b'b'])\n"
        "    print('kept', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "spool")], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "kept\n"
        os.kill(child.pid, signal.SIGKILL)
    assert await items(disk) == [b"a", b"b"]


async def test_processes_have_a_file_each_and_the_living_take_over_from_the_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.0)
    folder = tmp_path / "spool"
    one, two, three = (DiskSpool(folder) for _ in range(3))
    for n, spool in enumerate((one, two, three)):
        await spool.keep([b"%d" % n])
    assert [await items(spool) for spool in (one, two, three)] == [[b"0"], [b"1"], [b"2"]]
    await one.close()
    await three.close()
    assert await items(two) == [b"1", b"0", b"2"]
    assert sorted(path.name for path in folder.glob("*.db")) == ["2.db"]
    four = DiskSpool(folder)
    await four.keep([b"4"])
    assert await items(four) == [b"4"]
    await two.close()
    await four.close()


async def test_a_file_that_cannot_be_read_holds_nobody_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / "7.db").write_bytes(b"this is no database, and long enough to be looked at as one" * 100)
    spool = DiskSpool(folder)
    await spool.keep([b"a"])
    assert await items(spool) == [b"a"]
    assert "spool.left" in capsys.readouterr().err
    assert (folder / "7.db").exists()
    await spool.close()


async def test_a_damaged_file_in_the_first_place_is_passed_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / "1.db").write_bytes(b"this is no database, and long enough to be looked at as one" * 100)
    spool = DiskSpool(folder)
    await spool.keep([b"a"])
    assert await items(spool) == [b"a"]
    assert "spool.left" in capsys.readouterr().err
    await spool.close()


async def test_a_file_that_gets_damaged_is_left_for_another(
    tmp_path: Path, disk: DiskSpool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.0)
    await disk.keep([b"a" * 100_000])
    assert disk._file is not None
    disk._file.db.wal_checkpoint()
    raw = bytearray((tmp_path / "spool" / "1.db").read_bytes())
    raw[4_096:] = b"\xff" * (len(raw) - 4_096)
    (tmp_path / "spool" / "1.db").write_bytes(raw)
    disk._file.db.execute("PRAGMA shrink_memory")
    with pytest.raises(Unavailable, match="damaged"):
        await disk.waiting(10)
    assert "spool.damaged" in capsys.readouterr().err
    await disk.keep([b"b"])
    assert await items(disk) == [b"b"]


async def test_a_full_disk_takes_nothing_and_goes_on_later(disk: DiskSpool) -> None:
    await disk.keep([b"a"])
    assert disk._file is not None
    db = disk._file.db
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').get}").fetchall()
    with pytest.raises(Unavailable, match="the disk is full"):
        await disk.keep([b"x" * 100_000])
    assert await items(disk) == [b"a"]
    db.execute("PRAGMA max_page_count = 1000000").fetchall()
    await disk.keep([b"b"])
    assert await items(disk) == [b"a", b"b"]


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    spool = DiskSpool(tmp_path / "data" / "spool")
    with pytest.raises(Unavailable, match="Not a directory"):
        await spool.keep([b"a"])
    assert await spool.waiting(1) == []
    (tmp_path / "data").unlink()
    (tmp_path / "data").mkdir()
    await spool.keep([b"a"])
    assert await items(spool) == [b"a"]
    await spool.close()


async def test_a_closed_one_takes_nothing(disk: DiskSpool) -> None:
    await disk.keep([b"a"])
    await disk.close()
    await disk.close()
    with pytest.raises(Unavailable, match="closed"):
        await disk.keep([b"b"])


async def test_nothing_of_what_was_dropped_stays_on_the_disk(
    tmp_path: Path, disk: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "IDLE_SECONDS", 0.001)
    emptied = asyncio.Event()
    loop = asyncio.get_running_loop()
    empty_log = room._File.empty_log

    def noticed(file: room._File) -> None:
        empty_log(file)
        if not file.waiting(1):
            loop.call_soon_threadsafe(emptied.set)

    monkeypatch.setattr(room._File, "empty_log", noticed)
    await disk.keep([b"jan@example.com" * 1_000])
    await disk.drop([number for number, _ in await disk.waiting(1)])
    await emptied.wait()
    assert all(b"jan@example.com" not in path.read_bytes() for path in (tmp_path / "spool").iterdir())
