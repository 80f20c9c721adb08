"""The decided points of meaning that execution shows, each on every engine (numbers: decisions)."""

import pytest
from ir_build import (
    DROP,
    PASS,
    RESUBMIT,
    F,
    add,
    arp,
    c,
    chain,
    delay,
    entry,
    field_is,
    get,
    i,
    out,
    plain,
    program,
    put,
    table,
    udp,
)

from nfverify.lang.source import ModelError
from nfverify.packet.codec import parse
from nfverify.semantics import ticks
from nfverify.smat import ir

N = plain("n")
COUNT = put("n", add(get("n"), i(1)))
ALWAYS = ir.TRUE
MS = 1_000_000


def value(machine, name="n", instance="n0", key=()):
    found = machine.snapshot()[instance][name].get(key)
    return found if found is None else found[0]


def ports(outputs):
    return [o.port for o in outputs]


# First match, gaps, blocks ----------------------------------------------------------------


def test_the_first_entry_that_matches_runs_and_no_other(machine):
    rows = (
        entry(put("n", i(1)), on=(field_is("dport", 5),)),
        entry(put("n", i(2)), on=(field_is("sport", 1000),)),
        entry(put("n", i(3))),
    )
    m = machine(program(table(*rows), state=(N,)))
    m.step(0, 0, udp())
    assert value(m) == 2


def test_a_gap_forwards_unchanged_and_touches_no_state(machine):
    m = machine(program(table(entry(COUNT, DROP, on=(field_is("dport", 5),))), state=(N,)))
    assert m.step(7, 0, udp()) == [(7, 1, udp())]
    assert value(m) == 0


def test_guards_see_state_and_packet_as_at_entry_to_the_table(machine):
    """14: adjacent entries are one table; what an entry does opens no later row of it."""
    zero = ir.Compare("==", get("n"), i(0))
    one = ir.Compare("==", get("n"), i(1))
    first = entry(put("n", i(1)), on=(zero,))
    second = entry(put("n", i(2)), on=(one,))
    m = machine(program(table(first, second), state=(N,)))
    m.step(0, 0, udp())
    assert value(m) == 1
    m = machine(program(table(first), table(second), state=(N,)))  # two tables
    m.step(0, 0, udp())
    assert value(m) == 2


def test_actions_run_in_order_and_see_what_earlier_ones_wrote(machine):
    body = (
        ir.SetField("dport", c(7, ir.PORT)),
        put("n", ir.Cast(F("dport"), ir.INT)),
        put("n", add(get("n"), get("n"))),
    )
    m = machine(program(*body, state=(N,)))
    [o] = m.step(0, 0, udp())
    assert value(m) == 14
    assert parse(o.frame).dport == 7


def test_keys_and_values_are_read_before_the_write(machine):
    pair = ir.StateVar("p", (), (ir.INT, ir.INT), (1, 2), "plain")
    first, second = (ir.Read("p", (), k, ir.INT) for k in (0, 1))
    m = machine(program(ir.Write("p", (), (second, first)), state=(pair,)))
    m.step(0, 0, udp())
    assert m.snapshot()["n0"]["p"] == {(): (2, 1)}


# Maps (7) ---------------------------------------------------------------------------------


def test_maps_are_total_and_reading_inserts_nothing(machine):
    back = ir.StateVar("m", (ir.PORT,), (ir.INT,), (9,), "map", (((1,), (4,)),))
    m = machine(
        program(put("n", get("m", keys=(F("sport"),))), state=(N, back)),
    )
    m.step(0, 0, udp(sport=1))
    assert value(m) == 4
    m.step(0, 0, udp(sport=2))
    assert value(m) == 9
    assert m.snapshot()["n0"]["m"] == {(1,): (4,)}


