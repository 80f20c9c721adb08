/* Captures written by libpcap. */
#ifndef NF_OUTPUTS_HPP
#define NF_OUTPUTS_HPP
#include "nf_captures.hpp"

namespace nf {

/* What leaves by a port, or by any. */
class Output {
    const std::string name_;
    const i32 port_;
    const bool fine_, logged_; /* does a log have the exact times? */
    Pcap pcap_{nullptr, pcap_close};
    std::unique_ptr<pcap_dumper_t, void (*)(pcap_dumper_t *)> dump_{nullptr, pcap_dump_close};

    void check() const
    {
        if (!dump_ || ferror(pcap_dump_file(dump_.get())))
            throw Failure(name_ + ": " + strerror(errno));
    }

  public:
    Output(const Named &named, bool fine, bool logged)
        : name_(named.file), port_(named.port), fine_(fine), logged_(logged)
    {
        pcap_.reset(pcap_open_dead_with_tstamp_precision(
            DLT_EN10MB, NF_MAX_CAPTURED,
            fine ? PCAP_TSTAMP_PRECISION_NANO : PCAP_TSTAMP_PRECISION_MICRO));
        FILE *stream = fdopen(dup(named.fd), "w");
        if (!pcap_ || !stream)
            throw Failure(name_ + ": " + strerror(errno));
        dump_.reset(pcap_dump_fopen(pcap_.get(), stream));
        check();
    }

    void put(u16 port, u64 time, const u8 *frame, u32 length, u32 original)
    {
        if (port_ >= 0 && port_ != port)
            return;
        const u64 last = u64(UINT32_MAX) * 1000000000 + 999999999; /* that a capture can hold */
        if (time > last && !logged_)
            throw Failure(name_ + ": a pcap file can't hold the time " + std::to_string(time) + " ns");
        const u64 seconds = std::min(time, last) / 1000000000, fraction = std::min(time, last) % 1000000000;
        pcap_pkthdr header = {};
        header.ts.tv_sec = time_t(seconds);
        header.ts.tv_usec = suseconds_t(fine_ ? fraction : fraction / 1000);
        header.caplen = length;
        header.len = original;
        pcap_dump(reinterpret_cast<u8 *>(dump_.get()), &header, frame);
    }

    void flush()
    {
        pcap_dump_flush(dump_.get());
        check();
    }
};

class Outputs {
    std::vector<std::unique_ptr<Output>> outputs_;

  public:
    explicit Outputs(const Options &options)
    {
        const bool fine = finer(options);
        for (const Named &output : options.outputs)
            outputs_.push_back(std::make_unique<Output>(output, fine, !options.log.empty()));
    }

    void put(u16 port, u64 time, const u8 *frame, u32 length, u32 original)
    {
        for (const auto &output : outputs_)
            output->put(port, time, frame, length, original);
    }

    void flush()
    {
        for (const auto &output : outputs_)
            output->flush();
    }
};

}
#endif
