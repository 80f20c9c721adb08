/* Network interfaces by packet sockets (packet(7)): rings of TPACKET_V3 in, sendmmsg out. */
#ifndef NF_INTERFACES_HPP
#define NF_INTERFACES_HPP
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>
#include "nf_program.hpp"

namespace nf {

constexpr u32 VLAN_TAG = 4;

struct Socket {
    const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    Socket() = default;
    Socket(const Socket &) = delete;
    Socket &operator=(const Socket &) = delete;
    ~Socket()
    {
        if (fd >= 0)
            close(fd);
    }
};

struct Mapping {
    u8 *data = nullptr;
    size_t bytes = 0;

    Mapping() = default;
    Mapping(const Mapping &) = delete;
    Mapping &operator=(const Mapping &) = delete;
    ~Mapping()
    {
        if (data)
            munmap(data, bytes);
    }
};

class Interface {
    static constexpr u32 BLOCK = 1 << 18, BLOCKS = 128; /* 32 MiB: an eighth of a second at 2 Gbit/s */
    static constexpr u32 TRIES = 20000, PAUSE = 50;     /* of sending; us */

    const std::string name_;
    const bool quiet_;
    const Socket socket_;
    Mapping ring_;
    u32 block_ = 0, rest_ = 0; /* the block that is read, and its packets that are still to come */
    u8 *packet_ = nullptr;     /* the next of them */
    std::vector<u32> done_;    /* blocks that the burst is the last to need */
    u64 lost_ = 0;
    u32 n_ = 0; /* frames to send */
    iovec parts_[Burst::ROOM];
    mmsghdr messages_[Burst::ROOM];
    bool warned_ = false;

    [[noreturn]] void fail(const char *what) const
    {
        throw Failure(name_ + ": " + what + ": " + strerror(errno));
    }

    template <class T> void set(int option, const T &value, const char *what) const
    {
        if (setsockopt(socket_.fd, SOL_PACKET, option, &value, sizeof value))
            fail(what);
    }

    tpacket_block_desc *block() const
    {
        return reinterpret_cast<tpacket_block_desc *>(ring_.data + size_t(block_) * BLOCK);
    }

    /* Frames that the system puts together, or whose checksums it leaves open, are not what was sent. */
    void warn(const char *what) const
    {
        if (quiet_)
            return;
        fprintf(stderr, "%s: warning: %s: %s (ethtool -K INTERFACE gro off lro off; at the sender tx off "
                        "tso off gso off)\n", nf_program, name_.c_str(), what);
    }

    void look_at_offloads() const
    {
        ethtool_value value = {ETHTOOL_GGRO, 0};
        ifreq request = {};
        name_.copy(request.ifr_name, sizeof request.ifr_name - 1);
        request.ifr_data = reinterpret_cast<char *>(&value);
        if (!ioctl(socket_.fd, SIOCETHTOOL, &request) && value.data)
            warn("generic receive offload is on, which may join packets");
    }

