/* A small host of network functions of OpenNetVM, in place of its manager: each runs in a thread of
 * this process and is called in turn, so that what happens is the same from run to run. */
#ifndef ONVM_HOST_HPP
#define ONVM_HOST_HPP
#include <functional>
#include <memory>
#include <string>
#include <vector>
#include <rte_mempool.h>
extern "C" {
#include "onvm_nflib.h"
}
#include "onvm_message.h"

namespace onvm {

/* A network function: its program, under another name than main, and what its service is called. */
struct Service {
    const char *name;
    int (*main)(int argc, char *argv[]);
};
extern const std::vector<Service> services; /* service 1, 2, … */

/* A packet on its way out; the receiver frees it. */
using Out = std::function<void(rte_mbuf *packet, u16 port, u64 time)>;

class Running;

class Host {
  public:
    /* Starts every service with these arguments; std::runtime_error if one doesn't come up. */
    Host(const std::vector<std::vector<std::string>> &arguments, Out out);
    ~Host();
    Host(const Host &) = delete;

    /* A packet to service 1; everything is at rest then. std::runtime_error. */
    void push(const u8 *frame, u32 length, u16 port, u64 time);
    void advance(u64 time);                /* a message to every service, the last one first */
    bool runs() const;                     /* no service has ended by itself */
    int stop();                            /* MSG_STOP to all: the worst exit code */

    static void sweep();

  private:
    void settle();
    bool turn(Running &service);
    void act(Running &service, rte_mbuf *packet);

    Out out_;
    rte_mempool *packets_;
    int stamp_;
    bool lost_ = false; /* a packet that a service sent to none, or to a full ring */
    std::vector<std::unique_ptr<Running>> running_;
};

}
#endif
