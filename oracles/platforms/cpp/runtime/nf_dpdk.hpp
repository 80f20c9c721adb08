/* Frames by DPDK's ethdev: captures and interfaces by its net_pcap driver, network cards by --eal. */
#ifndef NF_DPDK_HPP
#define NF_DPDK_HPP
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>
#include <algorithm>
#include <memory>
#include <sstream>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>
#include "nf_program.hpp"

namespace nf {

class Dpdk {
  public:
    explicit Dpdk(const Options &options) : live_(!options.live.empty() || !options.eal.empty())
    {
        std::vector<std::string> words = {"nf"}, devices;
        std::istringstream eal(options.eal);
        for (std::string word; eal >> word;)
            words.push_back(word);
        const auto add = [&](const std::string &arguments) {
            devices.push_back("net_pcap" + std::to_string(devices.size()));
            words.push_back("--vdev=" + devices.back() + arguments);
        };
        for (const std::string &name : options.live)
            add(",rx_iface_in=" + name + ",tx_iface=" + name);
        for (const auto &input : options.inputs)
            add(",rx_pcap=" + path(input.file, O_RDONLY));
        for (const auto &output : options.outputs)
            add(",tx_pcap=" + path(output.file, O_WRONLY | O_CREAT));
        const unsigned room = 8192 + 4096 * unsigned(devices.size()); /* mbufs */
        if (options.eal.empty())
            for (const char *word : {"--no-huge", "-m", "", "--no-pci", "--no-shconf", "--no-telemetry",
                                     "--iova-mode=va", "--log-level=error", "-l", ""})
                words.push_back(*word ? word : words.back() == "-m" ? std::to_string(16 + room / 400)
                                                                    : std::to_string(sched_getcpu()));
        std::vector<char *> argv;
        for (std::string &word : words)
            argv.push_back(word.data());
        cpu_set_t processors;
        sched_getaffinity(0, sizeof processors, &processors);
        rte_openlog_stream(stderr);
        if (rte_eal_init(int(argv.size()), argv.data()) < 0)
            fail("rte_eal_init");
        if (options.eal.empty()) /* not this one processor only */
            sched_setaffinity(0, sizeof processors, &processors);
        pool_ = rte_pktmbuf_pool_create("frames", room, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
        if (!pool_)
            fail("rte_pktmbuf_pool_create");
        if (!options.eal.empty()) {
            u16 id;
            RTE_ETH_FOREACH_DEV(id)
                both(id);
        }
        for (size_t i = 0; i < devices.size(); i++) {
            u16 id;
            if (rte_eth_dev_get_port_by_name(devices[i].c_str(), &id))
                fail("rte_eth_dev_get_port_by_name");
            const size_t files = i - options.live.size();
            if (i < options.live.size())
                both(id);
            else if (files < options.inputs.size())
                inputs_.push_back({start(id), options.inputs[files].port});
            else
                outputs_.push_back({start(id), options.outputs[files - options.inputs.size()].port});
        }
        stamp_ = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, nullptr);
    }

    bool receive(Burst &b)
    {
    }
};

}
#endif
