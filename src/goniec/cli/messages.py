"""`goniec messages`: messages as code, one YAML document each, to be kept and reviewed like any other code.

A message is known by its id, on every installation the same. What the files do not name is left alone.
"""

import asyncio
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter
from msgspec import Struct

from goniec.cli.as_code import SUFFIXES, Entry, Source, point_out, put, read, write
from goniec.cli.opened import Machine, opened
from goniec.cli.terminal import USAGE, CommandError, printable, say, settings_in_force
from goniec.cli.yaml_out import written
from goniec.core.ids import MESSAGE
from goniec.core.messages import Message, MessageDraft, read_draft
from goniec.core.problems import Invalid
from goniec.flow.configure import Means
from goniec.flow.declared import Declared, compare, declare
from goniec.settings import Settings
from goniec.store.opening import Database

SAME: Final = 0
DIFFERENT: Final = 1

KEYS: Final = {
    "id": "id",
    "name": "name",
    "transactional": "transactional",
    "from": "sender",
    "replyTo": "reply_to",
    "subject": "subject",
    "text": "text",
    "html": "html",
}
"""The keys of a document in their order, what is long last, and the attributes; those that are null are left out."""

What = Literal["new", "other", "same"]

_DONE: Final[Mapping[What, str]] = {"new": "created", "other": "changed", "same": "unchanged"}
_PLANNED: Final[Mapping[What, str]] = {"new": "to create", "other": "to change", "same": "unchanged"}

BLOCKS: Final = ("text", "html")

Files = Annotated[
    tuple[Path, ...], Parameter(help="files of YAML, one or more, or folders with them", negative=(), required=True)
]


def export(
    file: Annotated[
        Path | None,
        Parameter(help="a file (.yaml), or a folder for a file each; standard output unless given"),
    ] = None,
) -> int:
    """Write all messages as YAML, to be kept in a repository."""
    messages = asyncio.run(_messages(settings_in_force()))
    entries = [Entry(one.id, one.name, _document(one)) for one in messages]
    if file is None:
        sys.stdout.buffer.write("---\n".join(one.text for one in entries).encode())
    elif file.suffix in SUFFIXES and not file.is_dir():
        put(file, [one.text for one in entries])
        say(f"Messages in {file}: {len(entries)}.")
    else:
        done = write(file, MESSAGE, entries, _canonical)
        for path in done.files:
            print(printable(str(path)))
        for one in done.unknown:
            say(printable(f"{one.path} is left alone: there is no message {one.document.value.get('id')} here."))
        say(f"Messages in {file}: {len(entries)}; files written: {len(done.files)}.")
    return 0


def diff(files: Files) -> int:
    """Show what apply would change: exit code 0 for nothing, 1 for something, 2 when that cannot be told."""
    # brings the exceptions of every floor with it
    from goniec.cli import expected

    try:
        settings, sources = settings_in_force(), read(files)
        found = asyncio.run(_compared(settings, sources))
    except expected() as error:
        raise CommandError(str(error), USAGE) from None
    changed = [(source, one) for source, one in zip(sources, found.declared, strict=True) if one.before != one.after]
    for source, one in changed:
        print("\n".join(map(printable, _difference(source, one))))
    if found.elsewhere:
        say(printable(f"Messages here that no file has: {', '.join(found.elsewhere)}."))
    return DIFFERENT if changed else SAME


def apply(
    files: Files,
    *,
    dry_run: Annotated[bool, Parameter(help="only say what would be done", negative=())] = False,
) -> int:
    """Make messages what the files say, all or none; others stay as they are."""
    settings, sources = settings_in_force(), read(files)
    done = asyncio.run(_compared(settings, sources)).declared if dry_run else asyncio.run(_applied(settings, sources))
    words = _PLANNED if dry_run else _DONE
    for one in done:
        print(printable(f"{words[_what(one)]:9}  {one.after.id}  {one.after.name}{_parts(one)}"))
    return 0


class _Compared(Struct, frozen=True):
    """What the documents come to, and the messages that none of them is."""

    declared: list[Declared]
    elsewhere: list[str]


async def _messages(settings: Settings) -> list[Message]:
    async with opened(settings) as store:
        return await store.queries.messages()


async def _compared(settings: Settings, sources: list[Source]) -> _Compared:
    async with opened(settings) as store:
        machine = await Machine.beside(store)
        try:
            found = await compare(store.queries, machine, machine, [one.document.value for one in sources])
        except Invalid as invalid:
            point_out(invalid, sources)
        ids = {one.after.id for one in found}
        return _Compared(
            found, [f"{one.name} ({one.id})" for one in await store.queries.messages() if one.id not in ids]
        )


async def _applied(settings: Settings, sources: list[Source]) -> list[Declared]:
    async with opened(settings) as store:
        means = await _means(settings, store)
        try:
            return await declare(means, [one.document.value for one in sources])
        except Invalid as invalid:
            point_out(invalid, sources)


async def _means(settings: Settings, store: Database) -> Means:
    # ciphers, which who only reads does without
    from goniec.store.vault import open_vault

    vault = await open_vault(store, settings.key_file, [key.text for key in settings.secret_key])
    machine = await Machine.beside(store)
    return Means(store, vault, machine, machine)


def _document(message: MessageDraft) -> str:
    values = {key: getattr(message, name) for key, name in KEYS.items()}
    return written({key: value for key, value in values.items() if value is not None}, BLOCKS)


def _canonical(value: Any) -> str | None:  # noqa: ANN401 - whatever a document holds
    try:
        return _document(read_draft(value))
    except Invalid:
        return None


def _difference(source: Source, one: Declared) -> list[str]:
    before, after = ("" if message is None else _document(message) for message in (one.before, one.after))
    here = "/dev/null" if one.before is None else f"{one.after.id} (version {one.before.version})"
    lines = difflib.unified_diff(_lines(before), _lines(after), here, str(source.path), lineterm="")
    return list(lines)


def _lines(text: str) -> list[str]:
    # only what ends a line of the file: other characters do so for `splitlines`
    return text.removesuffix("\n").split("\n") if text else []


def _what(one: Declared) -> What:
    if one.before is None:
        return "new"
    return "same" if one.before == one.after else "other"


def _parts(one: Declared) -> str:
    """Which keys have changed."""
    if one.before is None or one.before == one.after:
        return ""
    return f" ({', '.join(key for key, name in KEYS.items() if getattr(one.before, name) != getattr(one.after, name))})"
