"""The command `fairmind audit`: a bias analysis of one file, without a server; fit for people and for pipelines.

What the options mean stands in `engine/fairness/options.py`, how they are read in `app/audit_options.py`.
`app/audit_rules.py` decides how it ends, `app/findings.py` prints the report.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import app.terminal
from app.audit_options import bands, check_out, names, number, pairs
from app.audit_rules import Code, Outcome, Rule, decide, metric_named, rule
from app.findings import show
from app.terminal import answering, as_table, console, plain, printed, progress
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, BiasReport, Reference, Threshold
from engine.values import ModelType, Tell, portion, silent

OPTIONS = {
    "prediction": "--pred",
    "bootstrap_samples": "--samples",
    "thresholds": "--limit",
    "references": "--reference",
    "bands": "--band",
}
"""Options that are not called like the field they fill."""
TABLES, JUDGING, ENDING = "Columns", "Judging", "Output"


def audit(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSON Lines or Parquet, plain or packed with gzip.")],
    protected: Annotated[
        list[str] | None,
        typer.Option(
            help="Protected attributes, with commas: race,sex. A number with many values is banded.",
            rich_help_panel=TABLES,
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="The true outcome, or true value.", rich_help_panel=TABLES)
    ] = None,
    pred: Annotated[
        str | None,
        typer.Option(
            "--pred",
            "--prediction",
            help="The decision, the predicted value, or the cluster.",
            rich_help_panel=TABLES,
        ),
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(
            help="The score behind the decision, or of a recommended item; higher is better.",
            rich_help_panel=TABLES,
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="How much each row counts.", rich_help_panel=TABLES)
    ] = None,
    stratum: Annotated[
        str | None,
        typer.Option(help="What selection may legitimately depend on.", rich_help_panel=TABLES),
    ] = None,
    favorable: Annotated[
        str | None,
        typer.Option(
            help="The value that is good for the person; 0/1, -1/1, no/yes and false/true are understood.",
            rich_help_panel=TABLES,
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            help="Numeric columns in which similar rows are alike, with commas; for consistency.",
            rich_help_panel=TABLES,
        ),
    ] = None,
    distance: Annotated[
        str | None,
        typer.Option(help="Clustering: distance to the centre of the cluster.", rich_help_panel=TABLES),
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Recommendation: who it is for.", rich_help_panel=TABLES)
    ] = None,
    item: Annotated[
        str | None, typer.Option(help="Recommendation: what was shown.", rich_help_panel=TABLES)
    ] = None,
    rank: Annotated[
        str | None,
        typer.Option(
            help="Recommendation: place in the list, from 1; else by score.", rich_help_panel=TABLES
        ),
    ] = None,
    relevance: Annotated[
        str | None,
        typer.Option(help="Recommendation: how relevant the item was.", rich_help_panel=TABLES),
    ] = None,
    item_group: Annotated[
        str | None, typer.Option(help="Recommendation: group of the item.", rich_help_panel=TABLES)
    ] = None,
    model: Annotated[
        ModelType, typer.Option(help="What kind of model it is.", rich_help_panel=JUDGING)
    ] = ModelType.CLASSIFICATION,
    kind: Annotated[
        AnalysisType,
        typer.Option(
            "--type",
            help="Which question to ask; comprehensive asks all and crosses the attributes.",
            rich_help_panel=JUDGING,
        ),
    ] = AnalysisType.COMPREHENSIVE,
    confidence: Annotated[
        float, typer.Option(help="Of the intervals, 0.5 to 0.99.", rich_help_panel=JUDGING)
    ] = 0.95,
    samples: Annotated[
        int, typer.Option(help="Bootstrap draws, 100 to 10000.", rich_help_panel=JUDGING)
    ] = 1000,
    seed: Annotated[
        int, typer.Option(help="The same seed gives the same report.", rich_help_panel=JUDGING)
    ] = 0,
    min_group_size: Annotated[
        int, typer.Option(help="Smaller groups are shown and never judged.", rich_help_panel=JUDGING)
    ] = 30,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            help="Metrics to judge, with commas; else all that answer the question.",
            rich_help_panel=JUDGING,
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=NUMBER",
            help="Another limit for the verdicts on a metric; repeatable.",
            rich_help_panel=JUDGING,
        ),
    ] = None,
    band: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ATTRIBUTE=EDGES",
            help="Edges of the bands of a numeric attribute: age=25,60; repeatable.",
            rich_help_panel=JUDGING,
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ATTRIBUTE=GROUP",
            help="Group to compare the others with: race=white; else the largest; repeatable.",
            rich_help_panel=JUDGING,
        ),
    ] = None,
    score_threshold: Annotated[
        float,
        typer.Option(help="Without --pred: the least score that is favourable.", rich_help_panel=JUDGING),
    ] = 0.5,
    max_depth: Annotated[
        int, typer.Option(help="How many attributes are crossed at most, 1 to 4.", rich_help_panel=JUDGING)
    ] = 3,
    k: Annotated[
        int, typer.Option("--k", help="Recommendation: places of a list that count.", rich_help_panel=JUDGING)
    ] = 10,
    lipschitz: Annotated[
        float,
        typer.Option(
            help="How much outcomes may differ for each standard deviation between features.",
            rich_help_panel=JUDGING,
        ),
    ] = 1.0,
    suppress_below: Annotated[
        int, typer.Option(help="Leave smaller groups out of the report.", rich_help_panel=JUDGING)
    ] = 0,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="End with 1 where this holds, such as 'demographic_parity_difference>0.1', with > >= < or <=;"
            " repeatable. It is held against the values themselves, not their intervals: of every attribute, of"
            " attributes crossed (--max-depth 1 crosses none) and of each class. Verdicts no longer decide then.",
            rich_help_panel=ENDING,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the whole report as JSON, and nothing else.", rich_help_panel=ENDING
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Also write the report as JSON to this file.", rich_help_panel=ENDING)
    ] = None,
) -> None:
    """Judge whether a model treats groups of people alike, without a server.

    The file holds the model's decisions. Exit codes:

    0: nothing was found.

    1: a --fail-on condition holds or, without any, a verdict is fail.

    2: the question or the file is at fault.

    3: no groups could be compared or, with --fail-on, none holds and a metric has no value for all rows or an attribute.

    The report goes to standard output; errors and progress go to standard error.
    """
    with answering(OPTIONS):
        columns = BiasColumns(
            protected=names(protected),
            label=label,
            prediction=pred,
            score=score,
            weights=weights,
            stratum=stratum,
            favorable=favorable,
            features=names(features),
            distance=distance,
            user=user,
            item=item,
            rank=rank,
            relevance=relevance,
            item_group=item_group,
        )
        options = BiasOptions(
            confidence=confidence,
            bootstrap_samples=samples,
            seed=seed,
            min_group_size=min_group_size,
            thresholds=[
                Threshold(metric=metric_named(name), limit=number("--limit", value))
                for name, value in pairs("--limit", limit)
            ],
            references=[
                Reference(attribute=name, group=value) for name, value in pairs("--reference", reference)
            ],
            bands=[bands(name, value) for name, value in pairs("--band", band)],
            max_depth=max_depth,
            score_threshold=score_threshold,
            k=k,
            lipschitz=lipschitz,
            suppress_below=suppress_below,
            metrics=[metric_named(name) for name in names(metrics)],
        )
        columns.check(model)
        options.check(kind, model)
        rules = [rule(text, kind, model, options) for text in fail_on or ()]
        check_out(out, file)
        with progress() as tell:
            report = measured(file, columns, kind, options, model, tell)
        code = _end(report, rules, file, as_json=as_json, out=out)
    raise typer.Exit(code)


def measured(
    file: Path,
    columns: BiasColumns,
    kind: AnalysisType,
    options: BiasOptions,
    model: ModelType,
    tell: Tell = silent,
) -> BiasReport:
    """From a file of any kind that can be uploaded to a report; it is read into a Parquet file that is gone afterwards.

    Raises:
        InvalidInput: the file or the question is at fault.
        OSError: the file cannot be opened, or there is no room for its copy.
    """
    # they bring DuckDB and SciPy, which the other commands do without
    from engine.fairness.analysis import run  # noqa: PLC0415
    from engine.fairness.unused import noted  # noqa: PLC0415

    with as_table(file, portion(tell, 0.0, 0.4)) as (table, profile):
        report = run(table, columns, kind, options, portion(tell, 0.4, 1.0), model)
        return noted(report, profile, columns, kind, options, model)


def _end(report: BiasReport, rules: Sequence[Rule], file: Path, *, as_json: bool, out: Path | None) -> Code:
    """Print and write the report; the exit code."""
    written = app.terminal.as_json(report)
    if out is not None:
        out.write_bytes(written)
    printed(lambda: sys.stdout.buffer.write(written) if as_json else show(report, file.name, console()))
    outcome = decide(report, rules)
    _explain(outcome)
    return outcome.code


def _explain(outcome: Outcome) -> None:
    colour = {Code.CLEAN: "green", Code.FINDING: "red"}.get(outcome.code, "yellow")
    for reason in outcome.reasons:
        console(stderr=True).print(f"[{colour}]--fail-on[/] {plain(reason)}", soft_wrap=True)
