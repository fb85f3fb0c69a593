#include "src/daemon.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/clock.h"
#include "engine/engine.h"
#include "engine/interface_table.h"
#include "engine/netlink_conntrack.h"
#include "engine/nfqueue.h"
#include "engine/nft_divert.h"
#include "engine/queue_table.h"
#include "proc/prerequisites.h"
#include "proc/proc_resolver.h"
#include "src/api_json.h"
#include "src/api_server.h"
#include "src/api_socket.h"
#include "src/boot_timer.h"
#include "src/confirmation.h"
#include "src/dir_watch.h"
#include "src/event_feed.h"
#include "src/event_log.h"
#include "src/event_ring.h"
#include "src/event_writer.h"
#include "src/heartbeat.h"
#include "src/history.h"
#include "src/kernel_watch.h"
#include "src/learn_log.h"
#include "src/log.h"
#include "src/metrics.h"
#include "src/namespace_lock.h"
#include "src/policy_publisher.h"
#include "src/rechecker.h"
#include "src/rule_change.h"
#include "src/rule_clock.h"
#include "src/rule_store.h"
#include "src/service.h"
#include "src/stats.h"
#include "src/status_report.h"
#include "src/user_names.h"

namespace sallyport {
namespace {

constexpr size_t kEventRingRecords = 65'536;  // DESIGN, Limits
constexpr absl::Duration kFirstCanaryPatience = absl::Seconds(5);

std::string NetworkNamespace() {
  char link[64];
  const ssize_t length =
      readlink("/proc/thread-self/ns/net", link, sizeof(link));
  return length < 0 ? "" : std::string(link, static_cast<size_t>(length));
}

EventLogOptions LogOptions(const Config& config) {
  EventLogOptions options;
  if (config.event_log == "journal") {
    options.sink = EventLogOptions::Sink::kJournal;
  } else if (config.event_log != "none") {
    options.sink = EventLogOptions::Sink::kFile;
    options.path = config.event_log;
  }
  options.rotate_bytes = int64_t{config.event_log_max_mib} << 20;
  return options;
}

class RealDaemon final : public Daemon {
 public:
  RealDaemon(const Config& config,
             std::unique_ptr<ProcessEventSource> process_events)
      : config_(config),
        process_events_(std::move(process_events)),
        events_(kEventRingRecords),
        feed_(MakeEventContext()),
        log_(LogOptions(config)) {}
  ~RealDaemon() override;

  absl::Status StartAll();
  absl::Status Run() override;

 private:
  EventContext MakeEventContext() {
    return {[this](uint32_t ifindex) {
      const NetInterface* device = interfaces_.LookUp(ifindex, MonotonicNs());
      return device == nullptr ? std::string() : device->name;
    }};
  }
  std::unique_ptr<Resolver> MakeResolver() const {
    ProcResolverOptions options;
    options.deadline = config_.resolve_deadline;
    options.news = process_feed_;
    return CreateProcResolver(processes_, options);
  }
  absl::Status OpenControlSocket();
  absl::Status LoadRules();
  absl::Status MakeConfirmation();
  void TellChange(const PendingChange& change, ChangeState state,
                  const std::string& why);
  absl::Status StartEvents();
  absl::Status StartEngine();
  absl::StatusOr<SettleBy> ChooseSettle() const;
  absl::Status StartDivert();
  absl::Status MarkExistingFlows(const MarkBits& marks);
  absl::Status StartApi();
  absl::Status BlockSignals();
  ApiContext MakeApiContext();

  StatusReport MakeStatus() const;
  std::vector<QueueReport> MakeQueueReports() const;
  StatsSnapshot MakeStats() const;
  std::string MakeMetrics() const;

  bool HandleSignal();  // false: stop
  void ReloadRules();
  void TellRuleChange(const RuleFileChange& change);

  const Config config_;
  std::unique_ptr<ProcessEventSource> process_events_;  // until StartEngine
  const absl::Time started_at_ = absl::Now();
  const std::unique_ptr<LinkLookup> links_ = OpenLinkLookup();
  InterfaceTable interfaces_{*links_};
  std::atomic<uint64_t> rule_load_errors_{0};

