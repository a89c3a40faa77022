"""Passwords: argon2id, no more than two at a time, the same work for nobody."""

import asyncio
import subprocess
import sys
import threading

import pytest
from argon2 import PasswordHasher

from goniec.store import passwords
from goniec.store.passwords import AT_A_TIME, Argon2

PASSWORD = "zażółć gęślą"


async def test_a_password_fits_its_hash_and_no_other() -> None:
    argon = Argon2()
    kept = await argon.hash(PASSWORD)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert kept != await argon.hash(PASSWORD), "each has a salt of its own"
    assert await argon.fits(PASSWORD, kept)
    assert not await argon.fits(PASSWORD + " ", kept)
    assert not await argon.fits("", kept)


@pytest.mark.parametrize("kept", [None, "", "no hash", "$argon2id$v=19$m=19456,t=2,p=1$"])
@pytest.mark.parametrize("password", [PASSWORD, "a password that nobody has", "", "half \ud800 a pair"])
async def test_nothing_fits_what_is_no_hash(password: str, kept: str | None) -> None:
    assert not await Argon2().fits(password, kept)


async def test_nobodys_password_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    argon = Argon2()
    kept = await argon.hash(PASSWORD)
    hasher, looked_at = passwords._hasher(), []

    class Counting:
        hash = hasher.hash

        def verify(self, kept: str, password: bytes) -> bool:
            looked_at.append(kept.rsplit("$", 2)[0])
            return hasher.verify(kept, password)

    monkeypatch.setattr(passwords, "_hasher", Counting)
    passwords._of_nobody.cache_clear()
    assert [await argon.fits("wrong", one) for one in (kept, None)] == [False, False]
    assert looked_at == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2


async def test_a_weaker_hash_is_stale() -> None:
    argon = Argon2()
    weaker = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    assert argon.stale(weaker)
    assert await argon.fits(PASSWORD, weaker)
    assert not argon.stale(await argon.hash(PASSWORD))


async def test_a_flood_costs_time_and_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, met = threading.Lock(), threading.Barrier(AT_A_TIME)
    at_work = most = 0

    def slow(_password: str) -> str:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        met.wait(60)  # one alone would wait for ever: two do work side by side
        with lock:
            at_work -= 1
        return ""

    monkeypatch.setattr(passwords, "_hash", slow)
    argon = Argon2()
    await asyncio.gather(*(argon.hash(PASSWORD) for _ in range(10 * AT_A_TIME)))
    assert most == AT_A_TIME


def test_argon2_is_not_loaded_before_the_first_password() -> None:
    script = "import sys, goniec.app, goniec.store.passwords as p; p.Argon2(); sys.exit('argon2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
