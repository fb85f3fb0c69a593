#include "tools/doctor_checks.h"

#include <algorithm>

#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

constexpr char kOurTable[] = "inet sallyport";
// The canary goes with every ping of the watchdog: half of WatchdogSec=10.
constexpr double kCanaryLateMs = 10'000;
// Part of conntrack's table from which new connections are in danger.
constexpr double kConntrackFull = 0.9;

class Findings {
 public:
  void Ok(const char* check, std::string message) {
    list_.push_back({check, Level::kOk, std::move(message), ""});
  }
  void Warn(const char* check, std::string message, std::string remedy) {
    list_.push_back(
        {check, Level::kWarn, std::move(message), std::move(remedy)});
  }
  void Fail(const char* check, std::string message, std::string remedy) {
    list_.push_back(
        {check, Level::kFail, std::move(message), std::move(remedy)});
  }
  std::vector<Finding> Take() { return std::move(list_); }

 private:
  std::vector<Finding> list_;
};

bool OurTableIsThere(const DoctorFacts& facts) {
  return facts.chains.has_value() &&
         std::any_of(
             facts.chains->begin(), facts.chains->end(),
             [](const OutputChain& chain) { return chain.table == kOurTable; });
}

void CheckPrivileges(const DoctorFacts& facts, Findings* out) {
  if (facts.root) {
    out->Ok("privileges", "root: everything can be looked at");
  } else {
    out->Warn("privileges", "not root: the kernel side is not looked at",
              "sudo sallyport doctor");
  }
}

void CheckUnit(const DoctorFacts& facts, Findings* out) {
  const UnitState& unit = facts.unit;
  if (!unit.systemd) {
    out->Ok("unit", "no systemd here: start sallyportd by other means");
  } else if (!unit.known) {
    out->Warn("unit", "sallyport.service is not installed",
              "sudo meson install -C BUILD-DIRECTORY, then sudo systemctl "
              "daemon-reload");
  } else if (!unit.running) {
    out->Warn("unit", Concat("sallyport.service is ", unit.state),
              "sudo systemctl start sallyport; why: journalctl -u sallyport");
  } else if (!unit.enabled) {
    out->Warn("unit", "sallyport.service runs, but not after the next boot",
              "sudo systemctl enable sallyport");
  } else {
    out->Ok("unit", "sallyport.service is active and enabled");
  }
}

// False if there is nothing more to ask the daemon.
bool CheckDaemon(const DoctorFacts& facts, Findings* out) {
  if (facts.unreachable.empty()) {
    out->Ok("daemon", Concat("answers, pid ", TextAt(facts.status, "/pid")));
    return true;
  }
  if (facts.listener_pid > 0) {
    out->Fail(
        "daemon",
        Concat("pid ", facts.listener_pid,
               " holds the socket but does not answer: ", facts.unreachable),
        "sudo systemctl restart sallyport; if that hangs: sudo sallyport "
        "off");
  } else if (OurTableIsThere(facts)) {
    out->Fail("daemon",
              "not running, yet its kernel rules are there: what is not "
              "allowed yet is dropped (on_failure closed) or passes (open)",
              "start it: sudo systemctl start sallyport; or clear the rules: "
              "sudo sallyport off");
  } else {
    out->Fail("daemon", facts.unreachable, "sudo systemctl start sallyport");
  }
  return false;
}

void CheckVersion(const DoctorFacts& facts, Findings* out) {
  const std::string daemon = TextAt(facts.version, "/version");
  if (daemon == facts.cli_version) {
    out->Ok("version", Concat(daemon, ", as this program"));
  } else {
    out->Warn(
        "version",
        Concat("the daemon is ", daemon, ", this program ", facts.cli_version),
        "sudo systemctl restart sallyport");
  }
}

