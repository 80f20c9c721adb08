"""States of builds where a table fills at once, or stands oddly: each against the reference."""

from dataclasses import replace

import pytest
from ir_build import DROP, F, add, c, chain, delay, field_is, get, i, out, plain, program, put, udp

import nfverify
from nfverify.semantics.machine import Machine
from nfverify.semantics.state_binary import dump
from nfverify.smat import ir

N = ir.StateVar("n", (ir.INT,), (ir.INT,), (0,), "map")
COUNT_UP = (put("n", i(1), (get("c"),)), put("c", add(get("c"), i(1))))
FRAMES = [udp(sport=k % 3, dport=7) for k in range(40)]


def agree(network, frames=8):
    """Outputs, and the state saved, loaded and saved again."""
    built, machine = nfverify.compile(network), Machine(network)
    for number, frame in enumerate(FRAMES[:frames]):
        time = 100 * number
        found = [tuple(o) for o in built.process([frame], [time])[0]]
        assert found == [tuple(o) for o in machine.step(time, 0, frame)]
        state = dump(network, machine.save())
        assert dump(network, built.save()) == state
        if number % 10 == 2:
            built.load_binary(state)
            assert dump(network, built.save()) == state
    later = [tuple(o) for o in built.advance(10**9)]
    assert later == [tuple(o) for o in machine.advance(10**9)]


@pytest.mark.parametrize("variable", [N, replace(N, timeout=10**12), replace(N, capacity=3_000)])
def test_init_fills_a_table(variable):
    loop = ir.While(ir.Compare("<", get("c"), i(5_000)), 1_024, COUNT_UP)
    reads = ir.SetTag("x", get("n", keys=(i(7),)))
    agree(chain(program(reads, state=(plain("c"), variable), init=(loop,) * 4)))


def test_one_event_fills_a_table():
    """4,096 copies of each packet come to the last NF."""
    last = program(*COUNT_UP, DROP, state=(plain("c"), N))
    agree(chain(*[program(out(0, 0, 0, 0))] * 6, last), 3)


def test_a_variable_of_several_values():
    types = (ir.PORT, ir.TIME, ir.Bits(8), ir.IP6, ir.BOOL)
    variable = ir.StateVar("v", (), types, (3, 1 << 40, 7, 1 << 100, True), "plain")
    values = [ir.Read("v", (), k, t) for k, t in enumerate(types)]
    values[0] = add(values[0], c(1, ir.PORT))
    values[1] = add(values[1], c(1, ir.TIME))
    agree(chain(program(ir.Write("v", (), tuple(values)), state=(variable, plain("z")))))


def test_what_a_waiting_packet_has_written():
    writes = (
        ir.SetField("sip", c(9, ir.IP)), ir.SetField("dport", c(77, ir.PORT)),
        ir.SetField("ttl", c(3, ir.Bits(8))), ir.SetField("payload", ir.Const(b"HELLO", ir.BYTES)),
        ir.SetTag("t", i(1)), delay(1_000),
    )  # fmt: skip
    hold = ir.If(ir.Compare("==", ir.Tag("t"), i(0)), writes, ())
    m = ir.StateVar("m", (ir.IP, ir.PORT), (ir.INT,), (0,), "map")
    keys = (F("sip"), F("sport"))
    count = put("m", add(get("m", keys=keys), i(1)), keys)
    agree(chain(program(hold, count, state=(m,))), 40)


def test_guards_that_look_at_the_clock_or_a_let():
    m = ir.StateVar("m", (ir.IP, ir.IP), (ir.INT,), (0,), "map")
    there, back = (F("sip"), F("dip")), (F("dip"), F("sip"))
    rows = []
    for test in (ir.Compare("<", ir.Now(), c(900, ir.TIME)), ir.Local("l", ir.BOOL)):
        for guard, keys in ((test, there), (ir.Not(test), back)):
            write = put("m", add(get("m", keys=keys), i(1)), keys)
            rows.append(ir.Entry("e", (guard,), (), (write,)))
    tables = (ir.Table(tuple(rows[:2])), ir.Table(tuple(rows[2:])))
    agree(chain(program(ir.Let("l", field_is("sport", 1)), *tables, state=(m,))), 40)
