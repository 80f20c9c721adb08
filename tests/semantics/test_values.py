"""Arithmetic as the language and the docstrings of the IR say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfverify.semantics.values import arithmetic, cast, compare
from nfverify.smat.ir import BOOL, INT, Bits

LOWEST = -(1 << 31)
BYTE = Bits(8)
NIBBLE = Bits(4, signed=True)


@pytest.mark.parametrize(
    ("op", "left", "right", "expected"),
    [
        ("+", (1 << 31) - 1, 1, LOWEST),
        ("-", LOWEST, 1, (1 << 31) - 1),
        ("*", 1 << 30, 4, 0),
        ("/", -7, 2, -3),
        ("%", -7, 2, -1),
        ("/", 7, -2, -3),
        ("%", 7, -2, 1),
        ("/", 7, 0, 0),
        ("%", 7, 0, 0),
        ("/", LOWEST, -1, LOWEST),
        ("%", LOWEST, -1, 0),
        ("<<", 1, 31, LOWEST),
        ("<<", 1, 32, 0),
        ("<<", 1, -1, 0),
        (">>", -8, 1, -4),
        (">>", -1, 31, -1),
        (">>", -1, 32, 0),
        (">>", -1, -1, 0),
        ("&", -1, 255, 255),
        ("|", LOWEST, 1, LOWEST + 1),
        ("^", -1, 0, -1),
    ],
)
def test_int(op, left, right, expected):
    assert arithmetic(op, left, right, INT) == expected


@pytest.mark.parametrize(
    ("op", "left", "right", "expected"),
    [
        ("+", 255, 1, 0),
        ("-", 0, 1, 255),
        ("*", 16, 17, 16),
        ("/", 200, 7, 28),
        ("<<", 3, 7, 128),
        ("<<", 1, 8, 0),
        (">>", 128, 7, 1),
        (">>", 128, 200, 0),
    ],
)
def test_unsigned(op, left, right, expected):
    assert arithmetic(op, left, right, BYTE) == expected


@given(st.integers(-8, 7), st.integers(-8, 7))
def test_quotient_and_remainder_make_the_dividend(left, right):
    quotient = arithmetic("/", left, right, NIBBLE)
    rest = arithmetic("%", left, right, NIBBLE)
    if right:
        assert arithmetic("+", arithmetic("*", quotient, right, NIBBLE), rest, NIBBLE) == left
        assert abs(rest) < abs(right)
        assert rest == 0 or (rest < 0) == (left < 0)
    else:
        assert (quotient, rest) == (0, 0)


@pytest.mark.parametrize(
    ("value", "target", "expected"),
    [
        (-1, Bits(32), 0xFFFFFFFF),
        (0xFFFFFFFF, INT, -1),
        (-1, Bits(64), (1 << 64) - 1),
        (0x1FF, BYTE, 0xFF),
        (True, INT, 1),
        (False, BYTE, 0),
        (True, Bits(1, signed=True), -1),
        (256, BOOL, True),
        (0, BOOL, False),
    ],
)
def test_cast(value, target, expected):
    assert cast(value, target) == expected
    assert isinstance(cast(value, target), bool) == (target == BOOL)


def test_comparisons_follow_the_sign_of_the_value():
    assert compare("<", -1, 0)
    assert not compare("<", 0xFFFFFFFF, 0)
    assert compare("<=", 3, 3)
    assert compare("==", b"a", b"a")
    assert compare("!=", b"a", b"b")


def test_bytes_are_no_numbers():
    with pytest.raises(TypeError):
        cast(b"a", INT)
    with pytest.raises(TypeError):
        compare("<", b"a", b"b")