void CheckMode(const DoctorFacts& facts, Findings* out) {
  const std::string mode = TextAt(facts.status, "/mode");
  if (BoolAt(facts.status, "/enforcing")) {
    out->Ok("mode", mode);
  } else if (mode == "monitor") {
    out->Warn("mode", "monitor: nothing is turned away, only recorded",
              "when the rules are right: sallyport mode enforce");
  } else if (mode == "learn") {
    out->Warn("mode", "learn: what no rule decides is allowed and recorded",
              "when it has seen enough: sallyport learn show; sallyport learn "
              "apply; sallyport mode enforce");
  } else {
    out->Fail(
        "mode",
        Concat(mode, ", but not enforcing: ", TextAt(facts.status, "/summary")),
        "see the lines that say fail");
  }
}

void CheckDivert(const DoctorFacts& facts, Findings* out) {
  const double repairs = NumberAt(facts.status, "/divert/repairs");
  if (!BoolAt(facts.status, "/divert/installed")) {
    out->Fail("kernel rules",
              "not installed: no connection comes to the daemon",
              "sudo systemctl restart sallyport; why: journalctl -u sallyport");
  } else if (repairs > 0) {
    out->Warn(
        "kernel rules",
        Concat("removed by somebody and put back ", Grouped(repairs), " times"),
        "find who flushes the ruleset: journalctl -u sallyport");
  } else {
    out->Ok("kernel rules",
            Concat("installed, expression ",
                   TextAt(facts.status, "/divert/expression"), ", settle ",
                   TextAt(facts.status, "/divert/settle")));
  }
  if (facts.chains.has_value() && !OurTableIsThere(facts)) {
    out->Fail("nft table", "table inet sallyport has no output chain",
              "sudo systemctl restart sallyport");
  }
}

void CheckQueues(const DoctorFacts& facts, Findings* out) {
  if (!facts.queues.has_value()) {
    if (facts.root) {
      out->Warn("queues", "/proc/net/netfilter/nfnetlink_queue is not there",
                "sudo modprobe nfnetlink_queue");
    }
    return;
  }
  for (const Json& ours : ArrayAt(facts.status, "/queues")) {
    const auto number = static_cast<uint32_t>(NumberAt(ours, "/number"));
    const std::string name = Concat("queue ", number);
    const auto at = std::find_if(
        facts.queues->begin(), facts.queues->end(),
        [&](const KernelQueue& queue) { return queue.number == number; });
    if (at == facts.queues->end()) {
      out->Fail("queues", name + " has no listener in the kernel",
                "sudo systemctl restart sallyport");
    } else if (at->dropped + at->user_dropped > 0) {
      out->Warn(
          "queues",
          Concat(name, ": ", at->waiting, " waiting, ", at->dropped,
                 " dropped (full), ", at->user_dropped, " dropped (buffer)"),
          "more queues: `queues` in /etc/sallyport/sallyport.toml");
    } else {
      out->Ok("queues",
              Concat(name, ": ", at->waiting, " waiting, none dropped"));
    }
  }
}

void CheckCanary(const DoctorFacts& facts, Findings* out) {
  const double age = NumberAt(facts.status, "/canary/age_ms");
  if (!BoolAt(facts.status, "/canary/seen")) {
    out->Fail("canary", "our own test packet does not come back",
              "sudo systemctl restart sallyport");
  } else if (age > kCanaryLateMs) {
    out->Fail("canary",
              Concat("the last one came back ", Grouped(age),
                     " ms ago: a queue is stuck"),
              "sudo systemctl restart sallyport");
  } else {
    out->Ok("canary", Concat("came back ", Grouped(age), " ms ago"));
  }
}

void CheckRecords(const DoctorFacts& facts, Findings* out) {
  const std::string error = TextAt(facts.status, "/rules/last_error");
  if (error.empty()) {
    out->Ok("rules", Concat(TextAt(facts.status, "/rules/enabled"), " of ",
                            TextAt(facts.status, "/rules/count"), " enabled"));
  } else {
    out->Fail("rules",
              Concat("files not loaded, the last good set is used: ", error),
              "mend the file, then: sallyport rules sync");
  }
  if (BoolAt(facts.status, "/history/ok")) {
    out->Ok("history", "written");
  } else {
    out->Fail("history",
              Concat("not written: ", TextAt(facts.status, "/history/error")),
              "free space below /var/lib/sallyport");
  }
  const double lost = NumberAt(facts.stats, "/dropped_events");
  if (lost > 0) {
    out->Warn("events", Concat(Grouped(lost), " lost: the ring was full"),
              "verdicts were not affected; the counters are complete");
  }
}

