"""The ready-made properties: each is a text of the language, which is its exact meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["side", "bytes", "time"]


@dataclass(frozen=True, slots=True)
class Form:
    """What the property means with these arguments: `takes` are their kinds and the letters that
    stand for them in `text`; `variables` are quantified over (type, name)."""

    text: str
    takes: tuple[tuple[Kind, str], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """`means` is one sentence; of several forms each takes another number of arguments."""

    signature: str
    means: str
    forms: tuple[Form, ...] = ()


_IP = "(f[IP4] == 1 || f[IP6] == 1)"
_FLOW = (("flow", "k"),)
_WHOLE = "f[L4] == 1 && f[FRAG] == 0"
_PORTS = f"(f[TCP] == 1 || f[UDP] == 1) && {_WHOLE}"
_SENT = "(f[TCP] == 1 || f[UDP] == 1 || f[icmp_type] == 8) && " + _WHOLE
_ANSWERED = "(f[TCP] == 1 || f[UDP] == 1 || f[icmp_type] == 0) && " + _WHOLE
_ENDS = (
    *(("IP", "host"), ("bit<16>", "port"), ("IP", "public"), ("bit<16>", "mapped")),
    ("bit<8>", "protocol"),
)
_REMOTE = (("IP", "remote"), ("bit<16>", "remote_port"))
_HOST = "f[sip] == host && (f[sport] | f[icmp_id]) == port"
_TRANSLATED = (
    f"{_SENT} && !dropped && f'[sip] != f[sip] && f[proto] == protocol"
    " && f'[sip] == public && (f'[sport] | f'[icmp_id]) == mapped"
)
_RETURN = (
    f"f == k && {_PORTS} && {{OUT}} before({_PORTS} && {{BY}} !dropped && f' == reverse(k))"
    " -> !dropped"
)
_INJECTIVE = f"{{BY}} {_TRANSLATED} && before({{BY}} {_TRANSLATED} && {_HOST}) -> {_HOST}"
_BACKEND = "f == k && !dropped && f'[dip] != f[dip]"
_SIDE: tuple[tuple[Kind, str], ...] = (("side", "IN"),)


def _with(text: str, out: str, by: str) -> str:
    filled = text.replace("{OUT}", out).replace("{BY}", by)
    return filled.replace("  ", " ").replace("( ", "(").strip()


READY: Mapping[str, Ready] = {
    "isolated": Ready(
        "isolated(A, B)",
        "Nothing that comes from A comes out towards B.",
        (Form("comes_from({A}) -> !goes_to({B})", (("side", "A"), ("side", "B"))),),
    ),
    "established_return_ok": Ready(
        "established_return_ok or established_return_ok(IN)",
        "A TCP or UDP packet of the reversed flow of one that came out earlier (from IN, and it"
        " comes from elsewhere) is not dropped; fragments don't count.",
        (
            Form(_with(_RETURN, "", ""), (), _FLOW),
            Form(
                _with(_RETURN, "!comes_from({IN}) &&", "comes_from({IN}) &&"),
                _SIDE,
                _FLOW,
            ),
        ),
    ),
    "no_unsolicited": Ready(
        "no_unsolicited(IN)",
        "An IP packet that doesn't come from IN comes out only if a packet from IN came out earlier"
        " with the reversed flow.",
        (
            Form(
                f"f == k && {_IP} && !comes_from({{IN}}) && !dropped"
                " -> before(comes_from({IN}) && !dropped && f' == reverse(k))",
                _SIDE,
                _FLOW,
            ),
        ),
    ),
    "nat_is_injective": Ready(
        "nat_is_injective or nat_is_injective(IN)",
        "Two inside endpoints (address and port, or identifier of an ICMP echo) never leave (from"
        " IN) as the same public endpoint of one protocol: of packets whose source address is"
        " changed.",
        (
            Form(_with(_INJECTIVE, "", ""), (), _ENDS),
            Form(_with(_INJECTIVE, "", "comes_from({IN}) &&"), _SIDE, _ENDS),
        ),
    ),
    "nat_return_maps_back": Ready(
        "nat_return_maps_back",
        "What comes out of an answer to a translated packet goes to the inside endpoint that sent"
        " it; an answer whose own source is translated doesn't count.",
        (
            Form(
                f"{_ANSWERED} && !dropped && f'[sip] == f[sip] && f[proto] == protocol"
                " && f[sip] == remote && f[sport] == remote_port"
                " && f[dip] == public && (f[dport] | f[icmp_id]) == mapped"
                f" && before({_TRANSLATED} && {_HOST}"
                " && f'[dip] == remote && f'[dport] == remote_port)"
                " -> f'[dip] == host && (f'[dport] | f'[icmp_id]) == port",
                (),
                _ENDS + _REMOTE,
            ),
        ),
    ),
    "counter_never_negative": Ready(
        "counter_never_negative or counter_never_negative(NAME, …)",
        "No signed number in the state (of these variables) is ever below 0.",
    ),
    "never_loops": Ready(
        "never_loops",
        "No packet or timer asks for a 17th pass, or for more rounds than a loop's bound.",
        (Form("!out_of_bounds"),),
    ),
    "same_flow_same_backend": Ready(
        "same_flow_same_backend",
        "Packets of one flow whose destination address is changed all get the same one.",
        (
            Form(
                f"{_BACKEND} && before({_BACKEND} && f'[dip] == backend) -> f'[dip] == backend",
                (),
                (*_FLOW, ("IP", "backend")),
            ),
        ),
    ),
    "drops_are_final": Ready(
        "drops_are_final",
        "Once an IP packet of a flow was dropped, every later one of that flow is.",
        (Form(f"f == k && {_IP} && before(f == k && {_IP} && dropped) -> dropped", (), _FLOW),),
    ),
    "rate_at_most": Ready(
        "rate_at_most(N, Δ)",
        "In each interval of Δ, the first of which begins with the first packet, at most N bytes of"
        " IP packets come out.",
        (
            Form(
                "total(dropped ? 0 : f[size], {D}) <= {N}",
                (("bytes", "N"), ("time", "D")),
            ),
        ),
    ),
}
