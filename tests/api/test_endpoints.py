"""A model that is served elsewhere: registered, asked in every way that a file is, and refused where it must not be called."""

import importlib.util
import time
from pathlib import Path

import psycopg
import pytest
from graphql import parse, print_ast, separate_operations
from pydantic import SecretStr
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import resolvers.scoring
from app.settings import Settings
from jobs.hosts import Bounds, Outbound
from tests import models
from tests.api.test_models_asked import FITS, PREDICT, SCORE, SCORED, row
from tests.client import DATASET
from tests.endpoints import model_server, reply, serving, speaking

REGISTER = """mutation ($input: NewEndpointInput!, $key: String) {
  registerEndpoint(input: $input, idempotencyKey: $key) { id status format model { id } }
}"""
ARTIFACT = """query ($id: ID!) { node(id: $id) { ... on Artifact {
  status error tried format sha256 bytes model { id features }
  endpoint { url protocol modelName modelVersion answers tensors numbers inputTensor outputTensor }
  signature { format framework kind task features { name type } classes notes }
} } }"""
PROGRESS = "subscription ($id: ID!) { progress(id: $id) { status message } }"
ANALYSIS = """query ($id: ID!) { analysis(id: $id) { status error report { verdict rows
  attributes { findings { metric value } } } } }"""
EXPLAIN = "mutation ($input: NewExplanationInput!) { startExplanation(input: $input) { id } }"
EXPLANATION = """query ($id: ID!) { node(id: $id) { ... on Explanation { status error
  report { method exact } rows { prediction additivityError attributions { feature attribution } } } } }"""
COMPARE = """query ($a: ID!, $b: ID!) { compareModels(a: $a, b: $b) {
  sameFile signatures { same formatBefore frameworkBefore frameworkAfter } } }"""
EXAMPLES = Path(__file__).parents[2] / "examples" / "models"
TOKEN = "sesame-open-sesame"
COLUMNS = ["group", "age", "income"]
FEATURES = [{"name": "group", "type": "CATEGORY"}, {"name": "age"}, {"name": "income"}]
ROWS = models.people()[COLUMNS]
MODEL = make_pipeline(
    make_column_transformer((OneHotEncoder(), ["group"]), (StandardScaler(), ["age", "income"])),
    LogisticRegression(),
).fit(ROWS, models.people().repaid)
CHANCES = MODEL.predict_proba(ROWS)[:, 1]
MLFLOW = {"protocol": "MLFLOW", "task": "BINARY", "features": FEATURES, "classes": ["0", "1"]}
KSERVE = MLFLOW | {"protocol": "KSERVE_V2", "modelName": "loan", "outputTensor": "predict_proba"}


@pytest.fixture(scope="module")
def server():
    """Serves the model in both protocols."""
    with serving(model_server(MODEL, ROWS)) as served:
        yield served


@pytest.fixture
def settings(settings, server):
    host = f"127.0.0.1:{server.port}"
    told = {"outbound_hosts": (host,), "outbound_tokens": SecretStr(f"{host}={TOKEN}")}
    return settings.model_copy(update=told)


async def registered(api, endpoint, **asked):
    """The artifact once its endpoint was tried, whatever way it ends."""
    answer = await api("analyst", REGISTER, input={"endpoint": endpoint, **asked})
    assert answer.errors == []
    id = answer.data["registerEndpoint"]["id"]
    return await api.until_ended("analyst", ARTIFACT, id)


