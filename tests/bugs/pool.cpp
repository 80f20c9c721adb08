// Bug: behind the last port the first one comes again, though it is in use.
#include "nf.hpp"

int main(int argc, char **argv) {
    bool bad = bug(argc, argv);
    std::map<std::tuple<u32, u16, int>, u16> given;
    u16 next = 1024;
    captures(argv[1], argv[2], [&](Packet &p, u64) {
        if (p.version != 4 || p.sip() >> 24 != 10) return true;
        if (!p.has_ports()) return false;
        std::tuple<u32, u16, int> inside{p.sip(), p.sport(), p.proto};
        if (!given.count(inside)) {
            if (next == 1028 && bad) next = 1024;
            if (next == 1028) return false;
            given[inside] = next++;
        }
        p.set_sip(0xcb007107);
        p.set_sport(given[inside]);
        return true;
    });
}
