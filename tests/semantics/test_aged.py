"""Maps with `timeout` and `max`, `touch` (decision 16), `choose` (15): each rule on each engine."""

from random import Random

import pytest
from ir_build import F, add, c, chain, delay, entry, field_is, get, i, out, plain, program, put, udp

from nfverify.lang.source import ModelError
from nfverify.semantics.machine import ENGINES, Machine
from nfverify.semantics.state import SavedState
from nfverify.semantics.state_json import dump, load
from nfverify.smat import ir

HAS, GET, PUT, DEL, TOUCH, NOTHING = range(6)  # what a packet asks for, by its TTL
KEY = ir.Cast(F("sport"), ir.INT)


def ttl(frame: bytes, value: int) -> bytes:
    return frame[:22] + bytes([value]) + frame[23:]


def aged(kind="map", keys=(ir.INT,), values=(ir.INT,), default=(0,), entries=(), **limits):
    return ir.StateVar("m", keys, values, default, kind, entries, **limits)


def store(variable: ir.StateVar) -> ir.Network:
    """Does to `variable` at sport what the TTL says, with dport; whether the key is there, and its
    value, come out as sport and dport."""
    is_set = not variable.values
    value = () if is_set else (ir.Cast(F("dport"), ir.INT),)
    has = ir.Conditional(ir.Has("m", (KEY,)), c(1, ir.PORT), c(0, ir.PORT), ir.PORT)
    read = () if is_set else (ir.SetField("dport", ir.Cast(get("m", keys=(KEY,)), ir.PORT)),)
    rows = (
        entry(ir.Write("m", (KEY,), value), on=(field_is("ttl", PUT),)),
        entry(ir.Delete("m", (KEY,)), on=(field_is("ttl", DEL),)),
        entry(ir.Touch("m", (KEY,)), on=(field_is("ttl", TOUCH),)),
    )
    body = (ir.Table(rows), ir.If(field_is("ttl", HAS), (ir.SetField("dport", has),), ()),
            ir.If(field_is("ttl", GET), read, ()))  # fmt: skip
    return chain(program(*body, state=(variable,)))


