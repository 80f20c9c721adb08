"""Chains and graphs: instances, wires, ports, overrides, imports, targets."""

from pathlib import Path

import pytest

from nfverify.lang.source import ModelError
from nfverify.smat import ir
from nfverify.smat.load import load, load_text

NFS = """
program a { iface in, out; int limit = 1;
            entry { match_flow { f[dport] == limit } action_flow { drop; } } }
program b { iface in, out, spare; f[output] = spare; }
program r { pass; }
"""


def names(network: ir.Network) -> list[str]:
    return [instance.name for instance in network.instances]


def wires(network: ir.Network) -> list[tuple[str, str | None, str]]:
    return [
        (
            network.instances[wire.source].name,
            None if wire.port is None else network.ports[wire.port],
            network.instances[wire.target].name,
        )
        for wire in network.wires
    ]


def test_each_mention_is_an_instance() -> None:
    network = load_text(NFS + "chain main = r -> r -> a as edge -> r;")
    assert names(network) == ["r", "r_2", "edge", "r_3"]
    assert wires(network) == [("r", None, "r_2"), ("r_2", None, "edge"), ("edge", None, "r_3")]


def test_ports_are_the_union_in_order() -> None:
    network = load_text(NFS + "chain main = r -> a -> b;")
    assert network.ports == ("in", "out", "spare")
    ports = [instance.program.ports for instance in network.instances]
    assert ports == [(), (0, 1), (0, 1, 2)]
    (output,) = network.instances[2].program.body
    assert output == ir.SetOutput(ir.Ports((ir.Const(2, ir.PORT),)))
    assert load_text("program p { pass; }").ports == ("0", "1")


def test_port_numbers_are_the_networks() -> None:
    text = "program x { iface left, in; f[output] = in; }" + NFS + "chain main = a -> x;"
    network = load_text(text)
    assert network.ports == ("in", "out", "left")
    assert network.instances[1].program.ports == (2, 0)
    assert network.instances[1].program.body == (ir.SetOutput(ir.Ports((ir.Const(0, ir.PORT),))),)


def test_overrides_configure_an_instance() -> None:
    network = load_text(NFS + "chain main = a -> a(limit = 80) -> a(limit = 0x50);")
    first, second, third = (instance.program for instance in network.instances)
    assert [program.config[0].value for program in (first, second, third)] == [1, 80, 80]
    assert first != second
    assert second == third


def test_graphs() -> None:
    text = NFS + "chain main = b.out -> a, b.spare -> r -> r, a -> r;"
    network = load_text(text)
    assert names(network) == ["b", "a", "r", "r_2"]
    assert wires(network) == [
        ("b", "out", "a"), ("b", "spare", "r"), ("a", None, "r"), ("r", None, "r_2"),
    ]  # fmt: skip
    b = 0
    assert network.successor(b, network.ports.index("spare")) == 2
    assert network.successor(b, network.ports.index("in")) is None


def test_chains_of_chains_are_flat() -> None:
    text = NFS + "chain two = r -> a; chain main = two -> b -> two as last;"
    network = load_text(text)
    assert names(network) == ["r", "a", "b", "last_r", "last_a"]
    assert [(s, t) for s, _, t in wires(network)] == [
        ("r", "a"), ("a", "b"), ("b", "last_r"), ("last_r", "last_a"),
    ]  # fmt: skip


def test_targets(tmp_path: Path) -> None:
    path = tmp_path / "nfs.nfd"
    path.write_text(NFS + "chain two = r -> a;")
    assert names(load(f"{path}:two")) == ["r", "a"]
    assert names(load(f"{path}:b")) == ["b"]
    with pytest.raises(ModelError, match="several NFs and chains: a, b, r, two"):
        load(str(path))
    with pytest.raises(ModelError, match="no NF or chain `tow`; did you mean `two`"):
        load(f"{path}:tow")
    path.write_text(NFS + "chain main = r -> a;")
    assert names(load(str(path))) == ["r", "a"]
    path.write_text("int x = 1;")
    with pytest.raises(ModelError, match="no program and no chain"):
        load(str(path))


def test_the_library() -> None:
    assert names(load("lib:edge")) == ["napt", "lb", "monitor", "firewall"]
    with pytest.raises(ModelError, match="the library has no `edgy`; did you mean `edge`"):
        load("lib:edgy")
    with pytest.raises(ModelError, match="a file is wanted"):
        load("lib:edge", library=False)


def test_imports(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "one.nfd").write_text(
        'import "../two.nfd"; int LIMIT = 9; program one { entry { match_flow { f[ttl] == LIMIT } '
        "action_flow { drop; } } }"
    )
    (tmp_path / "two.nfd").write_text("program two { pass; }")
    main = tmp_path / "main.nfd"
    main.write_text('import "parts/one.nfd"; import "two.nfd"; chain both = one -> two;')
    assert names(load(str(main))) == ["one", "two"]
    assert names(load(f"{main}:two")) == ["two"]


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.nfd").write_text("program secret { pass; }")
    (inside / "link.nfd").symlink_to(tmp_path / "secret.nfd")
    (inside / "main.nfd").write_text('import "link.nfd"; program p { pass; }')
    with pytest.raises(ModelError, match="leaves the model's folder"):
        load(str(inside / "main.nfd"))


def test_rulesets_and_tables_from_files(tmp_path: Path) -> None:
    (tmp_path / "acl.csv").write_text("action,sip,iface\ndrop,10.0.0.1,*\naccept,10.0.0.0/8,in\n")
    (tmp_path / "servers.csv").write_text("port,address\n80,10.0.0.1\n443,10.0.0.2\n")
    path = tmp_path / "m.nfd"
    path.write_text(
        """program p { iface in, out; ruleset ACL = load("acl.csv");
        map<port, IP> server = load("servers.csv");
        entry { match_flow { f matches ACL } action_flow { f[dip] = server[f[dport]]; } } }"""
    )
    program = load(str(path)).instances[0].program
    assert program.state[0].entries == (((80,), (0x0A000001,)), ((443,), (0x0A000002,)))
    (match_,) = [node for node in ir.walk(program.body) if isinstance(node, ir.Match)]
    assert match_.ruleset.accepts((0x0A000002, 0))
    assert not match_.ruleset.accepts((0x0A000001, 0))
    assert not match_.ruleset.accepts((0x0A000002, 1))


def test_files_are_looked_for_beside_the_model_that_names_them(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "acl.csv").write_text("dport\n80\n")
    (parts / "one.nfd").write_text(
        'ruleset A = load("acl.csv"); set<port> s = load("acl.csv"); program one '
        "{ entry { match_flow { f matches A && f[dport] in s } action_flow { drop; } } }"
    )
    (tmp_path / "main.nfd").write_text('import "parts/one.nfd"; chain main = one;')
    network = load(str(tmp_path / "main.nfd"))
    assert network.instances == load(str(parts / "one.nfd")).instances
    (match_,) = [
        node for node in ir.walk(network.instances[0].program.body) if isinstance(node, ir.Match)
    ]
    assert match_.ruleset.accepts((80,))


def test_ports_in_a_file_of_a_model_that_declares_none(tmp_path: Path) -> None:
    (tmp_path / "acl.csv").write_text("iface\n1\n")
    path = tmp_path / "m.nfd"
    path.write_text(
        'program p { ruleset A = load("acl.csv"); '
        "entry { match_flow { f matches A } action_flow { drop; } } }"
    )
    program = load(str(path)).instances[0].program
    (match_,) = [node for node in ir.walk(program.body) if isinstance(node, ir.Match)]
    assert [match_.ruleset.accepts((number,)) for number in (0, 1)] == [False, True]
