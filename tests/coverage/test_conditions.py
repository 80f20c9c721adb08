"""Guards taken apart: nothing changes, and an atom decides exactly where flipping it matters."""

from collections.abc import Iterator
from itertools import product
from random import Random

import pytest
from ir_build import F, chain, field_is, program

from nfverify.oracles.coverage.boundaries import bounds, sides
from nfverify.oracles.coverage.conditions import atoms, decides, plain
from nfverify.oracles.coverage.goals import REACHED
from nfverify.packet.codec import Packet, build, parse
from nfverify.packet.fields import Header
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

FLAGS = ("flag_fin", "flag_syn", "flag_psh", "flag_urg")
ATOMS = [field_is(name, 1) for name in FLAGS]
TCP = build(Header.LINK | Header.IP4 | Header.TCP, {})


def holds(conditions: list[ir.Expr]) -> Machine:
    """A machine that notes which of these conditions hold for a packet."""
    notes = tuple(
        ir.If(test, (ir.Write(REACHED, (ir.Const(n, ir.INT),), ()),), ())
        for n, test in enumerate(conditions)
    )
    return Machine(chain(program(*notes, state=(ir.StateVar(REACHED, (ir.INT,), (), (), "set"),))))


def noted(machine: Machine, packet: Packet) -> set[int]:
    machine = machine.clone()
    machine.emit(packet, 1, 0)
    return {int(key[0]) for rows in machine.live(REACHED) for key in rows}


def packet(**values: int) -> Packet:
    found = parse(TCP)
    assert isinstance(found, Packet)
    for name, value in values.items():
        setattr(found, name, value)
    return found


def settings() -> Iterator[tuple[bool, ...]]:
    yield from product((False, True), repeat=len(FLAGS))


def with_flags(setting: tuple[bool, ...]) -> Packet:
    return packet(**dict(zip(FLAGS, map(int, setting), strict=True)))


def guard(rng: Random, depth: int) -> ir.Expr:
    """A condition over the flags."""
    roll = rng.random()
    if depth == 0 or roll < 0.15:
        return rng.choice(ATOMS)
    if roll < 0.2:
        return rng.choice((ir.TRUE, ir.FALSE))
    parts = tuple(guard(rng, depth - 1) for _ in range(rng.randrange(4)))
    if roll < 0.4:
        return ir.And(parts)
    if roll < 0.6:
        return ir.Or(parts)
    if roll < 0.7:
        return ir.Not(guard(rng, depth - 1))
    if roll < 0.8:
        a, b, c = (guard(rng, depth - 1) for _ in range(3))
        return ir.Conditional(a, b, c, ir.BOOL)
    a, b = guard(rng, depth - 1), guard(rng, depth - 1)
    number = ir.Cast(a, ir.INT)
    if roll < 0.9:
        return ir.Compare(rng.choice(("==", "!=", "<", "<=")), number, ir.Const(1, ir.INT))
    chosen = ir.Conditional(b, ir.Const(3, ir.INT), number, ir.INT)
    return ir.Compare(
        rng.choice(("==", "<=")), ir.Cast(chosen, ir.Bits(8)), ir.Const(1, ir.Bits(8))
    )


def test_a_plain_guard_is_true_where_the_guard_is() -> None:
    rng = Random(4)
    guards = [guard(rng, 4) for _ in range(150)]
    machine = holds([*guards, *map(plain, guards)])
    for setting in settings():
        found = noted(machine, with_flags(setting))
        half = len(guards)
        assert {n for n in found if n < half} == {n - half for n in found if n >= half}
    assert any(isinstance(g, ir.Conditional) for g in guards)


def test_plain_guards_test_the_flags_themselves() -> None:
    rng = Random(5)
    for _ in range(150):
        assert set(atoms(plain(guard(rng, 4)))) <= set(ATOMS)


def test_an_atom_decides_exactly_where_flipping_it_flips_the_guard() -> None:
    rng = Random(6)
    guards = [plain(guard(rng, 3)) for _ in range(60)]
    machine = holds([*guards, *[decides(g, atom) for g in guards for atom in ATOMS]])
    true = {s: noted(machine, with_flags(s)) for s in settings()}
    decided = 0
    for setting in settings():
        for n in range(len(guards)):
            for place in range(len(ATOMS)):
                other = (*setting[:place], not setting[place], *setting[place + 1 :])
                flips = (n in true[setting]) != (n in true[other])
                decided += flips
                number = len(guards) + n * len(ATOMS) + place
                assert (number in true[setting]) == flips
    assert decided


def values(condition: ir.Expr, name: str, near: tuple[int, ...], **others: int) -> list[int]:
    """The values of a field for which a condition holds."""
    machine = holds([condition])
    return [v for v in near if noted(machine, packet(**{name: v}, **others))]


NEAR = (0, 1, 2, 78, 79, 80, 81, 82, 65533, 65534, 65535)
PORT = ir.PORT


