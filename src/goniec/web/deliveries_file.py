"""The delivery log as a file: a line for each delivery, from the oldest on, as CSV or JSON Lines.

It goes out as it is read, page by page, so a file of any length costs the memory of one page. Called by the API, the
panel and the command. Bodies and what receivers answered are not in it, and nothing that is secret.
"""

import csv
import io
from collections.abc import AsyncIterator
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from goniec.core.times import Millis
from goniec.ports import DeliveryFilter, Page, Queries
from goniec.web.api.deliveries import DeliveryOut, delivery_out

Form = Literal["csv", "jsonl"]

MEDIA_TYPES: Final[dict[Form, str]] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}

PAGE: Final = 200
"""Deliveries that are read at once, bodies too."""

COLUMNS: Final = DeliveryOut.__struct_encode_fields__
"""The columns of CSV in their order: new ones come at the end."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula."""


async def pieces(queries: Queries, wanted: DeliveryFilter, form: Form, now: Millis) -> AsyncIterator[bytes]:
    """Give the file piece by piece; what is made after `now` is left out, so that it has an end."""
    if wanted.until is None or wanted.until > now:
        wanted = replace(wanted, until=now + 1)
    if form == "csv":
        yield _csv([COLUMNS])
    after: str | None = None
    while True:
        found = await queries.deliveries(wanted, Page(PAGE, after))
        rows = [delivery_out(delivery) for delivery in found]
        if rows and form == "jsonl":
            yield b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        elif rows:
            yield _csv([tuple(map(cell, msgspec.structs.astuple(row))) for row in rows])
        after = rows[-1].id if len(rows) == PAGE else found.stopped
        if after is None:
            return


def cell(value: object) -> str:
    """Give what stands in a cell: nothing for null, `true`, `false`, and no text that a spreadsheet would calculate."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            text = str(value)
            return f"'{text}" if text.startswith(_FORMULA) else text


def named(form: Form) -> tuple[str, str]:
    """Give the header that names the file."""
    return "content-disposition", f'attachment; filename="deliveries.{form}"'


def _csv(rows: list[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
