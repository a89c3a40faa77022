"""The first page: what happens now, whether it adds up, what needs somebody."""

from goniec.web.panel.page import Visit, page
from goniec.web.reply import Reply


@page("GET", "/", role="viewer")
async def overview(visit: Visit) -> Reply:
    """Show it."""
    totals = await visit.context.store.queries.totals()
    return visit.page("overview.html", totals=totals)
