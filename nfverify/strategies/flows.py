"""Strategies for conversations: TCP sessions, UDP exchanges, ICMP echoes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from nfverify.oracles.flows import End, Through, icmp_echo, tcp_session, udp_exchange
from nfverify.oracles.trace import Event, Trace
from nfverify.oracles.wire import Values, merged, values_of_packet
from nfverify.semantics.machine import Machine
from nfverify.semantics.operators import Function
from nfverify.strategies.aimed import Aimed, Model, aim
from nfverify.strategies.frame import Frame, field_value
from nfverify.strategies.scene import Scene
from nfverify.strategies.traces import CHOICES

ENDS: tuple[End, ...] = ("fin", "rst", "none")
DATA = st.sampled_from(((b"request", b"response"), (), (b"request",), (b"a", b"b", b"c", b"d")))

Talk = Callable[[Values, tuple[int, int], int, Through | None], Trace]


def tcp_sessions(
    model: Model | None = None,
    *,
    end: End | None = None,
    operators: Mapping[str, Function] | None = None,
    **fields: int | str | bytes,
) -> SearchStrategy[Trace]:
    """Handshake, data, and the end: `fin`, `rst` or `none` (None: any of them)."""
    return _talks(aim(model, operators), _read({**fields, "proto": 6}), _tcp(end))


def udp_exchanges(
    model: Model | None = None,
    *,
    operators: Mapping[str, Function] | None = None,
    **fields: int | str | bytes,
) -> SearchStrategy[Trace]:
    """A request, and mostly a response."""
    return _talks(aim(model, operators), _read({**fields, "proto": 17}), _udp)


def icmp_echoes(
    model: Model | None = None,
    *,
    operators: Mapping[str, Function] | None = None,
    **fields: int | str | bytes,
) -> SearchStrategy[Trace]:
    """Echo requests, each with its reply."""
    return _talks(aim(model, operators), _read({"icmp_id": 0, **fields}), _icmp)


def flows(
    model: Model | None = None,
    *,
    operators: Mapping[str, Function] | None = None,
    **fields: int | str | bytes,
) -> SearchStrategy[Trace]:
    """One conversation: a TCP session, a UDP exchange, or ICMP echoes; `fields` fixes fields of the
    client's packets. With a model, the server answers what the network sends it."""
    aimed, fixed = aim(model, operators), _read(fields)
    return st.one_of(
        _talks(aimed, {**fixed, "proto": 17}, _udp),
        _talks(aimed, {"icmp_id": 0, **fixed}, _icmp),
        _talks(aimed, {**fixed, "proto": 6}, _tcp(None)),
    )


def _tcp(end: End | None) -> Callable[[st.DrawFn], Talk]:
    def choose(draw: st.DrawFn) -> Talk:
        ending = draw(st.sampled_from(ENDS)) if end is None else end
        data = draw(DATA)
        return lambda client, ports, start, through: tcp_session(
            client, data, end=ending, start=start, ports=ports, through=through
        )

    return choose


def _udp(draw: st.DrawFn) -> Talk:
    data = draw(DATA) or (b"",)
    return lambda client, ports, start, through: udp_exchange(
        client, data, start=start, ports=ports, through=through
    )


def _icmp(draw: st.DrawFn) -> Talk:
    count = draw(st.integers(1, 4))
    return lambda client, ports, start, through: icmp_echo(
        client, count, start=start, ports=ports, through=through
    )


def _read(fields: Mapping[str, int | str | bytes]) -> Values:
    return {name: field_value(name, value) for name, value in fields.items()}


@st.composite
def _talks(
    draw: st.DrawFn, aimed: Aimed, fixed: Values, talk: Callable[[st.DrawFn], Talk]
) -> Trace:
    scene = Scene(aimed.pools, None, 0, 1, hostile=False)
    choice = draw(CHOICES)
    client = scene.ends(choice)
    if "proto" not in fixed:
        client.pop("proto", None)
    converse = talk(draw)
    port = choice[11] % aimed.pools.ports
    ports = port, 1 - port if port < 2 else 0
    machine = aimed.machine()
    through = None if machine is None else _through(machine)
    trace = converse(merged(client, fixed.items()), ports, draw(aimed.starts), through)
    return tuple(event._replace(frame=Frame(event.frame)) for event in trace)


def _through(machine: Machine) -> Through:
    def through(event: Event) -> list[tuple[int, Values]]:
        return [(out.port, values_of_packet(out.packet)) for out in machine.receive(*event)]

    return through
