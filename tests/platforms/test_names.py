"""Models whose names mean something in C++, in BPF or in what is generated."""

import pytest
from on_platforms import check, engine, recorded
from platforms import needs

from nfverify.oracles.campaign import Campaign
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.engines.reference import reference
from nfverify.smat.load import load_text

KEYWORDS = """
iface lan, wan;
program template {
    map<IP, int> struct max 100;
    map<IP, int> map_lookup_elem max 100;
    map<IP, int> order max 3 evict oldest;
    map<IP, int> stamp timeout 2s max 3;
    set<flow> new max 100;
    map<bit<8>, int> memcpy;
    int xor = 0;
    bool friend = false;
    every 1s { xor = xor + 2; }
    entry private {
        match_flow { f[iface] == lan }
        action_flow { f[output] := wan; }
        action_state {
            struct[f[sip]] = xor;
            map_lookup_elem[f[dip]] = xor;
            order[f[sip]] = order[f[sip]] + 1;
            stamp[f[dip]] = stamp[f[dip]] + 1;
            memcpy[f[proto]] = xor;
            new = new | {reverse(f)};
            xor = xor + 1;
            friend = !friend;
        }
    }
    entry this { match_state { f in new } action_flow { f[output] := lan; } }
    entry virtual { action_flow { f[output] := DROP; } }
}
"""
CHAIN = """
iface lan, wan;
program bpf {
    map<IP, int> map_lookup_elem max 30;
    entry a {
        action_flow { f[output] := wan; }
        action_state { map_lookup_elem[f[sip]] = map_lookup_elem[f[sip]] + 1; }
    }
}
program bpf_map {
    map<IP, int> lookup_elem max 30;
    entry a {
        action_flow { f[output] := wan; }
        action_state { lookup_elem[f[dip]] = lookup_elem[f[dip]] + 2; }
    }
}
program fire {
    map<IP, int> one max 30;
    map<IP, int> steady max 30;
    every 1s { }
    entry a {
        match_flow { f[iface] == lan }
        action_flow { f[output] := wan; }
        action_state { one[f[dip]] = 1; steady[f[sip]] = 2; }
    }
    entry b { action_flow { f[output] := lan; } }
}
chain main = bpf -> bpf_map -> fire;
"""


@pytest.mark.parametrize("name", ["linux", "xdp"])
@pytest.mark.parametrize("text", [KEYWORDS, CHAIN], ids=["keywords", "chain"])
@needs("linux", "xdp")
def test_names_are_no_obstacle(name: str, text: str) -> None:
    network = load_text(text)
    made = engine(name, network)
    campaign = Campaign(network, reference(network, Setting()), 1, made.needs)
    check(made, recorded(network, campaign.trace(2), made.needs))
