"""Analyses: started with a question that is checked at once, read, listed, cancelled and deleted."""

import asyncio

import psycopg
import pytest
import pytest_asyncio

import db.tables as t
import jobs.queue
from resolvers.ids import global_id
from tests.builders import a_dataset, a_model, an_analysis, keep
from tests.client import COLUMNS

CANCEL = "mutation ($id: ID!) { cancelAnalysis(id: $id) { status stage message report { verdict } } }"
DELETE = "mutation ($id: ID!) { deleteAnalysis(id: $id) { id deleted archived message } }"
LOOK = """query ($id: ID!) { analysis(id: $id) {
  type status progress stage message error startedAt finishedAt createdBy { email }
  columns { label prediction protected favorable features }
  options { confidence bootstrapSamples seed minGroupSize thresholds { metric limit } }
  report { verdict } model { name } dataset { name }
} }"""
LIST = """query ($f: AnalysisFilterInput) { analyses(filter: $f, order: OLDEST_FIRST) {
  totalCount edges { node { id } }
} }"""


@pytest.fixture
def rows(url, people):
    person = people["analyst"]
    kept = {"model": a_model(person, name="approver"), "dataset": a_dataset(person)}
    keep(url, *kept.values())
    return kept


@pytest.fixture
def model(rows) -> str:
    return global_id("Model", rows["model"].id)


@pytest.fixture
def dataset(rows) -> str:
    return global_id("Dataset", rows["dataset"].id)


@pytest_asyncio.fixture
async def started(api, model, dataset) -> str:
    """Id of an analysis that waits for a worker; there is none."""
    return (await api.start(model, dataset)).data["startAnalysis"]["id"]


def refusal(answer) -> tuple[str, str | None, str]:
    (error,) = answer.errors
    return error["extensions"]["code"], error["extensions"].get("argument"), error["message"]


def stored(url, question: str):
    with psycopg.connect(url) as connection:
        return connection.execute(question).fetchone()[0]


async def test_an_analysis_is_there_as_soon_as_it_is_started(api, url, model, dataset):
    options = {
        "seed": 3,
        "confidence": 0.9,
        "thresholds": [{"metric": "DEMOGRAPHIC_PARITY_RATIO", "limit": 0.75}],
    }
    answer = await api.start(model, dataset, options=options)
    assert answer.errors == []
    assert answer.data["startAnalysis"]["status"] == "QUEUED"
    found = (await api("viewer", LOOK, id=answer.data["startAnalysis"]["id"])).data["analysis"]
    assert found == {
        "type": "COMPREHENSIVE",
        "status": "QUEUED",
        "progress": 0.0,
        "stage": None,
        "message": "Waiting for a worker",
        "error": None,
        "startedAt": None,
        "finishedAt": None,
        "createdBy": {"email": "analyst@example.org"},
        "columns": COLUMNS | {"favorable": None, "features": []},
        "options": {
            "confidence": 0.9,
            "bootstrapSamples": 1000,
            "seed": 3,
            "minGroupSize": 30,
            "thresholds": [{"metric": "DEMOGRAPHIC_PARITY_RATIO", "limit": 0.75}],
        },
        "report": None,
        "model": {"name": "approver"},
        "dataset": {"name": "loans"},
    }
    assert stored(url, "SELECT count(*) FROM procrastinate_jobs") == 1
    assert stored(url, "SELECT count(*) FROM event") == 1


async def test_columns_that_cannot_be_meant_are_refused_with_their_place(api, url, model, dataset):
    for columns, argument, said in [
        (
            {"protected": ["race", "age"]},
            "input.columns.protected.1",
            "the dataset has no column 'age'; its columns are 'race', 'sex', 'approved', 'predicted'",
        ),
        ({"label": "truth"}, "input.columns.label", "no column 'truth'"),
        ({"prediction": "guess"}, "input.columns.prediction", "no column 'guess'"),
        (
            {"features": ["sex", "height"], "protected": ["race"]},
            "input.columns.features.1",
            "no column 'height'",
        ),
        ({"label": "RACE"}, "input.columns.label", "no column 'RACE'; did you mean 'race'?"),
        ({"protected": []}, "input.columns.protected", "protected must name 1 to 10 columns, got 0"),
        ({"protected": [f"c{i}" for i in range(11)]}, "input.columns.protected", "1 to 10 columns, got 11"),
        ({"protected": ["race", "race"]}, "input.columns.protected.1", "column 'race' is used twice"),
        ({"label": "predicted"}, "input.columns.prediction", "used twice, as label and prediction"),
        ({"label": ""}, "input.columns.label", "label must name a column, got an empty name"),
        ({"favorable": "a\0"}, "input.columns.favorable", "favorable may hold no NUL"),
    ]:
        code, at, message = refusal(await api.start(model, dataset, columns=COLUMNS | columns))
        assert (code, at) == ("BAD_INPUT", argument)
        assert said in message
        assert stored(url, "SELECT count(*) FROM analysis") == 0
        assert stored(url, "SELECT count(*) FROM procrastinate_jobs") == 0


