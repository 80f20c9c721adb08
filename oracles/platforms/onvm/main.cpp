/* The network function in a host of our own, on DPDK's ports: see README.md. */
#include "onvm_host.hpp"
#include "runtime/nf_dpdk.hpp"
#include "runtime/nf_program.hpp"
#include "runtime/nf_runtime.h"

int onvm_nf_main(int argc, char *argv[]);

const std::vector<onvm::Service> onvm::services = {{nf_describe()->name, onvm_nf_main}};

namespace {

/* What runs packets, for nf::run: the services of the host. */
class Hosted {
  public:
    explicit Hosted(const nf::Options &options)
        : host_({words(options)}, [this](rte_mbuf *p, u16 port, u64 time) { leave(p, port, time); })
    {
    }

    void push(nf::Burst &burst)
    {
        burst_ = &burst;
        for (at_ = 0; at_ < burst.n; at_++) {
            burst.verdicts[at_] = NF_DROPPED;
            host_.push(burst.frames[at_], burst.lengths[at_], burst.ports[at_], burst.times[at_]);
        }
        burst_ = nullptr;
    }

    void advance(u64 time) { host_.advance(time); }
    nf_outputs &sent() { return core_.sent; }

  private:
    static std::vector<std::string> words(const nf::Options &options)
    {
        std::vector<std::string> found;
        if (!options.start.empty())
            found.insert(found.end(), {"--start", options.start});
        if (!options.state.empty())
            found.insert(found.end(), {"--state", options.state});
        if (options.drop)
            found.insert(found.end(), {"--non-ip", "drop"});
        return found;
    }

    void leave(rte_mbuf *packet, u16 port, u64 time)
    {
        const u8 *frame = rte_pktmbuf_mtod(packet, const u8 *);
        if (burst_ && nf_describe()->simple) {
            burst_->verdicts[at_] = port;
            memcpy(burst_->frames[at_], frame, burst_->lengths[at_]);
        } else if (!nf_sent_add(&core_, time, port, frame, packet->pkt_len, at_, at_,
                                packet->pkt_len)) {
            throw nf::Failure("out of memory");
        }
        rte_pktmbuf_free(packet);
    }

    nf_core core_ = {}; /* only what comes out */
    nf::Burst *burst_ = nullptr;
    u32 at_ = 0;
    onvm::Host host_;
};

}

int main(int argc, char **argv) { return nf::run<nf::Dpdk, Hosted>(argc, argv); }