class Store:
    """A map under test, as one sees it by packets."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def do(self, time: int, what: int, key: int, value: int = 0) -> int:
        """The answer of HAS or GET."""
        ((_, _, frame),) = self.machine.step(time, 0, ttl(udp(sport=key, dport=value), what))
        return int.from_bytes(frame[36:38], "big")

    def rows(self) -> list[tuple[int, ...]]:
        """Keys with what is stored, oldest first."""
        return [key + values for key, values in self.machine.snapshot()["n0"]["m"].items()]

    def keys(self) -> list[int]:
        return [row[0] for row in self.rows()]


@pytest.fixture
def held(machine):
    return lambda **limits: Store(machine(store(aged(**limits))))


# timeout ----------------------------------------------------------------------------------


def test_a_key_is_absent_once_its_time_is_over_and_not_a_moment_before(held):
    m = held(timeout=10, default=(7,))
    m.do(100, PUT, 1, 5)
    assert (m.do(109, HAS, 1), m.do(109, GET, 1)) == (1, 5)
    assert (m.do(110, HAS, 1), m.do(110, GET, 1)) == (0, 7)


def test_reads_do_not_refresh_and_assignments_do(held):
    m = held(timeout=10)
    m.do(0, PUT, 1, 5)
    assert m.do(9, GET, 1) == 5
    m.do(9, PUT, 1, 6)
    assert m.do(18, GET, 1) == 6
    assert m.do(19, HAS, 1) == 0


def test_touch_refreshes_what_is_there_and_nothing_else(held):
    m = held(timeout=10)
    m.do(0, PUT, 1, 5)
    m.do(9, TOUCH, 1)
    assert (m.do(18, GET, 1), m.rows()) == (5, [(1, 5, 9)])
    m.do(19, TOUCH, 1)  # too late
    assert (m.do(19, HAS, 1), m.rows()) == (0, [])
    m.do(19, TOUCH, 2)  # never there
    assert m.do(19, HAS, 2) == 0


def test_an_expired_key_is_assigned_and_deleted_as_an_absent_one(held):
    m = held(timeout=10)
    m.do(0, PUT, 1, 5)
    m.do(10, DEL, 1)
    assert m.do(10, HAS, 1) == 0
    m.do(11, PUT, 1, 6)
    assert (m.do(20, GET, 1), m.rows()) == (6, [(1, 6, 11)])


def test_time_is_that_of_the_event(held):
    """23: an earlier stamp is raised to the latest one."""
    m = held(timeout=10)
    m.do(100, PUT, 1, 5)
    m.do(0, PUT, 2, 6)
    assert m.rows() == [(1, 5, 100), (2, 6, 100)]
    assert m.do(50, HAS, 1) == 1


@pytest.mark.parametrize("timeout", [1, 10**18, 2**64])
def test_time_outs_from_shortest_to_longer_than_time(held, timeout):
    m = held(timeout=timeout)
    m.do(0, PUT, 1, 5)
    assert m.do(0, GET, 1) == 5
    last = min(timeout, 2**62) - 1
    assert (m.do(last, GET, 1), m.do(last, GET, 2)) == (5, 0)


def test_a_timer_judges_by_its_due_time(machine):
    """A tick at 5, 10, … counts whether the key is there."""
    count = put("n", add(get("n"), i(1)))
    nf = program(
        ir.Table((
            entry(ir.If(ir.Has("m", (i(1),)), (count,), ()), delay(5),
                  on=(ir.Compare("==", ir.Tag("x"), i(1)),)),
            entry(put("m", i(1), (i(1),))),
        )),
        state=(plain("n"), aged(timeout=20)),
        timers=(ir.InitTimer((("x", 1),), 5),),
    )  # fmt: skip
    m = machine(nf)
    m.step(0, 0, udp())
    m.advance(1000)
    assert m.snapshot()["n0"] == {"n": {(): (3,)}, "m": {}}


def test_several_keys_expire_each_by_itself(held):
    m = held(timeout=10)
    for key in range(5):
        m.do(key, PUT, key, key)
    m.do(5, PUT, 1, 9)
    assert m.rows() == [(0, 0, 0), (2, 2, 2), (3, 3, 3), (4, 4, 4), (1, 9, 5)]
    m.do(12, NOTHING, 0)
    assert m.keys() == [3, 4, 1]
    m.do(14, PUT, 7, 7)
    assert m.keys() == [1, 7]


# max --------------------------------------------------------------------------------------


def test_reject_leaves_a_full_map_as_it_is(held):
    m = held(capacity=2)
    for key in (1, 2, 3):
        m.do(key, PUT, key, key)
    assert m.rows() == [(1, 1, 1), (2, 2, 2)]
    assert (m.do(4, HAS, 3), m.do(4, GET, 3)) == (0, 0)
    m.do(5, PUT, 1, 8)  # a key that is there is assigned
    assert m.rows() == [(2, 2, 2), (1, 8, 5)]
    m.do(6, DEL, 2)
    m.do(6, PUT, 3, 3)
    assert m.keys() == [1, 3]


def test_evict_oldest_takes_the_key_assigned_longest_ago(held):
    m = held(capacity=2, overflow="evict oldest")
    m.do(0, PUT, 1, 1)
    m.do(1, PUT, 2, 2)
    m.do(2, GET, 1)  # no assignment
    m.do(3, PUT, 3, 3)
    assert m.keys() == [2, 3]
    m.do(4, PUT, 2, 9)
    m.do(5, PUT, 4, 4)
    assert m.rows() == [(2, 9, 4), (4, 4, 5)]
    m.do(6, TOUCH, 2)
    m.do(7, PUT, 5, 5)
    assert m.keys() == [2, 5]


def test_ties_are_evicted_in_order_of_writing(held):
    m = held(capacity=3, overflow="evict oldest")
    for key in (3, 1, 2, 3):  # the second write of 3 makes it the newest
        m.do(7, PUT, key, key)
    assert m.keys() == [1, 2, 3]
    m.do(7, PUT, 9, 9)
    assert m.keys() == [2, 3, 9]
    m.do(7, TOUCH, 2)
    m.do(7, PUT, 8, 8)
    assert m.keys() == [9, 2, 8]


@pytest.mark.parametrize("overflow", ["reject", "evict oldest"])
def test_expired_keys_take_no_room(held, overflow):
    m = held(timeout=10, capacity=2, overflow=overflow)
    m.do(0, PUT, 1, 1)
    m.do(5, PUT, 2, 2)
    m.do(10, PUT, 3, 3)
    assert m.keys() == [2, 3]
    m.do(10, PUT, 4, 4)
    assert m.keys() == ([2, 3] if overflow == "reject" else [3, 4])
    m.do(30, PUT, 5, 5)
    assert m.keys() == [5]


def test_a_map_of_one(held):
    m = held(capacity=1, overflow="evict oldest")
    m.do(0, PUT, 1, 1)
    m.do(0, PUT, 1, 2)
    m.do(0, PUT, 2, 3)
    assert m.rows() == [(2, 3, 0)]


def test_key_and_value_of_a_write_see_the_state_before_it(machine):
    """m[1] = m[1] + m[2] with 1 and 2 present, 2 the oldest, and room for two."""
    total = add(get("m", keys=(i(1),)), get("m", keys=(i(2),)))
    body = (put("m", i(5), (i(2),)), put("m", i(6), (i(1),)), put("m", total, (total,)))
    m = machine(program(*body, state=(aged(capacity=2, overflow="evict oldest"),)))
    m.step(3, 0, udp())
    assert m.snapshot()["n0"]["m"] == {(1,): (6, 3), (11,): (11, 3)}


# Kinds ------------------------------------------------------------------------------------


def test_sets_forget_too(held):
    m = held(kind="set", values=(), default=(), timeout=10, capacity=2, overflow="evict oldest")
    m.do(0, PUT, 1)
    m.do(1, PUT, 2)
    m.do(2, TOUCH, 1)
    m.do(3, PUT, 3)
    assert m.rows() == [(1, 2), (3, 3)]
    assert [m.do(12, HAS, k) for k in (1, 2, 3)] == [0, 0, 1]


def test_granular_variables_forget_too(machine):
    """30 packets per source and 10 ns of silence."""
    count = put("m", add(get("m", keys=(F("sip"),)), i(1)), (F("sip"),))
    answer = ir.SetField("dport", ir.Cast(get("m", keys=(F("sip"),)), ir.PORT))
    variable = aged("granular", (ir.IP,), timeout=10, default=(4,))
    m = machine(program(count, answer, state=(variable,)))
    seen = [int.from_bytes(m.step(t, 0, udp(sip=s))[0].frame[36:38], "big")
            for t, s in ((0, 1), (5, 1), (6, 2), (15, 1), (16, 1))]  # fmt: skip
    assert seen == [5, 6, 5, 5, 6]


def test_values_of_several_parts(machine):
    variable = ir.StateVar("m", (ir.INT,), (ir.INT, ir.BOOL), (3, True), "map", timeout=10)
    second = ir.Conditional(
        ir.Read("m", (i(1),), 1, ir.BOOL), c(1, ir.PORT), c(2, ir.PORT), ir.PORT
    )
    first = ir.Cast(ir.Read("m", (i(1),), 0, ir.INT), ir.PORT)
    write = ir.Write("m", (i(1),), (i(9), ir.FALSE))
    body = (
        ir.SetField("sport", first),
        ir.SetField("dport", second),
        ir.If(field_is("ttl", PUT), (write,), ()),
    )
    m = machine(program(*body, state=(variable,)))
    ports = [m.step(t, 0, ttl(udp(), what))[0].frame[34:38].hex()
             for t, what in ((0, PUT), (9, GET), (10, GET))]  # fmt: skip
    assert ports == ["00030001", "00090002", "00030001"]


def test_touch_of_a_map_that_forgets_nothing_does_nothing(machine):
    touch = ir.Touch("m", (i(1),))
    alone = ir.If(ir.FALSE, (touch,), (touch,))
    m = machine(program(touch, alone, put("m", i(2), (i(1),)), touch, state=(aged(),)))
    m.step(0, 0, udp())
    assert m.snapshot()["n0"]["m"] == {(1,): (2,)}


# From the start, and in saved states ------------------------------------------------------

DECLARED = (((1,), (10,)), ((2,), (20,)))


def test_declared_entries_count_from_the_first_packet(held):
    m = held(timeout=10, entries=DECLARED)
    assert m.rows() == [(1, 10, 0), (2, 20, 0)]
    assert m.do(10**9, GET, 1) == 10
    assert m.rows() == [(1, 10, 10**9), (2, 20, 10**9)]
    assert (m.do(10**9 + 9, HAS, 2), m.do(10**9 + 10, HAS, 2)) == (1, 0)


def test_declared_entries_are_evicted_in_their_order(held):
    m = held(capacity=2, overflow="evict oldest", entries=DECLARED)
    m.do(5, PUT, 3, 3)
    assert m.rows() == [(2, 20, 5), (3, 3, 5)]


def test_init_assigns_at_the_first_stamp(machine):
    body = program(state=(aged(timeout=10, entries=DECLARED),), init=(put("m", i(3), (i(1),)),))
    m = machine(body)
    m.step(50, 0, udp())
    assert list(m.snapshot()["n0"]["m"].items()) == [((2,), (20, 50)), ((1,), (3, 50))]


def test_a_clone_forgets_by_itself(held):
    m = held(timeout=10, capacity=2, overflow="evict oldest")
    m.do(0, PUT, 1, 1)
    m.do(1, PUT, 2, 2)
    other = Store(m.machine.clone())
    m.do(2, PUT, 3, 3)
    other.do(5, TOUCH, 1)
    assert (m.keys(), other.keys()) == ([2, 3], [2, 1])


@pytest.mark.parametrize("first", sorted(ENGINES))
@pytest.mark.parametrize("second", sorted(ENGINES))
@pytest.mark.parametrize("kind", ["map", "set"])
def test_states_are_saved_and_loaded_with_their_stamps(first, second, kind):
    values = {"map": {}, "set": {"values": (), "default": ()}}[kind]
    network = store(aged(kind, timeout=10, capacity=3, overflow="evict oldest", **values))
    m = Store(Machine(network, engine=first))
    for time, key in ((0, 9), (6, 3), (8, 1), (8, 2), (9, 3)):
        m.do(time, PUT, key, key)
    m.do(10, NOTHING, 0)
    text = dump(network, m.machine.save())
    shown = [[1, 1, 8], [2, 2, 8], [3, 3, 9]] if kind == "map" else [[1, 8], [2, 8], [3, 9]]
    assert f'"m": {shown}' in text
    state = load(network, text, "state")
    assert dump(network, state) == text
    for given in (state, m.machine.save(), SavedState(10, m.machine.snapshot())):
        again = Store(Machine(network, engine=second, state=given))
        assert again.rows() == m.rows()
        again.do(10, PUT, 7, 7)
        assert again.keys() == [2, 3, 7]
        assert again.do(18, HAS, 2) == 0
        assert again.do(18, HAS, 3) == 1


def test_a_bare_snapshot_goes_on_from_its_latest_stamp(held):
    m = held(timeout=10)
    m.do(100, PUT, 1, 1)
    m.do(103, PUT, 2, 2)
    other = Store(Machine(m.machine.network, state=m.machine.snapshot()))
    assert other.machine.now == 103
    assert other.rows() == m.rows()
    assert (other.do(110, HAS, 1), other.do(110, HAS, 2)) == (0, 1)


def test_a_state_before_the_first_packet_gets_its_stamp_from_it():
    network = store(aged(timeout=10, entries=DECLARED))
    fresh = Machine(network)
    state = load(network, dump(network, fresh.save()), "state")
    m = Store(Machine(network, state=state))
    assert (m.do(500, GET, 1), m.rows()) == (10, [(1, 10, 500), (2, 20, 500)])


def test_what_a_state_leaves_out_begins_at_its_time():
    network = store(aged(timeout=10, entries=DECLARED))
    m = Store(Machine(network, state=SavedState(100, {})))
    assert (m.do(109, GET, 1), m.do(110, GET, 1)) == (10, 0)


def text_of(rows: str, now: str = "100") -> str:
    return f'{{"version": 1, "now": {now}, "instances": {{"n0": {{"m": {rows}}}}}}}'


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("[[1, 2]]", r"m\[0\]: \[key, value, ns of its assignment\] is expected"),
        ("[[1, 2, 3, 4]]", r"m\[0\]: \[key, value, ns of its assignment\] is expected"),
        ("[[1, 2, 30], [2, 2, 29]]", r"m\[1\]: the key assigned last comes last"),
        ("[[1, 2, 101]]", "m: an assignment to m is stamped before 0 or after 100"),
        ("[[1, 2, -1]]", r"m\[0\]: -1 does not fit"),
        ("[[1, 2, 4611686018427387904]]", "times are below"),
        ("[[1, 2, null]]", r"m\[0\]: None is no"),
        ("[[1, 2, 97], [1, 2, 98]]", "the key stands twice"),
        ("[[1, 1, 98], [2, 2, 98], [3, 3, 98]]", "m has 3 keys, over max 2"),
    ],
)
def test_states_that_cannot_be(rows, message):
    network = store(aged(timeout=10, capacity=2))
    with pytest.raises(ModelError, match=message):
        load(network, text_of(rows), "state")


def test_expired_rows_of_a_state_are_absent():
    network = store(aged(timeout=10, capacity=2))
    rows = "[[1, 1, 90], [2, 2, 91], [3, 3, 92]]"
    m = Store(Machine(network, state=load(network, text_of(rows), "state")))
    assert m.keys() == [2, 3]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({(1,): (2,)}, "ends with the time"),
        ({(1,): (2, 11)}, "after 10"),
        ({(1,): (2, -1)}, "before 0"),
        ({(k,): (k, 5) for k in range(3)}, "over max 2"),
    ],
)
def test_snapshots_that_cannot_be(rows, message):
    network = store(aged(timeout=10, capacity=2))
    with pytest.raises(ValueError, match=message):
        Machine(network, state=SavedState(10, {"n0": {"m": rows}}))


def test_ticks_of_maps_that_forget_are_not_skipped(machine):
    """Every 10 ns; the key expires in the middle of what would be skipped otherwise."""
    variables = (plain("n"), aged(timeout=40_000, entries=DECLARED))
    there = put("n", ir.Conditional(ir.Has("m", (i(1),)), i(1), i(2), ir.INT))
    nf = program(
        ir.Table((entry(there, delay(10), on=(ir.Compare("==", ir.Tag("x"), i(1)),)),)),
        state=variables, timers=(ir.InitTimer((("x", 1),), 10),),
    )  # fmt: skip
    m = machine(nf)
    m.step(0, 0, udp())
    m.advance(39_999)
    assert m.snapshot()["n0"]["n"] == {(): (1,)}
    m.advance(80_000)
    assert m.snapshot()["n0"]["n"] == {(): (2,)}


def test_a_long_history_against_a_list(engine):
    """Written another way: a list of [key, value, stamp], searched from end to end."""
    for seed in range(40):
        rng = Random(seed)
        timeout = rng.choice((None, 1, 7, 30))
        capacity = rng.choice((None, 1, 2, 5))
        overflow = rng.choice(("reject", "evict oldest"))
        limits = {"timeout": timeout, "capacity": capacity, "overflow": overflow}
        m = Store(Machine(store(aged(**limits)), engine=engine))
        known: list[list[int]] = []
        now = 0
        for _ in range(150):
            now += rng.choice((0, 0, 1, 3, 8))
            what, key, value = rng.randrange(6), rng.randrange(7), rng.randrange(100)
            known = [r for r in known if timeout is None or now - r[2] < timeout]
            old = [r for r in known if r[0] == key]
            rest = [r for r in known if r[0] != key]
            expected = {HAS: len(old), GET: old[0][1] if old else 0}.get(what, value)
            if what == PUT and (old or capacity is None or len(rest) < capacity):
                known = [*rest, [key, value, now]]
            elif what == PUT and overflow == "evict oldest":
                known = [*rest[1:], [key, value, now]]
            elif what == DEL:
                known = rest
            elif what == TOUCH and old:
                known = [*rest, [key, old[0][1], now]]
            assert m.do(now, what, key, value) == expected, seed
            if timeout is not None or capacity is not None:
                assert m.rows() == [tuple(r) for r in known], seed
            else:
                assert sorted(m.rows()) == sorted(tuple(r[:2]) for r in known), seed


# choose -----------------------------------------------------------------------------------


def pick(low, high, where, type_=ir.INT, *more):
    """Chooses x, which comes out as dport."""
    sent = ir.SetField("dport", ir.Cast(ir.Local("x", type_), ir.PORT))
    return program(ir.Choose("x", type_, low, high, where), *more, sent)


def chosen(machine, nf, frame=None):
    m = machine(nf)
    found = m.step(0, 0, frame or udp())
    return (
        int.from_bytes(found[0].frame[36:38], "big") if found else None,
        m.counters["no_choice"],
    )


X = ir.Local("x", ir.INT)


@pytest.mark.parametrize(
    ("low", "high", "where", "expected"),
    [
        (3, 9, ir.TRUE, (3, 0)),
        (3, 9, ir.Compare("<", i(5), X), (6, 0)),
        (3, 9, ir.Compare("==", X, i(9)), (9, 0)),  # both bounds count
        (3, 9, ir.Compare("==", X, i(10)), (None, 1)),
        (3, 3, ir.TRUE, (3, 0)),
        (4, 3, ir.TRUE, (None, 1)),
        (-2, 5, ir.Compare("<", i(-2), X), (0xFFFF, 0)),
        (-5, 5, ir.Compare("==", ir.Arithmetic("%", X, i(4), ir.INT), i(1)), (1, 0)),
    ],
)
def test_choose_takes_the_first_that_fits(machine, low, high, where, expected):
    assert chosen(machine, pick(i(low), i(high), where)) == expected


def test_choose_goes_by_the_order_of_its_type(machine):
    wide = ir.Bits(32)
    high = 2**32 - 1
    fits = ir.Compare("==", ir.Local("x", wide), c(high, wide))
    assert chosen(machine, pick(c(high - 5, wide), c(high, wide), fits, wide)) == (0xFFFF, 0)


def test_choose_reads_packet_and_state(machine):
    """A free port: not taken by another flow."""
    taken = ir.StateVar("m", (ir.PORT,), (), (), "set")
    x = ir.Local("x", ir.PORT)
    free = ir.Not(ir.Has("m", (x,)))
    body = (
        ir.Choose("x", ir.PORT, F("sport"), add(F("sport"), c(2, ir.PORT)), free),
        ir.Write("m", (x,), ()),
        ir.SetField("dport", x),
    )
    m = machine(program(*body, state=(taken,)))
    seen = [m.step(0, 0, udp(sport=40)) for _ in range(4)]
    assert [int.from_bytes(o[0].frame[36:38], "big") for o in seen[:3]] == [40, 41, 42]
    assert seen[3] == []
    assert m.counters["no_choice"] == 1
    assert m.snapshot()["n0"]["m"] == {(k,): () for k in (40, 41, 42)}


@pytest.mark.parametrize(("last", "expected"), [(65535, (65535, 0)), (65536, (None, 1))])
def test_choose_tries_65536_candidates(machine, last, expected):
    fits = ir.Compare("==", X, i(last))
    assert chosen(machine, pick(i(0), i(2**31 - 1), fits)) == expected


def test_no_choice_drops_for_good_and_the_rest_of_the_pass_runs(machine):
    body = (
        ir.Choose("x", ir.INT, i(7), i(9), ir.FALSE),
        put("n", X),
        out(1),
        ir.SetOutput(ir.Forward()),
    )
    m = machine(program(*body, state=(plain("n"),)))
    assert m.step(0, 0, udp()) == []
    assert m.snapshot()["n0"]["n"] == {(): (7,)}  # the lower bound
    resubmitting = program(body[0], ir.SetOutput(ir.Resubmit()))
    m = machine(resubmitting)
    assert m.step(0, 0, udp()) == []
    assert (m.counters["no_choice"], m.counters["resubmit_limit"]) == (1, 0)


def test_choose_in_a_loop_chooses_each_time_anew(machine):
    """The squares that follow 10, one a round: 16, 25, 36."""
    y = ir.Local("y", ir.INT)
    square = ir.Compare("==", ir.Arithmetic("*", y, y, ir.INT), X)
    root = (ir.Choose("y", ir.INT, i(1), i(9), ir.Or((square, ir.Compare("==", y, i(9))))),)
    body = ir.While(
        ir.Compare("<", get("found"), i(3)),
        64,
        (
            ir.Choose("x", ir.INT, get("n"), get("n"), ir.TRUE),
            *root,
            ir.If(square, (put("found", add(get("found"), i(1))), put("last", X)), ()),
            put("n", add(X, i(1))),
        ),
    )
    m = machine(program(body, state=(plain("n", value=11), plain("found"), plain("last"))))
    m.step(0, 0, udp())
    assert [rows[()][0] for rows in m.snapshot()["n0"].values()] == [37, 3, 36]
    assert m.counters["no_choice"] == 0