async def put_to_work(api, model, loans):
    """Everything that a model can be asked; what moved its answer to the first row."""
    fits = (await api("analyst", FITS, model=model, dataset=loans)).data["modelFits"]
    assert fits == {"fits": True, "mismatches": []}
    given = [row(**ROWS.iloc[i].to_dict()) for i in range(3)]
    told = (await api("analyst", PREDICT, model=model, rows=given)).data["predict"]
    scores = [each["scores"][1]["score"] for each in told["answers"]]
    assert scores == pytest.approx(CHANCES[:3], abs=1e-12)

    scored = {"modelId": model, "datasetId": loans, "name": "scored"}
    made = (await api("analyst", SCORE, input=scored)).data["scoreDataset"]["id"]
    columns = {"label": "repaid", "protected": ["group"]}
    started = (await api.start(model, loans, columns=columns, useModel=True)).data["startAnalysis"]["id"]
    assert (await api.until_ended("analyst", DATASET, made))["status"] == "COMPLETED"
    shown = (await api("analyst", SCORED, id=made)).data["dataset"]
    assert shown["rows"] == 400
    column = [float(each[-1]) for each in shown["preview"]]
    assert column == pytest.approx(CHANCES[: len(column)], abs=1e-12)

    judged = await api.until_ended("analyst", ANALYSIS, started)
    assert (judged["status"], judged["report"]["rows"]) == ("COMPLETED", 400), judged
    selected = models.people().assign(selected=CHANCES >= 0.5).groupby("group").selected.mean()
    gaps = {f["metric"]: f["value"] for f in judged["report"]["attributes"][0]["findings"]}
    assert gaps["DEMOGRAPHIC_PARITY_DIFFERENCE"] == pytest.approx(abs(selected["a"] - selected["b"]))

    question = {"modelId": model, "datasetId": loans, "kind": "SHAP", "options": {"rows": [0]}}
    explained = (await api("analyst", EXPLAIN, input=question)).data["startExplanation"]["id"]
    told = await api.until_ended("analyst", EXPLANATION, explained)
    assert (told["status"], told["report"]["method"]) == ("COMPLETED", "ENUMERATION"), told
    assert told["rows"][0]["prediction"] == pytest.approx(CHANCES[0], abs=1e-12)
    return {each["feature"]: each["attribution"] for each in told["rows"][0]["attributions"]}


async def test_a_model_elsewhere_is_asked_like_one_with_a_file(
    api, worker, server, url, settles, monkeypatch, caplog
):
    monkeypatch.setattr(resolvers.scoring, "PATIENCE_S", 60)
    asked = {"endpoint": {"url": server.url, **MLFLOW}, "model": {"name": "loan", "type": "CLASSIFICATION"}}
    first = (await api("analyst", REGISTER, input=asked, key="once")).data["registerEndpoint"]
    again = (await api("analyst", REGISTER, input=asked, key="once")).data["registerEndpoint"]
    assert again["id"] == first["id"] and first["format"] == "ENDPOINT"
    other = asked | {"endpoint": {"url": server.url + "/b", **MLFLOW}}
    assert (await api("analyst", REGISTER, input=other, key="once")).code == "CONFLICT"
    found = await api.until_ended("analyst", ARTIFACT, first["id"])
    assert (found["status"], found["error"]) == ("COMPLETED", None)
    assert found["model"] == {"id": first["model"]["id"], "features": COLUMNS}
    assert found["tried"].startswith("a made-up row is of class")
    assert found["signature"]["classes"] == ["0", "1"]
    assert "as they were declared" in found["signature"]["notes"][0]
    events = [each.data["progress"] for each in await api.all_events("analyst", PROGRESS, id=first["id"])]
    assert [event["status"] for event in events][-1] == "COMPLETED"
    assert "Asking about rows that are made up" in [event["message"] for event in events]

    plain = await api.model(name="plain")
    served = await registered(api, {"url": server.url, **KSERVE}, modelId=plain)
    assert (served["status"], served["model"]["features"]) == ("COMPLETED", COLUMNS)
    assert served["endpoint"] == {
        "url": server.url,
        "protocol": "KSERVE_V2",
        "modelName": "loan",
        "modelVersion": None,
        "answers": None,
        "tensors": "COLUMNS",
        "numbers": "FP64",
        "inputTensor": "input-0",
        "outputTensor": "predict_proba",
    }
    read = await api("viewer", ARTIFACT, id=first["id"])
    assert read.data["node"]["endpoint"] is None and read.data["node"]["format"] == "ENDPOINT"
    assert [(each["path"], each["extensions"]["code"]) for each in read.errors] == [
        (["node", "endpoint"], "FORBIDDEN")
    ]
    assert server.url not in str(read.errors)
    twice = await api(
        "analyst", REGISTER, input={"endpoint": {"url": server.url, **MLFLOW}, "modelId": plain}
    )
    assert twice.code == "CONFLICT" and "has an endpoint already" in twice.errors[0]["message"]

    loans = await api.dataset(content=models.csv())
    both = first["model"]["id"], plain
    values = [await put_to_work(api, model, loans) for model in both]
    assert values[0] == pytest.approx(values[1], abs=1e-12) and max(map(abs, values[0].values())) > 0.01
    compared = await api("analyst", COMPARE, a=first["model"]["id"], b=plain)
    assert compared.data["compareModels"] == {
        "sameFile": False,
        "signatures": {
            "same": True,
            "formatBefore": "ENDPOINT",
            "frameworkBefore": "MLflow scoring protocol",
            "frameworkAfter": "Open Inference Protocol",
        },
    }

    assert {each["authorization"] for each in server.headers} == {f"Bearer {TOKEN}"}
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            for (kept,) in connection.execute(f"SELECT to_jsonb({table})::text FROM {table}"):
                assert TOKEN not in kept, table
    assert TOKEN not in caplog.text
    await settles(*["datasets/.parquet"] * 2)  # both have scored alike, so their tables are one


