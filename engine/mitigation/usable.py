"""Which rows take part in a mitigation, and how they are divided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.explanations.measures import labels
from engine.fairness.membership import Membership
from engine.fairness.words import so_many
from engine.mitigation.options import RESTS_ON, MitigationOptions
from engine.mitigation.report import MitigationRows
from engine.mitigation.splitting import Places, Splits, divided
from engine.models.signature import Signature
from engine.tables.names import short
from engine.values import Count

SAID = {(0, 1): "rows", (0,): "rows with an unfavourable label", (1,): "rows with a favourable label"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Usable:
    """The rows that take part: their groups, their labels, and what each is for."""

    places: Places
    """Where they stand among all rows."""
    names: tuple[str, ...]
    groups: Places
    """(rows,), places of `names`."""
    truth: NDArray[np.bool_]
    """(rows,), whether the label is the favourable one."""
    splits: Splits
    """Places among the rows that take part."""
    small: tuple[str, ...]
    """Why each group takes no part that does not, in words."""
    counted: MitigationRows


def usable(
    label: "pd.Series[Any]",
    groups: Membership,
    signature: Signature,
    options: MitigationOptions,
    favorable: int,
    not_drawn: int = 0,
) -> Usable:
    """Leave out rows without label or group, and groups of which too few rows are held out; divide the others.

    Raises:
        InvalidInput: a label is none of the model's classes, rows to train on are of one class, or fewer than two
            groups are left.
    """
    found, labelled = labels(label, signature)
    truth = np.zeros(len(label), bool)
    truth[labelled] = found == favorable
    grouped = groups.of != (-1 if groups.missing is None else groups.missing)
    places = np.flatnonzero(labelled & grouped)
    of = groups.of[places]
    _refuse_one_class(truth[places], "that take part", signature, options, favorable)
    splits = divided(2 * of + truth[places], options.selection, options.held_out, options.seed)
    present = np.unique(of)
    few = {int(group): why for group in present if (why := _few(group, of, truth[places], splits, options))}
    kept = [int(group) for group in present if group not in few]
    small = tuple(f"{groups.names[group]}: {why}" for group, why in few.items())
    if len(kept) < 2:
        _refuse(kept, small, len(places), groups, options)
    taking = np.isin(of, kept)
    moved = np.cumsum(taking) - 1  # places of those that stay
    now = Splits(**{name: moved[part[taking[part]]] for name, part in vars(splits).items()})
    _refuse_one_class(truth[places][taking][now.training], "to train on", signature, options, favorable)
    return Usable(
        places=places[taking],
        names=tuple(groups.names[group] for group in kept),
        groups=np.searchsorted(kept, of[taking]),
        truth=truth[places][taking],
        splits=now,
        small=small,
        counted=MitigationRows(
            training=Count(len(now.training)),
            selection=Count(len(now.selection)),
            held_out=Count(len(now.held_out)),
            no_label=Count(int((~labelled).sum())),
            no_group=Count(int((labelled & ~grouped).sum())),
            small_groups=Count(int((~taking).sum())),
            not_drawn=Count(not_drawn),
        ),
    )


def _refuse_one_class(
    truth: NDArray[np.bool_], which: str, signature: Signature, options: MitigationOptions, favorable: int
) -> None:
    if not len(truth) or (truth.any() and not truth.all()):
        return
    only, other = (
        signature.classes[favorable if is_it else 1 - favorable] for is_it in (truth[0], not truth[0])
    )
    raise InvalidInput(
        f"a model is trained on rows of both classes, and all {so_many(len(truth), 'rows')} {which} have the label"
        f" {short(only)} in {short(options.label)}: give rows with {short(other)} too, or more of them",
        at=("label",),
    )


def _few(
    group: int, of: Places, truth: NDArray[np.bool_], splits: Splits, options: MitigationOptions
) -> str | None:
    """What a group has too few of; None where it takes part."""
    for kinds in RESTS_ON[options.constraint]:
        wanted = (of == group) & np.isin(truth.astype(int), kinds)
        held = int(wanted[splits.held_out].sum())
        if held < options.min_group_size or not wanted[splits.training].any():
            return f"{held:,} of the held-out {SAID[kinds]}, of {int(wanted.sum()):,} in all"
    return None


def _refuse(
    kept: Sequence[int], small: Sequence[str], rows: int, groups: Membership, options: MitigationOptions
) -> None:
    if not rows:
        raise InvalidInput(
            f"no row has both a label in {options.label!r} and a value of {options.attribute!r}",
            at=("label",),
        )
    has = f"only {groups.names[kept[0]]} has" if kept else "none has"
    said = f" Too small are {'; '.join(small[:5])}." if small else ""
    raise InvalidInput(
        f"two groups of {options.attribute} must have {options.min_group_size:,} held-out rows that the constraint"
        f" {options.constraint} compares, and {has}.{said} Give more rows, a larger held_out, wider bands, or a smaller"
        " min_group_size",
        at=("min_group_size",),
    )
