// What the C++ network functions of this folder share: reading and rewriting frames, captures in and
// out, and the line protocol. Written from the RFCs, without nfverify. A frame whose headers are cut
// or contradict themselves is dropped; a frame that is neither IPv4 nor IPv6 goes out as it came.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using Bytes = std::vector<u8>;

enum { TCP = 6, UDP = 17 };
enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

struct Packet {
    Bytes data;
    bool malformed = false, fragment = false, later = false;
    int version = 0, proto = 0;
    std::size_t ip = 14, behind_ip = 0, end = 0, l4 = 0; // l4 0: no TCP, UDP or ICMP header
    u32 size = 0;

    explicit Packet(Bytes frame) : data(std::move(frame)) { malformed = !parse(); }

    u16 word(std::size_t at) const { return at + 2 > data.size() ? 0 : data[at] << 8 | data[at + 1]; }
    u32 dword(std::size_t at) const { return u32(word(at)) << 16 | word(at + 2); }
    void set_word(std::size_t at, u16 value) { data[at] = value >> 8, data[at + 1] = value & 255; }
    void set_dword(std::size_t at, u32 value) { set_word(at, value >> 16), set_word(at + 2, value & 0xffff); }

    u32 sip() const { return version == 4 ? dword(ip + 12) : 0; }
    u32 dip() const { return version == 4 ? dword(ip + 16) : 0; }
    bool has_ports() const { return l4 && (proto == TCP || proto == UDP); }
    u16 sport() const { return has_ports() ? word(l4) : 0; }
    u16 dport() const { return has_ports() ? word(l4 + 2) : 0; }
    u8 flags() const { return l4 && proto == TCP ? data[l4 + 13] & 63 : 0; }
    // Addresses of both versions, the absent one as zeros.
    std::string source() const { return address(0); }
    std::string target() const { return address(1); }
    std::string address(int which) const {
        return version == 4 ? text(ip + 12 + 4 * which, 4) + std::string(16, 0)
                            : std::string(4, 0) + text(ip + 8 + 16 * which, 16);
    }
    std::string text(std::size_t at, std::size_t length) const {
        return std::string(data.begin() + at, data.begin() + at + length);
    }

    // RFC 1624, eq. 3, for one 16-bit word.
    static u16 updated(u16 checksum, u16 before, u16 after) {
        u32 sum = u16(~checksum) + u16(~before) + u32(after);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        return ~sum;
    }
    std::size_t checksum_at() const { // of the transport header; 0: none that ports or addresses touch
        if (!l4 || (proto != TCP && proto != UDP)) return 0;
        return proto == TCP ? l4 + 16 : l4 + 6;
    }
    // One word of the transport header or the pseudo header.
    void cover(u16 before, u16 after) {
        std::size_t at = checksum_at();
        if (!at || before == after || (proto == UDP && word(at) == 0)) return;
        u16 checksum = updated(word(at), before, after);
        set_word(at, proto == UDP && checksum == 0 ? 0xffff : checksum);
    }
    // An IPv4 address; `fix` keeps the checksums right.
    void set_address(std::size_t at, u32 value, bool fix = true) {
        u32 before = dword(at);
        set_dword(at, value);
        for (int shift : {16, 0}) {
            u16 old = before >> shift, now = value >> shift;
            if (!fix || old == now) continue;
            set_word(ip + 10, updated(word(ip + 10), old, now));
            cover(old, now);
        }
    }
    void set_sip(u32 value) { set_address(ip + 12, value); }
    void set_dip(u32 value) { set_address(ip + 16, value); }
    void set_port(std::size_t at, u16 value) {
        if (!has_ports()) return;
        u16 before = word(at);
        set_word(at, value);
        cover(before, value);
    }
    void set_sport(u16 value) { set_port(l4, value); }
    void set_dport(u16 value) { set_port(l4 + 2, value); }

private:
    bool parse() {
        if (data.size() < 14) return false;
        if (tagged(12)) {
            if (data.size() < 18) return false;
            ip = 18;
            if (tagged(16)) {
                if (data.size() < 22) return false;
                ip = 22;
            }
        }
        u16 ethertype = word(ip - 2);
        if (ethertype == 0x0800) return ip4();
        return ethertype != 0x86dd || ip6();
    }
    bool tagged(std::size_t at) const { return word(at) == 0x8100 || word(at) == 0x88a8; }
    bool ip4() {
        if (data.size() < ip + 20 || data[ip] >> 4 != 4) return false;
        std::size_t header = (data[ip] & 15) * 4;
        size = word(ip + 2);
        if (header < 20 || size < header || data.size() < ip + header) return false;
        version = 4, proto = data[ip + 9];
        end = std::min(data.size(), ip + size);
        fragment = word(ip + 6) & 0x3fff, later = word(ip + 6) & 0x1fff;
        return transport(ip + header, 1);
    }
    bool ip6() {
        if (data.size() < ip + 40 || data[ip] >> 4 != 6) return false;
        version = 6, proto = data[ip + 6], size = word(ip + 4) + 40u;
        end = std::min(data.size(), ip + size);
        std::size_t at = ip + 40;
        for (int i = 0; i < 8 && (proto == 0 || proto == 43 || proto == 44 || proto == 60); i++) {
            if (at + 8 > end) return false;
            std::size_t length = proto == 44 ? 8 : (data[at + 1] + 1) * 8;
            if (at + length > end) return false;
            if (proto == 44) {
                fragment |= (word(at + 2) & 0xfff9) != 0;
                later |= (word(at + 2) & 0xfff8) != 0;
            }
            proto = data[at], at += length;
            if (later) break;
        }
        return transport(at, 58);
    }
    bool transport(std::size_t at, int icmp) {
        behind_ip = at;
        std::size_t least = proto == TCP ? 20 : proto == UDP || proto == icmp ? 8 : 0;
        if (later || !least) return true;
        if (at + least > end) return false;
        if (proto == TCP) {
            std::size_t header = (data[at + 12] >> 4) * 4;
            if (header < 20 || at + header > end) return false;
        }
        l4 = at;
        return true;
    }
};

