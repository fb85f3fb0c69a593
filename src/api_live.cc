#include "src/api_live.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

namespace sallyport {
namespace {

constexpr char kKeepAlive[] = ": keep-alive\n\n";
constexpr size_t kBlockBytes = 32 << 10;  // the library's buffer per stream

}  // namespace

class LiveStreams::Stream {
 public:
  Stream(LiveStreams* owner, MHD_Connection* connection,
         std::unique_ptr<ApiStream> source)
      : owner_(owner), connection_(connection), source_(std::move(source)) {
    source_->Start([this] { Wake(); });
  }

  // Any thread. The library is told only if it has suspended the connection,
  // and once: told too often it would skip the next suspension.
  void Wake() {
    std::lock_guard lock(mutex_);
    WakeLocked();
  }

  void AskKeepAlive() {
    std::lock_guard lock(mutex_);
    if (!suspended_) return;  // it has things to say
    keep_alive_due_ = true;
    WakeLocked();
  }

  void End() {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    WakeLocked();
  }

  void WaitUntilNotSuspended() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !suspended_ || ended_; });
  }

  // Library's thread.
  ssize_t Read(char* buffer, size_t size) {
    {
      std::lock_guard lock(mutex_);
      suspended_ = false;
      resume_asked_ = false;
      changed_.notify_all();
    }
    while (pending_.empty()) {
      if (IsStopping()) return MHD_CONTENT_READER_END_OF_STREAM;
      std::optional<std::string> next = source_->Next();
      if (!next.has_value()) return MHD_CONTENT_READER_END_OF_STREAM;
      pending_ = *std::move(next);
      if (pending_.empty() && Suspend()) return 0;
    }
    const size_t n = std::min(size, pending_.size());
    std::memcpy(buffer, pending_.data(), n);
    pending_.erase(0, n);
    return static_cast<ssize_t>(n);
  }

  // Library's thread, last call: its connection goes away.
  void Close() {
    source_.reset();  // no Wake any more
    std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  LiveStreams* owner() const { return owner_; }

 private:
  void WakeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!suspended_ || resume_asked_) {
      woken_ = true;
      return;
    }
    if (ended_) return;
    resume_asked_ = true;
    MHD_resume_connection(connection_);
  }

  bool IsStopping() {
    std::lock_guard lock(mutex_);
    return stopping_;
  }

  // False if it was woken since the source was asked: ask again.
  bool Suspend() {
    std::lock_guard lock(mutex_);
    if (keep_alive_due_) {
      keep_alive_due_ = false;
      pending_ = kKeepAlive;
      return false;
    }
    if (woken_ || stopping_) {
      woken_ = false;
      return false;
    }
    suspended_ = true;
    MHD_suspend_connection(connection_);
    return true;
  }

  LiveStreams* const owner_;
  MHD_Connection* const connection_;

  // Library's thread.
  std::unique_ptr<ApiStream> source_;
  std::string pending_;  // of it, not yet taken by the library

  std::mutex mutex_;
  std::condition_variable changed_;                 // suspended_ or ended_
  bool suspended_ ABSL_GUARDED_BY(mutex_) = false;  // until Read is called
  bool resume_asked_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;  // while not suspended
  bool keep_alive_due_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

ssize_t LiveStreams::ReadCallback(void* stream, uint64_t, char* buffer,
                                  size_t size) {
  return static_cast<Stream*>(stream)->Read(buffer, size);
}

void LiveStreams::FreeCallback(void* stream) {
  Stream* const raw = static_cast<Stream*>(stream);
  raw->Close();
  LiveStreams* const owner = raw->owner();
  std::lock_guard lock(owner->mutex_);
  std::erase_if(owner->streams_,
                [raw](const auto& shared) { return shared.get() == raw; });
}

MHD_Response* LiveStreams::Open(MHD_Connection* connection,
                                std::unique_ptr<ApiStream> source) {
  auto stream = std::make_shared<Stream>(this, connection, std::move(source));
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return nullptr;
    streams_.insert(stream);
  }
  MHD_Response* response = MHD_create_response_from_callback(
      MHD_SIZE_UNKNOWN, kBlockBytes, ReadCallback, stream.get(), FreeCallback);
  if (response == nullptr) FreeCallback(stream.get());
  return response;
}

void LiveStreams::KeepAlive() {
  std::vector<std::shared_ptr<Stream>> streams;
  {
    std::lock_guard lock(mutex_);
    streams.assign(streams_.begin(), streams_.end());
  }
  for (const auto& stream : streams) stream->AskKeepAlive();
}

bool LiveStreams::empty() const {
  std::lock_guard lock(mutex_);
  return streams_.empty();
}

void LiveStreams::Stop() {
  std::vector<std::shared_ptr<Stream>> streams;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    streams.assign(streams_.begin(), streams_.end());
  }
  for (const auto& stream : streams) stream->End();
  for (const auto& stream : streams) stream->WaitUntilNotSuspended();
}

}  // namespace sallyport
