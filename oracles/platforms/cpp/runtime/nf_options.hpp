/* The command line that all platforms share. */
#ifndef NF_OPTIONS_HPP
#define NF_OPTIONS_HPP
#include <algorithm>
#include <cmath>
#include <vector>
#include "nf_exports.h"
#include "nf_schedule.hpp"
#include "nf_told.h"

namespace nf {

struct Named { /* PORT=FILE */
    i32 port;  /* -1: any */
    std::string file;
    int fd = -1;      /* of an output, which is open when Io is made */
    bool fine = true; /* of an input that is open: may its stamps be finer than us? */
};

struct Options {
    std::vector<Named> inputs, outputs;
    std::vector<std::string> live; /* interfaces, by port */
    std::string start, state, log;
    Schedule schedule;
    bool waits = false, relative = false, drop = false, quiet = false;
    u64 until = 0;           /* ns */
    u64 count = UINT64_MAX;  /* packets */
    double idle = INFINITY;  /* s */
    double stats = INFINITY; /* s */
    u32 bench = 0;           /* rounds */
    std::string eal;         /* of DPDK: other ports than interfaces of the system's */

    /* Do frames come from outside, not from captures? */
    bool lives() const { return !live.empty() || !eal.empty(); }

    /* What can't be is told as a Failure; false: only help was asked for. `more`: takes what no
     * other platform has: is there such an option, and its value right? */
    template <class More> bool parse(int argc, char **argv, const char *help, More more);

  private:
    template <class More> void option(const std::string &name, const char *value, More more);
    void check() const;
};

[[noreturn]] inline void bad(const std::string &text) { throw Failure(text); }

inline void usage(const char *help)
{
    const nf_info *info = nf_describe();
    printf("usage: %s [options] [IN.pcap]\n\n"
           "Runs the network %s on packets, and sends what comes out.\n\n"
           "  IN.pcap             what arrives by the first port\n"
           "  -o OUT.pcap         everything that comes out\n"
           "  --in PORT=FILE      what arrives by a port; several are merged by time\n"
           "  --out PORT=FILE     what comes out by a port\n"
           "  --live IF0,IF1,...  network interfaces instead, one for each port\n"
           "  --count N           stop after N packets\n"
           "  --idle S            stop after S seconds without a packet\n"
           "  --stats S           tell every S seconds what came and went\n"
           "  --state FILE        write the state at the end, as JSON; S.bin: in binary\n"
           "  --start S.bin       start from this state, in binary\n"
           "  --until T           let time go on to T after the last packet: 5s, or +5s after it\n"
           "  --non-ip WHAT       frames that are not IP: bypass (default) or drop\n"
           "  --schedule FILE     lines `PORT TIME`: which input each packet is taken from, and ns\n"
           "  --log FILE          lines `PACKET PORT TIME`: which packet each one that left is due to\n"
           "  --bench ROUNDS      from memory to nowhere, with the clock\n"
           "  --quiet             say nothing but errors\n"
           "  --help              this text\n%s\n"
           "Ports:",
           nf_program, info->name, help);
    for (u32 i = 0; i < info->n_ports; i++)
        printf(" %s", info->ports[i]);
    printf("\nTimes are in ns, or with a unit (ns us ms s m h). An input that breaks off: what was\n"
           "before it is run and written, exit 2. SIGINT, SIGTERM and SIGHUP end a run in order.\n");
}

/* A port by its name, or else its number. */
inline i32 port_of(const std::string &text)
{
    const nf_info *info = nf_describe();
    for (u32 i = 0; i < info->n_ports; i++)
        if (text == info->ports[i])
            return i32(i);
    const size_t digits = text.find_first_not_of("0123456789");
    if (digits == text.npos && text.size() < 6 && !text.empty() && u32(stoi(text)) < info->n_ports)
        return stoi(text);
    bad(std::string(info->name) + " has no port '" + text + "'; --help lists them");
}

inline Named named(const std::string &text)
{
    const size_t equals = text.find('=');
    if (equals == text.npos || equals == 0 || equals + 1 == text.size())
        bad("'" + text + "' is not PORT=FILE");
    return {port_of(text.substr(0, equals)), text.substr(equals + 1), -1};
}

/* A number from 1 up. */
inline u64 number(const std::string &name, const char *value)
{
    char *end;
    errno = 0;
    const u64 result = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno || !result)
        bad(name + " is a number from 1 up, not '" + value + "'");
    return result;
}

