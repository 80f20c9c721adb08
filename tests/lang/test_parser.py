"""Both spellings read as the same trees; every construct, and what published models do, is read."""

import pytest

from nfverify.lang import ast
from nfverify.lang.parser import decode, parse
from nfverify.lang.source import ModelError, Source


def read(text: str) -> ast.File:
    return parse(Source("test", text))


def program(text: str) -> tuple[object, ...]:
    (found,) = read(f"program p {{ {text} }}").items
    assert isinstance(found, ast.Program)
    return found.items


def expr(text: str) -> ast.Expr:
    (found,) = read(f"invariant {text};").items
    assert isinstance(found, ast.Invariant)
    return found.expr


def condition(text: str) -> ast.Expr | None:
    (entry,) = program(f"entry {{ match_flow {{ {text} }} }}")
    assert isinstance(entry, ast.Entry)
    (block,) = entry.blocks
    assert isinstance(block, ast.MatchBlock)
    return block.condition


@pytest.mark.parametrize(
    ("paper", "plain"),
    [
        ("f[sip] ∈ seen", "f[sip] in seen"),
        ("f[sip] ∉ seen", "f[sip] not in seen"),
        ("f ⊏ R", "f matches R"),
        ("f ⊑ R", "f matches R"),
        ("f ⋢ R", "f mismatches R"),
        ("a ∪ b ∩ c", "a | b & c"),
        ("a ∧ b ∨ ¬ c", "a && b || !c"),
        ("a and b or not c", "a && b || !c"),
        ("not a == b", "!(a == b)"),
        ("¬ a = b", "!(a == b)"),
        ("a ≤ b", "a <= b"),
        ("a ≥ b", "a >= b"),
        ("a ≠ b × 2", "a != b * 2"),
        ("f[BR]=REF", "f[BR] == REF"),
        ("a == ε", "a == DROP"),
        ("a matches R;", "a matches R"),
    ],
)
def test_spellings_of_conditions(paper: str, plain: str) -> None:
    assert condition(paper) == condition(plain)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x := 1;", "x = 1;"),
        ("x++;", "x = x + 1;"),
        ("m[f]--;", "m[f] = m[f] - 1;"),
        ("f[output] := ε;", "f[output] = DROP;"),
        ("seen := seen ∪ {f} \\ {g};", "seen = seen | {f} \\ {g};"),
        ("f[output]:=timer(Δt);", "f[output] = timer(Δt);"),
        ("while (x < 1) bound 3 then { pass }", "while (x < 1) bound 3 { pass; }"),
        ("if (a) {} else { if (b) {} }", "if (a) {} else if (b) {}"),
        ("delete(m[k]);", "delete m[k];"),
        (";;drop;;", "drop;"),
    ],
)
def test_spellings_of_statements(one: str, other: str) -> None:
    assert program(one) == program(other)


@pytest.mark.parametrize(
    ("bare", "bracketed"),
    [
        ("a + b * c - d", "(a + (b * c)) - d"),
        ("a << b + c", "a << (b + c)"),
        ("a & b << c", "a & (b << c)"),
        ("a ^ b & c | d", "(a ^ (b & c)) | d"),
        ("a | b == c & d", "(a | b) == (c & d)"),
        ("!a == b", "(!a) == b"),
        ("-a[1] * ~b", "(-(a[1])) * (~b)"),
        ("a == b && c < d || e", "((a == b) && (c < d)) || e"),
        ("a ? b : c ? d : e", "a ? b : (c ? d : e)"),
        ("a || b ? c : d", "(a || b) ? c : d"),
        ("a -> b -> c", "a -> (b -> c)"),
        ("a && b -> c ? d : e", "(a && b) -> (c ? d : e)"),
        ("a \\ b | c", "(a \\ b) | c"),
        ("a not in b == false", None),
        ("a - b - c", "(a - b) - c"),
        ("a >> b >> c", "(a >> b) >> c"),
    ],
)
def test_precedence(bare: str, bracketed: str | None) -> None:
    if bracketed is None:
        with pytest.raises(ModelError, match="comparisons don't chain"):
            expr(bare)
    else:
        assert expr(bare) == expr(bracketed)


