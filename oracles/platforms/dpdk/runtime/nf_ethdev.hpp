/* Frames by DPDK's ports: network interfaces by its net_pcap driver, network cards by --eal. */
#ifndef NF_ETHDEV_HPP
#define NF_ETHDEV_HPP
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>
#include <sched.h>
#include <iterator>
#include <sstream>
#include "nf_program.hpp"

namespace nf {

class Ethdev : public Platform {
    static constexpr u16 LOT = 32;
    static constexpr u32 TRIES = 100000; /* to send, with nothing sent */

    std::vector<std::vector<rte_mbuf *>> queues_; /* by port: what is to leave */
    rte_mempool *pool_;
    u64 lost_ = 0;
    int stamp_ = -1; /* where an mbuf has its time, if the driver tells it in us */

    static void check(int error, const char *what)
    {
        if (error < 0)
            throw Failure(std::string("DPDK: ") + what + ": " + rte_strerror(-error));
    }

    void start(u16 port)
    {
        const rte_eth_conf conf = {};
        u16 rx = 1024, tx = 1024; /* descriptors */
        check(rte_eth_dev_configure(port, 1, 1, &conf), "port");
        check(rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx, &tx), "port");
        check(rte_eth_rx_queue_setup(port, 0, rx, u32(SOCKET_ID_ANY), nullptr, pool_), "port");
        check(rte_eth_tx_queue_setup(port, 0, tx, u32(SOCKET_ID_ANY), nullptr), "port");
        check(rte_eth_dev_start(port), "port");
        rte_eth_promiscuous_enable(port);
    }

    void flush(u16 port)
    {
        std::vector<rte_mbuf *> &queue = queues_[port];
        const u16 n = u16(queue.size());
        u16 sent = 0;
        for (u32 tries = 0; sent < n && tries < TRIES; tries++)
            sent = u16(sent + rte_eth_tx_burst(port, 0, queue.data() + sent, u16(n - sent)));
        lost_ += n - sent;
        rte_pktmbuf_free_bulk(queue.data() + sent, n - sent);
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
            b.times[b.n] = stamp_ < 0 ? now : 1000 * *RTE_MBUF_DYNFIELD(*m, stamp_, u64 *);
            b.ports[b.n] = port;
        }
    }

  protected:
    Options &options_;

    /* DPDK with the user's arguments, or with ones that need neither huge pages nor privileges. */
    void begin(const std::vector<std::string> &devices)
    {
        const bool cards = !options_.eal.empty();
        const u32 n = cards ? 16384 : 1024 + 2 * LOT * u32(devices.size()); /* mbufs */
        std::ostringstream text("nf ", std::ios::ate);
        text << options_.eal;
        if (!cards)
            text << "--no-huge --no-pci --no-shconf --no-telemetry --iova-mode=va --log-level=error"
                 << " -m " << 32 + n / 14 << " -l " << sched_getcpu();
        for (const std::string &device : devices)
            text << " --vdev=net_pcap" << &device - devices.data() << "," << device;
        std::istringstream eal(text.str());
        std::vector<std::string> words{std::istream_iterator<std::string>(eal), {}};
        std::vector<char *> arguments;
        for (std::string &word : words)
            arguments.push_back(word.data());
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
        if (cards && queues_.size() != nf_describe()->n_ports)
            throw Failure("DPDK: " + std::to_string(queues_.size()) + " ports, not one for each of "
                          "the model's");
        for (u16 port = 0; port < queues_.size(); port++)
            start(port);
        if (!cards)
            stamp_ = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, nullptr);
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
        "  --eal ARGUMENTS     DPDK's own, as '-a 0000:01:00.0 -l 2': its ports, in order, instead\n";

    static bool option(Options &options, const std::string &name, const char *value)
    {
        options.eal = value;
        return name == "--eal";
    }

    explicit Ethdev(Options &options) : options_(options) {}
    Ethdev(const Ethdev &) = delete;
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
