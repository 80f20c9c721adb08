/* Frames by DPDK's ethdev: captures and interfaces by its net_pcap driver, network cards by --eal. */
#ifndef NF_DPDK_HPP
#define NF_DPDK_HPP
#include <fcntl.h>
#include <sched.h>
#include <deque>
#include <sstream>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>
#include "nf_memory.hpp"
#include "nf_pcap.h"
#include "nf_program.hpp"

namespace nf {

class Dpdk : public Platform {
    static constexpr u16 LOT = 32, ROOMY = 256;
    static constexpr u32 LONGEST = UINT16_MAX, FLAT = 4 << 20, TRIES = 10000;

    struct Input {
        u16 device, port;
        nf_capture capture; /* beside net_pcap, which tells no ns, no length on the wire, no fault */
        nf_record record;
        rte_mbuf *mbuf;
    };
    struct Output {
        u16 device;
        i32 port; /* -1: any */
        u16 n;
        rte_mbuf *mbufs[LOT];
        u32 records[LOT][4]; /* of a capture: what net_pcap writes is the clock's time */
        off_t end;
        int fd;
        const char *name;
    };

    Options &options_;
    rte_mempool *frames_, *jumbos_;
    std::deque<Input> inputs_;
    std::deque<Output> outputs_;
    std::exception_ptr fault_;
    std::vector<u8> flat_; /* a burst's frames that came in several pieces */
    u32 used_ = 0;         /* of it */
    u64 unsent_ = 0, lost_ = 0;
    bool open_ = true;
    int stamp_ = -1;       /* where an mbuf has its time, if the driver sets it */
    std::unique_ptr<Memory> memory_; /* of --bench */
    rte_mbuf ring_[LOT] = {};

    [[noreturn]] static void fail(const std::string &what, int error = rte_errno)
    {
        throw Failure("DPDK: " + what + ": " + rte_strerror(error));
    }