def test_writing_the_default_makes_a_key_present_and_delete_makes_it_absent(machine):
    has = ir.Conditional(ir.Has("m", (F("sport"),)), i(1), i(0), ir.INT)
    rows = (
        entry(put("m", i(0), (F("sport"),)), on=(field_is("dport", 1),)),
        entry(ir.Delete("m", (F("sport"),)), on=(field_is("dport", 2),)),
        entry(put("n", has)),
    )
    back = ir.StateVar("m", (ir.PORT,), (ir.INT,), (0,), "map")
    m = machine(program(table(*rows), state=(N, back)))
    m.step(0, 0, udp(dport=2))
    m.step(0, 0, udp(dport=1))
    m.step(0, 0, udp())
    assert value(m) == 1
    m.step(0, 0, udp(dport=2))
    m.step(0, 0, udp())
    assert value(m) == 0
    assert m.snapshot()["n0"]["m"] == {}


# Output (3), ports (22) -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ((), [1]),
        ((DROP,), []),
        ((DROP, PASS), [1]),
        ((PASS, DROP), []),
        ((DROP, out(0)), [0]),
        ((out(0, 1), out(1)), [1]),
        ((out(0, 1),), [0, 1]),
        ((out(1, 0), COUNT), [1, 0]),
        ((out(),), []),
        ((out(1, 1),), [1, 1]),
        ((RESUBMIT, PASS), [1]),
        ((delay(5), DROP), []),
    ],
)
def test_output_is_one_variable_and_the_last_assignment_wins(machine, body, expected):
    m = machine(program(*body, state=(N,)))
    assert ports(m.step(0, 0, udp())) == expected


def test_a_drop_is_no_jump(machine):
    m = machine(program(DROP, COUNT, state=(N,)))
    assert m.step(0, 0, udp()) == []
    assert value(m) == 1


def test_the_default_is_the_first_port_from_any_other_and_the_second_from_the_first(machine):
    nf = chain(program(ports=(2, 0, 1)), ports=("a", "b", "c"))
    m = machine(nf)
    assert [ports(m.step(0, p, udp())) for p in (0, 1, 2)] == [[2], [2], [0]]
    m = machine(program())
    assert [ports(m.step(0, p, udp())) for p in (0, 1)] == [[1], [0]]


def test_a_computed_port_that_does_not_exist_drops_for_good(machine):
    to = ir.SetOutput(ir.Ports((F("sport"),)))
    m = machine(program(to, state=(N,)))
    assert ports(m.step(0, 0, udp(sport=1))) == [1]
    assert m.step(0, 0, udp(sport=2)) == []
    assert m.counters["bad_port"] == 1
    m = machine(program(to, PASS, COUNT, state=(N,)))
    assert m.step(0, 0, udp(sport=2)) == []
    assert value(m) == 1


def test_an_event_at_a_port_that_does_not_exist_is_refused(machine):
    with pytest.raises(ValueError, match="no port 2"):
        machine(program()).step(0, 2, udp())


# Limits (13) ------------------------------------------------------------------------------


def test_sixteen_passes_stay_and_the_seventeenth_drops(machine):
    m = machine(program(COUNT, RESUBMIT, state=(N,)))
    assert m.step(0, 0, udp()) == []
    assert value(m) == 16
    assert m.counters["resubmit_limit"] == 1


def test_fifteen_resubmissions_are_fine(machine):
    again = entry(RESUBMIT, on=(ir.Compare("<", get("n"), i(16)),))
    m = machine(program(COUNT, table(again), state=(N,)))
    assert ports(m.step(0, 0, udp())) == [1]
    assert m.counters["resubmit_limit"] == 0


def test_each_pass_starts_with_the_default_output_again(machine):
    first = entry(DROP, RESUBMIT, on=(ir.Compare("==", get("n"), i(1)),))
    m = machine(program(COUNT, table(first), state=(N,)))
    assert ports(m.step(0, 0, udp())) == [1]
    assert value(m) == 2


def test_the_count_of_passes_is_of_one_nf(machine):
    again = entry(RESUBMIT, on=(ir.Compare("<", get("n"), i(16)),))
    nf = program(COUNT, table(again), state=(N,))
    assert ports(machine(nf, nf).step(0, 0, udp())) == [1]


