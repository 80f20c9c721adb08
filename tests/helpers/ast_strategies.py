"""Hypothesis strategies for syntax trees: every construct, as the parser would make them.

Trees are syntactically valid, not well typed.
"""

from __future__ import annotations

import string
from typing import get_args

from hypothesis import strategies as st

from nfverify.lang import ast
from nfverify.lang.expressions import RESERVED

FIELDS = ("sip", "dip", "sip6", "dip6", "sport", "dport", "proto", "ttl", "flag_syn", "TCP", "size")
CONTEXTUAL = (
    "port", "map", "set", "list", "init", "entry", "every", "rule", "pass", "drop", "timeout",
    "max", "if", "let", "where", "then", "bound", "as", "tag", "op", "time", "now", "ab", "dead",
    "push", "pop", "vlan", "ipip",
)  # fmt: skip
WORD = string.ascii_letters + "_"

names = st.one_of(
    st.sampled_from(("x", "y", "count", "seen", "nport", "R", "LAN", "Δt")),
    st.sampled_from(CONTEXTUAL),
    st.text(WORD + string.digits, min_size=1, max_size=8).filter(lambda s: s[0] in WORD),
).filter(lambda s: s not in RESERVED and s != "in")
ports = names | st.just("in")
fields = st.one_of(st.sampled_from(FIELDS), names)
# What the lexer keeps of a string: no line breaks, and bytes from 0x80 on as lone surrogates.
strings = st.text(
    st.one_of(
        st.characters(exclude_categories=("Cs",)),
        st.integers(0xDC80, 0xDCFF).map(chr),
    ),
    max_size=8,
)
units = st.sampled_from(("", "ns", "us", "ms", "s", "m", "h"))
small = st.integers(0, 1 << 16)
lengths4 = st.none() | st.integers(0, 32)
lengths6 = st.none() | st.integers(0, 128)

numbers = st.one_of(
    st.builds(ast.Number, st.integers(0, (1 << 31) - 1)),
    st.builds(ast.Number, st.integers(0, 3600), units),
    st.builds(ast.Number, st.integers(0, (1 << 128) - 1), st.just(""), st.just(True)),
)
addresses4 = st.builds(ast.Address4, st.integers(0, (1 << 32) - 1), lengths4)
addresses6 = st.builds(
    ast.Address6,
    st.one_of(
        st.integers(0, (1 << 128) - 1),
        st.sampled_from((0, 1, 0x20010DB8 << 96, 0xFFFF << 32 | 0x01020304, 0xAB << 112)),
    ),
    lengths6,
)
macs = st.builds(ast.MacAddress, st.integers(0, (1 << 48) - 1))

rule_values = st.one_of(
    st.builds(ast.Number, small),
    st.tuples(small, small).map(lambda t: ast.Range(min(t), max(t))),
    st.just(ast.Wildcard()),
    addresses4,
    addresses6,
    st.builds(ast.Name, ports),
)
rules = st.builds(
    ast.RuleLiteral,
    st.lists(st.builds(ast.RuleField, fields, rule_values), min_size=1, max_size=3).map(tuple),
)