  // In the order of starting; destroyed the other way round.
  int signal_fd_ = -1;
  int timer_fd_ = -1;
  std::optional<gid_t> control_gid_;
  std::unique_ptr<ListeningSocket> socket_;
  std::unique_ptr<NamespaceLock> namespace_lock_;
  std::unique_ptr<RuleClock> rule_clock_;
  std::unique_ptr<RuleStore> rules_;
  std::unique_ptr<PolicyPublisher> policy_;
  std::unique_ptr<BootTimer> boot_timer_;
  std::unique_ptr<Confirmation> confirmation_;
  EventRing events_;
  EventFeed feed_;
  EventLog log_;
  Stats stats_;
  std::unique_ptr<History> history_;
  std::unique_ptr<LearnLog> learn_;
  std::unique_ptr<EventWriter> writer_;
  std::shared_ptr<ProcessTable> processes_;
  std::shared_ptr<ProcessEventFeed> process_feed_;  // null: not to be had
  SettleBy settle_ = SettleBy::kSecondChain;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<NftDivert> divert_;
  std::unique_ptr<Rechecker> rechecker_;
  std::unique_ptr<KernelWatch> kernel_watch_;
  std::unique_ptr<Heartbeat> heartbeat_;
  std::unique_ptr<DirWatch> dir_watch_;
  std::unique_ptr<ApiServer> api_;
};

RealDaemon::~RealDaemon() {
  NotifyStopping();
  api_.reset();
  kernel_watch_.reset();  // or it would repair what is removed next
  rechecker_.reset();
  if (divert_ != nullptr) {
    if (absl::Status status = divert_->Remove(); !status.ok()) {
      LogError(std::string(status.message()));
    }
  }
  engine_.reset();
  if (writer_ != nullptr) writer_->Stop();
  if (timer_fd_ >= 0) close(timer_fd_);
  if (signal_fd_ >= 0) close(signal_fd_);
}

absl::Status RealDaemon::StartAll() {
  // Before any thread: they inherit the mask.
  if (absl::Status s = BlockSignals(); !s.ok()) return s;
  if (absl::Status s = OpenControlSocket(); !s.ok()) return s;
  if (absl::Status s = LoadRules(); !s.ok()) return s;
  if (absl::Status s = StartEvents(); !s.ok()) return s;
  if (absl::Status s = StartEngine(); !s.ok()) return s;
  if (absl::Status s = StartDivert(); !s.ok()) return s;
  if (absl::Status s = StartApi(); !s.ok()) return s;
  const std::string summary = StatusSummary(MakeStatus());
  NotifyReady(summary);
  LogInfo(summary);
  return absl::OkStatus();
}

absl::Status RealDaemon::BlockSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signal_fd_ < 0) return absl::ErrnoToStatus(errno, "signalfd");
  return absl::OkStatus();
}

absl::Status RealDaemon::OpenControlSocket() {
  control_gid_ = GroupIdOf(config_.control_group);
  auto socket = ListeningSocket::Open(config_.socket, control_gid_,
                                      config_.socket_for_everyone);
  if (!socket.ok()) return socket.status();
  socket_ = *std::move(socket);
  auto lock = NamespaceLock::Take();
  if (!lock.ok()) return lock.status();
  namespace_lock_ = *std::move(lock);
  if (!namespace_lock_->is_held()) {
    LogWarning(
        "somebody else holds our name in this network namespace (see "
        "`ss -lxp`): a second daemon would not be noticed");
  }
  return absl::OkStatus();
}

absl::Status RealDaemon::LoadRules() {
  if (mkdir(config_.state_dir.c_str(), 0750) < 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("state directory ", config_.state_dir));
  }
  RuleStoreOptions options;
  options.rules_dirs = config_.rules_dirs;
  options.state_dir = config_.state_dir;
  options.builtin_loopback_rule = config_.builtin_loopback_rule;
  auto clock = RuleClock::Open();
  if (!clock.ok()) return clock.status();
  rule_clock_ = *std::move(clock);
  options.on_foreign_change = [this](const RuleFileChange& change) {
    TellRuleChange(change);
  };
  rules_ = std::make_unique<RuleStore>(
      options, [this](std::shared_ptr<const RuleSet> rules) {
        rule_clock_->Arm(rules->next_change());
        policy_->SetRules(std::move(rules));
      });
  if (absl::Status s = MakeConfirmation(); !s.ok()) return s;
  const Confirmation::Recovery recovery = confirmation_->Recover();
  if (absl::Status status = rules_->Load(recovery.rules); !status.ok()) {
    return absl::InvalidArgumentError(status.message());
  }
  rule_clock_->Arm(rules_->Current()->next_change());
  JudgeSettings settings = config_.judge_settings();
  settings.mode = recovery.mode.value_or(settings.mode);
  policy_ =
      std::make_unique<PolicyPublisher>(rules_->Current(), settings, [this] {
        if (rechecker_ != nullptr) rechecker_->Request();
      });
  confirmation_->Start();
  return absl::OkStatus();
}

