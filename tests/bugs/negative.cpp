// Bug: every ACK takes one off, so that after some of them the counter is below zero.
#include "nf.hpp"

int main(int argc, char **argv) {
    bool bad = bug(argc, argv);
    using Flow = std::tuple<std::string, std::string, u16, u16, int>;
    std::set<Flow> pending;
    std::map<std::string, int> half_open;
    lines([&](Packet &p, u64) {
        Flow flow{p.source(), p.target(), p.sport(), p.dport(), p.proto};
        if ((p.flags() & (SYN | ACK)) == SYN) {
            if (pending.count(flow)) return true;
            if (half_open[p.source()] >= 2) return false;
            pending.insert(flow), half_open[p.source()]++;
        } else if ((p.flags() & (SYN | ACK)) == ACK) {
            if (pending.erase(flow) || bad) half_open[p.source()]--;
        }
        return true;
    });
}