void CheckAttribution(const DoctorFacts& facts, Findings* out) {
  const std::string mode = TextAt(facts.status, "/attribution/mode");
  if (BoolAt(facts.status, "/attribution/process_events")) {
    out->Ok("attribution", Concat(mode, ", with process events"));
  } else {
    out->Warn("attribution",
              Concat(mode,
                     ", without process events: programs that end "
                     "at once may stay unknown"),
              "the kernel needs CONFIG_PROC_EVENTS");
  }
}

void CheckNeighbours(const DoctorFacts& facts, Findings* out) {
  if (!facts.chains.has_value()) return;
  std::string others;
  for (const OutputChain& chain : *facts.chains) {
    if (chain.table == kOurTable) continue;
    AppendTo(&others, others.empty() ? "" : "; ", chain.table, " ", chain.chain,
             " (priority ", chain.priority,
             chain.policy == "drop" ? ", drops by default" : "", ")");
  }
  out->Ok("other rules", others.empty()
                             ? "nobody else judges output"
                             : Concat("these judge output as well: ", others));
}

void CheckConntrack(const DoctorFacts& facts, Findings* out) {
  if (!facts.conntrack_count.has_value() || !facts.conntrack_max.has_value()) {
    return;
  }
  const auto count = static_cast<double>(*facts.conntrack_count);
  const auto most = static_cast<double>(*facts.conntrack_max);
  const std::string text =
      Concat(Grouped(count), " of ", Grouped(most), " entries");
  if (most > 0 && count >= kConntrackFull * most) {
    out->Fail("conntrack",
              text + ": the kernel is about to drop new connections",
              "sudo sysctl net.netfilter.nf_conntrack_max=" +
                  Concat(2 * *facts.conntrack_max));
  } else {
    out->Ok("conntrack", text);
  }
}

}  // namespace

std::vector<Finding> Diagnose(const DoctorFacts& facts) {
  Findings out;
  CheckPrivileges(facts, &out);
  CheckUnit(facts, &out);
  if (CheckDaemon(facts, &out)) {
    CheckVersion(facts, &out);
    CheckMode(facts, &out);
    CheckDivert(facts, &out);
    CheckQueues(facts, &out);
    CheckCanary(facts, &out);
    CheckRecords(facts, &out);
    CheckAttribution(facts, &out);
  }
  CheckNeighbours(facts, &out);
  CheckConntrack(facts, &out);
  return out.Take();
}

const char* LevelName(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kWarn:
      return "warn";
    case Level::kFail:
      return "fail";
  }
  return "";
}

std::vector<KernelQueue> ParseKernelQueues(const std::string& text) {
  std::vector<KernelQueue> out;
  for (std::string_view line : Split(text, '\n')) {
    std::vector<std::string_view> columns = Split(line, ' ');
    std::erase(columns, "");
    KernelQueue queue;
    if (columns.size() >= 7 && ParseNumber(columns[0], &queue.number) &&
        ParseNumber(columns[2], &queue.waiting) &&
        ParseNumber(columns[5], &queue.dropped) &&
        ParseNumber(columns[6], &queue.user_dropped)) {
      out.push_back(queue);
    }
  }
  return out;
}

std::vector<OutputChain> ParseOutputChains(const std::string& text) {
  std::vector<OutputChain> out;
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  for (const Json& entry : ArrayAt(json, "/nftables")) {
    if (TextAt(entry, "/chain/hook") != "output") continue;
    out.push_back({Concat(TextAt(entry, "/chain/family"), " ",
                          TextAt(entry, "/chain/table")),
                   TextAt(entry, "/chain/name"),
                   static_cast<int64_t>(NumberAt(entry, "/chain/prio")),
                   TextAt(entry, "/chain/policy")});
  }
  return out;
}

}  // namespace sallyport::cli