def test_conjunctions_are_flat() -> None:
    long = expr(" && ".join(["a"] * 5000))
    assert isinstance(long, ast.Logical)
    assert len(long.operands) == 5000
    assert expr("a && (b && c)") != expr("a && b && c")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", ast.Number(10)),
        ("0x1F", ast.Number(31, "", True)),
        ("10ms", ast.Number(10, "ms")),
        ("10.1.2.3", ast.Address4(0x0A010203)),
        ("10.0.0.0/8", ast.Address4(0x0A000000, 8)),
        ("2001:db8::1", ast.Address6(0x20010DB8 << 96 | 1)),
        ("::1/128", ast.Address6(1, 128)),
        ("::", ast.Address6(0)),
        ("::ffff:1.2.3.4", ast.Address6(0xFFFF01020304)),
        ("1:2:3:4:5:6:7:8", ast.Address6(0x00010002000300040005000600070008)),
        ("aa:bb:cc:dd:ee:ff", ast.MacAddress(0xAABBCCDDEEFF)),
        (r'"a\x41\n\xff\""', ast.String('aA\n\udcff"')),
        ("a ? ab : cd", ast.Conditional(ast.Name("a"), ast.Name("ab"), ast.Name("cd"))),
        ("f[sip]", ast.FieldRef("sip")),
        ("f'[sip]", ast.FieldRef("sip", "f'")),
        ("f[(sip)]", ast.Index(ast.Name("f"), ast.Name("sip"))),
        ("m'[k]", ast.Index(ast.Name("m", True), ast.Name("k"))),
        ("{}", ast.SetLiteral(())),
        ("{1: 2}", ast.MapLiteral(((ast.Number(1), ast.Number(2)),))),
        ("{::1: 3}", ast.MapLiteral(((ast.Address6(1), ast.Number(3)),))),
        ("{a, {b}}", ast.SetLiteral((ast.Name("a"), ast.SetLiteral((ast.Name("b"),))))),
        ("(a, b)", ast.TupleLiteral((ast.Name("a"), ast.Name("b")))),
        ("g()", ast.Call("g", ())),
        ("g(h(1), a)", ast.Call("g", (ast.Call("h", (ast.Number(1),)), ast.Name("a")))),
    ],
)  # fmt: skip
def test_operands(text: str, value: ast.Expr) -> None:
    assert expr(text) == value


def test_keywords_are_names_elsewhere() -> None:
    """Decision 1."""
    names = "port map list set entry init every rule pass drop timeout max if while let delete tag"
    for name in names.split():
        variable, assignment, entry = program(
            f"int {name} = 8; {name} = {name} + 1; entry {{ match_state {{ m[{name}] == 1 }} }}"
        )
        assert isinstance(variable, ast.Variable)
        assert variable.name == name
        assert isinstance(assignment, ast.Assign)
        assert assignment.target == ast.Name(name)
        assert isinstance(entry, ast.Entry)
    assert program("map[f] := idx;") == (
        ast.Assign(ast.Index(ast.Name("map"), ast.Name("f")), ast.Name("idx")),
    )