inline double seconds(const std::string &name, const char *value)
{
    char *end;
    const double result = strtod(value, &end);
    if (*end || !(result > 0) || result > 1e9)
        bad(name + " is a number of seconds, not '" + value + "'");
    return result;
}

inline std::vector<std::string> listed(const std::string &text)
{
    std::vector<std::string> items;
    for (size_t at = 0, end; at <= text.size(); at = end + 1) {
        end = std::min(text.find(',', at), text.size());
        if (end == at)
            bad("'" + text + "' is not a list of interfaces");
        items.push_back(text.substr(at, end - at));
    }
    return items;
}

template <class More>
void Options::option(const std::string &name, const char *value, More more)
{
    u8 after = 0;
    if (name == "-o") {
        outputs.push_back({-1, value, -1});
    } else if (name == "--in") {
        inputs.push_back(named(value));
    } else if (name == "--out") {
        outputs.push_back(named(value));
    } else if (name == "--live") {
        live = listed(value);
    } else if (name == "--count") {
        count = number(name, value);
    } else if (name == "--idle") {
        idle = seconds(name, value);
    } else if (name == "--stats") {
        stats = seconds(name, value);
    } else if (name == "--state") {
        state = value;
    } else if (name == "--start") {
        start = value;
    } else if (name == "--schedule") {
        schedule.open(value, nf_describe()->n_ports);
    } else if (name == "--log") {
        log = value;
    } else if (name == "--bench") {
        bench = u32(std::min<u64>(number(name, value), 1000000));
    } else if (name == "--until") {
        if (nf_parse_time(value, &after, &until))
            bad("--until '" + std::string(value)
                + "' is no time; write 5s, or +5s after the last packet");
        waits = true;
        relative = after;
    } else if (name == "--non-ip") {
        drop = !strcmp(value, "drop");
        if (!drop && strcmp(value, "bypass"))
            bad("--non-ip is bypass or drop, not '" + std::string(value) + "'");
    } else if (!more(*this, name, value)) {
        bad("there is no option " + name + "; --help lists them");
    }
}

inline void Options::check() const
{
    if (lives() == !inputs.empty())
        bad(inputs.empty() ? "no packets: name IN.pcap, --in PORT=FILE or --live IF0,IF1"
                         : "packets come from captures or from interfaces, not both");
    if (lives() && (!outputs.empty() || schedule.given() || bench))
        bad("-o, --out, --schedule and --bench are of captures, not of --live");
    if (live.size() > nf_describe()->n_ports)
        bad(std::to_string(live.size()) + " interfaces, but " + nf_describe()->name + " has "
            + std::to_string(nf_describe()->n_ports) + " ports");
    if (inputs.size() > UINT8_MAX || outputs.size() > UINT8_MAX)
        bad("over 255 captures");
    bool standard = start == "-";
    for (const Named &input : inputs) {
        if (input.file == "-" && standard)
            bad("standard input is named twice");
        standard |= input.file == "-";
    }
}

template <class More>
bool Options::parse(int argc, char **argv, const char *help, More more)
{
    bool options = true, positional = false;
    for (int i = 1; i < argc; i++) {
        const std::string text = argv[i];
        if (!options || text[0] != '-' || text.size() < 2) {
            if (positional)
                bad("'" + text + "': only one IN.pcap; more come by --in PORT=FILE");
            positional = true;
            inputs.insert(inputs.begin(), {0, text, -1});
        } else if (text == "--") {
            options = false;
        } else if (text == "--help" || text == "-h") {
            usage(help);
            return false;
        } else if (text == "--quiet") {
            quiet = true;
        } else {
            const bool longer = text[1] == '-';
            const size_t cut = longer ? std::min(text.find('='), text.size()) : 2;
            const std::string name = text.substr(0, cut);
            const char *value = text.size() > cut ? argv[i] + cut + longer : argv[++i];
            if (!value)
                bad("there is no option " + name + ", or it needs a value; --help lists them");
            option(name, value, more);
        }
    }
    check();
    return true;
}

}
#endif
