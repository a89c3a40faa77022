"""The delivery log as a file."""

from goniec.web import deliveries_file
from goniec.web.api.deliveries import ExportQuery, wanted_of
from goniec.web.deliveries_file import MEDIA_TYPES
from goniec.web.operation import Ask, operation
from goniec.web.reply import Reply


@operation(
    "GET",
    "/deliveries/export",
    scope="read",
    tag="deliveries",
    summary="Export deliveries",
    answers={200: None},
    files=tuple(MEDIA_TYPES.values()),
)
async def export_deliveries(ask: Ask, query: ExportQuery) -> Reply:
    """Give all deliveries that match as one file, from the oldest on, without bodies and attempts.

    CSV is that of RFC 4180 in UTF-8 with a line of names; the columns are the members of a delivery in their order, and
    new ones will come at the end. A text that begins with `=`, `+`, `-`, `@` or a control character has an apostrophe
    before it, so that no spreadsheet takes it for a formula. An export that is broken off ends without the last chunk.
    """
    wanted = await wanted_of(ask.context.store.queries, query)
    content = deliveries_file.pieces(ask.context.store.queries, wanted, query.format, ask.context.clock.now())
    return Reply(200, content, (deliveries_file.named(query.format),), MEDIA_TYPES[query.format])