async def test_options_out_of_range_are_refused_with_the_range_and_what_came(api, model, dataset):
    for options, argument, said in [
        ({"confidence": 0.49}, "confidence", "confidence must lie in [0.5, 0.99], got 0.49"),
        ({"confidence": 1}, "confidence", "confidence must lie in [0.5, 0.99], got 1.0"),
        ({"bootstrapSamples": 99}, "bootstrapSamples", "bootstrapSamples must lie in [100, 10000], got 99"),
        ({"bootstrapSamples": 10001}, "bootstrapSamples", "must lie in [100, 10000], got 10001"),
        ({"seed": -1}, "seed", "seed must lie in [0, 2147483647], got -1"),
        ({"minGroupSize": 0}, "minGroupSize", "minGroupSize must lie in [1, 1000000], got 0"),
        (
            {
                "thresholds": [
                    {"metric": "CONSISTENCY", "limit": 0.5},
                    {"metric": "DEMOGRAPHIC_PARITY_RATIO", "limit": 7},
                ]
            },
            "thresholds.1.limit",
            "the limit of demographic_parity_ratio must lie in [0, 1], got 7",
        ),
        (
            {
                "thresholds": [
                    {"metric": "CONSISTENCY", "limit": 0.5},
                    {"metric": "CONSISTENCY", "limit": 0.6},
                ]
            },
            "thresholds.1.metric",
            "consistency has two thresholds",
        ),
        (
            {"bands": [{"attribute": "approved", "edges": [1]}]},
            "bands.0.attribute",
            "'approved' is none of the protected attributes; these are 'race', 'sex'",
        ),
        (
            {"references": [{"attribute": "sex", "group": "f"}, {"attribute": "town", "group": "x"}]},
            "references.1.attribute",
            "'town' is none of the protected attributes",
        ),
        (
            {"bands": [{"attribute": "race", "edges": [1, 2]}, {"attribute": "sex", "edges": [2, 1]}]},
            "bands.1.edges",
            "edges must be finite and rise",
        ),
        ({"bands": [{"attribute": "a\0", "edges": [1]}]}, "bands.0.attribute", "none of the protected"),
        ({"references": [{"attribute": "a\0", "group": "f"}]}, "references.0.attribute", "is none of"),
        (
            {"references": [{"attribute": "sex", "group": "f\0"}]},
            "references.0.group",
            "group may hold no NUL, and no value does",
        ),
    ]:
        code, at, message = refusal(await api.start(model, dataset, options=options))
        assert (code, at) == ("BAD_INPUT", f"input.options.{argument}")
        assert said in message


async def test_options_at_the_ends_of_their_ranges_are_accepted(api, model, dataset):
    for options in [
        {"confidence": 0.5},
        {"confidence": 0.99},
        {"bootstrapSamples": 100},
        {"bootstrapSamples": 10000},
    ]:
        assert (await api.start(model, dataset, options=options)).errors == []


async def test_the_path_of_a_refusal_does_not_depend_on_how_the_query_is_written(api, model, dataset):
    asked = """mutation { go: startAnalysis(input: {
      modelId: "%s", datasetId: "%s", type: COMPREHENSIVE, options: {confidence: 0.2},
      columns: {label: "approved", prediction: "predicted", protected: ["race"]}
    }) { id } }""" % (model, dataset)  # noqa: UP031
    assert refusal(await api("analyst", asked))[:2] == ("BAD_INPUT", "input.options.confidence")


async def test_a_dataset_that_is_not_ready_cannot_be_analysed(api, url, people, model):
    for status in [status for status in t.Status if status is not t.Status.COMPLETED]:
        unready = a_dataset(people["analyst"], status=status, profile=None)
        keep(url, unready)
        answer = await api.start(model, global_id("Dataset", unready.id))
        assert refusal(answer) == (
            "CONFLICT",
            None,
            f"the dataset is {status}, an analysis needs one that is completed",
        )