def loop(bound, rounds):
    return ir.While(ir.Compare("<", get("n"), i(rounds)), bound, (COUNT,))


def test_a_loop_may_use_its_whole_bound(machine):
    m = machine(program(loop(5, 5), state=(N,)))
    assert ports(m.step(0, 0, udp())) == [1]
    assert (value(m), m.counters["loop_limit"]) == (5, 0)


def test_a_loop_that_would_go_on_drops_but_writes_stay_and_the_pass_goes_on(machine):
    m = machine(program(loop(5, 6), PASS, put("k", i(1)), state=(N, plain("k"))))
    assert m.step(0, 0, udp()) == []
    assert (value(m), value(m, "k"), m.counters["loop_limit"]) == (5, 1, 1)


@pytest.mark.parametrize("after", [RESUBMIT, delay(1)])
def test_after_an_error_there_is_no_further_pass(machine, after):
    m = machine(program(COUNT, ir.While(ALWAYS, 1, ()), after, state=(N,)))
    assert m.step(0, 0, udp()) == []
    assert (value(m), m.timers) == (1, ())


def test_a_payload_keeps_its_length(machine):
    """11: another length drops and counts; the packet keeps its bytes for the rest of the pass."""
    longer = ir.SetField("payload", ir.Const(b"HELLO!", ir.BYTES))
    same = ir.SetField("payload", ir.Const(b"HELLO", ir.BYTES))
    is_old = ir.Compare("==", F("payload"), ir.Const(b"hello", ir.BYTES))
    m = machine(program(longer, table(entry(COUNT, on=(is_old,))), PASS, state=(N,)))
    assert m.step(0, 0, udp()) == []
    assert (value(m), m.counters["payload_length"]) == (1, 1)
    [o] = machine(program(same)).step(0, 0, udp())
    assert o.frame == udp(payload=b"HELLO")


def test_error_counters_are_no_state(machine):
    m = machine(program(RESUBMIT))
    m.step(0, 0, udp())
    assert m.snapshot() == {"n0": {}}


# Packets (18-20) --------------------------------------------------------------------------


def test_malformed_frames_are_dropped_and_counted_and_time_advances(machine):
    nf = program(COUNT, state=(N,), timers=(ir.InitTimer((), 5),))
    m = machine(nf)
    assert m.step(0, 0, udp()[:30]) == []
    assert (m.counters["malformed"], value(m), m.now) == (1, 0, 0)
    assert m.step(10, 0, b"") == []
    assert (m.counters["malformed"], value(m), m.now) == (2, 1, 10)  # the timer counted


def test_absent_headers_read_zero_and_ignore_writes(machine):
    write = ir.SetField("seq", c(5, ir.Bits(32)))
    m = machine(program(write, put("n", ir.Cast(F("seq"), ir.INT)), state=(plain("n", value=3),)))
    [o] = m.step(0, 0, udp())
    assert (value(m), o.frame) == (0, udp())


def test_writing_proto_changes_no_presence(machine):
    body = (ir.SetField("proto", c(6, ir.Bits(8))), ir.SetField("sport", c(9, ir.PORT)))
    [o] = machine(program(*body)).step(0, 0, udp())
    assert int.from_bytes(o.frame[34:36], "big") == 9


def test_size_is_seen_by_later_reads_and_never_on_the_wire(machine):
    body = (
        ir.SetField("size", c(1, ir.Bits(17))),
        put("n", ir.Cast(F("size"), ir.INT)),
    )
    m = machine(program(*body, state=(N,)), program(*body[1:], state=(N,)))
    assert [o.frame for o in m.step(0, 0, udp())] == [udp()]
    assert (value(m), value(m, instance="n1")) == (1, 1)


