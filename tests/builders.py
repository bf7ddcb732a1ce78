"""Rows and files with sensible values, so that a test says only what matters to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from pydantic import TypeAdapter
from sqlalchemy import create_engine, make_url
from sqlmodel import Session, SQLModel

import db.tables as t
from auth.passwords import hashed
from auth.tokens import Tokens
from db.session import Scope
from engine.explanations.options import ExplanationKind, ExplanationOptions, Perturbation
from engine.explanations.report import (
    Attribution,
    Background,
    ExplanationMethod,
    ExplanationReport,
    RowExplanation,
)
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, BiasReport
from engine.mitigation import MitigationOptions, MitigationReport
from engine.models.endpoint import DeclaredFeature, Endpoint, EndpointProtocol
from engine.models.prediction import ClassScore, FeatureValue, GivenRow, Predicted
from engine.models.signature import Feature, FeatureType, ModelFormat, Signature, Task
from engine.tables import TableProfile
from engine.values import Count

PASSWORD = "correct horse battery"
_HASH = hashed(PASSWORD)

LOANS = "race,sex,approved,predicted\n" + "".join(
    f"{race},{sex},{label},{prediction}\n" * times
    for race, sex, label, prediction, times in [
        ("white", "f", 1, 1, 60),
        ("white", "m", 1, 1, 60),
        ("white", "f", 0, 0, 40),
        ("white", "m", 0, 1, 40),
        ("black", "f", 1, 0, 40),
        ("black", "m", 1, 1, 40),
        ("black", "f", 0, 0, 60),
        ("black", "m", 0, 1, 20),
    ]
)
"""360 decisions: white 160 of 200 selected, black 60 of 160."""
LOAN_COLUMNS = ("race", "sex", "approved", "predicted")


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who can sign in, and a token that says so."""

    user_id: UUID
    organization_id: UUID
    email: str
    token: str

    @property
    def scope(self) -> Scope:
        return Scope(organization_id=self.organization_id, user_id=self.user_id)


def populate(url: str, tokens: Tokens) -> dict[str, Person]:
    """Two organizations with people: one of each role in ours, an administrator in the other."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with Session(engine, expire_on_commit=False) as session, session.begin():
        ours, theirs = t.Organization(name="Ours"), t.Organization(name="Theirs")
        session.add_all([ours, theirs])
        session.flush()
        users = {role.value: _user(ours, role.value, role) for role in t.Role}
        users["stranger"] = _user(theirs, "stranger", t.Role.ADMIN)
        session.add_all(users.values())
    engine.dispose()
    return {
        name: Person(
            user_id=user.id,
            organization_id=user.organization_id,
            email=user.email,
            token=tokens.for_user(user)[0],
        )
        for name, user in users.items()
    }


def _user(organization: t.Organization, name: str, role: t.Role) -> t.User:
    return t.User(
        organization_id=organization.id,
        email=f"{name}@example.org",
        name=name,
        password_hash=_HASH,
        role=role,
    )


STORED = Path(__file__).parent / "db" / "stored"
"""Values as an earlier version of this code stored them."""


def stored(name: str, kind: Any) -> Any:
    """A value that was stored long ago, read as the class it is now."""
    return TypeAdapter(kind).validate_json((STORED / f"{name}.json").read_bytes())


def keep(url: str, *rows: SQLModel) -> None:
    """Write rows as the database's owner, past every rule of ours; in this order."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with Session(engine, expire_on_commit=False) as session, session.begin():
        for row in rows:
            session.add(row)
            session.flush()
            if isinstance(row, t.Event):  # numbers go on from there
                session.get_one(t.Organization, row.organization_id).last_event = row.number
    engine.dispose()


def a_model(person: Person, **given: Any) -> t.Model:
    """A model of this person's, not yet kept."""
    usual = {"name": f"model {uuid4()}", "version": "1", "type": t.ModelType.CLASSIFICATION}
    ours = {"organization_id": person.organization_id, "owner_id": person.user_id}
    return t.Model(**(usual | ours | given))


def a_dataset(person: Person, columns: Sequence[str] = LOAN_COLUMNS, **given: Any) -> t.Dataset:
    """A dataset of this person's that is read and ready, as far as its row goes; not yet kept."""
    profile = stored("table_profile", TableProfile)
    shown = tuple(replace(profile.columns[0], name=name) for name in columns)
    usual = {
        "name": "loans",
        "sha256": "0" * 64,
        "bytes": Count(1000),
        "rows": profile.rows,
        "format": profile.format,
        "status": t.Status.COMPLETED,
        "progress": 1.0,
        "profile": replace(profile, columns=shown),
        "preview": (("1",) * len(columns),),
    }
    ours = {"organization_id": person.organization_id, "created_by_id": person.user_id}
    return t.Dataset(**(usual | ours | given))


