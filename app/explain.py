"""The command `fairmind explain`: why a model answers so for a row, or which features matter, without a server."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import app.terminal
from app.audit_options import names
from app.terminal import answering, as_table, console, printed, progress
from app.waterfall import show
from engine.errors import InvalidInput
from engine.explanations.options import ExplanationKind, ExplanationOptions, Perturbation
from engine.explanations.performance import Performance
from engine.explanations.report import Explained
from engine.values import Count, Tell, portion, silent

OPTIONS = {
    "rows": "--row",
    "max_features": "--top",
    "explained_class": "--class",
    "background_rows": "--background",
    "sample_rows": "--sample",
}


def explain(
    model: Annotated[
        Path, typer.Argument(help="skops, ONNX, XGBoost (JSON or UBJ), LightGBM text or CatBoost JSON.")
    ],
    data: Annotated[Path, typer.Argument(help="CSV, TSV, JSON Lines or Parquet with the model's features.")],
    row: Annotated[list[int] | None, typer.Option(help="A row of the data, from 0; repeatable.")] = None,
    kind: Annotated[
        ExplanationKind | None,
        typer.Option(help="What to ask; by default shap with --row, and global without."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="The true outcome; permutation needs it.")] = None,
    top: Annotated[int, typer.Option(help="Features to show.")] = 10,
    explained_class: Annotated[
        str | None, typer.Option("--class", help="The class whose score is explained.")
    ] = None,
    perturbation: Annotated[
        Perturbation | None, typer.Option(help="What stands in for a feature that is taken away.")
    ] = None,
    background: Annotated[int, typer.Option(help="Rows that stand in for features taken away.")] = 1_000,
    sample: Annotated[int, typer.Option(help="Rows that global and permutation look at.")] = 10_000,
    budget: Annotated[
        int | None, typer.Option(help="Evaluations for each row, where no exact method is known.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Points that LIME draws.")] = 5_000,
    repeats: Annotated[int, typer.Option(help="Shuffles, or seeds for LIME's stability.")] = 5,
    performance: Annotated[
        Performance | None, typer.Option(help="What permutation measures the loss of.")
    ] = None,
    attribute: Annotated[str | None, typer.Option(help="Column with the groups of a gap.")] = None,
    group: Annotated[str | None, typer.Option(help="One of the two groups of a gap.")] = None,
    reference: Annotated[str | None, typer.Option(help="The group it is compared with.")] = None,
    wanted: Annotated[str | None, typer.Option(help="The class a counterfactual is to reach.")] = None,
    wanted_low: Annotated[float | None, typer.Option(help="The least value it is to reach.")] = None,
    wanted_high: Annotated[float | None, typer.Option(help="The largest value it is to reach.")] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(help="Names of the model's features, with commas, where its file has none."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Start of the random draws.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
) -> None:
    """Explain a model's answers on a file of rows.

    The report goes to standard output; errors and progress go to standard error.
    """
    with answering(OPTIONS):
        asked = kind or (ExplanationKind.SHAP if row else ExplanationKind.GLOBAL)
        options = ExplanationOptions(
            rows=[Count(place) for place in row or ()],
            max_features=top,
            explained_class=explained_class,
            perturbation=perturbation,
            background_rows=background,
            sample_rows=sample,
            budget=budget,
            samples=samples,
            repeats=repeats,
            performance=performance,
            label=label,
            attribute=attribute,
            group=group,
            reference=reference,
            wanted=wanted,
            wanted_low=wanted_low,
            wanted_high=wanted_high,
            seed=seed,
        )
        options.check(asked)
        with progress() as tell:
            report = explained(model, data, asked, options, names(features), tell)
        written = app.terminal.as_json(report)
        printed(lambda: sys.stdout.buffer.write(written) if as_json else show(report, model.name, console()))


def explained(
    model: Path,
    data: Path,
    kind: ExplanationKind,
    options: ExplanationOptions,
    features: list[str],
    tell: Tell = silent,
) -> Explained:
    """From files to a report; the data are read into a Parquet file that is gone afterwards.

    Raises:
        InvalidInput: a file or the question is at fault.
        OSError: a file cannot be opened, or there is no room for the copy.
    """
    # they bring numba, scikit-learn and DuckDB, which the other commands do without
    from engine.explanations.asking import ask  # noqa: PLC0415
    from engine.models.formats import opened, recognise  # noqa: PLC0415

    if model.is_dir():
        raise IsADirectoryError(None, "this is a folder; one file is needed", str(model))
    scorer = opened(model, recognise(model), features)
    with as_table(data, portion(tell, 0.0, 0.3)) as (table, profile):
        beyond = next((place for place in options.rows if place >= profile.rows), None)
        if beyond is not None:
            raise InvalidInput(
                f"the data have {profile.rows:,} rows, counted from 0, and no row {beyond}", at=("rows",)
            )
        return ask(portion(tell, 0.3, 1.0), scorer, [table], kind, options)