def test_declarations() -> None:
    file = read(
        """nfd 1;
        import "other.nfd";
        rule R = sip:10.0.0.0/8, dip6:::/0, dport:1024-65535, proto:tcp, iface:in, sport:*;
        ruleset S = {R, (dport:80, proto:tcp), sip:1.2.3.4};
        ruleset T = load("acl.csv");
        iface in, out1; tag a, b;
        op scan(bytes, int) -> bool;
        func twice(int x) -> int = x * 2;
        set<(IP, port)> pairs; map<IP,map<IP,int>> nested; bit<9> small = 0x1ff;
        int hits<sip, dip>= 3;
        map<flow, int> m timeout 30s max 65536 evict oldest;
        map<int, IP> t = {0: 10.0.0.1, 1: 10.0.0.2};
        property stays: m[f] == 1 -> m'[f] == 1 || dropped;
        invariant x >= 0;
        chain edge = nat(pub = 203.0.113.7, n = 3) -> lb as b -> fw;
        chain g = a.out1 -> b, a.out2 as second -> c;
        """
    )
    assert file.version == 1
    by_name = {getattr(item, "name", None): item for item in file.items}
    rule = by_name["R"]
    assert isinstance(rule, ast.Rule)
    assert [f.name for f in rule.value.fields] == [
        "sip", "dip6", "dport", "proto", "iface", "sport",
    ]  # fmt: skip
    assert rule.value.fields[1].value == ast.Address6(0, 0)
    assert rule.value.fields[2].value == ast.Range(1024, 65535)
    ruleset = by_name["S"]
    assert isinstance(ruleset, ast.Ruleset)
    assert ruleset.rules is not None
    assert [type(r) for r in ruleset.rules] == [ast.Name, ast.RuleLiteral, ast.RuleLiteral]
    assert by_name["T"] == ast.Ruleset("T", None, "acl.csv")
    hits, m = by_name["hits"], by_name["m"]
    assert isinstance(hits, ast.Variable)
    assert hits.granularity == ("sip", "dip")
    assert hits.value == ast.Number(3)
    assert isinstance(m, ast.Variable)
    assert (m.timeout, m.capacity, m.overflow) == (ast.Number(30, "s"), 65536, "evict oldest")
    edge, g = by_name["edge"], by_name["g"]
    assert isinstance(edge, ast.Chain)
    assert edge.paths == (
        (
            ast.ChainNode("nat", (("pub", ast.Address4(0xCB007107)), ("n", ast.Number(3)))),
            ast.ChainNode("lb", (), "b"),
            ast.ChainNode("fw"),
        ),
    )
    assert isinstance(g, ast.Chain)
    assert g.paths[1][0] == ast.ChainNode("a", (), "second", "out2")


# Each line shape of the models that NFD's authors published, in a model of our own.
PUBLISHED = """/*****************
*  stars **  and a title *
******************/

program WATCH{
    rule HOME=sip:10.20.0.0/16;
    IP outside=198.51.100.9/32;
    int port=8;
    map<IP,map<IP,int>>  asked;
    map<int,map<IP, int>> slots;
    map<IP,int> list;
    set<IP> seen;
    int threshold=100;

    entry{
        match_flow{f[dport]!=53 && f[sport]==53 }
        match_state{asked[f[dip]][f[sip]]!=1}
        action_flow{f[dip]=DROP;}
    }
    entry{
        match_flow{f matches HOME }
        action_state  { list[port]=f[sip]; seen= seen | {f[dip]} ; }
        action_flow{f[sip]=outside; f[sport]=port; port=port+1;}

    }
    entry{
        match_flow{f mismatches HOME && f[dip] == outside}
        match_state{ ~(f[sip] in slots) && (f[sip] in slots && ~(f[sport] in slots[f[sip]])) }
        action_flow{pass; }
        action_state{pass; }
    }
    entry{
        match_flow{f[flag_syn] ==1 && f[tag]!=1}
        action_state{list[f[sip]]=list[f[sip]]+1; f[tag]=1; resubmit;}
    }
    entry{
        match_flow{f[UDP]==1}
        match_state{ ~ (f[sip] in seen) }
        action_flow{f[dip]==DROP;}
        action_state{list[f[sip]]=list[f[sip]]-1;}
        action_state{list[f[sip]]=0;}
    }
}"""


