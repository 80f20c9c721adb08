"""What the words of the language mean, in a line or two each: for hovers and completion."""

from __future__ import annotations

from nfverify.lang.heads import BLOCKS, DECLARATIONS, STATEMENTS
from nfverify.lang.types import TYPE_WORDS
from nfverify.packet.fields import FIELDS, PROTOCOL_BITS, Header
from nfverify.smat.ready import READY

FIELD_WORDS = {
    "dmac": "destination MAC address",
    "smac": "source MAC address",
    "ethertype": "ethertype",
    "vlan": "VLAN ID",
    "sip": "source address",
    "dip": "destination address",
    "sip6": "IPv6 source address",
    "dip6": "IPv6 destination address",
    "proto": "protocol number",
    "ttl": "TTL",
    "tos": "TOS byte",
    "iplen": "IP length",
    "ip_id": "IP identification",
    "sport": "source port",
    "dport": "destination port",
    "seq": "sequence number",
    "ack_no": "acknowledgement number",
    "flag_fin": "FIN flag",
    "flag_syn": "SYN flag",
    "flag_rst": "RST flag",
    "flag_psh": "PSH flag",
    "flag_ack": "ACK flag",
    "flag_urg": "URG flag",
    "window": "window",
    "icmp_type": "ICMP type",
    "icmp_code": "ICMP code",
    "icmp_id": "ICMP identifier",
    "icmp_seq": "ICMP sequence number",
    "size": "size in bytes",
    "payload": "payload",
    "vni": "VXLAN network identifier",
    "iface": "port of arrival",
    "output": "output",
}
BITS = {
    "TCP": "is it TCP, by its protocol number",
    "UDP": "is it UDP, by its protocol number",
    "ICMP": "is it ICMP (1 over IPv4, 58 over IPv6), by its protocol number",
    "IP4": "is it IPv4",
    "IP6": "is it IPv6",
    "L4": "has it a whole TCP, UDP or ICMP header",
    "FRAG": "is it a fragment, first or later",
}

WORDS = {
    "program": "`program NAME { … }`: one network function: declarations, entries and statements.",
    "chain": "`chain NAME = a -> b(x = 3) -> c as d;`: NFs one behind the other, each mention an "
    "instance with state of its own.",
    "import": '`import "other.nfd";`: the names of another file, in this folder or below it.',
    "entry": "One row of the table. Entries are tried from top to bottom; the first whose matches "
    "hold runs its actions. A packet that no entry takes is forwarded unchanged.",
    "match_flow": "A condition of the entry, by habit over the packet. All match blocks must hold.",
    "match_state": "A condition of the entry, by habit over state. All match blocks must hold.",
    "action_flow": "Actions of the entry, by habit on the packet. All actions run in the order of "
    "the text.",
    "action_state": "Actions of the entry, by habit on state. All actions run in the order of the "
    "text.",
    "rule": "`rule NAME = sip:10.0.0.0/8, dport:80-90, proto:tcp;`: all of these tests.",
    "ruleset": '`ruleset NAME = {rule, …};` or `= load("acl.csv");`: any of these rules; with '
    "actions, the first that matches decides.",
    "iface": "`iface in, out;`: the ports. A forwarded packet leaves by the other side.",
    "tag": "`tag a, b;`: numbers that travel with a packet through the chain, 0 at first.",
    "op": "`op name(T, …) -> T;`: a pure operator that you supply with `--ops`.",
    "func": "`func name(T x) -> T = expr;`: a function, written out where it is called.",
    "init": "Statements that run once, before the first packet.",
    "every": "`every 10ms { … }`: runs at each tick.",
    "property": "`property NAME: expr;`: a promise, for `nfverify prove`: of a step (`f'` and `m'` "
    "are after it), or of a trace.",
    "invariant": "`invariant expr;`: true of every reachable state; proved before it is used.",
    "let": "`let x = e;`: a name for a value as it is here, to the end of the block.",
    "choose": "`choose x in 1..9 where c;`: any value that fits; compiled code takes the first.",
    "delete": "`delete m[k];`: removes a key.",
    "touch": "`touch m[k];`: makes a key the one assigned last, which keeps it from its time-out.",
    "push": "`push vlan(vid);`, `push ipip(sip, dip);`, `push vxlan(sip, dip, vni);`: a header in "
    "front of the packet.",
    "pop": "`pop vlan;`, `pop ipip;`, `pop vxlan;`: the outermost header off.",
    "if": "`if (c) { … } else { … }`",
    "while": "`while (c) bound 16 { … }`: still true after the bound drops the packet.",
    "pass": "Forwards the packet: to the next NF, or by the other side.",
    "drop": "Drops the packet. It is an assignment to the output: what follows still runs.",
    "resubmit": "Puts the packet through this program again, at most 16 times.",
    "DROP": "As a value of any field: the packet is dropped.",
    "IFACE": "As a value of the output: the other side.",
    "matches": "`f matches R`: does the packet, a flow or an address match a rule, ruleset or "
    "prefix?",
    "mismatches": "`f mismatches R`: the negation of `matches`.",
    "in": "`k in m`: was the key assigned and not deleted? `x in s`: is it an element?",
    "timeout": "`timeout 30s`: forgets keys that were not assigned for so long.",
    "max": "`max 1000`: holds at most so many keys; `reject` or `evict oldest` says what then.",
    "f": "The packet. As a value: its flow, `(sip, dip, sip6, dip6, sport, dport, proto)`.",
    "f_dmy": "In `init`: an empty packet with tags of its own, with which a model begins to tick.",
    "now": "`time`: the packet's time in ns; it never runs backwards.",
    "dropped": "In a property: nothing came out.",
    "output": "In a property: the port of the only output.",
}
TYPES = {
    "bool": "`true` or `false`",
    "int": "32 bits, signed; wraps",
    "bit": "`bit<N>`: N bits, unsigned, N from 1 to 128; wraps",
    "IP": "an IPv4 address: 32 bits, unsigned",
    "IP6": "an IPv6 address: 128 bits, unsigned",
    "MAC": "a MAC address: 48 bits, unsigned",
    "port": "16 bits, unsigned: a port of TCP or UDP, or one of the program's own",
    "time": "64 bits, unsigned: ns",
    "bytes": "a string of bytes",
    "flow": "`(sip, dip, sip6, dip6, sport, dport, proto)`; what is absent is 0",
    "set": "`set<T>`: a set",
    "map": "`map<K, V>`: total: an absent key reads as the default, and reading inserts nothing",
    "rule": WORDS["rule"],
    "ruleset": WORDS["ruleset"],
}
CALLS = {
    "hash": "`hash(x, …) -> bit<32>`: murmur3 of the arguments, the same on every engine",
    "PatternMatch": '`PatternMatch(bytes, {"a", …}) -> bool`: does any of the strings occur?',
    "Encrypt": "`Encrypt(bytes, key, iv) -> bytes`: AES-128-CTR",
    "Decrypt": "`Decrypt(bytes, key, iv) -> bytes`: AES-128-CTR",
    "NAT": "`NAT(g) -> flow`: the flow with a source address from the pool",
    "reverse": "`reverse(g) -> flow`: the flow with its ends swapped",
    "timer": "`timer(10ms)`: as the output: takes the packet off the wire and gives it to this "
    "program again, so much later",
    "load": '`load("file.csv")`: a ruleset or table from a file beside the model',
    "before": "`before(c)`: in a property: c held at some earlier step",
    "since": "`since(a, b)`: in a property: b held at some earlier step, and a at every step after",
    "total": "`total(x, 10ms)`: in a property: the sum of x in the interval of that length so far",
    "comes_from": "`comes_from(A)`: in a property: the packet matches a rule, or came by a port",
    "goes_to": "`goes_to(A)`: in a property: what came out is for a rule's addresses, or left by a "
    "port",
    **{name: f"`{name}(e)`: converts by value" for name in
       ("int", "bool", "IP", "IP6", "MAC", "port", "time")},
}  # fmt: skip
_TYPES_OF = {"ip": "IP", "ip6": "IP6", "mac": "MAC", "port": "port", "bytes": "bytes"}
_HEADERS = {
    Header.VLAN: "802.1Q", Header.IP4: "IPv4", Header.IP6: "IPv6", Header.TCP: "TCP",
    Header.UDP: "UDP", Header.ICMP: "ICMP",
}  # fmt: skip


