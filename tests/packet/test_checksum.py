"""The checksums against RFC 1071 and RFC 1624 written out word by word."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from nfverify.packet.checksum import internet_checksum, update_checksum


def words(data: bytes) -> list[int]:
    data += b"\0" * (len(data) % 2)
    return list(struct.unpack(f"!{len(data) // 2}H", data))


def fold(total: int) -> int:
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def by_word(checksum: int, old: bytes, new: bytes) -> int:
    """~(~HC + Σ(~m + m')) over the words that differ; HC itself if none does."""
    differing = [(m, n) for m, n in zip(words(old), words(new), strict=True) if m != n]
    if not differing:
        return checksum
    return 0xFFFF - fold((0xFFFF - checksum) + sum((0xFFFF - m) + n for m, n in differing))


def test_rfc_1071s_example() -> None:
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


def test_rfc_1624s_example() -> None:
    """Its section 4: HC = 0xDD2F, a word goes from 0x5555 to 0x3285, HC' is 0x0000."""
    assert update_checksum(0xDD2F, b"\x55\x55", b"\x32\x85") == 0


def test_nothing_or_zeros_sum_to_the_other_zero() -> None:
    assert internet_checksum(b"") == internet_checksum(bytes(5)) == 0xFFFF
    assert internet_checksum(b"\xff\xff") == 0


def test_an_odd_byte_is_the_upper_half_of_a_word() -> None:
    assert internet_checksum(b"\x12") == 0xFFFF - 0x1200
    assert update_checksum(0x1234, b"\0\0\x01", b"\0\0\x02") == by_word(0x1234, b"\1\0", b"\2\0")


def test_where_nothing_differs_the_checksum_stays() -> None:
    for checksum in (0, 1, 0xFFFE, 0xFFFF):
        assert update_checksum(checksum, b"abcd", b"abcd") == checksum


def test_words_that_swap_change_0xffff_to_0() -> None:
    """They do differ, so the formula is applied, and its sum is not 0."""
    assert update_checksum(0xFFFF, b"abcd", b"cdab") == 0


def test_the_sum_is_0_only_if_each_term_is() -> None:
    ones, zero = b"\xff\xff", b"\0\0"
    assert update_checksum(0xFFFF, ones + ones + b"ab", zero + zero + b"ab") == 0xFFFF
    assert update_checksum(0xFFFF, zero, ones) == 0
    assert update_checksum(0xFFFE, ones, zero) == 0xFFFE
    assert update_checksum(0, ones, zero) == 0
    # a term that is a word with a half unchanged, or the two halves of different words
    assert update_checksum(0xFFFF, b"\xff\xff\x12\x34", b"\0\0\x34\x12") != 0xFFFF
    assert update_checksum(0xFFFF, b"\x12\xff\xff\x34", b"\x12\0\0\x34") == by_word(
        0xFFFF, b"\x12\xff\xff\x34", b"\x12\0\0\x34"
    )


# Words that make sums fold to 0 and 0xffff more often than random ones do.
SHARP = st.sampled_from([0, 1, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF]) | st.integers(0, 0xFFFF)


@given(SHARP, st.lists(st.tuples(SHARP, SHARP), max_size=8), st.booleans())
@settings(max_examples=2_000)
def test_the_fast_sum_is_the_sum_by_words(
    checksum: int, pairs: list[tuple[int, int]], odd: bool
) -> None:
    old, new = (struct.pack(f"!{len(pairs)}H", *(p[i] for p in pairs)) for i in (0, 1))
    if odd:
        old, new = old[:-1], new[:-1]
    assert update_checksum(checksum, old, new) == by_word(checksum, old, new)
    assert internet_checksum(old) == 0xFFFF - fold(sum(words(old)))


@given(st.binary(min_size=2, max_size=40), st.binary(min_size=2, max_size=40), SHARP)
def test_a_right_checksum_stays_right_and_a_wrong_one_as_wrong(
    old: bytes, new: bytes, checksum: int
) -> None:
    new = (new * len(old))[: len(old)]
    right, after = internet_checksum(old), internet_checksum(new)
    assert (update_checksum(right, old, new) - after) % 0xFFFF == 0
    error = (checksum - right) % 0xFFFF
    assert (update_checksum(checksum, old, new) - after) % 0xFFFF == error
