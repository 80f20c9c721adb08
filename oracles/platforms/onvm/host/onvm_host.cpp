#include "onvm_host.hpp"
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <rte_malloc.h>

int onvm_meta_offset;

namespace onvm {
namespace {

constexpr unsigned PACKETS = 1023, RING = 1024;
constexpr u16 LONGEST = UINT16_MAX; /* bytes of a packet, without headroom */

[[noreturn]] void fail(const std::string &what) { throw std::runtime_error(what); }

int field(const char *name, size_t size)
{
    rte_mbuf_dynfield wanted = {};
    snprintf(wanted.name, sizeof wanted.name, "%s", name);
    wanted.size = size;
    wanted.align = 8;
    const int offset = rte_mbuf_dynfield_register(&wanted);
    if (offset < 0)
        fail(std::string("no room in packets for ") + name);
    return offset;
}

/* Packets in memory of their own: DPDK's is as small as its driver lets it be. */
rte_mempool *packet_pool()
{
    rte_pktmbuf_pool_private room = {};
    room.mbuf_data_room_size = LONGEST;
    rte_mempool *pool = rte_mempool_create_empty(PKTMBUF_POOL_NAME, PACKETS,
                                                 sizeof(rte_mbuf) + LONGEST, 0, sizeof room,
                                                 SOCKET_ID_ANY, 0);
    if (pool)
        rte_pktmbuf_pool_init(pool, &room);
    if (!pool || rte_mempool_populate_anon(pool) < 0)
        fail("no memory for packets");
    rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
    return pool;
}

}

/* A function in its thread, which waits in onvm_nflib_run while the host calls its handlers. */
class Running {
  public:
    enum State { STARTING, READY, STOPPING, ENDED };

    Running(const Service &service, u16 id, std::vector<std::string> words)
        : words_(std::move(words)), program_(service.main)
    {
        words_.insert(words_.begin(), {service.name, "--", "-r", std::to_string(id), "--"});
        nf.instance_id = nf.service_id = id;
        const std::string name = std::to_string(id);
        for (auto [ring, kind] : {std::pair{&nf.rx_q, "rx"}, {&nf.tx_q, "tx"}, {&nf.msg_q, "msg"}})
            if (!(*ring = rte_ring_create((kind + name).c_str(), RING, SOCKET_ID_ANY, 0)))
                fail("no memory for rings");
        thread_ = std::thread([this] { run(); });
        wait([this] { return state_ != STARTING; });
    }

    ~Running()
    {
        stop();
        for (rte_ring *ring : {nf.rx_q, nf.tx_q})
            for (void *packet; !rte_ring_dequeue(ring, &packet);)
                rte_pktmbuf_free(static_cast<rte_mbuf *>(packet));
        for (rte_ring *ring : {nf.rx_q, nf.tx_q, nf.msg_q})
            rte_ring_free(ring);
    }

    /* Its program goes on behind onvm_nflib_run, to its end: the exit code. */
    int stop()
    {
        if (context)
            context->keep_running = 0;
        enter(STOPPING);
        if (thread_.joinable())
            thread_.join();
        return code_;
    }

    /* In its own thread: the host takes over until it is to stop. */
    void park()
    {
        enter(READY);
        wait([this] { return state_ == STOPPING; });
    }

    bool ready()
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        return state_ == READY;
    }

    onvm_nf nf = {};
    onvm_nf_local_ctx *context = nullptr;
    onvm_nf_function_table *table = nullptr;

  private:
    void run();

    void enter(State state)
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (state_ != ENDED)
            state_ = state;
        changed_.notify_all();
    }

    template <class Until> void wait(Until until)
    {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, until);
    }

    std::vector<std::string> words_;
    int (*program_)(int, char **);
    int code_ = 0;
    State state_ = STARTING;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::thread thread_;
};

static thread_local Running *self;
static std::vector<Running *> nfs; /* by instance, from 1 */
static Host *host;

void Running::run()
{
    self = this;
    std::vector<char *> argv;
    for (std::string &word : words_)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    code_ = program_(int(words_.size()), argv.data());
    enter(ENDED);
}