absl::Status RealDaemon::MakeConfirmation() {
  auto timer = MakeBootTimer();
  if (!timer.ok()) return timer.status();
  boot_timer_ = *std::move(timer);
  ConfirmationOptions options;
  options.state_dir = config_.state_dir;
  options.rules = rules_.get();
  options.timer = boot_timer_.get();
  options.mode = [this] { return policy_->Current().settings.mode; };
  options.set_mode = [this](Mode mode) { policy_->SetMode(mode); };
  options.on_event = [this](const PendingChange& change, ChangeState state,
                            const std::string& why) {
    TellChange(change, state, why);
  };
  options.on_error = [](const std::string& text) { LogError(text); };
  confirmation_ = std::make_unique<Confirmation>(std::move(options));
  return absl::OkStatus();
}

void RealDaemon::TellChange(const PendingChange& change, ChangeState state,
                            const std::string& why) {
  EventNotice notice = NoticeOf(change, state, why, absl::Now());
  if (state == ChangeState::kRolledBack) {
    LogWarning(notice.text);
  } else {
    LogInfo(notice.text);
  }
  // At the start there is no writer yet; the log has it.
  if (writer_ != nullptr) writer_->Post(std::move(notice));
}

absl::Status RealDaemon::StartEvents() {
  HistoryLimits limits;
  limits.max_age = absl::Hours(24) * config_.history_max_age_days;
  limits.max_bytes = int64_t{config_.history_max_mib} << 20;
  auto history = History::Open(config_.state_dir + "/history.db", limits);
  if (!history.ok()) return history.status();
  history_ = *std::move(history);
  learn_ = std::make_unique<LearnLog>(config_.state_dir + "/learned.db");
  writer_ = std::make_unique<EventWriter>(
      events_, EventSinks{&stats_, &feed_, &log_, history_.get(), learn_.get()},
      MakeEventContext());
  return writer_->Start();
}

absl::StatusOr<SettleBy> RealDaemon::ChooseSettle() const {
  if (config_.on_failure == FailPosture::kClosed) {
    return SettleBy::kSecondChain;
  }
  const absl::StatusOr<bool> glue = ProbeConntrackAttribute(config_.queue_base);
  if (!glue.ok()) return glue.status();
  return *glue ? SettleBy::kConntrackAttribute : SettleBy::kPacketMark;
}

absl::Status RealDaemon::StartEngine() {
  if (absl::Status status = CanReadProcesses(); !status.ok()) {
    // Not fatal: packets are judged as nobody's, which the user must know.
    LogWarning(
        absl::StrCat("programs can't be told apart: ", status.message()));
  }
  auto processes = CreateProcessTable();
  if (!processes.ok()) return processes.status();
  processes_ = *std::move(processes);
  if (process_events_ != nullptr) {
    process_feed_ = std::make_shared<ProcessEventFeed>(
        std::move(process_events_), processes_);
  }
  absl::StatusOr<SettleBy> settle = ChooseSettle();
  if (!settle.ok()) return settle.status();
  settle_ = *settle;
  EngineOptions options;
  options.queue_base = config_.queue_base;
  options.queue_count = config_.queues;
  options.on_failure = config_.on_failure;
  options.settle = settle_;
  options.marks.mask = config_.mark_mask;
  options.slow_lane_threads = config_.slow_lane_threads;
  auto engine = Engine::Start(
      options, [this] { return MakeResolver(); }, policy_->table(), events_,
      interfaces_);
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  return absl::OkStatus();
}

