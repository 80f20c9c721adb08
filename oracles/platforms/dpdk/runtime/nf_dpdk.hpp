/* Captures by DPDK: net_pcap has their frames, and what it doesn't tell is read beside it. */
#ifndef NF_DPDK_HPP
#define NF_DPDK_HPP
#include <array>
#include "nf_captures.hpp"
#include "nf_ethdev.hpp"
#include "nf_memory.hpp"

namespace nf {

class Dpdk : public Ethdev {
    struct Output {
        const Named &named;
        off_t end = NF_PCAP_HEADER;
        std::vector<std::array<u32, 4>> records = {}; /* net_pcap writes the clock's time */

        void write(const void *data, size_t size, off_t at) const
        {
            if (pwrite(named.fd, data, size, at) != ssize_t(size))
                throw Failure(named.file + ": " + strerror(errno));
        }
    };

    std::vector<Output> outputs_;
    std::unique_ptr<Captures> captures_;
    std::unique_ptr<Memory> memory_;
    rte_mbuf ring_[32] = {};
    const bool fine_;

    /* A frame of several pieces is copied. */
    bool read(Burst &b)
    {
        const bool more = captures_->receive(b);
        for (u32 i = 0; i < b.n; i++) {
            rte_mbuf *m;
            const u16 port = static_cast<Input *>(b.owners[i])->number;
            if (b.lengths[i] > UINT16_MAX || !rte_eth_rx_burst(port, 0, &m, 1)
                || m->pkt_len != b.lengths[i])
                throw Failure("net_pcap takes no frame of " + std::to_string(b.lengths[i])
                              + " bytes");
            const void *frame = rte_pktmbuf_read(m, 0, m->pkt_len, b.frames[i]);
            b.frames[i] = static_cast<u8 *>(const_cast<void *>(frame));
            b.owners[i] = m->nb_segs == 1 ? m : nullptr;
            if (m->nb_segs > 1)
                rte_pktmbuf_free(m);
        }
        return more;
    }

    /* Frames from memory, as a driver of external buffers hands them over. */
    bool again(Burst &b)
    {
        return memory_->receive(b, [this](u32 i, u8 *frame, u32 length) {
            rte_mbuf *m = &ring_[i % std::size(ring_)];
            m->buf_addr = frame;
            m->pkt_len = length;
            return rte_pktmbuf_mtod(m, u8 *);
        });
    }

    /* To each output of the port. */
    void put(u16 port, u64 time, rte_mbuf *m, u32 original)
    {
        if (!captures_)
            return leave(port, m);
        const u64 seconds = std::min<u64>(time / 1000000000, UINT32_MAX); /* that it can hold */
        u16 device = u16(options_.inputs.size());
        for (Output &out : outputs_) {
            if (out.named.port < 0 || out.named.port == port) {
                if (time / 1000000000 > UINT32_MAX && options_.log.empty())
                    throw Failure(out.named.file + ": a pcap file can't hold the time "
                                  + std::to_string(time) + " ns");
                const u32 fraction = u32(time % 1000000000) / (fine_ ? 1 : 1000);
                out.records.push_back({u32(seconds), fraction, m->pkt_len, original});
                rte_mbuf_refcnt_update(m, 1);
                leave(device, m);
            }
            device++;
        }
        rte_pktmbuf_free(m);
    }

  public:
    explicit Dpdk(Options &options) : Ethdev(options), fine_(finer(options))
    {
        std::string devices;
        size_t n = 0;
        const auto device = [&](const std::string &arguments) {
            devices += " --vdev=net_pcap" + std::to_string(n++) + "," + arguments;
        };
        const auto file = [](int fd) { return "/proc/self/fd/" + std::to_string(fd); };
        for (const std::string &name : options.live)
            device("rx_iface_in=" + name + ",tx_iface=" + name);
        for (const Named &input : options.inputs) {
            const int fd = open(input.file.c_str(), O_RDONLY | O_CLOEXEC);
            if (fd < 0 || lseek(fd, 0, SEEK_CUR))
                throw Failure(input.file + ": " + strerror(errno) + " (DPDK reads no pipes)");
            device("rx_pcap=" + file(fd));
        }
        for (const Named &output : options.outputs) {
            if (lseek(output.fd, 0, SEEK_CUR) < 0)
                throw Failure(output.file + ": DPDK writes no pipes");
            device("tx_pcap=" + file(output.fd));
            outputs_.push_back({output});
        }
        if (!options.lives())
            captures_ = std::make_unique<Captures>(options);
        begin(devices, n);
        if (options.bench)
            memory_ = std::make_unique<Memory>(*this);
    }

    bool receive(Burst &b) { return memory_ ? again(b) : captures_ ? read(b) : Ethdev::receive(b); }

    void rewind() { memory_->rewind(); }

    void send(Burst &b, u32 i, u16 port)
    {
        rte_mbuf *m = static_cast<rte_mbuf *>(std::exchange(b.owners[i], nullptr));
        put(port, b.times[i], m ? m : make(b.frames[i], b.lengths[i]), b.originals[i]);
    }

    void copy(u16 port, u64 time, const u8 *frame, u32 length, u32 original)
    {
        put(port, time, make(frame, length), original);
    }

    void finish(Burst &b)
    {
        Ethdev::finish(b);
        for (Output &out : outputs_) {
            for (const auto &record : out.records) {
                out.write(record.data(), sizeof record, out.end);
                out.end += off_t(sizeof record + record[2]);
            }
            out.records.clear();
        }
    }

    u64 lost() { return captures_ ? 0 : Ethdev::lost(); }

    void close()
    {
        Slots none;
        finish(none.burst);
        Ethdev::close();
        const u32 header[] = {fine_ ? 0xa1b23c4d : 0xa1b2c3d4, 0x40002, 0, 0, NF_MAX_CAPTURED, 1};
        for (const Output &out : outputs_)
            out.write(header, sizeof header, 0);
    }
};

}
#endif
