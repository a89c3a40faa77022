"""Words of the rule form that agree with what they are about."""

import pytest

from tests.e2e.engine import Engine
from tests.e2e.panel.client import SignIn


@pytest.mark.parametrize(
    ("tags", "language", "word"),
    [
        (["VIP"], "pl", "Jan: nie ma tego tagu"),
        (["VIP"], "en", "Jan: no such tag"),
        (["VIP", "Nowy"], "pl", "Jan: nie ma żadnego z nich"),
    ],
)
async def test_the_preview_says_that_a_tag_is_missing(
    engine: Engine, sign_in: SignIn, tags: list[str], language: str, word: str
) -> None:
    await engine.post("/contacts", {"email": "jan@example.pl", "name": "Jan"}, 201)
    ala = await sign_in("editor", language)
    page = await ala.get("/rules/new")
    page = await ala.send("/rules/new", {"do": "add/conditions/of"}, page=page)
    asked = {"conditions/of/0/type": "hasTag", "conditions/of/0/tags": tags}
    assert word in (await ala.send("/rules/new", asked | {"do": "refresh"}, page=page)).text


async def test_no_funnel_means_any(sign_in: SignIn) -> None:
    page = await (await sign_in("editor", "pl")).get("/rules/new?template=stage")
    assert '<option value="">Dowolny lejek</option>' in page.html