Host::Host(const std::vector<std::vector<std::string>> &arguments, Out out) : out_(std::move(out))
{
    host = this;
    onvm_meta_offset = field("onvm_pkt_meta", sizeof(onvm_pkt_meta));
    stamp_ = field("nf_time", sizeof(u64));
    packets_ = packet_pool();
    nfs.assign(1, nullptr);
    for (size_t i = 0; i < services.size(); i++) {
        running_.push_back(std::make_unique<Running>(services[i], u16(i + 1), arguments[i]));
        nfs.push_back(running_.back().get());
        if (!nfs.back()->ready())
            fail(std::string(services[i].name) + " didn't start");
    }
    settle();
}

Host::~Host()
{
    running_.clear();
    nfs.clear();
    rte_mempool_free(packets_);
}

bool Host::runs() const
{
    for (const auto &service : running_)
        if (!service->context->keep_running)
            return false;
    return true;
}

void Host::push(const u8 *frame, u32 length, u16 port, u64 time)
{
    rte_mbuf *packet = rte_pktmbuf_alloc(packets_);
    if (!packet || length > LONGEST)
        fail(packet ? "a frame is longer than 65,535 bytes" : "no packets are left");
    packet->data_off = 0;
    packet->port = port;
    memcpy(rte_pktmbuf_append(packet, u16(length)), frame, length);
    *onvm_get_pkt_meta(packet) = {};
    *RTE_MBUF_DYNFIELD(packet, stamp_, u64 *) = time;
    if (rte_ring_enqueue(running_.front()->nf.rx_q, packet))
        fail("a ring is full");
    settle();
}

void Host::advance(u64 time)
{
    for (u16 id = u16(running_.size()); id; id--) {
        void *data = rte_zmalloc("message", sizeof(nf_message), 0);
        if (!data)
            fail("no memory for messages");
        auto *message = static_cast<nf_message *>(data);
        message->magic = NF_MESSAGE_MAGIC;
        message->what = NF_MESSAGE_ADVANCE;
        message->time = time;
        if (onvm_nflib_send_msg_to_nf(id, data))
            fail("a ring is full");
        settle();
    }
}

int Host::stop()
{
    int worst = lost_ ? 2 : 0;
    for (const auto &service : running_)
        worst = std::max(worst, service->stop());
    return worst;
}

void Host::settle()
{
    for (bool busy = true; busy;) {
        busy = false;
        for (const auto &service : running_)
            busy |= turn(*service);
    }
}

/* What functions returned. */
void Host::sweep()
{
    for (const auto &service : host->running_)
        for (void *packet; !rte_ring_dequeue(service->nf.tx_q, &packet);)
            host->act(*service, static_cast<rte_mbuf *>(packet));
}

/* One round of a function's loop: packets, messages, its own actions. */
bool Host::turn(Running &service)
{
    void *packets[PACKET_READ_SIZE], *message;
    onvm_nf &nf = service.nf;
    bool busy = false;
    const unsigned n = rte_ring_dequeue_burst(nf.rx_q, packets, PACKET_READ_SIZE, nullptr);
    for (unsigned i = 0; i < n; i++) {
        auto *packet = static_cast<rte_mbuf *>(packets[i]);
        nf.stats.rx++;
        busy = true;
        if (service.table->pkt_handler(packet, onvm_get_pkt_meta(packet), service.context))
            nf.stats.tx_buffer++; /* it keeps the packet for now */
        else
            act(service, packet);
    }
    if (!rte_ring_dequeue(nf.msg_q, &message)) {
        busy = true;
        auto *m = static_cast<onvm_nf_msg *>(message);
        if (m->msg_type == MSG_STOP)
            service.context->keep_running = 0;
        else if (m->msg_type == MSG_FROM_NF && service.table->msg_handler)
            service.table->msg_handler(m->msg_data, service.context);
        rte_free(m);
    }
    if (service.table->user_actions && service.table->user_actions(service.context))
        service.context->keep_running = 0;
    return busy;
}

