"""Which group each row belongs to, with the groups and names of a bias report."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidInput
from engine.fairness.counting import refuse_values
from engine.fairness.cube import Axis, Role, ordered
from engine.fairness.options import Bands, BiasColumns, BiasOptions
from engine.fairness.reading import keys_of, reading, schema_of, source
from engine.fairness.tables import names_of
from engine.tables.part import Part

Places = npt.NDArray[np.intp]
AT = ("attribute",)


@dataclass(frozen=True, kw_only=True, eq=False)
class Membership:
    """The groups of one protected attribute, and the one of each row."""

    attribute: str
    names: tuple[str, ...]
    """As a bias report names them; one for rows without a value, if there are such."""
    of: Places
    """(rows,): the place of each row's group in `names`."""
    missing: int | None = None
    """Place of the group of rows without a value."""
    notes: tuple[str, ...] = ()
    """How a number was banded."""

    def taken(self, rows: npt.NDArray[np.int64]) -> "Membership":
        """Of some rows, by their places, in this order."""
        return Membership(
            attribute=self.attribute,
            names=self.names,
            of=self.of[rows],
            missing=self.missing,
            notes=self.notes,
        )

    @property
    def sizes(self) -> Places:
        """(groups,): rows in each."""
        return np.bincount(self.of, minlength=len(self.names))


def membership(parts: Sequence[Part], attribute: str, edges: Sequence[float] = ()) -> Membership:
    """The group of each row of a dataset.

    Args:
        edges: of bands, for a number; without them one with more than 20 different values is banded at its
            quartiles, as in a bias report.

    Raises:
        InvalidInput: there is no such column, it holds no single values, more than 100 different ones or, with edges,
            no numbers; `at` is ("attribute",) or ("bands",).
    """
    bands = (Bands(attribute=attribute, edges=edges),) if edges else ()
    schema = schema_of(parts[0])
    with reading(parts, schema) as connection:
        try:
            keys, notes = keys_of(
                connection, schema, BiasColumns(protected=[attribute]), BiasOptions(bands=bands)
            )
        except InvalidInput as error:
            raise InvalidInput(str(error), at=("bands",) if error.at[:1] == ("bands",) else AT) from None
        key = keys[0]
        rows = f"SELECT {key.text} AS t FROM (SELECT {key.raw} AS {key.alias} FROM {source(schema)})"  # noqa: S608 - positions
        distinct = f"SELECT count(DISTINCT t) FROM ({rows})"  # noqa: S608 - as above
        refuse_values(AT, attribute, Role.PROTECTED, connection.sql(distinct).fetchall()[0][0])
        texts = connection.sql(rows).to_arrow_table().column("t").combine_chunks()
    words = texts.dictionary_encode(null_encoding="encode")
    return grouped(attribute, words.dictionary.to_pylist(), words.indices.to_numpy(), notes)


def grouped(
    attribute: str, values: Sequence[str | None], codes: npt.NDArray[np.integer], notes: Sequence[str] = ()
) -> Membership:
    """Groups by their values in text form, None for missing, and the place of each row's."""
    order = ordered(set(values))
    place = {value: i for i, value in enumerate(order)}  # of a sample, some may have no row
    moved = np.array([place[value] for value in values], dtype=np.intp)
    axis = Axis(name=attribute, values=order)
    return Membership(
        attribute=attribute,
        names=names_of([axis], [[value] for value in order]),
        of=moved[codes] if len(codes) else np.empty(0, np.intp),
        missing=place.get(None),
        notes=tuple(notes),
    )
