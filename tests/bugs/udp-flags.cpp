// Bug: the flags are read fourteen bytes into whatever follows IP, a UDP payload for example.
#include "nf.hpp"

int main(int argc, char **argv) {
    bool bad = bug(argc, argv);
    lines([&](Packet &p, u64) {
        u8 flags = p.flags();
        if (bad && p.l4 && p.proto == UDP && p.l4 + 13 < p.data.size()) flags = p.data[p.l4 + 13];
        return (flags & (SYN | ACK)) != SYN;
    });
}
