// The history on disk: what keeping and verifying events costs.
//
//   append/N    N events in one transaction (the writer takes up to 4,096)
//   verify/N    a history of N events, half of them violations
//
// The file is in TMPDIR: on a disk, not in memory, for figures to publish.

#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "src/history.h"

namespace sallyport {
namespace {

// What an ordinary event has.
constexpr size_t kJsonBytes = 650;

class Place {
 public:
  Place() {
    const char* top = getenv("TMPDIR");
    path_ = std::string(top != nullptr ? top : "/tmp") + "/history-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~Place() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file() const { return path_ + "/h.db"; }

 private:
  std::string path_;
};

std::vector<StoredEvent> Events(size_t count) {
  std::vector<StoredEvent> events(count);
  for (size_t i = 0; i < count; ++i) {
    events[i].time_ns = 1'700'000'000'000'000'000 + static_cast<int64_t>(i);
    events[i].violation = i % 2 == 0;
    events[i].uid = 1000;
    events[i].app = "/usr/bin/some-program";
    events[i].json = std::string(kJsonBytes, 'j');
  }
  return events;
}

void Append(benchmark::State& state) {
  const Place place;
  const auto history = History::Open(place.file(), {}).value();
  const auto events = Events(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    if (!history->Append(events).ok()) state.SkipWithError("append failed");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Append)->Name("append")->Arg(1)->Arg(64)->Arg(4096)->UseRealTime();

void Verify(benchmark::State& state) {
  const Place place;
  const auto history = History::Open(place.file(), {}).value();
  const auto events = Events(static_cast<size_t>(state.range(0)));
  if (!history->Append(events).ok()) state.SkipWithError("append failed");
  for (auto _ : state) {
    const auto report = VerifyHistory(place.file(), {});
    if (!report.ok() || !report->IsIntact()) state.SkipWithError("not intact");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Verify)->Name("verify")->Arg(100'000)->UseRealTime();

}  // namespace
}  // namespace sallyport
