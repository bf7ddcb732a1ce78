"""A model of scikit-learn behind an endpoint answers, and is explained, as it is here."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine.explanations.explain import explain
from engine.explanations.options import ExplanationKind, ExplanationOptions
from engine.models.endpoint import DeclaredFeature, Endpoint, EndpointProtocol, Tensors
from engine.models.endpoint_scorer import EndpointScorer
from engine.models.signature import FeatureType, Task
from jobs.hosts import Outbound
from jobs.outbound import Line
from tests.endpoints import model_server, serving
from tests.estimators import TABLE, YES
from tests.scorers import Made, case

MIXED = make_pipeline(
    make_column_transformer((OneHotEncoder(), ["city"]), (StandardScaler(), ["age", "debt", "grade"])),
    LogisticRegression(),
).fit(TABLE, YES)
WIDE = pd.DataFrame(np.random.default_rng(3).normal(size=(200, 13)), columns=[f"x{i}" for i in range(13)])
FOREST = RandomForestClassifier(5, max_depth=4, random_state=0).fit(
    WIDE, np.where(WIDE["x0"] + WIDE["x1"] * WIDE["x2"] > 0, "yes", "no")
)


def there(server, table, protocol, **more):
    """The model behind a server as a scorer."""
    named = (
        {"model_name": "loan", "output_tensor": "predict_proba"}
        if protocol is EndpointProtocol.KSERVE_V2
        else {}
    )
    endpoint = Endpoint(
        url=server.url,
        protocol=protocol,
        task=Task.BINARY,
        classes=("no", "yes"),
        features=[
            DeclaredFeature(
                name=name,
                type=FeatureType.CATEGORY if table[name].dtype == object else FeatureType.NUMBER,
            )
            for name in table
        ],
        **{**named, **more},
    )
    outbound = Outbound(hosts={f"127.0.0.1:{server.port}"})
    return EndpointScorer(
        endpoint=endpoint, call=Line(target=outbound.target(server.url), outbound=outbound).call
    )


def here(model, table):
    return Made(
        function=lambda rows: model.predict_proba(rows[list(table)]), names=list(table), classes=("no", "yes")
    )


@pytest.mark.parametrize(
    ("model", "table", "protocol", "more"),
    [
        (MIXED, TABLE, EndpointProtocol.MLFLOW, {}),
        (MIXED, TABLE, EndpointProtocol.KSERVE_V2, {}),
        (FOREST, WIDE, EndpointProtocol.KSERVE_V2, {"tensors": Tensors.MATRIX, "input_tensor": "matrix"}),
    ],
)
def test_scores_are_those_of_the_model_itself(model, table, protocol, more):
    with serving(model_server(model, table)) as server:
        scores = there(server, table, protocol, **more).scores(table)
    assert scores == pytest.approx(model.predict_proba(table), abs=1e-12)


@pytest.mark.parametrize(
    ("model", "table", "method"), [(MIXED, TABLE, "enumeration"), (FOREST, WIDE, "sampled")]
)
def test_explanations_are_those_of_the_model_itself(model, table, method):
    options = ExplanationOptions(budget=2_000, seed=7)
    background, rows = table.iloc[:25], table.iloc[30:32]
    with serving(model_server(model, table)) as server:
        remote = there(server, table, EndpointProtocol.MLFLOW)
        found = explain(ExplanationKind.SHAP, case(remote, rows, background, options))
    local = explain(ExplanationKind.SHAP, case(here(model, table), rows, background, options))
    assert method in found.method.value
    for ours, theirs in zip(found.rows, local.rows, strict=True):
        assert [each.feature for each in ours.attributions] == [each.feature for each in theirs.attributions]
        values = [[each.attribution for each in row.attributions] for row in (ours, theirs)]
        assert values[0] == pytest.approx(values[1], abs=1e-12)
        assert max(map(abs, values[0])) > 0.01
