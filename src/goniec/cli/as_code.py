"""What is configured, as files in YAML: finding and reading them, pointing at what is wrong in them, writing them.

Called by `messages`. A folder stands for all `.yaml` and `.yml` below it, those of hidden folders left aside. What is
written goes where it already is: a file is known by the ids in it, however somebody has named and sorted the files.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from msgspec import Struct

from goniec.cli.terminal import USAGE, CommandError, printable
from goniec.cli.yaml_in import Document, NotYaml, documents
from goniec.core.problems import Invalid
from goniec.core.text import tag_key

SUFFIXES: Final = (".yaml", ".yml")
FILE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of a file that is read: more than some hundred of the longest messages."""

STEM_LIMIT: Final = 60
"""Characters of a thing's name of which a file's is made."""

STEM_BYTES: Final = 200
"""File systems take 255 for a whole name."""

_LINE: Final = re.compile(r"line (\d+): ")


class Source(Struct, frozen=True):
    """A document, and the file that it stands in."""

    path: Path
    document: Document


class Entry(Struct, frozen=True):
    """A thing to be written: its id and name, and the document that it is."""

    id: str
    name: str
    text: str


class Written(Struct, frozen=True):
    """What came of writing: the files that were written, and the documents of which nothing is known here."""

    files: list[Path]
    unknown: list[Source]


def read(paths: Iterable[Path]) -> list[Source]:
    """Read all documents of files and folders, in order. Raises `CommandError`, with a line for every file at fault."""
    found: list[Source] = []
    wrong: list[str] = []
    for path in _files(paths):
        try:
            held = documents(_text(path))
        except NotYaml as error:
            wrong.append(f"{path}:{error.line}: {error.detail}")
            continue
        if not held:
            wrong.append(f"{path}: there is nothing in it")
        found += (Source(path, document) for document in held)
    if wrong:
        raise CommandError(printable("\n".join(wrong)), USAGE)
    return found


def point_out(invalid: Invalid, sources: Sequence[Source]) -> NoReturn:
    """Raise what is wrong with the list of documents as `CommandError`: file, line and field, in their order."""
    found = sorted(_pointed(one.pointer, one.detail, sources) for one in invalid.problems)
    told = "\n".join(f"{sources[n].path}:{line}: {detail}" for n, line, detail in found)
    raise CommandError(printable(told), USAGE)


def write(folder: Path, kind: str, entries: Sequence[Entry], canonical: Callable[[Any], str | None]) -> Written:
    """Write each entry to the file of a folder that holds it, or else to a new one named after it.

    `kind` is what their ids begin with: files without any such id are none of ours. `canonical` gives the value of a
    document as the text that would be written of it, None: it is nothing of the kind. A file that says the same, in
    whatever words, stays as it is. Raises `CommandError`; what was written stays.
    """
    entry_of = {one.id: one for one in entries}
    files: list[Path] = []
    unknown: list[Source] = []
    placed: set[str] = set()
    for path, held in _by_file(folder, kind):
        ids = [_id(one, kind) for one in held]
        placed.update(id for id in ids if id is not None)
        ours = [entry_of.get(id or "") for id in ids]
        unknown += (one for one, entry in zip(held, ours, strict=True) if entry is None)
        texts = [canonical(one.document.value) for one in held]
        wanted = [text if entry is None else entry.text for text, entry in zip(texts, ours, strict=True)]
        if wanted == texts:
            continue
        whole = [text for text in wanted if text is not None]
        if len(whole) < len(wanted):
            raise CommandError(f"{path} holds something else beside what has changed: give each a file of its own")
        files.append(put(path, whole))
    taken = {path.name.lower() for path in folder.iterdir()} if folder.exists() else set()
    for entry in entries:
        if entry.id not in placed:
            stem = next(stem for stem in _stems(entry) if f"{stem}{SUFFIXES[0]}" not in taken)
            taken.add(f"{stem}{SUFFIXES[0]}")
            files.append(put(folder / f"{stem}{SUFFIXES[0]}", [entry.text]))
    return Written(files, unknown)


def put(path: Path, texts: Sequence[str]) -> Path:
    """Write documents to a file, whole or not at all. Raises `CommandError`."""
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes("---\n".join(texts).encode())
        beside.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
    return path


def _files(paths: Iterable[Path]) -> list[Path]:
    found: dict[Path, Path] = {}
    for path in paths:
        below = list(_below(path)) if path.is_dir() else [path]
        if not below:
            raise CommandError(f"{path} has no files that end in {' or '.join(SUFFIXES)}", USAGE)
        for one in below:
            found.setdefault(one.resolve(), one)
    return list(found.values())


def _below(folder: Path) -> Iterator[Path]:
    def stop(error: OSError) -> NoReturn:
        raise CommandError(f"{error.filename} cannot be read: {error.strerror}", USAGE)

    for place, folders, names in os.walk(folder, onerror=stop):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if name.endswith(SUFFIXES) and name[0] != ".")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", USAGE) from None
    if len(raw) > FILE_LIMIT:
        raise CommandError(f"{path} has more than {FILE_LIMIT // 1024 // 1024} MiB: split it", USAGE)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise NotYaml(raw.count(b"\n", 0, error.start) + 1, "is not UTF-8: save it so") from None


def _pointed(pointer: str, detail: str, sources: Sequence[Source]) -> tuple[int, int, str]:
    """Where a problem stands: document, line (within a block of text, the one that is meant), and its field with it."""
    _, n, *steps = pointer.split("/")
    field, document = "".join(f"/{step}" for step in steps), sources[int(n)].document
    inside = _LINE.match(detail)
    if inside and field in document.blocks:
        line = document.blocks[field] + int(inside[1])
    else:
        line = document.lines.get(field, document.lines[""])
    return int(n), line, f"{field[1:]}: {detail}" if field else detail


def _by_file(folder: Path, kind: str) -> Iterator[tuple[Path, list[Source]]]:
    """What a folder holds already, file by file, where there is any id of the kind."""
    for path in _below(folder) if folder.exists() else ():
        try:
            held = [Source(path, one) for one in documents(_text(path))]
        except NotYaml as error:
            raise CommandError(printable(f"{path}:{error.line}: {error.detail}"), USAGE) from None
        if any(_id(one, kind) for one in held):
            yield path, held


def _id(source: Source, kind: str) -> str | None:
    value = source.document.value
    id = value.get("id") if isinstance(value, dict) else None
    return id if isinstance(id, str) and id.startswith(kind) else None


def _stems(entry: Entry) -> Iterator[str]:
    """Names of files for a thing, the nicest first."""
    try:
        stem = re.sub("_+", "-", tag_key(entry.name[:STEM_LIMIT]).lower()).strip("-")
    except ValueError:
        stem = entry.id.lower()
    stem = stem.encode()[:STEM_BYTES].decode(errors="ignore")
    yield stem
    yield f"{stem}-{entry.id[-6:].lower()}"
    yield entry.id.lower()
