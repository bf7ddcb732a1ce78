"""What keeps the house as it was meant: the published schema, the names, the arrows, the lock files."""

import ast
import dataclasses
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import schema.values
from engine.fairness import METRICS
from tests.walk import LIVE, SDL

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "auth", "db", "engine", "jobs", "resolvers", "schema")
HEAVY = {"scipy", "duckdb", "pyarrow", "pandas", "numba"} | {
    *("sklearn", "skops", "shap", "lime", "fairlearn", "xgboost", "lightgbm", "onnx", "onnxruntime"),
}
COMMITS = {"db/migrate.py"}  # its lock outlives the versions' transactions


def sources() -> list[Path]:
    return [path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]


def test_the_published_schema_is_the_one_that_runs():
    published = (ROOT / "schema.graphql").read_text()
    assert published.strip() == LIVE.as_str().strip(), "run `make schema`"


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("BiasOptionsInput", "AnalysisOptions"),
        ("BiasColumnsInput", "AnalysisColumns"),
        ("ThresholdInput", "AnalysisThreshold"),
        ("BandsInput", "AnalysisBands"),
        ("ReferenceInput", "AnalysisReference"),
    ],
)
def test_whatever_an_analysis_is_asked_can_be_read_back(asked, shown):
    assert SDL.type_map[asked].fields.keys() == SDL.type_map[shown].fields.keys()


def test_descriptions_speak_the_words_of_the_api():
    """A client knows camel case and null, and none of our files."""
    ours = re.compile(r"\b[a-z]+_[a-z_]+\b|\bNone\b|\w\.py\b")
    kinds = [kind for kind in SDL.type_map.values() if not kind.name.startswith("__")]
    described = {kind.name: kind.description for kind in kinds}
    for kind in kinds:
        for name, field in getattr(kind, "fields", {}).items():
            described[f"{kind.name}.{name}"] = field.description
    assert len(described) > 200
    assert {place: text for place, text in described.items() if ours.search(text or "")} == {}


def test_every_default_limit_is_told_where_limits_are_set():
    said = SDL.type_map["BiasOptionsInput"].fields["thresholds"].description
    assert {f"{spec.limit:g}" for spec in METRICS.values()} == set(re.findall(r"\d\.\d+", said))


@pytest.mark.parametrize("name", PACKAGES)
def test_our_packages_are_not_shadowed_by_others_of_the_same_name(name):
    found = importlib.import_module(name)
    assert Path(str(found.__file__)).parent == ROOT / name


@pytest.mark.parametrize(
    "kind", [*schema.values.VALUES, *schema.values.INPUTS], ids=lambda kind: kind.__name__
)
def test_values_stay_frozen_although_the_api_uses_them(kind):
    value = object.__new__(kind)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(kind)[0].name, 1)


def test_the_server_process_imports_no_numerical_library(tmp_path):
    """They cost seconds and a hundred megabytes; only the children of the worker need them."""
    code = (
        "import sys, app.cli, app.server, app.serving, app.settings\n"
        "app.server.create(app.settings.settings())\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    given = os.environ | {"DATABASE_URL": "postgresql://nobody@localhost/none", "DATA_PATH": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, env=given
    )
    loaded = set(ran.stdout.split())
    assert {"strawberry", "starlette", "uvicorn"} <= loaded  # it is the server that was looked at
    assert HEAVY & loaded == set()


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.lock")), ids=lambda path: path.name)
def test_lock_files_carry_versions_and_hashes_and_no_address(path):
    text = path.read_text()
    assert "://" not in text
    requirements = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*$", "", text)).strip().splitlines()
    assert requirements
    for line in filter(str.strip, requirements):
        assert re.match(r"[a-z0-9][a-z0-9._-]*==\S+", line), line
        assert "--hash=sha256:" in line, line


def test_npm_lock_files_carry_no_address():
    for path in ROOT.glob("dashboard/**/package-lock.json"):
        if "node_modules" not in path.parts:
            assert '"resolved"' not in path.read_text(), path


def test_nobody_commits_by_hand():
    """One mutation is one `write()` block: after a commit the session would act as the owner, past every wall."""
    found = {
        str(path.relative_to(ROOT))
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    }
    assert found == COMMITS


def test_only_the_database_package_opens_sessions():
    """A session that was not opened by `read`, `write` or `nobody` is the owner's, and sees everything."""
    allowed = {"db/session.py", "db/people.py", "db/migrate.py", "app/checks.py"}  # the last is `doctor`
    opening = {"create_engine", "create_async_engine", "async_sessionmaker", "sessionmaker", "AsyncSession"}
    found = {
        str(path.relative_to(ROOT))
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in opening
    }
    assert found <= allowed


def test_every_module_says_what_it_is_for_in_words_that_fit():
    for path in sources():
        if "versions" not in path.parts and path.name != "__init__.py":
            said = ast.get_docstring(ast.parse(path.read_text()))
            assert said or path.name == "__main__.py", path


def test_what_the_map_of_the_house_names_is_there():
    tree = (ROOT / "docs" / "house.md").read_text().partition("## Tree")[2]
    named = re.findall(r"(?m)^ {4}(\S*/\S*)", tree)
    assert len(named) > 50
    missing = [path for name in named for path in spelled_out(name) if not list(ROOT.glob(path))]
    assert missing == []


def spelled_out(name: str) -> list[str]:
    """`a/{b,c}.py` as a/b.py and a/c.py."""
    before, brace, rest = name.rstrip(",").partition("{")
    if not brace:
        return [before]
    choices, _, after = rest.partition("}")
    return [f"{before}{choice}{after}" for choice in choices.split(",")]