/* What a packet's meta data says. */
void Host::act(Running &service, rte_mbuf *packet)
{
    onvm_pkt_meta &meta = *onvm_get_pkt_meta(packet);
    onvm_nf &nf = service.nf;
    u16 to = meta.destination;
    meta.src = nf.instance_id;
    switch (meta.action) {
    case ONVM_NF_ACTION_OUT:
        nf.stats.act_out++;
        out_(packet, to, *RTE_MBUF_DYNFIELD(packet, stamp_, u64 *));
        return;
    case ONVM_NF_ACTION_NEXT:
        nf.stats.act_next++;
        meta.chain_index++;
        to = u16(nf.service_id + 1);
        break;
    case ONVM_NF_ACTION_TONF:
        nf.stats.act_tonf++;
        break;
    default:
        nf.stats.act_drop++;
        to = 0;
    }
    if (!to || to >= nfs.size() || rte_ring_enqueue(nfs[to]->nf.rx_q, packet)) {
        nf.stats.tx_drop += to != 0;
        lost_ |= to != 0;
        rte_pktmbuf_free(packet);
    }
}

}

/* The interface ------------------------------------------------------------------------------- */

using onvm::self;

onvm_nf_local_ctx *onvm_nflib_init_nf_local_ctx(void)
{
    auto *context = static_cast<onvm_nf_local_ctx *>(calloc(1, sizeof(onvm_nf_local_ctx)));
    if (context)
        context->keep_running = 1;
    return self->context = context;
}

onvm_nf_function_table *onvm_nflib_init_nf_function_table(void)
{
    return static_cast<onvm_nf_function_table *>(calloc(1, sizeof(onvm_nf_function_table)));
}

/* Signals are the host's here, for all functions. */
int onvm_nflib_start_signal_handler(onvm_nf_local_ctx *, handle_signal_func) { return 0; }

/* NAME [EAL arguments] -- -r SERVICE [-n INSTANCE] [-- its own arguments] */
int onvm_nflib_init(int argc, char *argv[], const char *tag, onvm_nf_local_ctx *context,
                    onvm_nf_function_table *table)
{
    int at = 1, own;
    while (at < argc && strcmp(argv[at], "--"))
        at++;
    for (own = at + 1; own < argc && strcmp(argv[own], "--");)
        own++;
    if (at + 2 >= own || strcmp(argv[at + 1], "-r") || !table->pkt_handler)
        return -1;
    self->nf.tag = strdup(tag);
    self->nf.function_table = self->table = table;
    context->nf = &self->nf;
    return std::min(own, argc - 1);
}

int onvm_nflib_run(onvm_nf_local_ctx *context)
{
    if (self->table->setup)
        self->table->setup(context);
    self->park();
    return 0;
}

int onvm_nflib_return_pkt_bulk(onvm_nf *nf, rte_mbuf **packets, uint16_t count)
{
    if (!packets || !count)
        return -1;
    if (!rte_ring_enqueue_bulk(nf->tx_q, reinterpret_cast<void **>(packets), count, nullptr)) {
        nf->stats.tx_drop += count;
        for (u16 i = 0; i < count; i++)
            rte_pktmbuf_free(packets[i]);
        return -ENOBUFS;
    }
    nf->stats.tx_returned += count;
    onvm::Host::sweep(); /* as the manager's thread does that sends */
    return 0;
}

int onvm_nflib_return_pkt(onvm_nf *nf, rte_mbuf *packet)
{
    return onvm_nflib_return_pkt_bulk(nf, &packet, 1);
}

int onvm_nflib_send_msg_to_nf(uint16_t dest_nf, void *msg_data)
{
    if (!dest_nf || dest_nf >= onvm::nfs.size())
        return -1;
    auto *message = static_cast<onvm_nf_msg *>(rte_zmalloc("message", sizeof(onvm_nf_msg), 0));
    if (!message)
        return -ENOMEM;
    message->msg_type = MSG_FROM_NF;
    message->msg_data = msg_data;
    const int error = rte_ring_enqueue(onvm::nfs[dest_nf]->nf.msg_q, message);
    if (error)
        rte_free(message);
    return error;
}

void onvm_nflib_stop(onvm_nf_local_ctx *context)
{
    if (!context)
        return;
    rte_free(self->nf.data);
    free(self->nf.tag);
    free(self->table);
    free(context);
    self->nf.data = self->nf.tag = nullptr;
    self->table = nullptr;
    self->context = nullptr;
}