def test_frames_that_are_not_ip_skip_each_nf_that_touches_no_link_field(machine):
    blind = program(COUNT, DROP, state=(N,))
    seeing = program(COUNT, put("k", ir.Cast(F("sip"), ir.INT)),
                     table(entry(PASS, on=(field_is("ethertype", 1),))),
                     state=(N, plain("k", value=7)))  # fmt: skip
    m = machine(blind, seeing, blind)
    assert m.step(0, 0, arp()) == [(0, 1, arp())]
    assert [value(m, instance=f"n{k}") for k in range(3)] == [0, 1, 0]
    assert value(m, "k", "n1") == 0
    assert machine(blind, seeing, blind).step(0, 1, arp()) == [(0, 0, arp())]


def test_non_ip_drop_fails_closed(machine):
    m = machine(program(), non_ip="drop")
    assert m.step(0, 0, arp()) == []
    assert m.counters["non_ip"] == 1
    assert ports(m.step(0, 0, udp())) == [1]


# Chains (21) ------------------------------------------------------------------------------


def test_a_chain_is_a_pipeline_and_iface_is_its_ingress(machine):
    nf = program(put("n", ir.Cast(F("iface"), ir.INT)), state=(plain("n", value=9),))
    m = machine(nf, nf)
    assert ports(m.step(0, 1, udp())) == [0]
    assert (value(m), value(m, instance="n1")) == (1, 1)


def test_a_dropped_packet_reaches_no_later_nf(machine):
    m = machine(program(DROP), program(COUNT, state=(N,)))
    m.step(0, 0, udp())
    assert value(m, instance="n1") == 0


def test_tags_travel_along_the_chain_and_never_on_the_wire(machine):
    mark = program(ir.SetTag("x", i(5)))
    see = program(put("n", ir.Tag("x")), state=(N,))
    m = machine(mark, see)
    assert m.step(0, 0, udp())[0].frame == udp()
    assert value(m, instance="n1") == 5
    m = machine(see, mark)
    m.step(0, 0, udp())
    assert value(m) == 0


def test_a_chain_deparses_once(machine):
    there = program(ir.SetField("dip", c(1, ir.IP)))
    back = program(ir.SetField("dip", c(0x0A000002, ir.IP)))
    assert machine(there, back).step(0, 0, udp())[0].frame == udp()


def test_unwired_ports_leave_and_copies_run_in_written_order(machine):
    """Each copy goes through all that follows before the next; tags are copied."""
    split = program(ir.SetTag("x", i(1)), out(2, 0, 1), ports=(0, 1, 2))
    count = program(
        COUNT, ir.SetTag("x", add(ir.Tag("x"), i(1))),
        ir.SetField("sport", ir.Cast(add(get("n"), ir.Tag("x"), "*"), ir.PORT)),
        out(2), state=(N,), ports=(0, 1, 2),
    )  # fmt: skip
    network = ir.Network(
        "g", ("a", "b", "c"),
        (ir.Instance("s", split), ir.Instance("k", count)),
        (ir.Wire(0, 2, 1), ir.Wire(0, 1, 1)),
    )  # fmt: skip
    result = machine(network).step(0, 0, udp())
    assert [(o.port, parse(o.frame).sport) for o in result] == [(2, 2), (0, 1000), (2, 4)]


def test_instances_of_one_program_have_states_of_their_own(machine):
    nf = program(COUNT, table(entry(DROP, on=(ir.Compare("==", get("n"), i(2)),))), state=(N,))
    m = machine(nf, nf)
    m.step(0, 0, udp())
    m.step(0, 0, udp())
    assert (value(m), value(m, instance="n1")) == (2, 1)


# Time (23) --------------------------------------------------------------------------------


def test_an_earlier_stamp_is_raised_and_goes_out_raised(machine):
    m = machine(program(ir.Write("n", (), (ir.Now(),)), state=(plain("n", ir.TIME),)))
    m.step(100, 0, udp())
    assert m.step(40, 0, udp())[0].time == 100
    assert value(m) == 100


