/* Frames by DPDK's ports: network interfaces by its net_pcap driver, network cards by --eal. */
#ifndef NF_ETHDEV_HPP
#define NF_ETHDEV_HPP
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <sched.h>
#include <sstream>
#include "nf_program.hpp"

namespace nf {

class Ethdev : public Platform {
    static constexpr u16 LOT = 32;
    static constexpr u32 TRIES = 100000; /* to send, with nothing sent */

    std::vector<std::vector<rte_mbuf *>> queues_; /* by port: what is to leave */
    rte_mempool *pool_;
    u64 lost_ = 0;

    static void check(int error, const char *what)
    {
        if (error < 0)
            throw Failure(std::string("DPDK: ") + what + ": " + rte_strerror(-error));
    }

    void start(u16 port)
    {
        const rte_eth_conf conf = {};
        check(rte_eth_dev_configure(port, 1, 1, &conf), "port");
        check(rte_eth_rx_queue_setup(port, 0, 0, u32(SOCKET_ID_ANY), nullptr, pool_), "port");
        check(rte_eth_tx_queue_setup(port, 0, 0, u32(SOCKET_ID_ANY), nullptr), "port");
        check(rte_eth_dev_start(port), "port");
        rte_eth_promiscuous_enable(port);
    }

    void flush(u16 port)
    {
        std::vector<rte_mbuf *> &queue = queues_[port];
        rte_mbuf **next = queue.data(), **end = next + queue.size();
        for (u32 tries = 0; next < end && tries < TRIES; tries++)
            next += rte_eth_tx_burst(port, 0, next, u16(end - next));
        lost_ += u64(end - next);
        rte_pktmbuf_free_bulk(next, u32(end - next));
        queue.clear();
    }

    void poll(Burst &b, u16 port)
    {
        rte_mbuf **m = reinterpret_cast<rte_mbuf **>(b.owners + b.n);
        const u32 share = std::max(1U, b.room / u32(queues_.size()));
        const u32 end = b.n + rte_eth_rx_burst(port, 0, m, u16(std::min(share, b.room - b.n)));
        for (const u64 now = nanoseconds(CLOCK_REALTIME); b.n < end; b.n++, m++) {
            b.frames[b.n] = rte_pktmbuf_mtod(*m, u8 *);
            b.lengths[b.n] = b.originals[b.n] = (*m)->pkt_len;
            b.times[b.n] = now;
            b.ports[b.n] = port;
        }
    }

  protected:
    Options &options_;

    /* DPDK with the user's arguments, or with ones that need neither huge pages nor privileges. */
    void begin(const std::string &devices, size_t count)
    {
        const bool cards = !options_.eal.empty();
        const u32 n = cards ? 16384 : 1024 + 2 * LOT * u32(count); /* mbufs */
        std::ostringstream text("nf " + options_.eal, std::ios::ate);
        if (!cards)
            text << "--no-huge --no-pci --no-shconf --no-telemetry --iova-mode=va --log-level=error"
                 << " -m " << 32 + n / 14 << " -l " << sched_getcpu() << devices;
        std::string line = text.str();
        std::vector<char *> arguments;
        for (char *word = strtok(line.data(), " "); word; word = strtok(nullptr, " "))
            arguments.push_back(word);
        cpu_set_t processors;
        sched_getaffinity(0, sizeof processors, &processors);
        rte_openlog_stream(stderr);
        check(rte_eal_init(int(arguments.size()), arguments.data()) < 0 ? -rte_errno : 0, "start");
        if (!cards) /* not this processor only */
            sched_setaffinity(0, sizeof processors, &processors);
        const u16 room = cards ? RTE_MBUF_DEFAULT_BUF_SIZE : UINT16_MAX;
        pool_ = rte_pktmbuf_pool_create("frames", n, 256, 0, room, SOCKET_ID_ANY);
        check(pool_ ? 0 : -rte_errno, "memory for frames");
        queues_.resize(rte_eth_dev_count_avail());
        const size_t wanted = cards ? nf_describe()->n_ports : count;
        check(queues_.size() != wanted ? -ENODEV : 0, "a port for each");
        for (u16 port = 0; port < queues_.size(); port++)
            start(port);
    }

    rte_mbuf *make(const u8 *frame, u32 length)
    {
        rte_mbuf *m = rte_pktmbuf_alloc(pool_);
        check(m && length <= m->buf_len ? 0 : -ENOMEM, "a frame that is too long");
        m->data_off = u16(std::min<u32>(m->data_off, m->buf_len - length));
        memcpy(rte_pktmbuf_append(m, u16(length)), frame, length);
        return m;
    }

    void leave(u16 port, rte_mbuf *m)
    {
        if (port >= queues_.size()) /* no interface is named for it */
            return rte_pktmbuf_free(m);
        queues_[port].push_back(m);
        if (queues_[port].size() == LOT)
            flush(port);
    }

  public:
    static constexpr const char *HELP =
        "  --eal ARGUMENTS     DPDK's, as '-a 0000:01:00.0 -l 2': its ports in order, instead\n";

    static bool option(Options &options, const std::string &name, const char *value)
    {
        return name == "--eal" && !(options.eal = value).empty();
    }

    explicit Ethdev(Options &options) : options_(options) {}
    ~Ethdev() { close(); }

    bool receive(Burst &b)
    {
        for (u16 port = 0; port < queues_.size(); port++) {
            flush(port); /* what timers sent */
            poll(b, port);
        }
        if (!b.n && options_.eal.empty())
            usleep(50);
        return true;
    }

    void finish(Burst &b)
    {
        rte_pktmbuf_free_bulk(reinterpret_cast<rte_mbuf **>(b.owners), b.n);
        for (u16 port = 0; port < queues_.size(); port++)
            flush(port);
    }

    u64 lost()
    {
        rte_eth_stats s;
        u64 sum = lost_;
        for (u16 port = 0; port < queues_.size() && !rte_eth_stats_get(port, &s); port++)
            sum += s.imissed + s.ierrors + s.rx_nombuf;
        return sum;
    }

    void close()
    {
        lost_ = lost();
        for (u16 port = 0; port < queues_.size(); port++) {
            rte_eth_dev_stop(port);
            rte_eth_dev_close(port);
        }
        if (!queues_.empty())
            rte_eal_cleanup();
        queues_.clear();
    }
};

}
#endif
