"""A plan's tables as text, JSON, dot and SVG."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from fast_plans import CHAINS, derived
from hand_plan import plan
from ir_build import c

from nfverify.fastpath.plan import Plan, Push, SlowPath
from nfverify.fastpath.view import as_json, dot, lines, svg, view
from nfverify.smat import ir
from nfverify.smat.load import load_text

QUICK = [name for name in CHAINS if name not in ("c1", "c10")]


def text(plan: Plan, **options: bool) -> str:
    return "\n".join(line.text for line in lines(view(plan), 100, **options))


def test_the_text_of_a_plan_written_by_hand() -> None:
    said = text(plan())
    assert said.startswith("fast path of main: 1 class of flows, 1 fast path, 0 slow\n")
    for line in (
        "  1: !(f[dport] == 9) && f[sip] in nf.a",
        "    record    r0 = bit16(nf.a[f[sip]]); r1 = bit16(nf.b[f[dip]] + nf.g)",
        "    outdated  by a change of nf.b[f[dip]]",
        "      state     mon: n[r0] += f[size]",
        "      port      f[iface] == 0 ? 1 : 0",
        "  nf.g              changed by nf: a timer: outdates all records",
    ):
        assert f"\n{line}\n" in f"{said}\n"


def test_headers_that_are_pushed_and_popped() -> None:
    right = plan()
    (some,) = right.classes
    (way,) = some.paths
    ends = (c(0x0B000001, ir.IP), c(0x0B000002, ir.IP), c(7, ir.Bits(24)))
    header = replace(way.header, modify=(), pops=("vlan",), pushes=(Push("vxlan", ends),))
    path = replace(way, header=header)
    said = text(replace(right, classes=(replace(some, paths=(path,)),)))
    assert "header    decap vlan; encap vxlan(11.0.0.1, 11.0.0.2, 7)" in said


def test_what_is_cut_short_is_there_with_all() -> None:
    (some,) = plan().classes
    many = replace(
        plan(),
        classes=tuple(replace(some, name=f"k{number}") for number in range(40)),
        slow=tuple(SlowPath((("nf", f"e{number}"),), "too slow") for number in range(40)),
    )
    short, whole = text(many), text(many, everything=True)
    assert "28 more classes (--all shows them)" in short
    assert "40 × too slow" in short
    assert "k39" not in short
    assert "k39: " in whole
    assert "nf: e39" in whole
    assert len(svg(view(many))) < 2 * len(svg(view(plan()))) * 12
    assert len(json.loads(as_json(view(many)))["global_mat"]) == 40


def test_the_local_mats_of_an_example() -> None:
    dos, mon = view(derived("c6")).local
    assert [row.entry for row in dos.rows] == ["flood", "syn", "other"]
    assert [[a.kind for a in row.actions] for row in dos.rows] == [["drop"], ["modify"], ["modify"]]
    assert dos.rows[1].functions == ("n[f] = n[f] + 1",)
    assert [row.functions for row in mon.rows] == [("pk[f] = pk[f] + 1", "by[f] = by[f] + f[size]")]


def test_functions_that_may_not_run_side_by_side() -> None:
    (pair,) = view(derived("c9")).pairs
    assert pair.reason == "idmon reads shr.id, which shr writes"


@pytest.mark.parametrize("chain", QUICK)
def test_every_example_can_be_shown(chain: str) -> None:
    shown = view(derived(chain))
    assert all(len(line.text) <= 100 for line in lines(shown, 100))
    document = json.loads(as_json(shown))
    assert document["version"] == 1
    assert [c["name"] for c in document["global_mat"]] == [c.name for c in derived(chain).classes]
    picture = ElementTree.fromstring(svg(shown))
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert dot(shown).count("{") == dot(shown).count("}")


def test_texts_of_the_model_are_escaped() -> None:
    network = load_text(
        r"""program nf {
            entry a { match_flow { PatternMatch(f[payload], {"<&>\"{|}\\\x01"}) }
                      action_flow { drop; } }
        }"""
    )
    (entry,) = (
        e for n in network.instances[0].program.body if isinstance(n, ir.Table) for e in n.entries
    )
    odd = replace(plan(), served=entry.match_flow)
    (some,) = odd.classes
    odd = replace(odd, classes=(replace(some, condition=entry.match_flow),))
    shown = view(odd)
    words = [node.text or "" for node in ElementTree.fromstring(svg(shown)).iter()]
    assert any("<&>" in word for word in words)
    assert r"\<&\>" in dot(shown)
    assert json.loads(as_json(shown))["served"] == list(shown.served)
