// Bug: the version is not looked at, so an IPv6 header is read as an IPv4 header.
#include "nf.hpp"

int main(int argc, char **argv) {
    bool bad = bug(argc, argv);
    lines([&](Packet &p, u64) {
        if (p.version == 6 && !bad) return true;
        return p.dword(p.ip + 12) >> 24 == 10;
    });
}
