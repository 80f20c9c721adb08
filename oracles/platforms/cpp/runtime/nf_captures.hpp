/* Captures read by libpcap, merged by time or in a schedule's order. */
#ifndef NF_CAPTURES_HPP
#define NF_CAPTURES_HPP
#include <fcntl.h>
#include <memory>
#include <pcap/pcap.h>
#include <unistd.h>
#include <utility>
#include <vector>
#include "nf_pcap.h"
#include "nf_program.hpp"

namespace nf {

using File = std::unique_ptr<FILE, int (*)(FILE *)>;
using Pcap = std::unique_ptr<pcap_t, void (*)(pcap_t *)>;

/* A capture's bytes on their way to libpcap, without what the header says of the longest packet:
 * libpcap would cut those that are longer. */
class Bytes {
    int fd_;
    u64 offset_ = 0;
    bool classic_ = false, fine_ = true; /* stamps in ns, as far as is known */

    static ssize_t read(void *cookie, char *data, size_t room)
    {
        Bytes &self = *static_cast<Bytes *>(cookie);
        ssize_t got;
        do
            got = ::read(self.fd_, data, room);
        while (got < 0 && errno == EINTR && !stopped);
        if (got >= 4 && !self.offset_) {
            const u32 magic = nf_ld32(data);
            self.classic_ = magic == 0xa1b2c3d4 || magic == 0xa1b23c4d || magic == 0xd4c3b2a1
                            || magic == 0x4d3cb2a1;
            self.fine_ = magic != 0xa1b2c3d4 && magic != 0xd4c3b2a1;
        }
        for (u64 at = 16; self.classic_ && at < 20; at++)
            if (at >= self.offset_ && got > 0 && at - self.offset_ < u64(got))
                data[at - self.offset_] = 0;
        self.offset_ += got > 0 ? u64(got) : 0;
        return got < 0 && stopped ? 0 : got;
    }

  public:
    explicit Bytes(const std::string &name)
        : fd_(name == "-" ? dup(STDIN_FILENO) : open(name.c_str(), O_RDONLY | O_CLOEXEC))
    {
        if (fd_ < 0)
            throw Failure(name + ": " + strerror(errno));
    }
    Bytes(const Bytes &) = delete;
    Bytes &operator=(const Bytes &) = delete;
    ~Bytes() { ::close(fd_); }

    bool fine() const { return fine_; }

    FILE *stream() { return fopencookie(this, "r", {read, nullptr, nullptr, nullptr}); }
};

/* One capture: its packets in order. */
class Input {
    const std::string name_;
    Bytes bytes_;
    Pcap pcap_{nullptr, pcap_close};
    pcap_pkthdr *header_ = nullptr;
    const u8 *data_ = nullptr;
    u64 time_ = 0;

    [[noreturn]] void broken(const std::string &what) const { throw Broken(name_ + ": " + what); }

  public:
    const u16 number, port;

    Input(const Named &named, u16 place)
        : name_(named.file), bytes_(named.file), number(place), port(u16(named.port))
    {
        char error[PCAP_ERRBUF_SIZE];
        FILE *stream = bytes_.stream();
        if (!stream)
            throw std::bad_alloc();
        pcap_.reset(
            pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, error));
        if (!pcap_) {
            fclose(stream);
            throw Failure(name_ + ": " + error);
        }
        const int link = pcap_datalink(pcap_.get());
        if (link != DLT_EN10MB)
            throw Failure(name_ + ": link type " + std::to_string(link) + ", not Ethernet (1)");
    }

    /* Is there a next packet? Broken. */
    bool look()
    {
        if (data_)
            return true;
        const int state = pcap_next_ex(pcap_.get(), &header_, &data_);
        if (state != 1) {
            data_ = nullptr;
            if (state != PCAP_ERROR_BREAK && !stopped)
                broken(pcap_geterr(pcap_.get()));
            return false;
        }
        const u8 *const data = data_;
        data_ = nullptr;
        const i64 fraction = header_->ts.tv_usec; /* ns */
        /* libpcap reads 32 bits of seconds as signed ones. */
        const i64 read = header_->ts.tv_sec, seconds = read < 0 && read == i32(read) ? u32(read) : read;
        if (seconds < 0 || u64(seconds) >= NF_TIME_LIMIT / 1000000000)
            broken("a packet's time is not below 2^62 ns");
        if (fraction < 0 || fraction >= 1000000000)
            broken("the fraction of a packet's second is not below 1");
        if (header_->caplen > NF_MAX_CAPTURED)
            broken("a packet of over " + std::to_string(NF_MAX_CAPTURED) + " bytes");
        time_ = u64(seconds) * 1000000000 + u64(fraction);
        data_ = data;
        return true;
    }

