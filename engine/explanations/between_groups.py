"""From a model and a dataset to what concerns groups: reads rows with the group of each, and asks what flips."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.explanations.flips import flips
from engine.explanations.gap import chosen_groups
from engine.explanations.options import ExplanationOptions
from engine.fairness.flip_report import FlipOptions, FlipReport, not_asked
from engine.fairness.membership import Membership, membership
from engine.fairness.options import BiasColumns, BiasOptions
from engine.models.rows import Sample, count, frame
from engine.models.scorer import Scorer
from engine.models.signature import Signature, Task
from engine.models.values import class_meant
from engine.tables.part import Part
from engine.values import Step, Tell, portion

READ = 0.1
"""Share of the work that is done once the rows are read."""


def ask_flips(tell: Tell, scorer: Scorer, parts: Sequence[Part], options: FlipOptions) -> FlipReport:
    """How often decisions on rows of a dataset change with a protected attribute alone.

    Raises:
        InvalidInput: the question does not fit the model or the dataset; `at` names the option.
    """
    tell(Step(stage="reading rows", fraction=0.0, message="Reading the rows and their groups"))
    groups = membership(parts, options.attribute, options.bands)
    total = count(parts)
    places = Sample(rows=options.sample_rows, seed=options.seed).places(total)
    wanted = np.arange(total) if places is None else places
    drawn = len(wanted)
    wanted = wanted[groups.sizes[groups.of[wanted]] >= options.suppress_below]
    rows = frame(parts, list(scorer.signature.names), [int(place) for place in wanted])
    if not len(rows):
        small = f"every group of {options.attribute} has fewer than {options.suppress_below:,} rows, so none takes part"
        raise InvalidInput(small if drawn else "the dataset has no rows")
    ids = [int(place) for place in wanted]
    found = flips(scorer, rows, ids, groups.taken(wanted), options, portion(tell, READ, 1.0))
    if options.suppress_below > 1:
        note = f"Groups with fewer than {options.suppress_below:,} rows take no part and are not named."
        found = replace(found, notes=(*found.notes, note))
    return found


def flips_of_analysis(
    tell: Tell, scorer: Scorer, parts: Sequence[Part], columns: BiasColumns, options: BiasOptions
) -> tuple[FlipReport, ...]:
    """How often decisions change with each protected attribute of a bias analysis alone, told as they are known.

    Where groups are suppressed, no example is shown, for each is one person.

    Returns:
        A report for each attribute, in their order; one that could not be asked about says why.
    """
    found, of = [], len(columns.protected)
    for i, attribute in enumerate(columns.protected):
        each = portion(_without_parts(tell), i / of, (i + 1) / of)
        try:
            report = ask_flips(each, scorer, parts, _asked(scorer.signature, attribute, columns, options))
        except InvalidInput as error:
            report = not_asked(attribute, str(error), attribute in scorer.signature.names)
        found.append(report)
        tell(Step(stage="changing values", fraction=(i + 1) / of, message=report.summary, partial=report))
    return tuple(found)


def _asked(signature: Signature, attribute: str, columns: BiasColumns, options: BiasOptions) -> FlipOptions:
    """The decisions and groups of the analysis."""
    return FlipOptions(
        attribute=attribute,
        bands=next((bands.edges for bands in options.bands if bands.attribute == attribute), ()),
        explained_class=class_meant(signature.classes, columns.favorable),
        threshold=options.score_threshold if signature.task is Task.BINARY else None,
        examples=0 if options.suppress_below > 1 else FlipOptions.examples,
        suppress_below=options.suppress_below,
        confidence=options.confidence,
        seed=options.seed,
    )


def _without_parts(tell: Tell) -> Tell:
    """Pairs of groups say nothing of which attribute they are of; the whole report comes soon enough."""
    return lambda step: tell(replace(step, partial=None))


def two_groups(parts: Sequence[Part], options: ExplanationOptions) -> tuple[Membership, list[int]]:
    """Rows of the two groups of a gap, half of them drawn from each: their groups, and their places in the dataset.

    Raises:
        InvalidInput: the groups cannot be compared; `at` names the option.
    """
    groups = membership(parts, options.attribute or "", options.bands)
    pair = chosen_groups(groups, options.group, options.reference)
    half = options.sample_rows // 2
    drawn = [_drawn(np.flatnonzero(groups.of == place), half, options.seed) for place in pair]
    wanted = np.sort(np.concatenate(drawn)).astype(np.int64)
    return groups.taken(wanted), wanted.tolist()


def _drawn(places: NDArray[np.intp], rows: int, seed: int) -> NDArray[np.intp]:
    chosen = Sample(rows=rows, seed=seed).places(len(places))
    return places if chosen is None else places[chosen]