@pytest.mark.parametrize("time", [-1, 1 << 62])
def test_times_outside_the_range_are_refused(machine, time):
    with pytest.raises(ValueError, match="2\\^62"):
        machine(program()).step(time, 0, udp())


def test_init_runs_once_at_the_first_packets_stamp(machine):
    state = (plain("t", ir.TIME), N)
    init = (ir.Write("t", (), (ir.Now(),)), COUNT)
    m = machine(program(state=state, init=init))
    assert m.advance(50) == []
    assert (value(m), m.now) == (0, None)
    m.step(70, 0, udp())
    m.step(90, 0, udp())
    assert (value(m, "t"), value(m)) == (70, 1)


def every(period, *body, **options):
    """Decision 17: a dummy with a hidden tag, and a first entry that runs and arms it again."""
    tick = entry(*body, delay(period), on=(ir.Compare("==", ir.Tag("tick"), i(1)),), name="tick")
    rest = options.pop("rest", ())
    timer = ir.InitTimer((("tick", 1),), period)
    return program(table(tick, *rest), timers=(timer,), **options)


def test_every_fires_a_period_after_the_first_packet_and_then_without_drift(machine):
    when = ir.StateVar("t", (ir.TIME,), (ir.BOOL,), (False,), "map")
    m = machine(every(10, put("t", ir.TRUE, (ir.Now(),)), state=(when,)))
    m.step(5, 0, udp())
    assert m.snapshot()["n0"]["t"] == {}
    assert m.step(47, 0, udp()) == [(47, 1, udp())]
    assert sorted(m.snapshot()["n0"]["t"]) == [(15,), (25,), (35,), (45,)]


def test_a_timer_due_at_the_packets_time_fires_before_the_packet(machine):
    see = entry(put("k", get("n")))
    m = machine(every(10, COUNT, state=(N, plain("k")), rest=(see,)))
    m.step(0, 0, udp())
    m.step(10, 0, udp())
    assert (value(m), value(m, "k")) == (1, 1)


def test_timers_fire_by_due_time_then_by_creation_over_the_whole_chain(machine):
    def sender(tag):
        first = entry(delay(tag), on=(ir.Compare("==", ir.Tag(f"x{tag}"), i(0)),))
        return program(ir.SetTag("seen", ir.Tag("seen")), table(first), ir.SetTag(f"x{tag}", i(1)))

    m = machine(sender(10))
    for time, port in ((0, 0), (3, 0), (3, 1)):
        assert m.step(time, port, udp(sport=time + port)) == []
    result = m.advance(100)
    assert [(o.time, o.port, parse(o.frame).sport) for o in result] == [
        (10, 1, 0),
        (13, 1, 3),
        (13, 0, 4),
    ]


def test_what_a_timer_lets_out_carries_its_due_time(machine):
    first = entry(ir.SetTag("x", i(1)), delay(10), on=(ir.Compare("==", ir.Tag("x"), i(0)),))
    m = machine(program(table(first)))
    m.step(5, 0, udp())
    assert m.step(50, 0, udp()) == [(15, 1, udp())]
    assert m.advance(59) == []
    assert m.advance(60) == [(60, 1, udp())]


def test_a_fixed_point_is_fast_forwarded_exactly(machine):
    """23: a tick that has come to repeat itself may fire any number of times."""
    reset = put("n", i(0))
    m = machine(every(7, reset, state=(N,), rest=(entry(COUNT),)))
    m.step(0, 0, udp())
    m.step(7 * 10**12 + 3, 0, udp())
    assert value(m) == 1
    [timer] = m.timers
    assert timer.due == 7 * 10**12 + 7


def test_a_cycle_of_ticks_is_fast_forwarded_to_the_right_phase(machine):
    turn = put("n", add(add(get("n"), i(1)), i(10), "%"))
    m = machine(every(3, turn, state=(N,)))
    m.step(0, 0, udp())
    m.step(3 * (10**9 + 7), 0, udp())
    assert value(m) == (10**9 + 7) % 10