async def test_what_must_not_be_registered_is_refused_at_once(api, server):
    model = await api.model()
    listed = {"url": server.url, **MLFLOW}
    other = f"http://127.0.0.1:{server.port + 1}"
    for endpoint, more, said, argument in [
        (listed | {"url": other}, {}, f"can add {other[7:]} to OUTBOUND_HOSTS", "endpoint.url"),
        (
            listed | {"url": "https://models.example"},
            {},
            "can add models.example to OUTBOUND_HOSTS",
            "endpoint.url",
        ),
        (listed | {"url": f"http://me:word@127.0.0.1:{server.port}"}, {}, "without a name", "endpoint.url"),
        (listed | {"url": "file:///etc/passwd"}, {}, "is written like https", "endpoint.url"),
        (listed | {"task": "REGRESSION", "classes": []}, {}, "is declared as regression", "endpoint.task"),
        (listed | {"classes": ["1"]}, {}, "classes must be 2", "endpoint.classes"),
        (listed | {"modelName": "a"}, {}, "modelName is of KSERVE_V2", "endpoint.modelName"),
        (listed | {"features": []}, {}, "features must be 1 to 2,000", "endpoint.features"),
        (
            listed | {"features": [FEATURES[0] | {"categories": ["\0"]}]},
            {},
            "no NUL",
            "endpoint.features.categories",
        ),
        (listed, {"model": {"name": "", "type": "CLASSIFICATION"}, "modelId": None}, "name", "model.name"),
        (
            listed,
            {"model": {"name": "a", "type": "CLUSTERING"}, "modelId": None},
            "only classification",
            None,
        ),
        (listed, {"model": {"name": "a", "type": "CLASSIFICATION"}}, "one of them", "modelId"),
    ]:
        answer = await api("analyst", REGISTER, input={"endpoint": endpoint, "modelId": model, **more})
        assert answer.code == "BAD_INPUT", answer.errors
        error = answer.errors[0]
        assert said in error["message"]
        assert error["extensions"].get("argument") == (argument and f"input.{argument}"), error
    assert (await api("analyst", "{ models { totalCount } }")).data["models"]["totalCount"] == 1


