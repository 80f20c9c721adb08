/* The network that is linked to the program: what runs its packets, unless a platform has others. */
#ifndef NF_NETWORK_HPP
#define NF_NETWORK_HPP
#include "nf_files.hpp"
#include "nf_options.hpp"

namespace nf {

class Network {
    nf_core *core_ = nf_create();

  public:
    explicit Network(const Options &options)
    {
        if (!core_)
            throw Failure(nf_error_text(NF_NO_MEMORY));
        try {
            if (!options.start.empty())
                load(core_, options.start);
        } catch (const Failure &) {
            nf_destroy(core_);
            throw;
        }
        core_->non_ip_drop = options.drop;
    }
    Network(const Network &) = delete;
    Network &operator=(const Network &) = delete;
    ~Network() { nf_destroy(core_); }

    /* Errors of nf_core.h. Verdicts are there after flush(); so is sent(), with causes counted from
     * the burst's first frame. */
    i32 push(const Burst &b)
    {
        const nf_batch batch = {b.frames, b.lengths, b.originals, b.times, b.ports, b.verdicts, b.n};
        return nf_push(core_, &batch);
    }
    i32 flush() { return nf_flush(core_); }
    i32 advance(u64 time) { return nf_advance(core_, time); }

    const nf_outputs &sent() const { return core_->sent; }
    void clear()
    {
        core_->sent.count = 0;
        nf_arena_reset(&core_->sent.bytes);
    }

    u64 now() const { return core_->started ? core_->now : 0; }
    const u64 *counters() const { return core_->counters; }
    void save(Target &target) { nf::save(core_, target); }
};

}
#endif