def test_a_tick_that_fails_is_not_armed_again(machine):
    m = machine(every(3, ir.While(ALWAYS, 1, ()), state=(N,)))
    m.step(0, 0, udp())
    m.step(300, 0, udp())
    assert m.counters["loop_limit"] == 1
    assert m.timers == ()


# Timers and dummies (24) ------------------------------------------------------------------


def test_a_timer_keeps_writes_and_tags_and_goes_on_down_the_chain(machine):
    first = entry(
        ir.SetField("sport", c(9, ir.PORT)), ir.SetTag("x", i(1)), delay(10),
        on=(ir.Compare("==", ir.Tag("x"), i(0)),),
    )  # fmt: skip
    m = machine(program(table(first)), program(put("n", ir.Tag("x")), state=(N,)))
    assert m.step(0, 0, udp()) == []
    assert value(m, instance="n1") == 0
    [o] = m.advance(10)
    assert parse(o.frame).sport == 9
    assert value(m, instance="n1") == 1


def test_a_timer_keeps_the_packet_as_it_is_when_the_pass_is_over(machine):
    body = (delay(10), ir.SetField("sport", c(9, ir.PORT)), ir.SetTag("x", i(1)))
    m = machine(program(table(entry(*body, on=(ir.Compare("==", ir.Tag("x"), i(0)),)))))
    m.step(0, 0, udp())
    assert parse(m.advance(10)[0].frame).sport == 9


def test_a_dummy_is_all_zero_never_leaves_and_never_enters_the_next_nf(machine):
    total = i(0)
    for name in ("sip", "smac", "dport", "size", "IP4", "iface", "L4"):
        total = add(total, ir.Cast(F(name), ir.INT))
    write = ir.SetField("sip", c(1, ir.IP))
    nf = program(
        write, put("n", total), out(0, 1), COUNT,
        state=(plain("n", value=5),), timers=(ir.InitTimer((("x", 3),), 10),),
    )  # fmt: skip
    m = machine(nf, program(COUNT, state=(N,)))
    m.step(0, 1, udp()[:20])  # malformed: only time passes
    assert m.advance(20) == []
    assert (value(m), value(m, instance="n1")) == (1, 0)


def test_a_firing_resets_the_count_of_passes(machine):
    often = ir.Compare("<", get("n"), i(40))
    tenth = ir.Compare("==", add(get("n"), i(10), "%"), i(0))
    rows = (entry(delay(1), on=(often, tenth)), entry(RESUBMIT, on=(often,)))
    m = machine(program(COUNT, table(*rows), state=(N,)))
    m.step(0, 0, udp())
    assert ports(m.advance(100)) == [1]
    assert (value(m), m.counters["resubmit_limit"]) == (40, 0)


def test_timers_of_no_delay_that_never_end_are_an_error(machine):
    m = machine(program(delay(0)))
    m.step(0, 0, udp())
    with pytest.raises(ModelError, match="the timers of n0 never stop"):
        m.advance(0)


@pytest.mark.parametrize(
    "body",
    [
        (COUNT,),  # never the same again
        (ir.If(ir.Compare("==", ir.Now(), c(0, ir.TIME)), (COUNT,), ()),),  # reads the clock
    ],
)
def test_too_many_firings_that_do_not_repeat_are_an_error(machine, monkeypatch, body):
    monkeypatch.setattr(ticks, "MAX_FIRINGS", 5000)
    m = machine(every(1, *body, state=(N,)))
    m.step(0, 0, udp())
    m.step(4000, 0, udp())
    with pytest.raises(ModelError, match="the timers of n0 fired over 5,000 times"):
        m.step(10**9, 0, udp())


# Limits -----------------------------------------------------------------------------------


def test_nesting_that_no_stack_could_hold_is_refused(machine):
    deep = ALWAYS
    for _ in range(5000):
        deep = ir.Not(deep)
    with pytest.raises(ModelError, match="nested over"):
        machine(program(ir.If(deep, (), ())))