def example():
    """The server that stands in examples/, as a module."""
    spec = importlib.util.spec_from_file_location("serve", EXAMPLES / "serve.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SERVE = example()


def lying(path, content):
    """One server with a lie for each path, and one that is honest."""
    if path == "/v2/models/mortgage/infer":
        return reply(SERVE.answer(path, content))
    rows = len(content["dataframe_split"]["data"])
    if path.startswith("/slow"):
        time.sleep(2)
    if path.startswith("/away"):
        return 307, {"Location": "http://127.0.0.1:1/invocations"}, b""
    if path.startswith("/sick"):
        return 500, {}, b'{"error": "secret"}'
    chances = {
        "/one": [[0.5, 0.5]],  # whatever is asked
        "/nan": [[float("nan"), 0.5]] * rows,
        "/three": [[0.2, 0.3, 0.5]] * rows,
        "/slow": [[0.5, 0.5]] * rows,
        "/huge": [[0.5, 0.5]] * 100_000,
    }
    return reply({"predictions": chances[path.removesuffix("/invocations")]})


@pytest.fixture
def liars(monkeypatch):
    """Addresses that are listed and of which nothing good comes, each with what is said of it."""
    with serving(lying) as server, speaking(lambda connection: connection.recv(1)) as closing:
        hosts = (f"127.0.0.1:{server.port}", f"127.0.0.1:{closing}", "127.0.0.1:9", "localhost")
        outbound = Outbound(hosts=hosts, bounds=Bounds(silence_s=1, seconds=3, body_bytes=100_000))
        monkeypatch.setattr(Settings, "outbound", property(lambda _: outbound))
        yield {
            f"{server.url}/one": "does not answer each of 2 rows",
            f"{server.url}/nan": "no JSON",
            f"{server.url}/three": "3 numbers for each row, and 2 classes",
            f"{server.url}/huge": "answers with more than",
            f"{server.url}/sick": "answers with status 500",
            f"{server.url}/away": "sends on to another address (status 307), which is not followed",
            f"{server.url}/slow": "does not answer in time",
            f"http://127.0.0.1:{closing}": "cut the connection twice",
            "http://127.0.0.1:9": "cannot be reached",
            "https://localhost": "leads to an address of this machine, which this server does not call",
        }


async def test_an_endpoint_that_fails_its_first_question_is_not_kept_and_gives_way_to_the_next(
    liars, api, worker, settles
):
    model = await api.model()
    for url, said in liars.items():
        found = await registered(api, {"url": url, **MLFLOW}, modelId=model)
        assert (found["status"], found["signature"], found["tried"]) == ("FAILED", None, None), found
        assert said in found["error"] and "secret" not in found["error"], found
        assert found["endpoint"]["url"] == url
        refused = await api("analyst", PREDICT, model=model, rows=[row(age=1)])
        assert refused.code == "CONFLICT" and "endpoint is failed" in refused.errors[0]["message"]
    await settles()

    document = separate_operations(parse((EXAMPLES / "endpoint.graphql").read_text()))["Register"]
    text = print_ast(document).replace("http://127.0.0.1:9000", next(iter(liars)).removesuffix("/one"))
    made = (await api("analyst", text)).data["registerEndpoint"]
    found = await api.until_ended("analyst", ARTIFACT, made["id"])
    assert (found["status"], found["error"]) == ("COMPLETED", None)
    # 1 / (1 + exp(-3)) = 0.9526 for a row of zeros
    assert found["tried"] == "a made-up row is of class '1' with a score of 0.953"


def test_the_example_answers_alike_in_both_protocols():
    names, data = list(SERVE.WEIGHTS), [[30, 0.8, None], [30, 0.8, 1]]
    tensors = [{"name": name, "data": [row[i] for row in data]} for i, name in enumerate(names)]
    (kserve,) = SERVE.answer("/v2/models/mortgage/infer", {"inputs": tensors})["outputs"]
    mlflow = SERVE.answer("/invocations", {"dataframe_split": {"columns": names, "data": data}})
    # 3 - 1.8 - 1.2 = 0 for the first, and 3 more for the second
    assert kserve["data"] == pytest.approx([0.5, 0.952574], abs=1e-6)
    assert [row[1] for row in mlflow["predictions"]] == kserve["data"]
    assert SERVE.answer("/", {}) is None
