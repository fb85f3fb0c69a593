#ifndef SALLYPORT_TOOLS_DOCTOR_CHECKS_H_
#define SALLYPORT_TOOLS_DOCTOR_CHECKS_H_

// What `sallyport doctor` knows and what it concludes. Diagnose is pure: facts
// in, findings out; the facts are collected by doctor_facts.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tools/api_client.h"
#include "tools/daemon_process.h"

namespace sallyport::cli {

// A line of /proc/net/netfilter/nfnetlink_queue.
struct KernelQueue {
  uint32_t number = 0;
  uint64_t waiting = 0;
  uint64_t dropped = 0;       // the queue was full
  uint64_t user_dropped = 0;  // the listener's socket buffer was full
};

// A base chain at the output hook.
struct OutputChain {
  std::string table;  // "inet sallyport"
  std::string chain;
  int64_t priority = 0;
  std::string policy;
};

struct DoctorFacts {
  bool root = false;
  UnitState unit;
  int listener_pid = 0;     // who listens on the API socket; 0: nobody
  std::string unreachable;  // why the API did not answer; empty: it did
  std::string cli_version;
  Json version;  // null if unreachable
  Json status;
  Json stats;
  std::optional<std::vector<KernelQueue>> queues;  // empty: not readable
  std::optional<std::vector<OutputChain>> chains;  // empty: not allowed
  std::optional<uint64_t> conntrack_count;
  std::optional<uint64_t> conntrack_max;
};

enum class Level : uint8_t { kOk, kWarn, kFail };

struct Finding {
  std::string check;
  Level level = Level::kOk;
  std::string message;
  std::string remedy;  // what to do; empty if nothing
};

std::vector<Finding> Diagnose(const DoctorFacts& facts);

const char* LevelName(Level level);  // "ok" "warn" "fail"

// Columns 1 (number), 3 (waiting), 6 (dropped) and 7 (user dropped) of the
// kernel's text; lines of another form are left out.
std::vector<KernelQueue> ParseKernelQueues(const std::string& text);

// The base chains at the output hook in libnftables' JSON of `list chains`.
std::vector<OutputChain> ParseOutputChains(const std::string& json);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_DOCTOR_CHECKS_H_
