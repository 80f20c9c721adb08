/* Three services in the host of onvm: a function in the way of OpenNetVM's examples, a network's,
 * and one that asks it for its state. Frames are hexadecimal lines `PORT TIME FRAME`, both ways. */
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <rte_eal.h>
#include <rte_malloc.h>
#include "onvm_host.hpp"

int onvm_nf_main(int argc, char *argv[]);

namespace {

enum : u16 { SORTER = 1, NETWORK = 2, ASKER = 3 };

const char *state_file;
rte_mbuf *kept;

using Handler = nf_pkt_handler_fn;

int start(int argc, char **argv, const char *tag, Handler handler, nf_user_actions_fn actions)
{
    onvm_nf_local_ctx *context = onvm_nflib_init_nf_local_ctx();
    onvm_nflib_start_signal_handler(context, nullptr);
    onvm_nf_function_table *table = onvm_nflib_init_nf_function_table();
    table->pkt_handler = handler;
    table->user_actions = actions;
    if (onvm_nflib_init(argc, argv, tag, context, table) < 0)
        return 1;
    onvm_nflib_run(context);
    onvm_nflib_stop(context);
    return 0;
}

/* By the last byte: 0 drops, 1 to the network, 2 asks, 3 waits for the next frame, 4 to nobody. */
int sort(rte_mbuf *packet, onvm_pkt_meta *meta, onvm_nf_local_ctx *)
{
    const int what = rte_pktmbuf_mtod(packet, u8 *)[packet->pkt_len - 1];
    meta->action = what == 0 ? ONVM_NF_ACTION_DROP : what == 1 ? ONVM_NF_ACTION_NEXT : ONVM_NF_ACTION_TONF;
    meta->destination = what == 2 ? ASKER : what == 3 ? NETWORK : 9;
    if (what == 3)
        kept = packet;
    return what == 3;
}

int release(onvm_nf_local_ctx *context)
{
    static int turns;
    if (kept && ++turns == 3) {
        onvm_nflib_return_pkt(context->nf, kept);
        kept = nullptr;
    }
    return 0;
}

int ask(rte_mbuf *packet, onvm_pkt_meta *meta, onvm_nf_local_ctx *context)
{
    auto *message = static_cast<nf_message *>(rte_zmalloc("", sizeof(nf_message), 0));
    *message = {NF_MESSAGE_MAGIC, NF_MESSAGE_SAVE, 0, {}};
    snprintf(message->file, sizeof message->file, "%s", state_file);
    onvm_nflib_send_msg_to_nf(NETWORK, message);
    onvm_nflib_send_msg_to_nf(NETWORK, rte_zmalloc("", 3, 0)); /* of somebody else's */
    onvm_nflib_send_msg_to_nf(context->nf->instance_id, nullptr);
    meta->action = ONVM_NF_ACTION_OUT;
    meta->destination = 7;
    return packet == nullptr;
}

int sorter(int argc, char **argv) { return start(argc, argv, "sorter", sort, release); }
int asker(int argc, char **argv) { return start(argc, argv, "asker", ask, nullptr); }

void show(rte_mbuf *packet, u16 port, u64 time)
{
    printf("%u %llu ", port, static_cast<unsigned long long>(time));
    for (u32 i = 0; i < packet->pkt_len; i++)
        printf("%02x", rte_pktmbuf_mtod(packet, u8 *)[i]);
    puts("");
    rte_pktmbuf_free(packet);
}

}

const std::vector<onvm::Service> onvm::services = {
    {"sorter", sorter}, {"network", onvm_nf_main}, {"asker", asker}};

int main(int, char **argv)
{
    state_file = argv[1];
    std::vector<std::string> words = {"test", "--no-huge", "-m", "16", "--no-pci", "--no-shconf",
                                      "--no-telemetry", "--iova-mode=va", "--log-level=error"};
    std::vector<char *> arguments;
    for (std::string &word : words)
        arguments.push_back(word.data());
    if (rte_eal_init(int(arguments.size()), arguments.data()) < 0)
        return 1;
    int code = 1;
    try {
        onvm::Host host({{}, {"--quiet"}, {}}, show);
        std::string text;
        for (u64 port, time; std::cin >> port >> time >> text;) {
            std::vector<u8> frame;
            for (size_t i = 0; i < text.size(); i += 2)
                frame.push_back(u8(std::stoi(text.substr(i, 2), nullptr, 16)));
            host.push(frame.data(), u32(frame.size()), u16(port), time);
        }
        code = host.stop();
    } catch (const std::exception &fault) {
        std::cerr << fault.what() << "\n";
    }
    rte_eal_cleanup();
    return code;
}