    /* DPDK with the user's arguments, or with ones that need neither huge pages nor privileges. */
    void begin(const std::vector<std::string> &devices, u32 n)
    {
        std::istringstream eal(options_.eal);
        std::vector<std::string> words = {"nf"};
        for (std::string word; eal >> word;)
            words.push_back(word);
        if (options_.eal.empty())
            words.insert(words.end(), {"--no-huge", "-m", std::to_string(32 + 6 * n), "--no-pci",
                                       "--no-shconf", "--no-telemetry", "--iova-mode=va",
                                       "--log-level=error", "-l", std::to_string(sched_getcpu())});
        words.insert(words.end(), devices.begin(), devices.end());
        std::vector<char *> arguments;
        for (std::string &word : words)
            arguments.push_back(word.data());
        cpu_set_t processors;
        sched_getaffinity(0, sizeof processors, &processors);
        rte_openlog_stream(stderr);
        if (rte_eal_init(int(arguments.size()), arguments.data()) < 0)
            fail("it doesn't start");
        if (options_.eal.empty())
            sched_setaffinity(0, sizeof processors, &processors);
        frames_ = rte_pktmbuf_pool_create("frames", 4096 + 1280 * n, ROOMY, 0,
                                          RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
        jumbos_ = rte_pktmbuf_pool_create("jumbos", LOT * (n + 2), 0, 0, LONGEST, SOCKET_ID_ANY);
        if (!frames_ || !jumbos_)
            fail("memory for frames");
    }

    void start(u16 device)
    {
        rte_eth_conf conf = {};
        u16 rx = 1024, tx = 1024;
        int error = rte_eth_dev_configure(device, 1, 1, &conf);
        error = error ? error : rte_eth_dev_adjust_nb_rx_tx_desc(device, &rx, &tx);
        error = error ? error : rte_eth_rx_queue_setup(device, 0, rx, u32(SOCKET_ID_ANY), nullptr, frames_);
        error = error ? error : rte_eth_tx_queue_setup(device, 0, tx, u32(SOCKET_ID_ANY), nullptr);
        error = error ? error : rte_eth_dev_start(device);
        if (error)
            fail("port " + std::to_string(device), -error);
        rte_eth_promiscuous_enable(device);
    }

    void add(Burst &b, rte_mbuf *m, u16 port, u64 time, u32 original)
    {
        b.frames[b.n] = rte_pktmbuf_mtod(m, u8 *);
        b.lengths[b.n] = m->pkt_len;
        b.originals[b.n] = original;
        b.times[b.n] = time;
        b.ports[b.n] = port;
        if (m->nb_segs > 1) {
            flat_.resize(FLAT + LONGEST);
            rte_pktmbuf_read(m, 0, m->pkt_len, b.frames[b.n] = &flat_[used_]);
            used_ += m->pkt_len;
            rte_pktmbuf_free(m);
            m = nullptr;
        }
        b.owners[b.n++] = m;
    }

    /* Is a capture's next frame there? Else it is at its end, or its fault is in capture.error. */
    bool look(Input &in)
    {
        nf_capture &c = in.capture;
        if (in.mbuf || c.error[0] || nf_capture_next(&c, &in.record) != 1)
            return in.mbuf;
        const u32 length = in.record.length; /* net_pcap goes wrong on what is longer */
        if (length > LONGEST || !rte_eth_rx_burst(in.device, 0, &in.mbuf, 1) ||
            in.mbuf->pkt_len != length)
            nf_capture_fail(&c, c.offset + c.at, "net_pcap takes no frame of %u bytes", length);
        return !c.error[0];
    }

    /* The capture whose turn it is: by the schedule, or the earliest, of equals that named first. */
    Input *next(u64 &time)
    {
        u16 port = 0;
        const bool scheduled = options_.schedule.given();
        const bool due = scheduled && options_.schedule.next(port, time);
        Input *found = nullptr;
        for (Input &in : inputs_) {
            if (!look(in) && in.capture.error[0])
                throw Broken(in.capture.error);
            if (in.mbuf && (!due || in.port == port) &&
                (!found || in.record.time < found->record.time))
                found = &in;
        }
        if (scheduled && due != bool(found))
            throw Broken(options_.schedule.name() + (due ? ": it names a packet that is not there"
                                                         : ": it ends before the captures do"));
        time = found && !due ? found->record.time : time;
        return found;
    }

    void poll(Burst &b, Input &in, u16 most)
    {
        rte_mbuf *got[Burst::ROOM];
        const u16 n = rte_eth_rx_burst(in.device, 0, got, most);
        const u64 now = nanoseconds(CLOCK_REALTIME);
        for (u16 i = 0; i < n; i++)
            add(b, got[i], in.port,
                stamp_ < 0 ? now : 1000 * *RTE_MBUF_DYNFIELD(got[i], stamp_, u64 *), got[i]->pkt_len);
    }

    rte_mbuf *make(const u8 *frame, u32 length)
    {
        const bool jumbo = length > RTE_MBUF_DEFAULT_DATAROOM;
        rte_mbuf *m = length > LONGEST ? nullptr : rte_pktmbuf_alloc(jumbo ? jumbos_ : frames_);
        if (!m)
            throw Failure("DPDK: no room for a frame of " + std::to_string(length) + " bytes");
        m->data_off = jumbo ? 0 : m->data_off;
        memcpy(rte_pktmbuf_append(m, u16(length)), frame, length);
        return m;
    }

    /* A frame leaves by a port: as m, else as a copy, and as one to each further output of it. */
    void put(u16 port, u64 time, rte_mbuf *m, const u8 *frame, u32 length, u32 original)
    {
        for (Output &out : outputs_)
            if (out.port < 0 || out.port == port) {
                u32 *record = out.records[out.n];
                record[0] = u32(std::min<u64>(time / 1000000000, UINT32_MAX)); /* all that it can hold */
                record[1] = u32(time % 1000000000);
                record[2] = length;
                record[3] = original;
                out.mbufs[out.n++] = m ? m : make(frame, length);
                m = nullptr;
            }
        rte_pktmbuf_free(m);
        for (Output &out : outputs_)
            if (out.n == LOT)
                flush(out);
    }

    void flush(Output &out)
    {
        u16 sent = 0;
        for (u32 tries = 0; sent < out.n && tries < TRIES; tries++) {
            const u16 n = rte_eth_tx_burst(out.device, 0, out.mbufs + sent, u16(out.n - sent));
            sent = u16(sent + n);
            if (!n)
                usleep(10);
        }
        for (u16 i = 0; i < sent && out.end; out.end += 16 + out.records[i++][2])
            if (pwrite(out.fd, out.records[i], 16, out.end) < 0 && errno != ESPIPE)
                throw Failure(out.name + std::string(": ") + strerror(errno));
        unsent_ += out.n - sent;
        rte_pktmbuf_free_bulk(out.mbufs + sent, out.n - sent);
        out.n = 0;
    }

    static std::string path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

    /* A device that reads a capture: its argument. */
    std::string reader(const Named &named)
    {
        Input &in = inputs_.emplace_back();
        struct stat found;
        const int fd = open(named.file.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &found))
            throw Failure(named.file + ": " + strerror(errno));
        if (!S_ISREG(found.st_mode))
            throw Failure(named.file + ": DPDK reads captures from files only");
        if (nf_capture_open(&in.capture, fd, named.file.c_str()))
            throw Failure(in.capture.error);
        in.port = u16(named.port);
        return ",rx_pcap=" + path(fd);
    }

