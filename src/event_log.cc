#include "src/event_log.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "src/event_json.h"

namespace sallyport {
namespace {

constexpr char kJournalSocket[] = "/run/systemd/journal/socket";
// One write call; also what a burst can make us hold.
constexpr size_t kBufferBytes = 256 << 10;

// Nothing that can block: a pipe without a reader, a terminal.
constexpr int kOpenFlags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

bool IsFifo(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
}

uint64_t CountLines(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

void AppendField(std::string_view name, std::string_view value,
                 std::string* out) {
  out->append(name);
  out->push_back('=');
  out->append(value);  // REQUIRES: no newline in it; ours are escaped
  out->push_back('\n');
}

}  // namespace

EventLog::EventLog(EventLogOptions options) : options_(std::move(options)) {
  if (enabled()) EnsureOpen();
}

EventLog::~EventLog() {
  Flush();
  Close();
}

absl::Status EventLog::error() const {
  std::lock_guard lock(mutex_);
  return error_;
}

void EventLog::SetError(absl::Status error) {
  std::lock_guard lock(mutex_);
  error_ = std::move(error);
}

bool EventLog::EnsureOpen() {
  if (fd_ >= 0 && reopen_.exchange(false, std::memory_order_relaxed)) {
    // What was written before belongs into the old file.
    if (!buffer_.empty()) FlushFile();
    Close();
  }
  if (fd_ >= 0) return true;
  return options_.sink == EventLogOptions::Sink::kFile ? OpenFile()
                                                       : OpenJournal();
}

bool EventLog::OpenFile() {
  // As a reader too, a pipe can be opened while nobody reads, and does not
  // raise SIGPIPE when its reader leaves.
  const int flags = IsFifo(options_.path)
                        ? O_RDWR | kOpenFlags
                        : O_WRONLY | O_APPEND | O_CREAT | kOpenFlags;
  fd_ = open(options_.path.c_str(), flags, 0640);
  struct stat info;
  if (fd_ < 0 || fstat(fd_, &info) != 0) {
    SetError(absl::ErrnoToStatus(errno, "event log " + options_.path));
    Close();
    return false;
  }
  regular_ = S_ISREG(info.st_mode);
  size_bytes_ = info.st_size;
  SetError(absl::OkStatus());
  return true;
}

bool EventLog::OpenJournal() {
  fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) SetError(absl::ErrnoToStatus(errno, "journal socket"));
  return fd_ >= 0;
}

void EventLog::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  if (buffer_.empty()) return;
  lost_.fetch_add(CountLines(buffer_), std::memory_order_relaxed);
  buffer_.clear();
  torn_ = false;
}

void EventLog::Write(const DecisionRecord& record, std::string_view json) {
  if (!IsReady()) return;
  if (options_.sink != EventLogOptions::Sink::kJournal) {
    AppendLine(json);
    return;
  }
  BeginEntry(EventToText(record), IsViolation(record));
  AppendField("SALLYPORT_ACTION", VerdictName(record.decision.verdict),
              &entry_);
  AppendField("SALLYPORT_REASON", ReasonName(record.decision.reason), &entry_);
  SendEntry(json);
}

void EventLog::WriteNotice(const EventNotice& notice) {
  if (!IsReady()) return;
  if (options_.sink != EventLogOptions::Sink::kJournal) {
    AppendLine(notice.json);
    return;
  }
  BeginEntry(notice.text, /*is_warning=*/true);
  SendEntry(notice.json);
}

// False: there is no sink now, and what was to be written is lost.
bool EventLog::IsReady() {
  if (!enabled()) return false;
  if (EnsureOpen()) return true;
  lost_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void EventLog::AppendLine(std::string_view json) {
  buffer_.append(json);
  buffer_.push_back('\n');
  if (buffer_.size() >= kBufferBytes) FlushFile();
}

void EventLog::Flush() {
  if (enabled() && EnsureOpen() && !buffer_.empty()) FlushFile();
}

void EventLog::RotateIfNeeded() {
  const auto more = static_cast<int64_t>(buffer_.size());
  if (!regular_ || options_.rotate_bytes == 0 || torn_ || size_bytes_ == 0 ||
      size_bytes_ + more <= options_.rotate_bytes) {
    return;
  }
  struct stat ours;
  struct stat named;
  const std::string& path = options_.path;
  // Only what we wrote is moved: somebody else may have rotated already.
  if (fstat(fd_, &ours) == 0 && stat(path.c_str(), &named) == 0 &&
      ours.st_dev == named.st_dev && ours.st_ino == named.st_ino &&
      rename(path.c_str(), (path + ".1").c_str()) != 0) {
    SetError(absl::ErrnoToStatus(errno, "cannot rotate " + path));
    return;
  }
  std::string lines = std::exchange(buffer_, {});
  Close();
  if (OpenFile()) {
    buffer_ = std::move(lines);
  } else {
    lost_.fetch_add(CountLines(lines), std::memory_order_relaxed);
  }
}

void EventLog::FlushFile() {
  RotateIfNeeded();
  size_t done = 0;
  int error = 0;
  while (done < buffer_.size() && error == 0) {
    const ssize_t n = write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (n >= 0) {
      done += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  size_bytes_ += static_cast<int64_t>(done);
  if (error == 0) {
    buffer_.clear();
    torn_ = false;
    if (!this->error().ok()) SetError(absl::OkStatus());
    return;
  }
  DropUnwritten(done);
  if (error == EAGAIN) {
    SetError(absl::UnavailableError("event log " + options_.path +
                                    ": its reader does not keep up"));
    return;
  }
  SetError(absl::ErrnoToStatus(error, "event log " + options_.path));
  // Out of space may pass; all else needs the file to be opened anew.
  if (error != ENOSPC && error != EDQUOT) Close();
}

// Keeps the rest of a line that was begun, so that the next one does not stand
// in the middle of it; the lines after it are lost.
void EventLog::DropUnwritten(size_t written) {
  torn_ = written == 0 ? torn_ : buffer_[written - 1] != '\n';
  buffer_.erase(0, written);
  const size_t keep = torn_ ? buffer_.find('\n') + 1 : 0;
  lost_.fetch_add(CountLines(std::string_view(buffer_).substr(keep)),
                  std::memory_order_relaxed);
  buffer_.resize(keep);
}

void EventLog::BeginEntry(std::string_view message, bool is_warning) {
  entry_.clear();
  AppendField("MESSAGE", message, &entry_);
  AppendField("PRIORITY", is_warning ? "4" : "6", &entry_);
  AppendField("SYSLOG_IDENTIFIER", "sallyportd", &entry_);
}

void EventLog::SendEntry(std::string_view json) {
  AppendField("SALLYPORT_EVENT", json, &entry_);

  std::string_view name = options_.path;
  if (name.empty()) name = kJournalSocket;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const ssize_t sent =
      sendto(fd_, entry_.data(), entry_.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (sent >= 0) {
    if (!error().ok()) SetError(absl::OkStatus());
    return;
  }
  const int why = errno;
  lost_.fetch_add(1, std::memory_order_relaxed);
  SetError(absl::ErrnoToStatus(
      why, why == EAGAIN ? "the journal does not keep up" : "journal"));
}

}  // namespace sallyport
