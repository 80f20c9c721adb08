// Bug: the address is rewritten, the checksums that cover it are not.
#include "nf.hpp"

int main(int argc, char **argv) {
    bool bad = bug(argc, argv);
    captures(argv[1], argv[2], [&](Packet &p, u64) {
        if (p.version == 4 && p.dip() == 0xcb007107) p.set_address(p.ip + 16, 0x0a000005, !bad);
        return true;
    });
}
