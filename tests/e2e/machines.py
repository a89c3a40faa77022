"""Several Goniecs on one PostgreSQL, as on several machines."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from tests.contract.send.receivers import Receiver
from tests.e2e.engine import Engine

KEY: Final = "k" * 32

Place = tuple[str, Mapping[str, str]]
"""What is other about a machine, as a script that runs on it first, and its settings."""


@asynccontextmanager
async def machines(folder: Path, url: str, places: Sequence[Place]) -> AsyncIterator[list[Engine]]:
    """A Goniec at each of these places, on one database. What still runs at the end has to stop as it should."""
    async with AsyncExitStack() as stack:
        made: list[Engine] = []
        for n, (machine, settings) in enumerate(places):
            (folder / f"{n}").mkdir()
            one = Engine(folder / f"{n}", database=url, secret_key=KEY, **settings)
            one.machine = machine
            one.share_keys(made)
            stack.push_async_callback(one.close)
            await one.start()
            made.append(one)
        yield made
        for one in made:
            if one.alive:
                assert await one.stop() == 0


async def furnish(one: Engine, receiver: Receiver, pages: int, **policy: Any) -> list[str]:
    """A rule and an endpoint for each page; gives the endpoints."""
    made = []
    for n in range(pages):
        rule = await one.rule({"type": "page.visited", "urls": [f"**/{n}"]}, receiver.url(f"/{n}"), name=f"Rule {n}")
        made.append(await one.endpoint(rule, **policy))
    return made


def figures(text: str) -> dict[tuple[str, str | None], float]:
    """The samples of `/metrics`, by name and role."""
    return {
        (sample.name, sample.labels.get("role")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