def test_what_published_models_do() -> None:
    (watch,) = read(PUBLISHED).items
    assert isinstance(watch, ast.Program)
    entries = [item for item in watch.items if isinstance(item, ast.Entry)]
    assert len(entries) == 5
    assert watch.items[1] == ast.Variable(
        ast.NamedType("IP"), "outside", (), ast.Address4(0xC6336409, 32)
    )
    last = [block for block in entries[4].blocks if isinstance(block, ast.ActionBlock)]
    assert [block.kind for block in last] == ["flow", "state", "state"]
    assert last[0].body == (
        ast.ExprStatement(ast.Binary("==", ast.FieldRef("dip"), ast.Keyword("DROP"))),
    )
    resubmitted = entries[3].blocks[1]
    assert isinstance(resubmitted, ast.ActionBlock)
    assert resubmitted.body[1:] == (
        ast.Assign(ast.FieldRef("tag"), ast.Number(1)),
        ast.Resubmit(),
    )


def test_figures_of_the_paper() -> None:
    """Figures 5 and 6 of the NFD paper, cell by cell."""
    read(
        """program firewall {
            rule r1 = sip:10.0.0.0/8; ruleset OK = {r1}; set<flow> seen;
            entry { match_flow { f ⊏ OK } match_state { }
                    action_flow { f[output]:=IFACE } action_state { seen:=seen∪{f} } }
            entry { match_flow { f ⋢ OK } match_state { f∈seen } action_flow { f[output]:=IFACE } }
            entry { match_flow { f ⋢ OK } match_state { f∉seen } action_flow { f[output] := ε } }
        }
        program nat {
            map<flow, flow> map;
            entry { match_state { f ∉ map }
                    action_flow { f:=NAT(f); f[output]:=IFACE } action_state { map[f]:=NAT(f) } }
            entry { match_state { f∈map } action_flow { f:=map[f]; f[output]:=IFACE } }
        }
        program lb {
            entry { match_flow { * } action_flow { f[dip]:=srv[idx] }
                    action_state { map[f]:=idx; idx:=(idx+1)%N } }
        }
        program limiter {
            init { tkn:=TOKEN; f_dmy[BR]:=REF; f_dmy[output]:=timer(Δt) }
            entry { match_flow { f[BR]=REF } match_state { * }
                    action_flow { f[output]:=timer(Δt) } action_state { tkn:=TOKEN } }
            entry { match_flow { * } match_state { f[size]≤tkn }
                    action_flow { f[output]:=IFACE } action_state { tkn:=tkn-f[size] } }
            entry { match_flow { * } match_state { f[size]>tkn } action_flow { f[output]:=ε } }
        }"""
    )


def test_all_errors_of_a_file_are_told_in_order() -> None:
    with pytest.raises(ModelError) as raised:
        program("int 3x; entry { match_flow { 1 < 2 < 3 } action_flow { x = ; y = 10.0.0.256; } }")
    places = [d.span.column for d in raised.value.diagnostics]
    assert places == sorted(places)
    assert len(places) == 4


def test_spans() -> None:
    text = "program p { entry { match_flow { (a + b) * c == d } } }"
    (found,) = read(text).items
    assert isinstance(found, ast.Program)
    (entry,) = found.items
    assert isinstance(entry, ast.Entry)
    assert text[entry.span.start : entry.span.end] == "entry { match_flow { (a + b) * c == d } }"
    (block,) = entry.blocks
    assert isinstance(block, ast.MatchBlock)
    comparison = block.condition
    assert isinstance(comparison, ast.Binary)
    assert text[comparison.span.start : comparison.span.end] == "(a + b) * c == d"
    assert text[comparison.left.span.start : comparison.left.span.end] == "(a + b) * c"


def test_single_equals_is_remembered() -> None:
    found = condition("f[BR] = 1 && g[2] == 2")
    assert isinstance(found, ast.Logical)
    assert [getattr(part, "single_equals", None) for part in found.operands] == [True, False]


def test_byte_order_mark_and_line_ends() -> None:
    source = decode("crlf", b"\xef\xbb\xbfprogram p {\r\n  x = ;\r\n}\r\n")
    with pytest.raises(ModelError) as raised:
        parse(source)
    (diagnostic,) = raised.value.diagnostics
    assert (diagnostic.span.line, diagnostic.span.column) == (2, 7)
    assert parse(decode("crlf", b"program p {\r\n}\r\n")) == read("program p { }")
