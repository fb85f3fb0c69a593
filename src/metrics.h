#ifndef SALLYPORT_SRC_METRICS_H_
#define SALLYPORT_SRC_METRICS_H_

// GET /metrics: the Prometheus text format 0.0.4 (prometheus-cpp's writer).
// Labels come from closed sets only; no app path is ever a label. Pure.

#include <cstdint>
#include <string>
#include <vector>

#include "rules/verdict.h"
#include "src/stats.h"

namespace sallyport {

struct QueueMetrics {
  uint16_t number = 0;
  uint64_t waiting = 0;       // packets in the kernel's queue
  uint64_t dropped = 0;       // by the kernel: queue full
  uint64_t user_dropped = 0;  // by the kernel: our socket was full
  uint64_t received = 0;      // packets that reached a worker
};

struct MetricsInput {
  std::string version;
  std::string commit;  // "": not known
  Mode mode = Mode::kMonitor;
  bool divert_installed = false;
  uint64_t divert_repairs = 0;
  std::vector<QueueMetrics> queues;
  uint64_t rules = 0;
  uint64_t rules_enabled = 0;
  uint64_t rule_load_errors = 0;
  uint64_t events_lost = 0;  // dropped by the ring
  uint64_t log_lost = 0;
  uint64_t history_errors = 0;
  uint64_t history_lost = 0;
  double uptime_seconds = 0;
};

inline constexpr char kMetricsContentType[] =
    "text/plain; version=0.0.4; charset=utf-8";

std::string MetricsText(const StatsSnapshot& stats, const MetricsInput& input);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_METRICS_H_