async def test_columns_that_a_kind_of_model_needs_are_asked_for_at_once(api, dataset):
    for kind, argument, said in [
        ("CLUSTERING", "label", "clustering has no use for the column label"),
        ("RECOMMENDATION", "user", "recommendation needs the column user"),
    ]:
        other = await api.model(name=kind, type=kind)
        code, at, message = refusal(await api.start(other, dataset))
        assert (code, at) == ("BAD_INPUT", f"input.columns.{argument}")
        assert said in message


async def test_individual_fairness_asks_for_the_columns_that_make_rows_similar(api, model, dataset):
    answer = await api.start(model, dataset, type="INDIVIDUAL_FAIRNESS")
    assert refusal(answer)[:2] == ("BAD_INPUT", "input.columns.features")


@pytest.mark.parametrize("name", ["modelId", "datasetId"])
async def test_an_analysis_of_what_is_not_there_is_refused(api, model, dataset, name):
    other = {"modelId": "Model", "datasetId": "Dataset"}[name]
    for id, expected in (
        (global_id(other, "00000000-0000-0000-0000-000000000000"), ("NOT_FOUND", None)),
        ("nonsense", ("BAD_INPUT", f"input.{name}")),
    ):
        assert refusal(await api.start(model, dataset, **{name: id}))[:2] == expected


async def test_the_same_key_for_the_same_question_is_the_same_analysis(api, url, model, dataset):
    answers = [await api.start(model, dataset, key="once") for _ in range(2)]
    answers += await asyncio.gather(*(api.start(model, dataset, key="once") for _ in range(4)))
    assert len({answer.data["startAnalysis"]["id"] for answer in answers}) == 1
    assert stored(url, "SELECT count(*) FROM analysis") == 1
    assert stored(url, "SELECT count(*) FROM procrastinate_jobs") == 1


async def test_the_same_key_asked_twice_at_once_is_one_analysis(api, url, model, dataset):
    answers = await asyncio.gather(*(api.start(model, dataset, key="once") for _ in range(5)))
    assert [answer.errors for answer in answers] == [[]] * 5
    assert len({answer.data["startAnalysis"]["id"] for answer in answers}) == 1
    assert stored(url, "SELECT count(*) FROM analysis") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"type": "DEMOGRAPHIC_PARITY"},
        {"options": {"seed": 1}},
        {"columns": COLUMNS | {"protected": ["race"]}},
    ],
)
async def test_the_same_key_for_another_question_is_refused(api, model, dataset, change):
    assert (await api.start(model, dataset, key="once")).errors == []
    code, _, message = refusal(await api.start(model, dataset, key="once", **change))
    assert code == "CONFLICT"
    assert "take a new one" in message


async def test_keys_of_two_people_do_not_meet(api, model, dataset):
    first = await api.start(model, dataset, key="once", who="analyst")
    second = await api.start(model, dataset, key="once", who="admin")
    assert first.data["startAnalysis"]["id"] != second.data["startAnalysis"]["id"]


async def test_a_key_of_no_sensible_length_is_refused(api, model, dataset):
    for key in ["", "x" * 201]:
        code, at, message = refusal(await api.start(model, dataset, key=key))
        assert (code, at) == ("BAD_INPUT", "idempotencyKey")
        assert f"1 to 200 characters and no NUL, got {len(key)}" in message


async def test_an_organization_can_have_only_so_much_waiting(api, model, dataset, started, monkeypatch):
    monkeypatch.setattr(jobs.queue, "WAITING_LIMIT", 2)
    assert (await api.start(model, dataset)).errors == []
    code, _, message = refusal(await api.start(model, dataset))
    assert code == "LIMIT_EXCEEDED"
    assert message.startswith("2 pieces of work are waiting already")
    await api("analyst", CANCEL, id=started)
    assert (await api.start(model, dataset)).errors == []


async def test_cancelling_ends_an_analysis_and_cancelling_again_changes_nothing(api, url, started):
    first = (await api("analyst", CANCEL, id=started)).data["cancelAnalysis"]
    assert first == {
        "status": "CANCELLED",
        "stage": "cancelled",
        "message": "Cancelled on request",
        "report": None,
    }
    events = stored(url, "SELECT count(*) FROM event")
    assert (await api("analyst", CANCEL, id=started)).data["cancelAnalysis"] == first
    assert stored(url, "SELECT count(*) FROM event") == events == 2


