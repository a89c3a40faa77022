"""The vault: sealing, the key file, lost and changed keys."""

from pathlib import Path

import pytest

from goniec.core.endpoint import Header
from goniec.ports import Store
from goniec.store import Refused
from goniec.store.vault import AesVault, open_vault
from tests.contract.store.scribe import endpoint, put

OLD = "an old key that is long enough"
NEW = "a new key that is long enough"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "goniec.key"


# --- sealing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "pa:ss#?@€ż", "\x00", "x" * 10_000])
def test_what_is_sealed_opens_again(text: str) -> None:
    vault = AesVault([OLD])
    sealed = vault.seal("end_1", text)
    assert vault.unseal("end_1", sealed) == text
    assert len(text) < 4 or text.encode() not in sealed


def test_no_two_seals_are_alike() -> None:
    vault = AesVault([OLD])
    assert len({vault.seal("end_1", "x") for _ in range(100)}) == 100


def test_what_was_moved_or_changed_does_not_open() -> None:
    vault = AesVault([OLD])
    sealed = vault.seal("end_1", "secret")
    spoiled = [sealed[:n] + bytes([sealed[n] ^ 1]) + sealed[n + 1 :] for n in range(len(sealed))]
    for row_id, wrong in (
        ("end_2", sealed),
        ("", sealed),
        ("end_1", b""),
        ("end_1", sealed[:10]),
        *(("end_1", bad) for bad in spoiled),
    ):
        with pytest.raises(ValueError, match="no key at hand"):
            vault.unseal(row_id, wrong)


def test_each_key_has_one_derived_for_each_purpose() -> None:
    old, both = AesVault([OLD]), AesVault([NEW, OLD])
    assert both.derived("x")[1:] == old.derived("x")
    made = [*both.derived("x"), *both.derived("y"), *both.derived("vault 2")]
    assert len({*made, NEW.encode(), OLD.encode()}) == 8
    assert {len(key) for key in made} == {32}


def test_the_first_key_seals_and_all_open() -> None:
    old, both = AesVault([OLD]), AesVault([NEW, OLD])
    assert both.unseal("end_1", old.seal("end_1", "x")) == "x"
    assert AesVault([NEW]).unseal("end_1", both.seal("end_1", "x")) == "x"
    with pytest.raises(ValueError, match="no key at hand"):
        old.unseal("end_1", both.seal("end_1", "x"))


# --- the key file ---------------------------------------------------------------------------------------------------


async def test_a_key_file_is_made_on_first_start_and_used_afterwards(store: Store, key_file: Path) -> None:
    sealed = (await open_vault(store, key_file)).seal("end_1", "x")
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert len(key_file.read_text().strip()) == 44
    assert (await open_vault(store, key_file)).unseal("end_1", sealed) == "x"


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
async def test_a41_a_lines_end_is_no_part_of_the_key(store: Store, key_file: Path, end: str) -> None:
    sealed = (await open_vault(store, key_file)).seal("end_1", "x")
    key_file.write_text(key_file.read_text().strip() + end)
    assert (await open_vault(store, key_file)).unseal("end_1", sealed) == "x"


async def test_the_key_may_move_from_the_file_to_the_setting(store: Store, key_file: Path) -> None:
    sealed = (await open_vault(store, key_file)).seal("end_1", "x")
    key = key_file.read_text().strip()
    key_file.unlink()
    assert (await open_vault(store, key_file, [key])).unseal("end_1", sealed) == "x"
    assert not key_file.exists()


async def test_a_missing_key_file_is_noticed_as_long_as_there_are_secrets(store: Store, key_file: Path) -> None:
    vault = await open_vault(store, key_file)
    await put(store, endpoint(secret=vault.seal("end_1", "whsec")))
    key_file.unlink()
    with pytest.raises(Refused, match=rf"put {key_file} back, or set GONIEC_SECRET_KEY"):
        await open_vault(store, key_file)
    assert not key_file.exists()
    await store.transact(lambda tx: tx.delete_endpoint("end_1"))
    await open_vault(store, key_file)
    assert key_file.exists()


async def test_a_wrong_key_is_noticed(store: Store, key_file: Path) -> None:
    vault = await open_vault(store, key_file, [OLD])
    await put(store, endpoint(secret=vault.seal("end_1", "whsec")))
    with pytest.raises(Refused, match=r"GONIEC_SECRET_KEY is not the one"):
        await open_vault(store, key_file, [NEW])
    key_file.write_text(NEW)
    with pytest.raises(Refused, match=rf"{key_file} is not the one"):
        await open_vault(store, key_file)
    assert (await open_vault(store, key_file, [OLD])).unseal("end_1", (await secrets(store))[0]) == "whsec"


async def test_a_wrong_key_is_taken_while_there_is_nothing_to_lose(store: Store, key_file: Path) -> None:
    await open_vault(store, key_file, [OLD])
    await open_vault(store, key_file, [NEW])
    await open_vault(store, key_file, [NEW])


async def test_keys_are_changed_by_naming_both(store: Store, key_file: Path) -> None:
    vault = await open_vault(store, key_file, [OLD])

    def seal(text: str) -> bytes:
        return vault.seal("end_1", text)

    made = endpoint(
        secret=seal("whsec_1"),
        password=seal("pa:ss"),
        previous_secret=seal("whsec_0"),
        headers=(Header("X-Plain", "value"), Header("X-Secret", sealed=seal("hidden"))),
    )
    await put(store, made)
    await open_vault(store, key_file, [NEW, OLD])
    alone = await open_vault(store, key_file, [NEW])
    assert [alone.unseal("end_1", sealed) for sealed in await secrets(store)] == [
        "whsec_1",
        "pa:ss",
        "whsec_0",
        "hidden",
    ]
    (after,) = await store.queries.endpoints()
    assert (after.version, after.url, after.headers[0]) == (made.version, made.url, made.headers[0])


async def secrets(store: Store) -> list[bytes]:
    (found,) = await store.queries.endpoints()
    sealed = [found.secret, found.password, found.previous_secret, *(header.sealed for header in found.headers)]
    return [one for one in sealed if one is not None]


async def test_a_key_file_that_is_none(store: Store, key_file: Path, tmp_path: Path) -> None:
    key_file.write_text("\n")
    with pytest.raises(Refused, match="is empty"):
        await open_vault(store, key_file)
    key_file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(Refused, match="cannot be read"):
        await open_vault(store, key_file)
    with pytest.raises(Refused, match="cannot be made"):
        await open_vault(store, tmp_path / "no" / "goniec.key")
