/* A network function in the host, with packets by DPDK. */
#include <stdlib.h>
#include "nf_dpdk.hpp"
#include "nf_program.hpp"
#include "nf_runtime.h"
#include "onvm_host.hpp"

int onvm_nf_main(int argc, char *argv[]);

const std::vector<onvm::Service> onvm::services = {{nf_describe()->name, onvm_nf_main}};

namespace {

/* What runs the packets: the host. It begins when DPDK runs, and ends before DPDK does. The state
 * goes to and from the function in files. */
class Hosted {
    const nf::Options &options_;
    nf_core core_ = {}; /* only what came out */
    std::unique_ptr<onvm::Host> host_;
    std::string state_; /* where the function writes its own */
    nf::Burst *burst_ = nullptr;
    u32 at_ = 0;
    u64 now_ = 0;

    onvm::Host &host()
    {
        if (!host_)
            host_ = std::make_unique<onvm::Host>(words(), [this](rte_mbuf *packet, u16 port, u64 time) {
                leave(packet, port, time);
            });
        return *host_;
    }

    /* The function's own arguments. */
    std::vector<std::vector<std::string>> words() const
    {
        std::vector<std::string> found = {"--non-ip", options_.drop ? "drop" : "bypass"};
        if (!options_.start.empty())
            found.insert(found.end(), {"--start", options_.start});
        if (!state_.empty())
            found.insert(found.end(), {"--state", state_});
        if (options_.quiet)
            found.push_back("--quiet");
        return {found};
    }

    void leave(rte_mbuf *packet, u16 port, u64 time)
    {
        const u8 *frame = rte_pktmbuf_mtod(packet, const u8 *);
        const u32 length = packet->pkt_len;
        if (burst_ && nf_describe()->simple) {
            burst_->verdicts[at_] = port;
            memcpy(burst_->frames[at_], frame, burst_->lengths[at_]);
        } else if (!nf_sent_add(&core_, time, port, frame, length, at_, at_, length)) {
            throw nf::Failure(nf_error_text(NF_NO_MEMORY));
        }
        rte_pktmbuf_free(packet);
    }

    i32 result() const
    {
        if (!host_->runs())
            throw nf::Told();
        return NF_OK;
    }

  public:
    static Hosted *only;

    explicit Hosted(const nf::Options &options) : options_(options)
    {
        nf::Network start(options); /* is it a state, and of when? */
        now_ = start.now();
        only = this;
        const size_t dot = options.state.rfind('.');
        if (options.bench)
            throw nf::Failure("--bench is of linux and dpdk");
        if (options.state.empty())
            return;
        const bool binary = dot != std::string::npos && options.state.substr(dot) == ".bin";
        std::string name = options.state == "-" ? "/tmp/nf" : options.state;
        name += binary ? ".XXXXXX.bin" : ".XXXXXX.json";
        const int fd = mkstemps(name.data(), binary ? 4 : 5);
        if (fd < 0)
            throw nf::Failure(name + ": " + strerror(errno));
        ::close(fd);
        state_ = name;
    }
    Hosted(const Hosted &) = delete;
    Hosted &operator=(const Hosted &) = delete;
    ~Hosted()
    {
        host_.reset();
        if (!state_.empty())
            unlink(state_.c_str());
        clear();
        free(core_.sent.items);
        nf_arena_free(&core_.sent.bytes);
    }

    i32 push(nf::Burst &burst)
    {
        burst_ = &burst;
        for (at_ = 0; at_ < burst.n; at_++) {
            burst.verdicts[at_] = NF_DROPPED;
            now_ = std::max(now_, burst.times[at_]);
            host().push(burst.frames[at_], burst.lengths[at_], burst.ports[at_], burst.times[at_]);
        }
        burst_ = nullptr;
        at_ = 0;
        return result();
    }

    i32 flush() { return NF_OK; }

    i32 advance(u64 time)
    {
        host().advance(time);
        now_ = std::max(now_, time);
        return result();
    }

    const nf_outputs &sent() const { return core_.sent; }
    void clear()
    {
        core_.sent.count = 0;
        nf_arena_reset(&core_.sent.bytes);
    }

    u64 now() const { return now_; }
    const u64 *counters() const { return core_.counters; } /* the function tells its own */

    /* The function ends: it tells what it counted, and writes its state. */
    void stop()
    {
        if (host().stop())
            throw nf::Told();
        end();
    }

    void end() { host_.reset(); }

    void save(nf::Target &target)
    {
        nf::Buffer b;
        if (nf_slurp(state_.c_str(), &b))
            throw nf::Told();
        target.write(b.data, b.length);
    }
};

Hosted *Hosted::only;

/* DPDK's ports. */
class Ports : public nf::Dpdk {
  public:
    using Dpdk::Dpdk;
    ~Ports() { Hosted::only->end(); } /* its memory is DPDK's */
    void close()
    {
        Hosted::only->stop();
        Dpdk::close();
    }
};

}

int main(int argc, char **argv) { return nf::run<Ports, Hosted>(argc, argv); }