    std::string writer(const Named &named)
    {
        Output &out = outputs_.emplace_back();
        out.port = named.port;
        out.name = named.file.c_str();
        out.fd = named.fd;
        out.end = NF_PCAP_HEADER;
        return ",tx_pcap=" + path(out.fd);
    }

    /* Of --bench: frames from memory, as a driver of external buffers hands them over. */
    bool again(Burst &b)
    {
        const bool more = memory_->receive(b);
        u8 **frames = b.frames;
        const u32 *lengths = b.lengths, n = b.n;
        for (u32 i = 0; i < n; i++) {
            rte_mbuf *m = &ring_[i % LOT];
            m->buf_addr = frames[i];
            m->pkt_len = lengths[i];
            frames[i] = rte_pktmbuf_mtod(m, u8 *);
        }
        return more;
    }

  public:
    static constexpr const char *HELP =
        "  --eal ARGUMENTS     DPDK's own, as \"-a 0000:01:00.0 -l 2\": its ports, in order, instead\n";

    static bool option(Options &options, const std::string &name, const char *value)
    {
        options.eal = value;
        return name == "--eal";
    }

    explicit Dpdk(Options &options) : options_(options)
    {
        std::vector<std::string> devices;
        const auto device = [&](const std::string &arguments) {
            devices.push_back("--vdev=net_pcap" + std::to_string(devices.size()) + arguments);
        };
        for (const std::string &name : options.live)
            device(",rx_iface_in=" + name + ",tx_iface=" + name);
        for (const Named &input : options.inputs)
            device(reader(input));
        for (const Named &output : options.outputs)
            device(writer(output));
        begin(devices, u32(devices.size()));
        u16 id, n = 0;
        RTE_ETH_FOREACH_DEV(id) {
            start(id);
            if (options.lives()) {
                inputs_.emplace_back().port = n;
                outputs_.emplace_back().port = n;
                inputs_[n].device = outputs_[n].device = id;
            } else if (n < inputs_.size()) {
                inputs_[n].device = id;
            } else {
                outputs_[n - inputs_.size()].device = id;
            }
            n++;
        }
        if (!options.eal.empty() && n != nf_describe()->n_ports)
            throw Failure("DPDK has " + std::to_string(n) + " ports, and " + nf_describe()->name +
                          " has " + std::to_string(nf_describe()->n_ports));
        if (options.eal.empty())
            stamp_ = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, nullptr);
        if (options.bench)
            memory_ = std::make_unique<Memory>(*this);
    }

    bool receive(Burst &b)
    {
        used_ = 0;
        if (memory_)
            return again(b);
        if (options_.lives()) {
            for (Output &out : outputs_)
                flush(out); /* of timers */
            for (Input &in : inputs_)
                poll(b, in, u16(b.room / inputs_.size()));
            if (!b.n && stamp_ >= 0)
                usleep(50);
            return true;
        }
        if (fault_)
            std::rethrow_exception(fault_);
        u64 time = 0;
        try {
            for (Input *in; b.n < b.room && used_ < FLAT && (in = next(time)); in->mbuf = nullptr)
                add(b, in->mbuf, in->port, time, in->record.original);
        } catch (const Broken &) { /* after the frames that came before */
            fault_ = std::current_exception();
        }
        return b.n || fault_;
    }

    void send(Burst &b, u32 i, u16 port)
    {
        put(port, b.times[i], static_cast<rte_mbuf *>(b.owners[i]), b.frames[i], b.lengths[i],
            b.originals[i]);
        b.owners[i] = nullptr;
    }

    void copy(u16 port, u64 time, const u8 *frame, u32 length, u32 original)
    {
        put(port, time, nullptr, frame, length, original);
    }

    void rewind() { memory_->rewind(); }

    void finish(Burst &b)
    {
        rte_pktmbuf_free_bulk(reinterpret_cast<rte_mbuf **>(b.owners), b.n);
        for (Output &out : outputs_)
            flush(out);
    }

    u64 lost()
    {
        u64 sum = unsent_;
        rte_eth_stats s;
        for (const Input &in : inputs_)
            if (options_.lives() && open_ && !rte_eth_stats_get(in.device, &s))
                sum += s.imissed + s.ierrors + s.rx_nombuf;
        return open_ ? sum : lost_;
    }

    void close()
    {
        for (Output &out : outputs_)
            flush(out);
        lost_ = lost();
        open_ = false;
        u16 id;
        RTE_ETH_FOREACH_DEV(id) {
            rte_eth_dev_stop(id);
            rte_eth_dev_close(id);
        }
        rte_eal_cleanup();
    }
};

}
#endif
