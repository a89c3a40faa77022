"""Alert rules and dashboard ask for metrics that there are, by labels that they have, in expressions of the right form."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from goniec.core.model import Failure, Status
from goniec.observe import Counters
from goniec.ports import Balance, Queue
from goniec.web.metrics import Figures, exposition
from tests.conftest import REPO
from tests.contract.store.scribe import endpoint

ALERTS: Final = REPO / "ops/prometheus-alerts.yaml"
DASHBOARD: Final = REPO / "ops/grafana-dashboard.json"
VARIABLES: Final = {"$__rate_interval": "5m", "$job": "j", "$endpoint": "e"}

FUNCTIONS: Final = {
    "abs", "delta", "deriv", "histogram_quantile", "max", "rate", "sum", "topk", "vector",
}  # fmt: skip
WORDS: Final = {"by", "without", "and", "or", "unless"}
SCRAPED: Final = {"job", "instance"}
"""Labels that Prometheus itself adds."""

TOKEN: Final = re.compile(
    r'\s*(?:("[^"]*")|([A-Za-z_][\w:]*)|(\[\d+[smhd]\])|(\d+(?:\.\d+)?)|([<>!=]=|=~|!~|[-+*/<>=(){},]))'
)


def exported() -> dict[str, dict[str, set[str]]]:
    """All that `/metrics` can give: for each name the labels, and their values."""
    counted = Counters()
    for outcome in ("delivered", *Failure):
        counted.attempt(outcome)
    counted.batch(1, 1, 1)
    counted.first(1, 1)
    totals = {f"deliveries.{status}": 1 for status in Status}
    figures = Figures(
        totals=totals,
        queues=[Queue("end_1", 1, 1, 0)],
        balances=[Balance("end_1", 1, 1, 0, 0, 0, 0)],
        endpoints=[endpoint()],
    )
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(exposition(figures, counted)):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


EXPORTED: Final = exported()


def panels() -> Iterator[tuple[str, str]]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def alerts() -> list[dict[str, Any]]:
    (group,) = msgspec.yaml.decode(ALERTS.read_bytes())["groups"]
    return list(group["rules"])


EXPRESSIONS: Final = [*((rule["alert"], rule["expr"]) for rule in alerts()), *panels()]


def tokens(expression: str) -> list[str]:
    """The parts of an expression; whatever is no part of one fails."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    found, at = [], 0
    while at < len(expression.rstrip()):
        token = TOKEN.match(expression, at)
        assert token is not None, expression[at:]
        found.append(token[0].strip())
        at = token.end()
    return found


def metrics_of(expression: str) -> set[str]:
    return {one for one in tokens(expression) if one == "up" or one.startswith("goniec_")}


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_an_expression_is_well_formed(title: str, expression: str) -> None:
    assert title
    parts, closing = tokens(expression), []
    for before, part, after in zip(["", *parts], parts, [*parts[1:], ""], strict=False):
        if part in {"(", "{"}:
            closing.append({"(": ")", "{": "}"}[part])
        elif part in {")", "}"}:
            assert closing.pop() == part
        elif part in {"+", "-", "*", "/", "<", ">", "==", "!=", "and", "or", "unless"} and closing[-1:] != ["}"]:
            assert before in {")", "}"} or re.match(r"[\w\[]", before), "nothing on the left"
            assert re.match(r"[\w(]", after), "nothing on the right"
        elif part.startswith("["):
            assert before == "}" or before in EXPORTED, "a range is of a metric"
        elif part in FUNCTIONS:
            assert after in {"(", "by", "without"}
    assert closing == []


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_what_an_expression_names_is_there(title: str, expression: str) -> None:
    assert metrics_of(expression), title
    parts = tokens(expression)
    labels = {label for name in metrics_of(expression) if name != "up" for label in EXPORTED[name]} | SCRAPED
    if any(name.endswith("_bucket") for name in metrics_of(expression)):
        assert "le" in parts
    for n, part in enumerate(parts):
        if re.match(r"[a-z_]", part) and part not in FUNCTIONS | WORDS | {"up"} and not part.startswith("goniec_"):
            assert part in labels, part
        if part in {"=", "!="} and parts[n - 1] not in SCRAPED:
            known = {one for name in metrics_of(expression) for one in EXPORTED[name].get(parts[n - 1], ())}
            assert parts[n + 1].strip('"') in known


def test_all_that_is_exported_is_on_the_dashboard() -> None:
    shown = {metric for _, expression in panels() for metric in metrics_of(expression)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in EXPORTED}
    assert families == {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown - {"up"}}


def test_the_labels_that_texts_name_are_in_their_results() -> None:
    for rule in alerts():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description"}
        named = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        kept = re.search(r"\bby \(([\w, ]+)\)", rule["expr"])
        assert named <= (set(kept[1].split(", ")) if kept else SCRAPED), rule["alert"]
        assert "$labels" not in str(rule["annotations"]).replace("{{ $labels.", "")


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    board = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", DASHBOARD.read_text()))
    assert used <= variables
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    for variable in board["templating"]["list"]:
        for name in re.findall(r"goniec_\w+", str(variable["query"])):
            assert name in EXPORTED


def test_grafana_is_told_where_the_dashboard_lies() -> None:
    (provider,) = msgspec.yaml.decode((REPO / "ops/grafana-provider.yaml").read_bytes())["providers"]
    assert provider["type"] == "file"
    page = (REPO / "docs/how-to/operate.md").read_text()
    assert f"{provider['options']['path']}/" in page
