#ifndef SALLYPORT_PROC_PROCESS_EVENTS_H_
#define SALLYPORT_PROC_PROCESS_EVENTS_H_

// Births and deaths of processes as the kernel tells them (proc connector).
// They keep the ProcessTable small and its answers quick. Where there is no
// connector (it exists in the initial pid namespace only) the table finds out
// by itself, at more cost for each lookup.
//
//   auto source = OpenProcessEvents();
//   if (source.ok()) feed = std::make_shared<ProcessEventFeed>(*source, table);
//   ... poll feed->fd() for reading ...
//   feed->HandleReadable();

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "proc/process_news.h"
#include "proc/process_table.h"

namespace sallyport {

struct ProcessEvent {
  enum class Kind : uint8_t { kFork, kExec, kExit };
  Kind kind = Kind::kFork;
  int32_t pid = 0;  // of the process born, changed or dead; never a thread's
  bool operator==(const ProcessEvent&) const = default;
};

// Kernel surface; the real one is made by OpenProcessEvents, the interface
// exists for tests. One thread.
class ProcessEventSource {
 public:
  virtual ~ProcessEventSource() = default;
  virtual int fd() const = 0;  // readable when there are events
  // Number of events, 0 if there are none now, or a negative errno; -ENOBUFS:
  // some were lost.
  virtual int Read(std::span<ProcessEvent> events) = 0;
  // True if nothing waits to be read, and nothing was lost. Any thread.
  virtual bool is_drained() const = 0;
};

// From another network namespace than the initial one it takes CAP_SYS_ADMIN at
// this moment. Error: Unavailable (not in the initial user and pid namespaces,
// or CONFIG_PROC_EVENTS is not set), PermissionDenied (CAP_NET_ADMIN).
absl::StatusOr<std::unique_ptr<ProcessEventSource>> OpenProcessEvents();

class ProcessEventFeed : public ProcessNews {
 public:
  ProcessEventFeed(std::unique_ptr<ProcessEventSource> source,
                   std::shared_ptr<ProcessTable> table)
      : source_(std::move(source)), table_(std::move(table)) {}

  int fd() const { return source_->fd(); }
  // Tells the table what happened, until there is nothing to read; a bounded
  // number of events, so that the caller's other work gets its turn. After a
  // loss the table looks at everything anew. Error: the source is broken.
  absl::Status HandleReadable();
  uint64_t losses() const { return losses_; }
  bool is_all_heard() const override;

 private:
  absl::Status TellTable(bool* is_told_all);
  void Tell(std::span<const ProcessEvent> events, proc::WorkBudget* budget);

  std::unique_ptr<ProcessEventSource> source_;
  std::shared_ptr<ProcessTable> table_;  // shared with the resolvers
  uint64_t losses_ = 0;
  bool is_lost_ = false;  // and not yet made good
  // True while events that were taken from the source are not all told to the
  // table; for ever once the source is broken.
  std::atomic<bool> is_behind_{false};
};

}  // namespace sallyport

#endif  // SALLYPORT_PROC_PROCESS_EVENTS_H_
