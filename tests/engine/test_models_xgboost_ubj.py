"""UBJSON that XGBoost did not write: each file is refused in words at its place, and takes no more memory than it has bytes."""

import re

import numpy as np
import pytest

from engine.errors import InvalidInput
from engine.models import xgboost_ubj
from engine.models.xgboost_ubj import values

HUGE = b"L" + (2**62).to_bytes(8, "big")


def number(marker, value, size):
    return marker + value.to_bytes(size, "big", signed=True)


def test_every_kind_of_value_is_read():
    content = (
        b"{i\x04nullZi\x05truthTU\x05falseFI\x00\x05smalli\xffl\x00\x00\x00\x04byteU\xff"
        + number(b"L", 5, 8)
        + b"shortI\x80\x00i\x04longl\x7f\xff\xff\xffi\x07longestL\x80\x00\x00\x00\x00\x00\x00\x00"
        + b"i\x06singled\x3f\xc0\x00\x00i\x06doubleD\x3f\xb9\x99\x99\x99\x99\x99\x9ai\x04textSi\x03\xc3\xbcai\x04charCx"
        + b"i\x04list[#i\x02i\x01[]Ni\x04open[TN]i\x06object{i\x00Z}}"
    )
    assert values(content) == {
        "null": None,
        "truth": True,
        "false": False,
        "small": -1,
        "byte": 255,
        "short": -(2**15),
        "long": 2**31 - 1,
        "longest": -(2**63),
        "single": 1.5,
        "double": 0.1,
        "text": "üa",
        "char": "x",
        "list": [1, []],
        "open": [True],
        "object": {"": None},
    }


@pytest.mark.parametrize(
    ("marker", "dtype", "numbers"),
    [
        (b"i", ">i1", [-128, 127]),
        (b"U", ">u1", [0, 255]),
        (b"I", ">i2", [-(2**15), 1]),
        (b"l", ">i4", [-(2**31), 1]),
        (b"L", ">i8", [-(2**63), 1]),
        (b"d", ">f4", [1.5, -np.inf]),
        (b"D", ">f8", [0.1, -1e300]),
    ],
)
def test_lists_of_numbers_are_arrays_over_the_bytes_of_the_file(marker, dtype, numbers):
    found = values(b"{i\x01a[$" + marker + b"#i\x02" + np.array(numbers, dtype).tobytes() + b"}")["a"]
    assert found.tolist() == numbers
    assert not found.flags.owndata


HOSTILE = {
    "nothing": (b"", "at byte 0: it is cut off"),
    "cut in a name": (b"{i\x07lear", "claims more than it holds"),
    "cut in an object": (b"{i\x01a[", "cut off"),
    "cut in a number": (b"{i\x01al\x00", "cut off"),
    "more than one value": (b"{}{}", "at byte 2: more follows"),
    "numbers claimed": (b"{i\x01a[$d#" + HUGE + b"\x00" * 50, "claims more than it holds"),
    "numbers claimed, eight bytes each": (b"{i\x01a[$L#U\x20" + b"\x00" * 200, "claims more than it holds"),
    "values claimed": (b"{i\x01a[#" + HUGE + b"Z" * 50, "claims more than it holds"),
    "values of no bytes claimed": (b"{i\x01a[$Z#" + HUGE + b"}", "must be of numbers"),
    "objects of one type": (b"{i\x01a[$[#i\x02", "must be of numbers"),
    "text claimed": (b"{i\x01aS" + HUGE + b"x" * 50, "claims more than it holds"),
    "less than nothing": (b"{i\x01aSi\xff", "less than nothing"),
    "half a value": (b"{i\x01a[#d\x3f\x00\x00\x00", "less than nothing"),
    "object with a size": (b"{#i\x01i\x01aZ}", "object tells its size"),
    "deep lists": (b"[" * 100_000, "more than 32 deep"),
    "deep objects": (b"{i\x01a" * 100_000, "more than 32 deep"),
    "name twice": (b"{i\x01aZi\x01aT}", "'a' stands twice"),
    "numbers in a list": (b"[[$d#i\x00]", "list of numbers stands in a list"),
    "no text": (b"{i\x01aSi\x01\xff}", "not in UTF-8"),
    "long number": (b"{i\x01aHi\x0512345}", "b'H' is no kind of value"),
    "name that is none": (b"{Zi\x01}", "less than nothing"),
    "nothing but padding": (b"N" * 1_000_000, "cut off"),
    "no model": (b"{}", "no learner"),
    "a list": (b"[]", "no learner"),
    "learner of another kind": (b"{i\x07learnerZ}", "no learner"),
}


@pytest.mark.parametrize(("content", "words"), HOSTILE.values(), ids=HOSTILE)
def test_what_claims_too_much_or_is_no_such_file_is_refused(content, words):
    with pytest.raises(InvalidInput, match="the XGBoost file .*" + re.escape(words)):
        xgboost_ubj.read(content)


def test_values_beside_lists_of_numbers_are_counted(monkeypatch):
    monkeypatch.setattr(xgboost_ubj, "MOST_VALUES", 30)
    assert values(b"[" + b"Z" * 29 + b"]") == [None] * 29
    for content in (b"[" + b"Z" * 30 + b"]", b"[" + b"{}" * 30, b"[" + b"{i\x01aZ}" * 10):
        with pytest.raises(InvalidInput, match="more than 30 values beside lists of numbers"):
            values(content)