types = st.recursive(
    st.one_of(
        st.builds(
            ast.NamedType,
            st.sampled_from(
                (
                    "bool",
                    "int",
                    "IP",
                    "IP6",
                    "MAC",
                    "port",
                    "time",
                    "bytes",
                    "flow",
                    "rule",
                    "ruleset",
                )
            ),
        ),
        st.builds(ast.BitType, st.integers(1, 128)),
    ),
    lambda inner: st.one_of(
        st.builds(ast.SetType, inner),
        st.builds(ast.MapType, inner, inner),
        st.builds(ast.TupleType, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=4,
)

atoms = st.one_of(
    numbers,
    st.builds(ast.Boolean, st.booleans()),
    addresses4,
    addresses6,
    macs,
    st.builds(ast.String, strings),
    st.builds(ast.Name, ports),
    st.builds(ast.Name, st.just("f")),
    st.builds(ast.FieldRef, fields, st.sampled_from(("f", "f_dmy"))),
    st.builds(ast.Keyword, st.sampled_from(("DROP", "IFACE", "resubmit"))),
)
primed_atoms = st.one_of(
    atoms,
    st.builds(ast.Name, names | st.just("f"), st.just(True)),
    st.builds(ast.FieldRef, fields, st.just("f'")),
)


def _grown(inner: st.SearchStrategy[ast.Expr]) -> st.SearchStrategy[ast.Expr]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(ast.Unary, st.sampled_from(("!", "~", "-")), inner),
        st.builds(
            ast.Binary,
            st.sampled_from((
                "+", "-", "*", "/", "%", "|", "&", "^", "\\", "<<", ">>",
                "==", "!=", "<", "<=", ">", ">=", "in", "not in", "matches", "mismatches",
            )),
            inner,
            inner,
        ),
        st.builds(ast.Logical, st.sampled_from(("&&", "||")), several),
        st.builds(ast.Conditional, inner, inner, inner),
        st.builds(ast.Index, inner | st.just(ast.Name("f")), inner),
        st.builds(ast.SetLiteral, st.lists(inner, max_size=3).map(tuple)),
        st.builds(
            ast.MapLiteral, st.lists(st.tuples(inner, inner), min_size=1, max_size=3).map(tuple)
        ),
        st.builds(ast.TupleLiteral, several),
        rules,
        st.builds(ast.Call, names, st.lists(inner, max_size=3).map(tuple)),
    )  # fmt: skip


def _implied(inner: st.SearchStrategy[ast.Expr]) -> st.SearchStrategy[ast.Expr]:
    pair = st.tuples(inner, inner)
    return st.one_of(_grown(inner), st.builds(ast.Logical, st.just("->"), pair))


expressions = st.recursive(atoms, _grown, max_leaves=8)
properties = st.recursive(primed_atoms, _implied, max_leaves=8)
targets = st.one_of(
    st.builds(ast.Name, names | st.just("f")),
    st.builds(ast.FieldRef, fields),
    st.builds(ast.Index, st.builds(ast.Name, names), expressions),
)

header_kinds = st.sampled_from(get_args(ast.HeaderKind))

simple_statements = st.one_of(
    st.builds(ast.Assign, targets | expressions, expressions),
    st.just(ast.Pass()),
    st.just(ast.Drop()),
    st.just(ast.Resubmit()),
    st.builds(ast.ExprStatement, expressions),
    st.builds(ast.Let, names, expressions),
    st.builds(ast.Choose, names, expressions, expressions, st.none() | expressions),
    st.builds(ast.Delete, targets),
    st.builds(ast.Touch, targets),
    st.builds(ast.Push, header_kinds, st.lists(expressions, min_size=1, max_size=3).map(tuple)),
    st.builds(ast.Pop, header_kinds),
)


def _blocks(inner: st.SearchStrategy[ast.Statement]) -> st.SearchStrategy[ast.Statement]:
    body = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(
        st.builds(ast.If, expressions, body, body),
        st.builds(ast.While, expressions, st.integers(0, 1024), body),
    )


statements = st.recursive(simple_statements, _blocks, max_leaves=4)
bodies = st.lists(statements, max_size=3).map(tuple)

blocks = st.one_of(
    st.builds(ast.MatchBlock, st.sampled_from(("flow", "state")), st.none() | expressions),
    st.builds(ast.ActionBlock, st.sampled_from(("flow", "state")), bodies),
)
entries = st.builds(ast.Entry, st.lists(blocks, max_size=4).map(tuple), st.none() | names)

name_lists = st.lists(names, min_size=1, max_size=3).map(tuple)
durations = st.builds(ast.Number, st.integers(0, 1000), units)
variables = st.builds(
    ast.Variable,
    types.filter(lambda t: t not in (ast.NamedType("rule"), ast.NamedType("ruleset"))),
    names,
    st.lists(fields, max_size=3).map(tuple),
    st.none() | expressions,
    st.none() | durations,
    st.none() | small,
    st.sampled_from((None, "reject", "evict oldest")),
)
declarations = st.one_of(
    variables,
    st.builds(ast.Rule, names, rules),
    st.builds(
        ast.Ruleset, names, st.lists(rules | st.builds(ast.Name, names), max_size=3).map(tuple)
    ),
    st.builds(ast.Ruleset, names, st.none(), strings),
    st.builds(ast.Interfaces, st.lists(ports, min_size=1, max_size=3).map(tuple)),
    st.builds(ast.Tag, name_lists),
    st.builds(ast.Operator, names, st.lists(types, max_size=3).map(tuple), types),
    st.builds(
        ast.Function, names, st.lists(st.tuples(types, names), max_size=3).map(tuple), types,
        expressions,
    ),
    st.builds(ast.Init, bodies),
    st.builds(ast.Every, durations, bodies),
    st.builds(
        ast.Property, names, properties, st.lists(st.tuples(types, names), max_size=2).map(tuple)
    ),
    st.builds(ast.ReadyMade, names, st.lists(expressions, max_size=2).map(tuple)),
    st.builds(ast.Invariant, properties),
)  # fmt: skip
programs = st.builds(
    ast.Program, names, st.lists(declarations | entries | statements, max_size=5).map(tuple)
)
chain_nodes = st.builds(
    ast.ChainNode,
    names,
    st.lists(st.tuples(names, expressions), max_size=2).map(tuple),
    st.none() | names,
    st.none() | ports | st.sampled_from(("0", "1")),
)
chains = st.builds(
    ast.Chain,
    names,
    st.lists(st.lists(chain_nodes, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(
        tuple
    ),
)
files = st.builds(
    ast.File,
    st.lists(
        st.one_of(programs, declarations, chains, st.builds(ast.Import, strings)), max_size=4
    ).map(tuple),
    st.none() | st.just(1),
)