absl::Status RealDaemon::StartDivert() {
  DivertOptions options;
  options.expression = config_.divert;
  options.queue_base = config_.queue_base;
  options.queue_count = config_.queues;
  options.on_failure = config_.on_failure;
  options.settle = settle_;
  options.marks.mask = config_.mark_mask;
  options.judge_loopback = config_.judge_loopback;
  auto divert = NftDivert::Create(options);
  if (!divert.ok()) return divert.status();
  divert_ = *std::move(divert);

  auto rechecker =
      Rechecker::Start(*policy_, MakeResolver(), events_, options.marks);
  if (!rechecker.ok()) return rechecker.status();
  rechecker_ = *std::move(rechecker);
  // Watch before installing: a flush right after is then noticed.
  auto watch = KernelWatch::Start(*divert_, process_feed_,
                                  [this] { rechecker_->Request(); });
  if (!watch.ok()) return watch.status();
  kernel_watch_ = *std::move(watch);
  if (absl::Status s = MarkExistingFlows(options.marks); !s.ok()) return s;
  if (absl::Status s = divert_->Install(); !s.ok()) return s;

  heartbeat_ = std::make_unique<Heartbeat>(engine_->canary(),
                                           config_.queue_base, config_.queues);
  if (config_.divert != QueueExpression::kNone) {
    if (absl::Status s = heartbeat_->First(kFirstCanaryPatience); !s.ok()) {
      return s;
    }
  }
  // Flows that an earlier daemon allowed, and for "cut" all that are marked
  // now, by the rules of today. "accept" takes them as they are.
  if (config_.existing_flows != ExistingFlows::kAccept) rechecker_->Request();
  if (config_.existing_flows == ExistingFlows::kCut) {
    rechecker_->WaitUntilDone();
  }
  return absl::OkStatus();
}

// Flows older than the daemon. The default needs nothing: they lack our mark,
// so their next packet is judged like a first one.
absl::Status RealDaemon::MarkExistingFlows(const MarkBits& marks) {
  if (config_.existing_flows == ExistingFlows::kRecheck) {
    return absl::OkStatus();
  }
  auto conntrack = NetlinkConntrack::Open();
  if (!conntrack.ok()) return conntrack.status();
  auto is_local = LocalAddresses();
  if (!is_local.ok()) return is_local.status();
  // "cut": what is marked now is looked at by the first recheck, which ends
  // what the rules do not allow at once, not only with its next packet.
  return MarkExisting(**conntrack, marks, *is_local).status();
}

absl::Status RealDaemon::StartApi() {
  auto watch = DirWatch::Open(rules_->directories());
  if (!watch.ok()) return watch.status();
  dir_watch_ = *std::move(watch);
  // What changed between Load and the watch.
  ReloadRules();
  timer_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer_fd_ < 0) return absl::ErrnoToStatus(errno, "timerfd");
  itimerspec beat{};
  beat.it_interval = absl::ToTimespec(heartbeat_->Interval());
  beat.it_value = beat.it_interval;
  timerfd_settime(timer_fd_, 0, &beat, nullptr);
  auto api = ApiServer::Start(*socket_, control_gid_, MakeApiContext());
  if (!api.ok()) return api.status();
  api_ = *std::move(api);
  return absl::OkStatus();
}

ApiContext RealDaemon::MakeApiContext() {
  ApiContext context;
  context.rules = rules_.get();
  context.history = history_.get();
  context.events = &feed_;
  context.learn = learn_.get();
  context.status = [this] { return MakeStatus(); };
  context.policy = [this] { return policy_->Current(); };
  context.confirmation = confirmation_.get();
  context.metrics = [this] { return MakeMetrics(); };
  context.stats = [this] { return MakeStats(); };
  context.audit = [](const std::string& text) { LogInfo(text); };
  return context;
}

absl::Status RealDaemon::Run() {
  std::array<pollfd, 5> fds = {{{signal_fd_, POLLIN, 0},
                                {timer_fd_, POLLIN, 0},
                                {dir_watch_->fd(), POLLIN, 0},
                                {rule_clock_->fd(), POLLIN, 0},
                                {boot_timer_->fd(), POLLIN, 0}}};
  for (;;) {
    if (poll(fds.data(), fds.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, "poll");
    }
    if (fds[0].revents != 0 && !HandleSignal()) return absl::OkStatus();
    if (fds[1].revents != 0) {
      uint64_t ticks;
      if (read(timer_fd_, &ticks, sizeof(ticks)) > 0) heartbeat_->Beat();
      if (engine_->failed()) {
        return absl::InternalError("a queue's socket broke");
      }
    }
    if (fds[2].revents != 0 && dir_watch_->HandleReadable()) ReloadRules();
    if (fds[3].revents != 0 && rule_clock_->HandleReadable()) {
      rules_->Advance();
    }
    if (fds[4].revents != 0) confirmation_->OnAlarm();
  }
}