def an_analysis(person: Person, model: t.Model, dataset: t.Dataset, **given: Any) -> t.Analysis:
    """A completed analysis with its report, not yet kept."""
    usual = {
        "type": AnalysisType.COMPREHENSIVE,
        "columns": BiasColumns(label="approved", prediction="predicted", protected=("race", "sex")),
        "options": BiasOptions(),
        "status": t.Status.COMPLETED,
        "progress": 1.0,
        "report": stored("bias_report", BiasReport),
    }
    ours = {
        "organization_id": person.organization_id,
        "created_by_id": person.user_id,
        "model_id": model.id,
        "dataset_id": dataset.id,
    }
    return t.Analysis(**(usual | ours | given))


def an_endpoint(name: str) -> Endpoint:
    """Where a regression of one feature is served, both of this name."""
    return Endpoint(
        url=f"https://{name}.example",
        protocol=EndpointProtocol.MLFLOW,
        task=Task.REGRESSION,
        features=[DeclaredFeature(name=name)],
    )


def a_signature(**given: Any) -> Signature:
    """What a model takes that tells loans by age and city."""
    usual = {
        "format": ModelFormat.XGBOOST_JSON,
        "framework": "xgboost",
        "framework_version": "3.0.0",
        "kind": "gbtree, binary:logistic",
        "task": Task.BINARY,
        "features": (
            Feature(name="age", type=FeatureType.NUMBER),
            Feature(name="city", type=FeatureType.CATEGORY, categories=("ulm", "bonn")),
        ),
        "classes": ("0", "1"),
        "notes": ("the file names no classes",),
    }
    return Signature(**(usual | given))


def an_artifact(person: Person, model: t.Model, **given: Any) -> t.Artifact:
    """The file of a model, read and ready as far as its row goes; not yet kept."""
    usual = {
        "format": ModelFormat.XGBOOST_JSON,
        "sha256": "a" * 64,
        "bytes": Count(2000),
        "status": t.Status.COMPLETED,
        "progress": 1.0,
        "signature": a_signature(),
        "tried": "a made-up row is of class 1 with a score of 0.5",
    }
    ours = {
        "organization_id": person.organization_id,
        "created_by_id": person.user_id,
        "model_id": model.id,
    }
    return t.Artifact(**(usual | ours | given))


def a_prediction(person: Person, model: t.Model, **given: Any) -> t.Prediction:
    """One row that a model has answered, not yet kept."""
    usual = {
        "rows": (GivenRow(values=(FeatureValue(feature="age", value="41"),)),),
        "answers": (Predicted(prediction="1", scores=(ClassScore(label="1", score=0.75),)),),
        "status": t.Status.COMPLETED,
        "progress": 1.0,
    }
    ours = {
        "organization_id": person.organization_id,
        "created_by_id": person.user_id,
        "model_id": model.id,
    }
    return t.Prediction(**(usual | ours | given))


def an_explanation(person: Person, model: t.Model, dataset: t.Dataset, **given: Any) -> t.Explanation:
    """What moved the answer for one row, not yet kept."""
    moved = Attribution(feature="age", value="41", attribution=0.25)
    row = RowExplanation(
        row=Count(0),
        prediction=0.75,
        predicted="1",
        output=0.75,
        base=0.5,
        attributions=(moved,),
        others=0.0,
        additivity_error=0.0,
        explained_class="1",
    )
    report = ExplanationReport(
        kind=ExplanationKind.SHAP,
        method=ExplanationMethod.ENUMERATION,
        exact=True,
        why="All coalitions of the features were tried.",
        summary="Row 0 is answered '1'.",
        unit="probability",
        explained_class="1",
        perturbation=Perturbation.INTERVENTIONAL,
        background=Background(rows=Count(2), of_rows=Count(2), seed=0, sha256="a" * 64),
        rows_used=Count(1),
        seconds=0.5,
        evaluations=Count(8),
    )
    usual = {
        "kind": ExplanationKind.SHAP,
        "options": ExplanationOptions(rows=[Count(0)]),
        "report": report,
        "rows": (row,),
        "status": t.Status.COMPLETED,
        "progress": 1.0,
    }
    ours = {
        "organization_id": person.organization_id,
        "created_by_id": person.user_id,
        "model_id": model.id,
        "dataset_id": dataset.id,
    }
    return t.Explanation(**(usual | ours | given))


def a_mitigation(person: Person, model: t.Model, dataset: t.Dataset, **given: Any) -> t.Mitigation:
    """A model trained again under a constraint, not yet kept; its version is the model itself."""
    usual = {
        "options": stored("mitigation_options", MitigationOptions),
        "version_name": "1 mitigated",
        "report": stored("mitigation_report", MitigationReport),
        "status": t.Status.COMPLETED,
        "progress": 1.0,
    }
    ours = {
        "organization_id": person.organization_id,
        "created_by_id": person.user_id,
        "model_id": model.id,
        "version_id": model.id,
        "dataset_id": dataset.id,
    }
    return t.Mitigation(**(usual | ours | given))


def an_event(person: Person, number: int, subject: t.Subject, row: t.Worked, **given: Any) -> t.Event:
    """One event of a piece of work, not yet kept."""
    usual = {"stage": "completed", "fraction": 1.0, "message": "Done", "status": t.Status.COMPLETED}
    ours = {"organization_id": person.organization_id, "number": number}
    return t.Event(**(usual | ours | {"subject": subject, "subject_id": row.id} | given))
