// Bug: the IPv4 header is taken to be 20 bytes long, so behind options the ports are others.
#include "nf.hpp"

int main(int argc, char **argv) {
    bool bad = bug(argc, argv);
    lines([&](Packet &p, u64) {
        u16 dport = p.dport();
        if (bad && p.version == 4 && p.has_ports()) dport = p.word(p.ip + 20 + 2);
        return !(p.proto == TCP && dport == 23);
    });
}