    bool fine() const { return bytes_.fine(); }
    u64 time() const { return time_; }
    u32 length() const { return header_->caplen; }
    u32 original() const { return std::max(header_->len, header_->caplen); }
    const u8 *take() { return std::exchange(data_, nullptr); }
};

/* Are a capture's stamps finer than us? As far as its first packet tells; of a pipe's, if its first
 * bytes don't say no. */
inline bool finer(const std::string &name)
{
    struct stat found;
    if (stat(name.c_str(), &found) || !S_ISREG(found.st_mode))
        return true; /* opening a pipe again may wait for ever */
    const int fd = open(name.c_str(), O_RDONLY | O_CLOEXEC);
    bool fine = true;
    if (fd >= 0) {
        nf_capture capture;
        nf_record record;
        if (!nf_capture_open(&capture, fd, name.c_str()))
            nf_capture_next(&capture, &record);
        fine = capture.finer;
        nf_capture_close(&capture);
    }
    if (fd >= 0)
        ::close(fd);
    return fine;
}

/* The resolution of outputs is that of the inputs: is one finer than us? */
inline bool finer(const Options &options)
{
    const auto fine = [](const Named &input) { return input.fine && finer(input.file); };
    return std::any_of(options.inputs.begin(), options.inputs.end(), fine);
}

class Captures {
    static constexpr u32 BYTES = 4 << 20; /* of a burst's frames */

    Schedule &schedule_;
    std::vector<std::unique_ptr<Input>> inputs_;
    std::vector<u8> data_ = std::vector<u8>(BYTES);
    std::string broken_;
    u16 port_ = 0;
    u64 time_ = 0;
    bool due_ = false; /* port_ and time_ are of the next packet */

    /* The input whose turn it is, and the packet's time; NULL: the end. Broken. */
    Input *next()
    {
        const bool given = schedule_.given();
        if (given && !due_)
            due_ = schedule_.next(port_, time_);
        Input *found = nullptr;
        for (const auto &input : inputs_)
            if (input->look() && (!given || !due_ || input->port == port_)
                && (!found || input->time() < found->time()))
                found = input.get();
        if (stopped)
            return nullptr;
        if (given && due_ != bool(found))
            throw Broken(schedule_.name() + (due_ ? ": it names a packet that is not there"
                                                  : ": it ends before the captures do"));
        if (found && !given)
            time_ = found->time();
        return found;
    }

    bool fill(Burst &b)
    {
        for (u32 used = 0; b.n < b.room; b.n++) {
            Input *input = next();
            if (!input)
                return false;
            if (used + input->length() > BYTES)
                return true;
            due_ = false;
            b.lengths[b.n] = input->length();
            b.originals[b.n] = input->original();
            b.times[b.n] = time_;
            b.ports[b.n] = input->port;
            b.owners[b.n] = input;
            b.frames[b.n] = &data_[used];
            memcpy(b.frames[b.n], input->take(), b.lengths[b.n]);
            used += b.lengths[b.n];
        }
        return true;
    }

  public:
    explicit Captures(Options &options) : schedule_(options.schedule)
    {
        for (Named &input : options.inputs) {
            inputs_.push_back(std::make_unique<Input>(input, u16(inputs_.size())));
            input.fine = inputs_.back()->fine();
        }
    }

    /* Owners are the Inputs. */
    bool receive(Burst &b)
    {
        if (broken_.empty()) {
            try {
                return fill(b);
            } catch (const Broken &fault) {
                broken_ = fault.what();
            }
        }
        if (!b.n)
            throw Broken(broken_);
        return true;
    }

    void finish(Burst &) {}
};

}
#endif