def field_type(name: str) -> str:
    """The type of a header field as the language writes it."""
    info = FIELDS.get(name)
    if info is None:
        return "bit<1>"
    return _TYPES_OF.get(info.shown, f"bit<{info.width}>")


def field_meaning(name: str) -> str:
    """A header field: type, width, headers that hold it."""
    if name == "output":
        return "`f[output]`: where the packet goes: a port, `{p, q}`, `DROP`; assigned, never read"
    if name in BITS:
        return f"`f[{name}]: bit<1>`, read-only: {BITS[name]}? 1 if so"
    info = FIELDS[name]
    width = f", {info.width} bits" if info.width else ""
    headers = [word for header, word in _HEADERS.items() if header & info.headers]
    where = f" of {', '.join(headers)}" if headers and not info.headers & Header.LINK else ""
    notes = "" if info.writable else "; read-only"
    absent = "; 0 where that header is absent" if where and info.width else ""
    meaning = FIELD_WORDS.get(name, name)
    return f"`f[{name}]: {field_type(name)}`{width}: {meaning}{where}{absent}{notes}"


def call_meaning(name: str) -> str:
    """A built-in operator, or a ready-made property with the text that it stands for."""
    made = READY.get(name)
    if made is None:
        return CALLS.get(name, "")
    forms = "".join([f"\n\n`{form.text}`" for form in made.forms if form.text])
    return f"`property {made.signature}`: {made.means}{forms}"


def fields() -> tuple[str, ...]:
    """All names that `f[…]` knows."""
    return (*FIELDS, *PROTOCOL_BITS, "output")


def keywords() -> tuple[str, ...]:
    """All words that begin or make up a declaration, a block or a statement."""
    more = ("program", "chain", "import", "entry", "else", "bound", "where", "as", "timeout", "max",
            "reject", "evict", "oldest", "nfd", "then")  # fmt: skip
    return tuple(sorted({*more, *DECLARATIONS, *BLOCKS, *STATEMENTS}))


def types() -> tuple[str, ...]:
    return TYPE_WORDS
