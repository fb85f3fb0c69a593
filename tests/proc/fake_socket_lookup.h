#ifndef SALLYPORT_TESTS_PROC_FAKE_SOCKET_LOOKUP_H_
#define SALLYPORT_TESTS_PROC_FAKE_SOCKET_LOOKUP_H_

// A kernel with the sockets that a test puts into it.

#include <vector>

#include "proc/socket_lookup.h"

namespace sallyport {

class FakeSocketLookup : public SocketLookup {
 public:
  struct Kernel {
    std::vector<SocketInfo> exact;    // answers to any flow, the first
    std::vector<SocketInfo> by_port;  // all of them
    LookupResult miss = LookupResult::kNotFound;
    int exact_calls = 0;
    int port_calls = 0;
  };

  explicit FakeSocketLookup(Kernel* kernel) : kernel_(kernel) {}

  LookupResult FindExact(const Flow&, SocketInfo* socket) override {
    ++kernel_->exact_calls;
    if (kernel_->exact.empty()) return kernel_->miss;
    *socket = kernel_->exact[0];
    return LookupResult::kFound;
  }
  LookupResult FindByPort(const Flow&, SocketSet* sockets) override {
    ++kernel_->port_calls;
    if (kernel_->by_port.empty()) return kernel_->miss;
    for (const SocketInfo& socket : kernel_->by_port) {
      sockets->push_back(socket);
    }
    return LookupResult::kFound;
  }

 private:
  Kernel* const kernel_;
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_PROC_FAKE_SOCKET_LOOKUP_H_
