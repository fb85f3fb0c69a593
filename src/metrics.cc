#include "src/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <utility>

namespace sallyport {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// Upper ends in nanoseconds: from a hinted lookup to the slow lane's deadline.
constexpr int64_t kLatencyBoundsNs[] = {
    10'000,      25'000,      50'000,       75'000,     100'000,
    150'000,     250'000,     500'000,      1'000'000,  2'500'000,
    5'000'000,   10'000'000,  25'000'000,   50'000'000, 100'000'000,
    250'000'000, 500'000'000, 1'000'000'000};

class Families {
 public:
  void Begin(const char* name, const char* help, MetricType type) {
    families_.push_back({name, help, type, {}});
  }
  void Value(double value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (families_.back().type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    families_.back().metric.push_back(std::move(metric));
  }
  void Value(uint64_t value, Labels labels = {}) {
    Value(static_cast<double>(value), std::move(labels));
  }
  void Counter(const char* name, const char* help, uint64_t value) {
    Begin(name, help, MetricType::Counter);
    Value(value);
  }
  void Gauge(const char* name, const char* help, double value) {
    Begin(name, help, MetricType::Gauge);
    Value(value);
  }
  void Histogram(ClientMetric::Histogram histogram) {
    ClientMetric metric;
    metric.histogram = std::move(histogram);
    families_.back().metric.push_back(std::move(metric));
  }
  std::string Text() const {
    return prometheus::TextSerializer().Serialize(families_);
  }

 private:
  std::vector<MetricFamily> families_;
};

void AddFlows(const StatsSnapshot& stats, Families& out) {
  out.Begin("sallyport_flows_total", "Flows judged, by what was done and why.",
            MetricType::Counter);
  for (const Verdict verdict :
       {Verdict::kAllow, Verdict::kDeny, Verdict::kReject}) {
    // kNoDecision is never shown.
    for (size_t reason = 1; reason < kReasons; ++reason) {
      out.Value(stats.by_reason[static_cast<size_t>(verdict)][reason],
                {{"action", VerdictName(verdict)},
                 {"reason", ReasonName(static_cast<Reason>(reason))}});
    }
  }
  out.Counter("sallyport_flows_would_deny_total",
              "Flows let through in mode monitor or learn that enforce would "
              "have turned away.",
              stats.total.would_deny);
  out.Begin("sallyport_flows_stage_total", "Flows judged, by where.",
            MetricType::Counter);
  out.Value(stats.total.by_stage[0], {{"stage", "queue"}});
  out.Value(stats.total.by_stage[1], {{"stage", "slow"}});
  out.Counter("sallyport_flows_unattributed_total",
              "Flows whose process was not found.", stats.unattributed);
  out.Counter("sallyport_packets_malformed_total",
              "Packets that could not be parsed.", stats.malformed);
}

void AddLatency(const LatencyHistogram& latency, Families& out) {
  ClientMetric::Histogram histogram;
  histogram.sample_count = latency.count();
  histogram.sample_sum = static_cast<double>(latency.sum_ns()) / 1e9;
  for (const int64_t bound_ns : kLatencyBoundsNs) {
    histogram.bucket.push_back(
        {latency.CountUpTo(bound_ns), static_cast<double>(bound_ns) / 1e9});
  }
  histogram.bucket.push_back(
      {latency.count(), std::numeric_limits<double>::infinity()});
  out.Begin("sallyport_verdict_latency_seconds",
            "From the packet's receipt to its verdict.", MetricType::Histogram);
  out.Histogram(std::move(histogram));
}

void AddQueues(const std::vector<QueueMetrics>& queues, Families& out) {
  const auto each = [&](const char* name, const char* help, MetricType type,
                        uint64_t QueueMetrics::*value) {
    out.Begin(name, help, type);
    for (const QueueMetrics& queue : queues) {
      out.Value(queue.*value, {{"queue", std::to_string(queue.number)}});
    }
  };
  each("sallyport_queue_waiting", "Packets waiting in the kernel's queue.",
       MetricType::Gauge, &QueueMetrics::waiting);
  each("sallyport_queue_dropped_total",
       "Packets the kernel dropped because the queue was full.",
       MetricType::Counter, &QueueMetrics::dropped);
  each("sallyport_queue_user_dropped_total",
       "Packets the kernel dropped because our socket was full.",
       MetricType::Counter, &QueueMetrics::user_dropped);
  each("sallyport_queue_received_total", "Packets received from the queue.",
       MetricType::Counter, &QueueMetrics::received);
}

void AddHouse(const MetricsInput& input, Families& out) {
  out.Begin("sallyport_build_info", "Version of the daemon; always 1.",
            MetricType::Gauge);
  Labels labels = {{"version", input.version}};
  if (!input.commit.empty()) labels.push_back({"commit", input.commit});
  out.Value(1.0, std::move(labels));
  out.Begin("sallyport_mode", "1 for the mode that is set.", MetricType::Gauge);
  for (const Mode mode : kAllModes) {
    out.Value(mode == input.mode ? 1.0 : 0.0, {{"mode", ModeName(mode)}});
  }
  out.Gauge("sallyport_uptime_seconds", "Time since the daemon started.",
            input.uptime_seconds);
  out.Begin("sallyport_rules", "Rules loaded.", MetricType::Gauge);
  out.Value(input.rules_enabled, {{"state", "enabled"}});
  out.Value(input.rules - input.rules_enabled, {{"state", "disabled"}});
  out.Counter("sallyport_rule_load_errors_total",
              "Times that the rule files were not accepted.",
              input.rule_load_errors);
  out.Gauge("sallyport_divert_installed",
            "1 while our kernel ruleset is in place.",
            input.divert_installed ? 1 : 0);
  out.Counter("sallyport_divert_repairs_total",
              "Times that our kernel ruleset was put back.",
              input.divert_repairs);
  out.Counter("sallyport_events_lost_total",
              "Events dropped because the event ring was full.",
              input.events_lost);
  out.Counter("sallyport_log_lost_total",
              "Events that the event log did not take.", input.log_lost);
  out.Counter("sallyport_history_errors_total",
              "Batches that could not be stored.", input.history_errors);
  out.Counter("sallyport_history_lost_total",
              "Events given up because the history could not be written.",
              input.history_lost);
}

}  // namespace

std::string MetricsText(const StatsSnapshot& stats, const MetricsInput& input) {
  Families families;
  AddHouse(input, families);
  AddFlows(stats, families);
  AddLatency(stats.latency, families);
  AddQueues(input.queues, families);
  return families.Text();
}

}  // namespace sallyport
