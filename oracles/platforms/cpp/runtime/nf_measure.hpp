/* How fast: packets from memory to nowhere, with the clock around nothing but the packets. As
 * nfverify/cythonized/bench.py has it. */
#ifndef NF_MEASURE_HPP
#define NF_MEASURE_HPP
#include <algorithm>
#include <chrono>
#include <vector>
#include "nf_options.hpp"

namespace nf {

/* Verdicts of packets that may still be in the pipeline when their burst is over. */
class Verdicts {
    static constexpr u32 BURSTS = 4;
    std::vector<i32> all_ = std::vector<i32>(BURSTS * Burst::ROOM);
    u32 next_ = 0;

  public:
    i32 *take() { return &all_[Burst::ROOM * (next_++ % BURSTS)]; }
};

/* All packets of the input, ns. */
template <class Io, class Engine> u64 pass(Io &io, Engine &engine, Verdicts &verdicts, u64 &packets)
{
    using clock = std::chrono::steady_clock;
    Slots slots;
    Burst &b = slots.burst;
    std::fill_n(b.times, Burst::ROOM, engine.now());
    const u32 simple = nf_describe()->simple;
    i32 error = NF_OK;
    io.rewind();
    packets = 0;
    const auto from = clock::now();
    for (bool more = true; more && !error;) {
        b.n = 0;
        b.verdicts = verdicts.take();
        more = io.receive(b);
        packets += b.n;
        if (b.n)
            error = engine.push(b);
        if (!simple)
            engine.clear();
    }
    error = error ? error : engine.flush();
    const auto to = clock::now();
    engine.clear();
    if (error)
        throw Failure(nf_error_text(error));
    return u64(std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count());
}

inline void show(const char *name, const std::vector<double> &ns)
{
    printf(", \"%s\": [", name);
    for (size_t i = 0; i < ns.size(); i++)
        printf("%s%.3f", i ? ", " : "", ns[i]);
    printf("]");
}

/* Each round is a fresh state: its first pass, then the median of passes over the state as it is. */
template <class Io, class Engine> int measure(Options &options)
{
    constexpr size_t PASSES = 5, MOST_PASSES = 2000;
    constexpr u64 ENOUGH = 50000000; /* ns of a round's passes, so that few packets come often */
    Io io(options);
    Verdicts verdicts;
    std::vector<double> first, ns;
    u64 packets = 0;
    for (u32 round = 0; round < options.bench; round++) {
        Engine engine(options);
        const u64 once = pass(io, engine, verdicts, packets);
        if (!packets)
            throw Failure("--bench: there are no packets");
        std::vector<u64> took;
        for (u64 sum = 0; took.size() < PASSES || (sum < ENOUGH && took.size() < MOST_PASSES);) {
            took.push_back(pass(io, engine, verdicts, packets));
            sum += took.back();
        }
        std::nth_element(took.begin(), took.begin() + i64(took.size() / 2), took.end());
        first.push_back(double(once) / double(packets));
        ns.push_back(double(took[took.size() / 2]) / double(packets));
    }
    printf("{\"packets\": %llu, \"burst\": %u", (unsigned long long)packets, Burst::ROOM);
    show("first", first);
    show("ns", ns);
    printf("}\n");
    io.close();
    return 0;
}

}
#endif