bool RealDaemon::HandleSignal() {
  signalfd_siginfo info;
  while (read(signal_fd_, &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo != SIGHUP) return false;
    log_.Reopen();
    ReloadRules();
  }
  return true;
}

void RealDaemon::ReloadRules() {
  if (absl::Status status = rules_->Reload(); !status.ok()) {
    rule_load_errors_.fetch_add(1, std::memory_order_relaxed);
    LogError(absl::StrCat("rules not reloaded, the last good ones stay: ",
                          status.message()));
  }
}

// Any thread that may change rules.
void RealDaemon::TellRuleChange(const RuleFileChange& change) {
  const std::string owner =
      change.owner.has_value() ? UserNameOf(*change.owner) : "";
  EventNotice notice = NoticeOf(change, owner, absl::ToUnixNanos(absl::Now()));
  LogInfo(notice.text);
  if (writer_ != nullptr) writer_->Post(std::move(notice));
}

std::vector<QueueReport> RealDaemon::MakeQueueReports() const {
  std::vector<QueueReport> reports(config_.queues);
  for (size_t i = 0; i < reports.size(); ++i) {
    reports[i].number = static_cast<uint16_t>(config_.queue_base + i);
    reports[i].received =
        engine_->counters(i).received.load(std::memory_order_relaxed);
  }
  for (const QueueRow& row : ReadQueueTable()) {
    for (QueueReport& report : reports) {
      if (report.number != row.number) continue;
      report.waiting = row.waiting;
      report.dropped = row.dropped;
      report.user_dropped = row.user_dropped;
    }
  }
  return reports;
}

StatusReport RealDaemon::MakeStatus() const {
  StatusReport report;
  const PolicySnapshot policy = policy_->Current();
  report.settings = policy.settings;
  report.on_failure = config_.on_failure;
  report.divert = divert_->state();
  report.settle = settle_;
  report.queues = MakeQueueReports();
  report.process_events = kernel_watch_->has_process_events();
  report.rule_count = policy.rules->rules().size();
  for (const Rule& rule : policy.rules->rules()) {
    if (rule.enabled) ++report.rules_enabled;
  }
  report.rules_error = rules_->last_error();
  const EventWriterStatus events = writer_->status();
  report.history_ok = events.history.ok();
  report.history_error = std::string(events.history.message());
  report.pid = getpid();
  report.uptime = absl::Now() - started_at_;
  report.network_namespace = NetworkNamespace();
  report.waiting = confirmation_->Waiting();
  if (const int64_t back_ns = engine_->canary().last_back_ns(); back_ns > 0) {
    report.canary_seen = true;
    report.canary_age = absl::Nanoseconds(MonotonicNs() - back_ns);
  }
  return report;
}

StatsSnapshot RealDaemon::MakeStats() const {
  StatsSnapshot snapshot = stats_.Snapshot();
  snapshot.dropped_events = events_.dropped();
  return snapshot;
}

std::string RealDaemon::MakeMetrics() const {
  const StatusReport status = MakeStatus();
  const EventWriterStatus events = writer_->status();
  MetricsInput input;
  input.version = SALLYPORT_VERSION;
  input.mode = status.settings.mode;
  input.divert_installed = status.divert.installed;
  input.divert_repairs = status.divert.repairs;
  for (const QueueReport& queue : status.queues) {
    input.queues.push_back({queue.number, queue.waiting, queue.dropped,
                            queue.user_dropped, queue.received});
  }
  input.rules = status.rule_count;
  input.rules_enabled = status.rules_enabled;
  input.rule_load_errors = rule_load_errors_.load(std::memory_order_relaxed);
  input.events_lost = events_.dropped();
  input.log_lost = events.log_lost;
  input.history_errors = events.history_errors;
  input.history_lost = events.history_lost;
  input.uptime_seconds = absl::ToDoubleSeconds(status.uptime);
  return MetricsText(MakeStats(), input);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(
    const Config& config, std::unique_ptr<ProcessEventSource> process_events) {
  auto daemon = std::make_unique<RealDaemon>(config, std::move(process_events));
  if (absl::Status status = daemon->StartAll(); !status.ok()) return status;
  return daemon;
}

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
      return 3;
    case absl::StatusCode::kPermissionDenied:
      return 4;
    case absl::StatusCode::kUnimplemented:
      return 5;
    case absl::StatusCode::kAlreadyExists:
      return 6;
    default:
      return 1;
  }
}

}  // namespace sallyport
