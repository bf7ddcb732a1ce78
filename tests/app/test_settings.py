"""The settings: every one that is promised, its default, and what is said about a wrong one."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.complaints import complaints
from app.settings import Environment, Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
PROMISED = [
    "ENVIRONMENT",
    "DEBUG",
    "PORT",
    "DATABASE_URL",
    "DATABASE_POOL_SIZE",
    "DATABASE_MAX_CONNECTIONS",
    "DATABASE_DIRECT_URL",
    "SUPABASE_URL",
    "SUPABASE_SERVICE_KEY",
    "JWT_SECRET_KEY",
    "JWT_ALGORITHM",
    "JWT_EXPIRATION_HOURS",
    "ALLOWED_ORIGINS",
    "ALLOWED_HOSTS",
    "MODEL_STORAGE_PATH",
    "DATASET_STORAGE_PATH",
    "MAX_FILE_SIZE",
    "WORKER_PROCESSES",
    "WORKER_CONNECTIONS",
    "ENABLE_METRICS",
    "METRICS_PORT",
    "LOG_LEVEL",
    "REDIS_URL",
]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    """Neither in the environment nor in a file."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def documented() -> dict[str, str]:
    """Name and default of each row of the page."""
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", PAGE.read_text(), re.MULTILINE))


def test_every_promised_setting_is_there():
    assert {name.lower() for name in PROMISED} <= Settings.model_fields.keys()


def test_the_page_lists_every_setting_with_its_default():
    shown = documented()
    assert list(shown) == [name.upper() for name in Settings.model_fields]
    for name, default in Settings():
        said = shown[name.upper()].strip("`")
        if isinstance(default, tuple) and default:
            assert said == ",".join(default), name
        elif default not in (None, ()):
            shown_as = f"{default:g}" if isinstance(default, float) else str(default).lower()
            assert said.lower() == shown_as, name
        else:
            assert "`" not in shown[name.upper()] or not said[0].isdigit(), name


def test_a_fresh_checkout_works_without_any_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_PATH", str(tmp_path / "here"))
    chosen = Settings()
    assert (chosen.environment, chosen.port, chosen.max_file_size) == (
        Environment.DEVELOPMENT,
        8000,
        100 << 20,
    )
    assert chosen.datasets == str(tmp_path / "here" / "datasets")


def test_a_file_is_read_and_the_environment_wins(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text(
        "PORT=8100\nLOG_LEVEL=warning\nALLOWED_ORIGINS=https://a.example\nOTHER=1\n"
    )
    monkeypatch.setenv("PORT", "8200")
    chosen = Settings()
    assert (chosen.port, chosen.log_level) == (8200, "WARNING")
    assert chosen.allowed_origins == ("https://a.example",)


def test_lists_are_written_with_commas(monkeypatch):
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example, http://localhost:3000/ ,")
    monkeypatch.setenv("ALLOWED_HOSTS", "a.example,*.b.example")
    chosen = Settings()
    assert chosen.allowed_origins == ("https://a.example", "http://localhost:3000")
    assert chosen.allowed_hosts == ("a.example", "*.b.example")


def test_an_empty_variable_is_as_if_it_were_not_there(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "")
    assert Settings() == Settings(_env_file=None)
    assert Settings().database_url is None


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg"])
def test_an_address_of_a_database_is_taken_however_it_is_spelt(monkeypatch, scheme):
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://a:b@c/d")
    assert Settings().database_url.get_secret_value() == "postgresql://a:b@c/d"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "http"),
        ("ENVIRONMENT", "staging"),
        ("JWT_ALGORITHM", "none"),
        ("JWT_ALGORITHM", "RS256"),
        ("JWT_EXPIRATION_HOURS", "-1"),
        ("MAX_FILE_SIZE", "100 MB"),
        ("WORKER_PROCESSES", "0"),
        ("LOG_LEVEL", "LOUD"),
        ("ALLOWED_ORIGINS", "app.example"),
        ("ALLOWED_ORIGINS", "https://*.example"),
        ("ALLOWED_HOSTS", "https://app.example"),
        ("ALLOWED_HOSTS", "app.*.example"),
        ("DEBUG", "perhaps"),
        ("OUTBOUND_HOSTS", "https://models.example"),
        ("OUTBOUND_HOSTS", "*.example"),
        ("OUTBOUND_TOKENS", "models.example"),
        ("OUTBOUND_CA", "/nowhere/ca.pem"),
    ],
)
def test_a_wrong_value_is_refused_by_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [error["loc"] for error in refused.value.errors()] == [(name.lower(),)]


def test_secrets_do_not_show(monkeypatch):
    for name in (
        "DATABASE_URL",
        "JWT_SECRET_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "SUPABASE_SERVICE_KEY",
        "REDIS_URL",
    ):
        monkeypatch.setenv(name, "postgresql://canary-secret")
    assert "canary" not in repr(Settings()) and "canary" not in str(Settings().model_dump())


def test_settings_do_not_change_once_read():
    with pytest.raises(ValidationError):
        Settings().port = 1


@pytest.mark.parametrize(
    "root", ["/lake", "s3://b-1", "s3://b-1/data/{organization}", "s3://{organization}/x/"]
)
def test_roots_of_datasets_are_folders_and_prefixes(root):
    assert Settings(dataset_roots=f"/first,{root}").lake.roots == ("/first", root)


@pytest.mark.parametrize(
    "root", ["lake", "/", "s3://", "s3://b-1/../x", "s3://b-1/a b", "gs://b-1", "s3://B/x"]
)
def test_other_roots_are_refused(root):
    with pytest.raises(ValidationError, match=r"a root of datasets|got the root"):
        Settings(dataset_roots=root)


def test_hosts_to_call_are_listed_with_what_lets_us_in(monkeypatch):
    monkeypatch.setenv("OUTBOUND_HOSTS", "Models.example, models.internal:8080")
    monkeypatch.setenv("OUTBOUND_TOKENS", "models.example=s3cret,models.internal:8080=X-Api-Key:s3cret")
    chosen = Settings()
    assert chosen.outbound.hosts == {"models.example", "models.internal:8080"}
    assert chosen.outbound.tokens["models.example"].value == "Bearer s3cret"
    assert chosen.outbound.tokens["models.internal:8080"].header == "X-Api-Key"
    assert "s3cret" not in repr(chosen) + repr(chosen.outbound)


def test_a_token_for_a_host_that_is_not_listed_is_refused_without_showing_it(monkeypatch):
    monkeypatch.setenv("OUTBOUND_HOSTS", "models.example:8443")
    monkeypatch.setenv("OUTBOUND_TOKENS", "models.example=s3cret")
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert "which OUTBOUND_HOSTS does not list" in complaints(refused.value)[1][0]
    assert "s3cret" not in str(complaints(refused.value))