@pytest.mark.parametrize(
    ("op", "bound", "expected"),
    [
        ("==", 80, {"equal": [80], "one below": [79], "one above": [81]}),
        ("!=", 80, {"equal": [80], "one below": [79], "one above": [81]}),
        ("==", 0, {"equal": [0], "one above": [1]}),
        ("==", 65535, {"equal": [65535], "one below": [65534]}),
        ("<", 80, {"true, one below": [79], "false, at the bound": [80]}),
        ("<", 0, {"false, at the bound": [0]}),
        ("<=", 80, {"true, at the bound": [80], "false, one above": [81]}),
        ("<=", 65535, {"true, at the bound": [65535]}),
    ],
)
def test_the_sides_of_a_comparison_do_not_wrap(
    op: ir.CompareOp, bound: int, expected: dict[str, list[int]]
) -> None:
    test = ir.Compare(op, F("dport"), ir.Const(bound, PORT))
    assert {n: values(c, "dport", NEAR) for n, c in sides(test)} == expected


def test_a_bound_on_the_left_is_named_from_the_field() -> None:
    test = ir.Compare("<=", ir.Const(80, PORT), F("dport"))
    found = {n: values(c, "dport", NEAR) for n, c in sides(test)}
    assert found == {"true, at the bound": [80], "false, one below": [79]}


@pytest.mark.parametrize("other", [0, 80, 65535])
def test_two_fields_meet_at_their_values_without_wrapping(other: int) -> None:
    beside = {-1: [v for v in NEAR if v == other - 1], 1: [v for v in NEAR if v == other + 1]}
    test = ir.Compare("==", F("dport"), F("sport"))
    found = {n: values(c, "dport", NEAR, sport=other) for n, c in sides(test)}
    assert found == {"equal": [other], "one below": beside[-1], "one above": beside[1]}
    test = ir.Compare("<", F("dport"), F("sport"))
    found = {n: values(c, "dport", NEAR, sport=other) for n, c in sides(test)}
    assert found == {"true, one below": beside[-1], "false, at the bound": [other]}


def test_one_bit_has_no_value_above() -> None:
    test = ir.Compare("==", ir.Cast(F("flag_syn"), ir.INT), ir.Const(1, ir.INT))
    assert {n: values(c, "flag_syn", (0, 1)) for n, c in sides(test)} == {
        "equal": [1],
        "different": [0],
    }


def test_a_prefix_has_four_boundaries() -> None:
    masked = ir.Arithmetic("&", F("sip"), ir.Const(0xFFFFFF00, ir.IP), ir.IP)
    test = ir.Compare("==", masked, ir.Const(0x0A000000, ir.IP))
    near = (0x09FFFFFE, 0x09FFFFFF, 0x0A000000, 0x0A000001, 0x0A0000FE, 0x0A0000FF, 0x0A000100)
    assert {n: values(c, "sip", near) for n, c in sides(test)} == {
        "just below the range": [0x09FFFFFF],
        "first of the range": [0x0A000000],
        "last of the range": [0x0A0000FF],
        "just above the range": [0x0A000100],
    }


def test_a_mask_that_is_no_prefix_is_a_value_like_any_other() -> None:
    masked = ir.Arithmetic("&", F("dport"), ir.Const(0b101, PORT), PORT)
    test = ir.Compare("==", masked, ir.Const(0b100, PORT))
    found = {n: values(c, "dport", tuple(range(8))) for n, c in sides(test)}
    assert found == {
        "equal": [4, 6],
        "one above": [5, 7],
        "different": [0, 1, 2, 3, 5, 7],
    }


def test_a_counter_that_may_step_over_its_bound_has_its_plain_sides_too() -> None:
    count = ir.Read("n", (), 0, ir.INT)
    assert [n for n, _ in sides(ir.Compare("<", count, ir.Const(5, ir.INT)))] == [
        "true, one below",
        "false, at the bound",
        "true",
        "false",
    ]


def test_ranges_hold_every_value() -> None:
    rng = Random(7)
    for _ in range(200):
        field = F(rng.choice(("dport", "flag_syn", "ttl")))
        mask = ir.Const(rng.choice((1, 6, 255)), field.type)
        node: ir.Expr = ir.Arithmetic(rng.choice(("&", "%", "+", "-")), field, mask, field.type)
        node = ir.Cast(node, rng.choice((ir.INT, ir.Bits(4), ir.Bits(16))))
        low, high = bounds(node)
        for value in (0, 1, 7, 254):
            put = ir.Write("v", (), (node,))
            variable = ir.StateVar("v", (), (node.type,), (0,), "plain")
            machine = Machine(chain(program(put, state=(variable,))))
            width = 1 if field.name == "flag_syn" else 8
            machine.emit(packet(**{field.name: value % (1 << width)}), 1, 0)
            (row,) = machine.live("v")
            assert low <= int(row[()][0]) <= high
