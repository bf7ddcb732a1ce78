"""The ways in which text may be read as a value: a glance in Python, a test and a cast in SQL."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from engine.tables.profile import ColumnType

MISSING = ("", "NA", "N/A", "n/a", "na", "NaN", "nan", "NAN", "null", "NULL", "Null", "None", "none")
"""What people write for "no value"; the empty text among them comes from an empty quoted field."""


LOOKS: Mapping[ColumnType, re.Pattern[str]] = MappingProxyType(
    {
        ColumnType.BOOLEAN: re.compile("true|false", re.IGNORECASE),
        ColumnType.INTEGER: re.compile(r"-?\d{1,19}"),
        ColumnType.FLOAT: re.compile(r"[-+.\dEINFTYeinfty]+"),
        ColumnType.DATE: re.compile(r"[\d-]{10}"),
        ColumnType.TIMESTAMP: re.compile(r"[-\d]{10}[T ][-+:.\dZ]+"),
    }
)
"""What values of a type look like at a glance: never stricter than the reading itself."""

# In each CASE the first test is the cheap one that nearly all values pass; DuckDB runs the pattern
# on the others only. Integers beyond 2**53, which a float cannot hold exactly, do not fit a float.
_FLOAT = r"""CASE
    WHEN TRY_CAST({0} AS DOUBLE)::VARCHAR = {0} THEN {0} <> 'nan'
    WHEN strlen({0}) >= 16 AND regexp_full_match({0}, '-?\d+')
        THEN coalesce(TRY_CAST({0} AS BIGINT) BETWEEN -9007199254740992 AND 9007199254740992, false)
    ELSE regexp_full_match({0}, '-?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(?i:inf|infinity)')
END"""


def _clock(kind: str, zone: str) -> str:
    plain = (
        "WHEN strlen({0}) = 19 AND TRY_CAST({0} AS TIMESTAMP)::VARCHAR = {0} THEN true" if not zone else ""
    )
    pattern = r"\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):\d\d(:\d\d(\.\d{1,6})?)?" + zone
    return (
        f"CASE {plain} WHEN regexp_full_match({{0}}, '{pattern}') THEN TRY_CAST({{0}} AS {kind}) IS NOT NULL "
        "WHEN {0} IS NOT NULL THEN false END"
    )


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A way to read text: the test each value must pass, and the value it then has; {0} is the text."""

    type: ColumnType
    fits: str
    value: str

    def test(self, text: str) -> str:
        return self.fits.replace("{0}", text)

    def read(self, text: str) -> str:
        return self.value.replace("{0}", text)


READINGS: Mapping[ColumnType, Sequence[Reading]] = MappingProxyType(
    {
        kind: tuple(
            Reading(type=kind, fits=fits, value=f"TRY_CAST({{0}} AS {sql})") for sql, fits in ways.items()
        )
        for kind, ways in {
            ColumnType.BOOLEAN: {"BOOLEAN": "lower({0}) IN ('true', 'false')"},
            ColumnType.INTEGER: {"BIGINT": "coalesce(TRY_CAST({0} AS BIGINT)::VARCHAR = {0}, false)"},
            ColumnType.FLOAT: {"DOUBLE": _FLOAT},
            ColumnType.DATE: {
                "DATE": "strlen({0}) = 10 AND coalesce(TRY_CAST({0} AS DATE)::VARCHAR = {0}, false)"
            },
            ColumnType.TIMESTAMP: {
                "TIMESTAMP": _clock("TIMESTAMP", ""),
                "TIMESTAMPTZ": _clock("TIMESTAMPTZ", r"(Z|[+-]\d\d(:\d\d)?)"),
            },
        }.items()
    }
)
