"""What the documents say is true: every GraphQL block is valid, and every link between files leads somewhere."""

import re
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from engine.fairness import Metric

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
BLOCK = re.compile(r"^```graphql\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def documents() -> list[tuple[str, str]]:
    """Where each GraphQL document stands, and its text."""
    found = [
        (f"{page.relative_to(ROOT)}:{page.read_text()[: block.start()].count(chr(10)) + 1}", block[1])
        for page in PAGES
        for block in BLOCK.finditer(page.read_text())
    ]
    examples = sorted((ROOT / "examples").rglob("*.graphql"))
    return found + [(str(file.relative_to(ROOT)), file.read_text()) for file in examples]


def links() -> list[tuple[str, str]]:
    """Each page and each address in it that is no address of the web."""
    return [
        (str(page.relative_to(ROOT)), target)
        for page in PAGES
        for target in LINK.findall(CODE.sub("", page.read_text()))
        if "://" not in target and not target.startswith(("#", "mailto:"))
    ]


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema.graphql").read_text())


@pytest.mark.parametrize(("place", "text"), [pytest.param(*given, id=given[0]) for given in documents()])
def test_a_printed_document_is_valid(schema: GraphQLSchema, place: str, text: str) -> None:
    assert [error.message for error in validate(schema, parse(text))] == []


@pytest.mark.parametrize(("page", "target"), [pytest.param(*given, id=":".join(given)) for given in links()])
def test_a_link_leads_to_a_file(page: str, target: str) -> None:
    file = (ROOT / page).parent / target.partition("#")[0]
    assert file.exists(), f"{page} links to {target}, which is not there"


def test_each_metric_is_explained() -> None:
    page = (ROOT / "docs" / "fairness.md").read_text()
    assert [metric for metric in Metric if f"`{metric}`" not in page] == []


def test_each_mutation_that_may_be_sent_twice_is_named(schema: GraphQLSchema) -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    section = page.partition("## Starting work twice\n")[2].partition("\n## ")[0]
    assert schema.mutation_type is not None
    safe = [name for name, field in schema.mutation_type.fields.items() if "idempotencyKey" in field.args]
    assert len(safe) >= 5
    assert [name for name in safe if f"`{name}`" not in section] == []


def test_there_is_something_to_check() -> None:
    assert len(documents()) >= 5
    assert len(links()) >= 10
