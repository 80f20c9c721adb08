// Bug: the new port is written in the byte order of the machine.
#include "nf.hpp"

int main(int argc, char **argv) {
    bool bad = bug(argc, argv);
    u16 port = bad ? 0x901f : 0x1f90;
    captures(argv[1], argv[2], [&](Packet &p, u64) {
        if (p.proto == TCP && p.dport() == 80) p.set_dport(port);
        return true;
    });
}
