#ifndef SALLYPORT_TESTS_ENGINE_FLOW_FAKES_H_
#define SALLYPORT_TESTS_ENGINE_FLOW_FAKES_H_

// In-memory twins of divert, conntrack and socket destroyer. Each appends what
// it was told to a log, which may be shared to see the order of calls.

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/conntrack.h"
#include "engine/divert.h"
#include "engine/socket_destroy.h"
#include "rules/rule.h"

namespace sallyport {

using CallLog = std::vector<std::string>;

class FakeDivert final : public Divert {
 public:
  bool intact = true;
  absl::Status verify_status;
  std::deque<absl::Status> install_statuses;  // used up, then OK
  CallLog log;

  absl::Status Install() override {
    log.push_back("install");
    if (!install_statuses.empty()) {
      absl::Status status = install_statuses.front();
      install_statuses.pop_front();
      if (!status.ok()) return status;
    }
    intact = true;
    return absl::OkStatus();
  }
  absl::Status Remove() override {
    log.push_back("remove");
    intact = false;
    return absl::OkStatus();
  }
  absl::StatusOr<bool> Verify() override {
    log.push_back("verify");
    if (!verify_status.ok()) return verify_status;
    return intact;
  }
  DivertState state() const override { return {}; }
};

class FakeConntrack final : public Conntrack {
 public:
  explicit FakeConntrack(CallLog& call_log) : log(call_log) {}

  std::vector<ConntrackEntry> entries;
  absl::Status dump_status;
  std::map<uint32_t, absl::Status> delete_status;  // by entry id
  bool truncated = false;
  std::function<void()> before_dump = [] {};
  CallLog& log;

  absl::StatusOr<ConntrackDump> Dump(uint32_t mask, uint32_t value) override {
    before_dump();
    if (!dump_status.ok()) return dump_status;
    ConntrackDump dump;
    dump.truncated = truncated;
    for (const ConntrackEntry& entry : entries) {
      if ((entry.mark & mask) == value) dump.entries.push_back(entry);
    }
    return dump;
  }
  absl::Status Delete(const ConntrackEntry& entry) override {
    log.push_back(absl::StrCat("delete ", entry.id));
    if (auto it = delete_status.find(entry.id); it != delete_status.end()) {
      return it->second;
    }
    return std::erase(entries, entry) > 0 ? absl::OkStatus()
                                          : absl::NotFoundError("gone");
  }
  absl::StatusOr<size_t> SetMark(std::span<const ConntrackEntry> which,
                                 uint32_t mask, uint32_t value) override {
    size_t changed = 0;
    for (const ConntrackEntry& one : which) {
      const auto it = std::find(entries.begin(), entries.end(), one);
      if (it == entries.end()) continue;
      it->mark = (it->mark & ~mask) | value;
      ++changed;
    }
    return changed;
  }
};

class FakeDestroyer final : public SocketDestroyer {
 public:
  explicit FakeDestroyer(CallLog& call_log) : log(call_log) {}

  DestroyResult result = DestroyResult::kDestroyed;
  CallLog& log;

  DestroyResult Destroy(const Flow& flow) override {
    log.push_back(absl::StrCat("destroy ", flow.dst_port));
    return result;
  }
  int last_errno() const override { return 0; }
};

// A flow from here that a verdict allowed before, unless `mark` says otherwise.
inline ConntrackEntry FlowEntry(uint32_t id, uint8_t protocol, uint16_t port,
                                uint32_t mark = 0x00100000) {
  ConntrackEntry entry;
  entry.id = id;
  entry.mark = mark;
  entry.flow.protocol = protocol;
  entry.flow.src = IpAddress::V4(0x0a000001);
  entry.flow.dst = IpAddress::V4(0xc0000207);
  entry.flow.src_port = static_cast<uint16_t>(50000 + id);
  entry.flow.dst_port = port;
  return entry;
}

// The rule that an app has none of these flows any more.
inline Rule DenyApp(const std::string& app) {
  Rule rule;
  rule.name = "no-more";
  rule.policy = RulePolicy::kDeny;
  rule.app = app;
  return rule;
}

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_ENGINE_FLOW_FAKES_H_
