/* The program of a platform: its command line, and its loop from frames to frames. */
#ifndef NF_PROGRAM_HPP
#define NF_PROGRAM_HPP
#include <csignal>
#include <ctime>
#include "nf_cpu.h"
#include "nf_measure.hpp"
#include "nf_network.hpp"
#include "nf_report.h"

namespace nf {

inline volatile sig_atomic_t stopped; /* the signal that ends the run */

inline u64 nanoseconds(clockid_t clock)
{
    timespec now;
    clock_gettime(clock, &now);
    return u64(now.tv_sec) * 1000000000 + u64(now.tv_nsec);
}

/* What the Io of a platform has, besides what this leaves open. */
class Platform {
  public:
    /* explicit Io(Options &);        opens; Failure
     * bool receive(Burst &);         up to `room` frames, none: nothing has come within 0.1 s; false:
     *                                the end; Broken
     * void send(Burst &, u32 i, u16 port);  frame i, as it is now, leaves
     * void copy(u16 port, u64 time, const u8 *frame, u32 length, u32 original);  of networks that
     *                                are not simple: a frame leaves; those of the burst are dropped */
    static constexpr const char *HELP = "";
    static bool option(Options &, const std::string &, const char *) { return false; }
    void drop(Burst &, u32) {}
    void finish(Burst &) {}           /* the burst is done: flush */
    void rewind() {}                  /* of --bench: the frames as they were, from the first */
    void close() {}                   /* everything went well: what is written stays */
    u64 lost() { return 0; }          /* frames that were there and could not be received or sent */
};

template <class Io, class Engine> class Loop {
    static constexpr u64 GRACE = 20000000; /* ns: a frame's stamp may be so old when it is received */

    const Options &options_;
    Io &io_;
    Engine &engine_;
    FILE *log_;
    const bool simple_ = nf_describe()->simple, ticks_;
    u64 arrived_ = 0, left_ = 0, latest_;
    u64 last_ = nanoseconds(CLOCK_MONOTONIC), told_ = last_;

    void note(u64 cause, u16 port, u64 time)
    {
        left_++;
        if (log_)
            fprintf(log_, "%llu %u %llu\n", (unsigned long long)cause, port, (unsigned long long)time);
    }

    void check(i32 error)
    {
        if (error)
            throw Failure(nf_error_text(error));
    }

    void send_sent()
    {
        const nf_outputs &sent = engine_.sent();
        for (u32 i = 0; i < sent.count; i++) {
            const nf_output &o = sent.items[i];
            note(arrived_ + o.cause, o.port, o.time);
            io_.copy(o.port, o.time, o.data, o.length, o.original);
        }
    }

    void step(Burst &b)
    {
        for (u32 i = 0; i < b.n; i++)
            b.times[i] = latest_ = std::max(latest_, b.times[i]);
        const i32 error = engine_.push(b);
        check(error ? error : engine_.flush());
        if (!simple_)
            send_sent();
        for (u32 i = 0; i < b.n; i++) {
            if (simple_ && b.verdicts[i] >= 0) {
                note(arrived_ + i, u16(b.verdicts[i]), b.times[i]);
                io_.send(b, i, u16(b.verdicts[i]));
            } else {
                io_.drop(b, i);
            }
        }
        io_.finish(b);
        engine_.clear();
        arrived_ += b.n;
    }

    /* Nothing has come: timers fire by the clock. */
    void wait()
    {
        const u64 now = nanoseconds(CLOCK_REALTIME) - GRACE;
        if (!ticks_ || !arrived_ || now <= latest_)
            return;
        latest_ = now;
        advance(now);
    }

    void tell()
    {
        const u64 lost = io_.lost();
        if (lost)
            fprintf(stderr, "%llu lost; ", (unsigned long long)lost);
        nf_summary(engine_.counters(), arrived_, left_);
    }

    /* Is it time to end? */
    bool over(u32 n)
    {
        const u64 now = nanoseconds(CLOCK_MONOTONIC);
        last_ = n ? now : last_;
        if (double(now - told_) >= options_.stats * 1e9) {
            told_ = now;
            tell();
        }
        return stopped || arrived_ >= options_.count || double(now - last_) >= options_.idle * 1e9;
    }

  public:
    Loop(const Options &options, Io &io, Engine &engine, FILE *log)
        : options_(options), io_(io), engine_(engine), log_(log),
          ticks_(options.lives() && nf_describe()->has_timers), latest_(engine.now())
    {
    }

    /* To the end of the input: throws Broken where it breaks off. */
    void run()
    {
        Slots slots;
        for (bool more = true; more;) {
            slots.reset();
            Burst &b = slots.burst;
            b.room = u32(std::min<u64>(Burst::ROOM, options_.count - arrived_));
            more = io_.receive(b);
            if (b.n)
                step(b);
            else if (more)
                wait();
            more = more && !over(b.n);
        }
    }

    void advance(u64 time)
    {
        check(engine_.advance(time));
        send_sent();
        Slots none;
        io_.finish(none.burst);
        engine_.clear();
    }

    void until()
    {
        const u64 now = options_.relative ? engine_.now() : 0;
        if (options_.until >= NF_TIME_LIMIT || options_.until + now >= NF_TIME_LIMIT)
            throw Failure("--until: times are below 2^62 ns");
        advance(options_.until + now);
    }

    void summary()
    {
        if (!options_.quiet)
            tell();
    }
};

inline void signals()
{
    struct sigaction action = {};
    action.sa_handler = [](int number) { stopped = number; };
    for (int number : {SIGINT, SIGTERM, SIGHUP})
        sigaction(number, &action, nullptr);
    signal(SIGPIPE, SIG_IGN);
}

template <class Io, class Engine> int work(Options &options)
{
    Engine engine(options);
    std::unique_ptr<FILE, int (*)(FILE *)> lines(nullptr, fclose);
    std::vector<Target> outputs;
    std::vector<const char *> written;
    for (const Named &output : options.outputs)
        written.push_back(output.file.c_str());
    if (!options.state.empty())
        written.push_back(options.state.c_str());
    if (nf_check_written(written.data(), u32(written.size())))
        throw Told();
    if (!options.log.empty()) {
        lines.reset(fopen(options.log.c_str(), "we"));
        if (!lines)
            throw Failure(options.log + ": " + strerror(errno));
    }
    for (Named &output : options.outputs)
        output.fd = outputs.emplace_back(output.file).descriptor();
    Target state;
    if (!options.state.empty())
        state = Target(options.state);
    Io io(options);
    Loop<Io, Engine> loop(options, io, engine, lines.get());
    std::string broken;
    try {
        loop.run();
        if (options.waits && !stopped)
            loop.until();
    } catch (const Broken &fault) {
        broken = fault.what();
    }
    io.close();
    if (lines && (ferror(lines.get()) || fflush(lines.get())))
        throw Failure(options.log + ": " + strerror(errno));
    if (!options.state.empty())
        engine.save(state);
    for (Target &output : outputs)
        output.keep();
    state.keep();
    loop.summary();
    if (broken.empty())
        return stopped ? 128 + stopped : 0;
    nf_complain("%s", broken.c_str());
    fprintf(stderr, "What was before it was run, and its outputs are written.\n");
    return 2;
}

/* A platform's main. */
template <class Io, class Engine = Network> int run(int argc, char **argv)
{
    nf_program = nf_describe()->name; /* what is built for a cache has another */
    const char *lacks = nf_cpu_lacks();
    if (lacks)
        return nf_complain("needs a processor with %s", lacks);
    try {
        Options options;
        if (!options.parse(argc, argv, Io::HELP, Io::option))
            return 0;
        signals();
        return options.bench ? measure<Io, Engine>(options) : work<Io, Engine>(options);
    } catch (const Told &) {
        return 2;
    } catch (const std::bad_alloc &) {
        return nf_complain("out of memory");
    } catch (const std::exception &fault) {
        return nf_complain("%s", fault.what());
    }
}

}
#endif