    void open_ring()
    {
        set(PACKET_VERSION, int(TPACKET_V3), "TPACKET_V3");
        set(PACKET_RESERVE, VLAN_TAG, "PACKET_RESERVE");
        set(PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
        tpacket_req3 request = {};
        request.tp_block_size = BLOCK;
        request.tp_block_nr = BLOCKS;
        request.tp_frame_size = 2048;
        request.tp_frame_nr = BLOCK / 2048 * BLOCKS;
        request.tp_retire_blk_tov = 1; /* ms */
        set(PACKET_RX_RING, request, "a ring for packets");
        void *ring = mmap(nullptr, size_t(BLOCK) * BLOCKS, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_POPULATE, socket_.fd, 0);
        if (ring == MAP_FAILED)
            fail("a ring for packets");
        ring_.data = static_cast<u8 *>(ring);
        ring_.bytes = size_t(BLOCK) * BLOCKS;
    }

    void bind_to(unsigned index)
    {
        sockaddr_ll address = {};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL); /* from here on packets come */
        address.sll_ifindex = int(index);
        int error = 0;
        socklen_t length = sizeof error;
        if (bind(socket_.fd, reinterpret_cast<sockaddr *>(&address), sizeof address))
            fail("binding to it");
        getsockopt(socket_.fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if ((errno = error))
            fail("binding to it");
        packet_mreq all = {};
        all.mr_ifindex = int(index);
        all.mr_type = PACKET_MR_PROMISC;
        set(PACKET_ADD_MEMBERSHIP, all, "promiscuous mode");
    }

    tpacket3_hdr *header() const { return reinterpret_cast<tpacket3_hdr *>(packet_); }

    /* The frame with the tag that the kernel took out of it. */
    u8 *tagged(u8 *frame, const tpacket3_hdr *h, u32 &length)
    {
        frame -= VLAN_TAG;
        length += VLAN_TAG;
        memmove(frame, frame + VLAN_TAG, 12);
        nf_put16(frame + 12, h->tp_status & TP_STATUS_VLAN_TPID_VALID ? h->hv1.tp_vlan_tpid : 0x8100);
        nf_put16(frame + 14, u16(h->hv1.tp_vlan_tci));
        return frame;
    }

  public:
    Interface(const std::string &name, bool quiet) : name_(name), quiet_(quiet)
    {
        if (socket_.fd < 0)
            fail("a packet socket");
        const unsigned index = if_nametoindex(name.c_str());
        if (!index)
            fail("there is no such interface");
        look_at_offloads();
        open_ring();
        bind_to(index);
    }

    int descriptor() const { return socket_.fd; }

    /* Is there a packet? */
    bool look()
    {
        while (!rest_) {
            tpacket_block_desc *const b = block();
            if (!(__atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
                return false;
            rest_ = b->hdr.bh1.num_pkts;
            packet_ = reinterpret_cast<u8 *>(b) + b->hdr.bh1.offset_to_first_pkt;
            if (!rest_)
                next_block();
        }
        return true;
    }

    u64 time() const { return u64(header()->tp_sec) * 1000000000 + header()->tp_nsec; }

    /* The packet that look() has found, as frame b.n. */
    void take(Burst &b, u16 port)
    {
        const tpacket3_hdr *const h = header();
        u32 length = h->tp_snaplen;
        u8 *frame = packet_ + h->tp_mac;
        if ((h->tp_status & TP_STATUS_CSUMNOTREADY) && !std::exchange(warned_, true))
            warn("packets come without checksums");
        b.times[b.n] = time();
        b.ports[b.n] = port;
        b.originals[b.n] = h->tp_len;
        if (h->tp_status & TP_STATUS_VLAN_VALID) {
            frame = tagged(frame, h, length);
            b.originals[b.n] += VLAN_TAG;
        }
        b.frames[b.n] = frame;
        b.lengths[b.n] = length;
        b.n++;
        packet_ += h->tp_next_offset;
        if (!--rest_)
            next_block();
    }

    void next_block()
    {
        done_.push_back(block_);
        block_ = (block_ + 1) % BLOCKS;
    }

    void release()
    {
        for (u32 number : done_) {
            auto *b = reinterpret_cast<tpacket_block_desc *>(ring_.data + size_t(number) * BLOCK);
            __atomic_store_n(&b->hdr.bh1.block_status, u32(TP_STATUS_KERNEL), __ATOMIC_RELEASE);
        }
        done_.clear();
    }

    /* The frame stays where it is until flush(). */
    void put(const u8 *frame, u32 length)
    {
        parts_[n_] = {const_cast<u8 *>(frame), length};
        messages_[n_] = {};
        messages_[n_].msg_hdr.msg_iov = &parts_[n_];
        messages_[n_].msg_hdr.msg_iovlen = 1;
        if (++n_ == Burst::ROOM)
            flush();
    }

    void flush()
    {
        u32 tries = 0;
        for (u32 sent = 0; sent < n_;) {
            const int done = sendmmsg(socket_.fd, messages_ + sent, n_ - sent, 0);
            if (done > 0) {
                sent += u32(done);
                tries = 0;
            } else if (errno == ENOBUFS || errno == EAGAIN || errno == EINTR) {
                if (++tries == TRIES || (stopped && tries > TRIES / 20)) { /* a second; 50 ms */
                    lost_ += n_ - sent;
                    break;
                }
                usleep(PAUSE);
            } else { /* longer than the interface takes, shorter than a header, or it is down */
                lost_++;
                sent++;
            }
        }
        n_ = 0;
    }

    u64 lost()
    {
        tpacket_stats_v3 counts = {};
        socklen_t length = sizeof counts;
        if (!getsockopt(socket_.fd, SOL_PACKET, PACKET_STATISTICS, &counts, &length))
            lost_ += counts.tp_drops; /* since the last time */
        return lost_;
    }

    /* What poll() has found wrong. */
    void check(short events)
    {
        int error = 0;
        socklen_t length = sizeof error;
        if (!(events & (POLLERR | POLLNVAL)))
            return;
        getsockopt(socket_.fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error)
            throw Broken(name_ + ": " + strerror(error));
    }
};

class Interfaces {
    static constexpr int PATIENCE = 20; /* ms */

    std::vector<std::unique_ptr<Interface>> all_;
    std::vector<pollfd> polled_;

  public:
    explicit Interfaces(const Options &options)
    {
        std::string names;
        for (const std::string &name : options.live) {
            names += (names.empty() ? "" : ", ") + name;
            all_.push_back(std::make_unique<Interface>(name, options.quiet));
            polled_.push_back({all_.back()->descriptor(), POLLIN, 0});
        }
        if (!options.quiet)
            fprintf(stderr, "%s: running on %s\n", nf_program, names.c_str());
    }

    /* What is there, in order of time. */
    bool receive(Burst &b)
    {
        while (b.n < b.room) {
            u16 first = UINT16_MAX;
            for (u16 i = 0; i < all_.size(); i++)
                if (all_[i]->look() && (first == UINT16_MAX || all_[i]->time() < all_[first]->time()))
                    first = i;
            if (first != UINT16_MAX) {
                all_[first]->take(b, first);
                continue;
            }
            if (b.n || poll(polled_.data(), polled_.size(), PATIENCE) <= 0)
                break;
            for (u32 i = 0; i < all_.size(); i++)
                all_[i]->check(polled_[i].revents);
        }
        return true;
    }

    /* Frames to ports without an interface are lost. */
    void put(u16 port, const u8 *frame, u32 length)
    {
        if (port < all_.size())
            all_[port]->put(frame, length);
        else
            unsent_++;
    }

    void flush()
    {
        for (const auto &interface : all_)
            interface->flush();
        for (const auto &interface : all_)
            interface->release();
    }

    u64 lost()
    {
        u64 sum = unsent_;
        for (const auto &interface : all_)
            sum += interface->lost();
        return sum;
    }

  private:
    u64 unsent_ = 0;
};

}
#endif
