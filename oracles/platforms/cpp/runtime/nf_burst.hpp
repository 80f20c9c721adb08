/* What a platform and the program exchange: frames in bursts, and what goes wrong. */
#ifndef NF_BURST_HPP
#define NF_BURST_HPP
#include <stdexcept>
#include <string>
#include "nf_core.h"

namespace nf {

/* Bad use, or a thing that is not there: the run ends, exit 2. */
struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/* An input breaks off: what came before is run and written, exit 2. */
struct Broken : Failure {
    using Failure::Failure;
};

/* What one receive() brings; frames are rewritten in place. A platform may point the arrays at its
 * own until finish(); for --bench, originals and ports may be NULL, as in nf_batch. */
struct Burst {
    static constexpr u32 ROOM = 256;
    u32 n = 0, room = ROOM; /* frames there are, and may be at most */
    u8 **frames;
    u32 *lengths, *originals;
    u64 *times; /* ns */
    u16 *ports;
    i32 *verdicts;
    void **owners; /* the platform's own: an mbuf, a ring's block */
};

/* A burst with arrays. */
class Slots {
    u8 *frames_[Burst::ROOM];
    u32 lengths_[Burst::ROOM], originals_[Burst::ROOM];
    u64 times_[Burst::ROOM] = {};
    u16 ports_[Burst::ROOM] = {};
    i32 verdicts_[Burst::ROOM];
    void *owners_[Burst::ROOM];

  public:
    Burst burst;

    Slots() { reset(); }
    Slots(const Slots &) = delete;
    Slots &operator=(const Slots &) = delete;

    void reset()
    {
        burst.n = 0;
        burst.frames = frames_;
        burst.lengths = lengths_;
        burst.originals = originals_;
        burst.times = times_;
        burst.ports = ports_;
        burst.verdicts = verdicts_;
        burst.owners = owners_;
    }
};

}
#endif
