#ifndef SALLYPORT_PROC_PROC_RESOLVER_H_
#define SALLYPORT_PROC_PROC_RESOLVER_H_

// The Resolver over sock_diag and /proc. What it needs of the machine is told
// by proc/prerequisites.h.
//
//   auto table = CreateProcessTable();            // once, shared
//   if (!table.ok()) return table.status();
//   auto resolver = CreateProcResolver(*table);   // once per thread
//
// The resolver works in the network namespace of the thread that creates it.

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proc/process_news.h"
#include "proc/process_table.h"
#include "proc/resolver.h"
#include "proc/socket_lookup.h"

namespace sallyport {

struct ProcResolverOptions {
  // Of one ResolveSlow (CASES A39); then it answers with what it has.
  absl::Duration deadline = absl::Milliseconds(50);
  // Take every UDP socket of the source port, not only the one that would
  // receive an answer (CASES A23). Costs a walk of the kernel's UDP table for
  // each new UDP flow: 20 us per address family with 16,384 buckets.
  bool find_udp_twins = true;
  // Null: there are none to be had; then /proc is asked about each packet.
  std::shared_ptr<const ProcessNews> news;
};

// The table over the real /proc, filled by one scan of everything (2.7 us for
// each open descriptor of the machine).
absl::StatusOr<std::shared_ptr<ProcessTable>> CreateProcessTable(
    ProcessTableOptions options = {});

// Works, slower, also without sock_diag (CASES F33).
std::unique_ptr<Resolver> CreateProcResolver(
    std::shared_ptr<ProcessTable> table, ProcResolverOptions options = {});

// With the socket lookup given: for tests.
std::unique_ptr<Resolver> CreateProcResolver(
    std::shared_ptr<ProcessTable> table, std::unique_ptr<SocketLookup> lookup,
    ProcResolverOptions options);

}  // namespace sallyport

#endif  // SALLYPORT_PROC_PROC_RESOLVER_H_