async def test_what_has_ended_cannot_be_cancelled(api, url, people, rows):
    done = an_analysis(people["analyst"], *rows.values())
    keep(url, done)
    answer = await api("analyst", CANCEL, id=global_id("Analysis", done.id))
    assert refusal(answer) == ("CONFLICT", None, "this has already completed, so there is nothing to cancel")


async def test_deleting_an_analysis_takes_its_report_with_it(api, url, people, rows):
    done = an_analysis(people["analyst"], *rows.values())
    keep(url, done)
    id = global_id("Analysis", done.id)
    answer = await api("analyst", DELETE, id=id)
    assert answer.data["deleteAnalysis"] == {
        "id": id,
        "deleted": True,
        "archived": False,
        "message": "the analysis is deleted",
    }
    assert (await api("analyst", LOOK, id=id)).code == "NOT_FOUND"
    assert (await api("analyst", DELETE, id=id)).code == "NOT_FOUND"


@pytest.mark.parametrize("status", ["queued", "running"])
async def test_deleting_an_analysis_that_is_not_done_stops_it_and_says_so(api, url, started, status):
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE analysis SET status = %s", (status,))
    assert (await api("analyst", DELETE, id=started)).data["deleteAnalysis"]["deleted"]
    assert stored(url, "SELECT count(*) FROM analysis") == 0
    assert stored(url, "SELECT status FROM event ORDER BY number DESC LIMIT 1") == "cancelled"


async def test_analyses_are_narrowed_by_model_dataset_status_and_type(api, url, people, rows):
    person = people["analyst"]
    model, dataset = rows["model"], rows["dataset"]
    other_model, other_dataset = a_model(person), a_dataset(person)
    made = [
        an_analysis(person, model, dataset),
        an_analysis(person, other_model, dataset, status=t.Status.FAILED, report=None),
        an_analysis(person, model, other_dataset, type="equalized_odds"),
    ]
    keep(url, other_model, other_dataset, *made)
    ids = [global_id("Analysis", row.id) for row in made]
    for asked, expected in (
        ({}, [0, 1, 2]),
        (None, [0, 1, 2]),
        ({"modelId": global_id("Model", model.id)}, [0, 2]),
        ({"datasetId": global_id("Dataset", dataset.id)}, [0, 1]),
        ({"status": "FAILED"}, [1]),
        ({"type": "EQUALIZED_ODDS"}, [2]),
        ({"modelId": global_id("Model", model.id), "status": "FAILED"}, []),
    ):
        found = (await api("viewer", LIST, f=asked)).data["analyses"]
        assert [edge["node"]["id"] for edge in found["edges"]] == [ids[i] for i in expected]
        assert found["totalCount"] == len(expected)
    bad = await api("viewer", LIST, f={"modelId": "nonsense"})
    assert refusal(bad)[:2] == ("BAD_INPUT", "filter.modelId")


async def test_a_completed_analysis_shows_its_whole_report(api, url, people, rows):
    done = an_analysis(people["analyst"], *rows.values())
    keep(url, done)
    asked = """query ($id: ID!) { analysis(id: $id) { report {
      kind verdict rows rowsExcluded label limits { metric limit }
      attributes { attribute referenceGroup groups { name size metrics { quantity numerator denominator } } }
    } } }"""
    report = (await api("viewer", asked, id=global_id("Analysis", done.id))).data["analysis"]["report"]
    assert (report["kind"], report["verdict"], report["rows"]) == ("COMPREHENSIVE", "FAIL", 360)
    assert {"metric": "DEMOGRAPHIC_PARITY_RATIO", "limit": 0.75} in report["limits"]
    race = report["attributes"][0]
    assert (race["attribute"], race["referenceGroup"]) == ("race", "white")
    shown = ("SELECTION_RATE", "TRUE_POSITIVE_RATE")
    groups = {
        group["name"]: {"size": group["size"]}
        | {
            m["quantity"]: (m["numerator"], m["denominator"])
            for m in group["metrics"]
            if m["quantity"] in shown
        }
        for group in race["groups"]
    }
    assert groups["white"] == {
        "size": 200,
        "SELECTION_RATE": (160, 200),
        "TRUE_POSITIVE_RATE": (120, 120),
    }
    assert groups["black"] == {
        "size": 160,
        "SELECTION_RATE": (60, 160),
        "TRUE_POSITIVE_RATE": (40, 80),
    }
