"""A table that comes in parts: each is summarised by itself, and the summaries add up.

    options = prepared(paths, columns, kind, asked, model)
    summary = reduce(lambda a, b: together(a, b, columns), (part(path, columns, options, model) for path in paths))
    report = judged(summary, columns, kind, asked, tell, model)

Counts come out to the bit as from one file. Sums of fractions, such as weights that are no whole numbers, depend in
their last digits on the order in which they are added; merged in the order of the parts they are the same each time.
"""

from collections.abc import Sequence

from engine.errors import InvalidInput
from engine.fairness.analysis import FAMILIES, compares_rows
from engine.fairness.counting import MAX_CELLS, refuse_values, too_fine
from engine.fairness.cube import Cube, Role
from engine.fairness.evidence import Summary, merged
from engine.fairness.metrics import AnalysisType
from engine.fairness.moments import Moments
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.reading import settled
from engine.tables.part import Part
from engine.values import ModelType, Tell, silent

ROWS_APART = (
    "individual fairness compares each row with all others, and this dataset comes in several parts:"
    " leave the features out, or register a single part"
)


def prepared(
    paths: Sequence[Part], columns: BiasColumns, kind: AnalysisType, options: BiasOptions, model: ModelType
) -> BiasOptions:
    """The options with which every part is summarised, so that all of them are read alike.

    Args:
        paths: Parquet files with the same columns and types, in order, at least one.

    Raises:
        InvalidInput: a column is missing or holds something else; the question does not fit the kind of
            model; or there are several parts and it cannot be answered part by part.
    """
    compares = compares_rows(columns, kind, model, options)
    if len(paths) > 1 and compares:
        raise InvalidInput(ROWS_APART, at=("features",))
    if len(paths) > 1 and (why := FAMILIES[model].apart) is not None:
        raise InvalidInput(f"this dataset comes in several parts, and {why}")
    return settled(paths, columns, options)


def part(
    path: Part, columns: BiasColumns, options: BiasOptions, model: ModelType, tell: Tell = silent
) -> Summary:
    """The summary of one part, with the options that `prepared` gave; errors as for `Family.summarise`."""
    return FAMILIES[model].summarise(path, columns, options, tell)


def together(one: Summary, other: Summary, columns: BiasColumns) -> Summary:
    """The summary of both parts.

    Raises:
        InvalidInput: together they have more values in a column, or more combinations, than are compared.
    """
    both = merged(one, other)
    for each in both:
        if not isinstance(each, Cube | Moments):
            continue
        protected = 0
        for axis in each.axes:
            at: tuple[str | int, ...] = (str(axis.role),)
            if axis.role is Role.PROTECTED:
                at, protected = ("protected", protected), protected + 1
            refuse_values(at, axis.name, axis.role, sum(value is not None for value in axis.values))
        if len(each.codes) > MAX_CELLS:
            raise too_fine(columns)
    return both