// Captures: in any byte order of ours, out with nanoseconds.
inline std::FILE *opened(const char *name, const char *mode) {
    std::FILE *file = std::fopen(name, mode);
    if (!file) std::perror(name), std::exit(1);
    return file;
}

template <class Handle> void captures(const char *in, const char *out, Handle handle) {
    std::FILE *from = opened(in, "rb"), *to = opened(out, "wb");
    u32 head[6], record[4];
    if (std::fread(head, 4, 6, from) != 6 || (head[0] != 0xa1b23c4d && head[0] != 0xa1b2c3d4))
        std::fputs("no capture\n", stderr), std::exit(1);
    u64 unit = head[0] == 0xa1b23c4d ? 1 : 1000, latest = 0;
    head[0] = 0xa1b23c4d;
    std::fwrite(head, 4, 6, to);
    while (std::fread(record, 4, 4, from) == 4) {
        Bytes frame(record[2]);
        if (std::fread(frame.data(), 1, frame.size(), from) != frame.size()) std::exit(1);
        latest = std::max(latest, record[0] * u64(1000000000) + record[1] * unit);
        Packet packet(std::move(frame));
        if (packet.malformed || (packet.version && !handle(packet, latest))) continue;
        record[0] = latest / 1000000000, record[1] = latest % 1000000000;
        std::fwrite(record, 4, 4, to);
        std::fwrite(packet.data.data(), 1, packet.data.size(), to);
    }
    std::fclose(from);
    if (std::fclose(to)) std::exit(1);
}

// The line protocol: TIME PORT HEX in, PORT HEX or an empty line out.
template <class Handle> void lines(Handle handle) {
    std::vector<char> line(1 << 20);
    u64 latest = 0;
    while (std::fgets(line.data(), line.size(), stdin)) {
        char *rest;
        latest = std::max<u64>(latest, std::strtoull(line.data(), &rest, 10));
        int port = std::strtol(rest, &rest, 10);
        while (*rest == ' ') rest++;
        Bytes frame;
        for (unsigned byte; std::sscanf(rest, "%2x", &byte) == 1; rest += 2) frame.push_back(byte);
        Packet packet(std::move(frame));
        if (!packet.malformed && (!packet.version || handle(packet, latest))) {
            std::printf("%d ", 1 - port);
            for (u8 byte : packet.data) std::printf("%02x", byte);
        }
        std::putchar('\n');
        std::fflush(stdout);
    }
}

inline bool bug(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (!std::strcmp(argv[i], "--bug")) return true;
    return false;
}
