#include "tools/event_stream.h"

#include <curl/curl.h>

#include <utility>
#include <vector>

#include "rules/text_util.h"
#include "tools/api_client.h"

namespace sallyport::cli {

void SseParser::Feed(std::string_view bytes, std::deque<std::string>* events) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() > kMaxLineBytes) {
      skipping_ = true;
      line_.clear();
    }
    if (!skipping_) line_.append(part);
    if (end == bytes.npos) return;
    if (!skipping_) Line(line_, events);
    skipping_ = false;
    line_.clear();
    bytes.remove_prefix(end + 1);
  }
}

void SseParser::Line(std::string_view line, std::deque<std::string>* events) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) {
    if (!data_.empty()) events->push_back(std::move(data_));
    data_.clear();
    return;
  }
  constexpr std::string_view kData = "data:";
  if (!line.starts_with(kData)) return;  // event, id, retry, comment
  line.remove_prefix(kData.size());
  if (line.starts_with(' ')) line.remove_prefix(1);
  if (data_.size() + line.size() >= kMaxLineBytes) return;
  AppendTo(&data_, data_.empty() ? "" : "\n", line);
}

struct EventStream::Impl {
  explicit Impl(std::string path)
      : socket_path(std::move(path)), multi(curl_multi_init()) {}
  ~Impl() {
    Close();
    curl_multi_cleanup(multi);
  }

  void Close() {
    if (easy == nullptr) return;
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    easy = nullptr;
  }

  static size_t OnBytes(char* data, size_t size, size_t count, void* self) {
    auto* impl = static_cast<Impl*>(self);
    const std::string_view bytes(data, size * count);
    if (impl->http_status() != 200) {
      impl->error_body.append(bytes.substr(0, SseParser::kMaxLineBytes));
      return bytes.size();
    }
    impl->parser.Feed(bytes, &impl->pending);
    while (impl->pending.size() > kMaxPending) {
      impl->pending.pop_front();
      ++impl->forgotten;
    }
    return bytes.size();
  }

  long http_status() const {
    long status = 0;
    if (easy != nullptr) {
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    }
    return status;
  }

  void Perform() {
    if (easy == nullptr) return;
    int running = 0, left = 0;
    curl_multi_perform(multi, &running);
    connected = http_status() == 200;
    const CURLMsg* message = curl_multi_info_read(multi, &left);
    if (message != nullptr && message->msg == CURLMSG_DONE) {
      ended = WhyEnded(message->data.result);
      Close();
    }
  }

  absl::Status WhyEnded(CURLcode code) const {
    long os_errno = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
    if (code == CURLE_COULDNT_CONNECT) {
      return NotReachable(socket_path, static_cast<int>(os_errno), "");
    }
    if (http_status() != 0 && http_status() != 200) {
      return StatusOfAnswer(http_status(), error_body);
    }
    return absl::UnavailableError("the daemon closed the connection");
  }

  const std::string socket_path;
  CURLM* const multi;
  CURL* easy = nullptr;
  bool connected = false;
  absl::Status ended;  // not yet told
  SseParser parser;
  std::string error_body;
  std::deque<std::string> pending;
  uint64_t forgotten = 0;
};

EventStream::EventStream(std::string socket_path)
    : impl_(std::make_unique<Impl>(std::move(socket_path))) {}

EventStream::~EventStream() = default;

absl::Status EventStream::Open(const std::string& path) {
  impl_->Close();
  impl_->connected = false;
  impl_->ended = absl::OkStatus();
  impl_->parser = SseParser();
  impl_->error_body.clear();
  CURL* easy = curl_easy_init();
  if (easy == nullptr || impl_->multi == nullptr) {
    return absl::ResourceExhaustedError("libcurl: out of memory");
  }
  impl_->easy = easy;
  curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, impl_->socket_path.c_str());
  curl_easy_setopt(easy, CURLOPT_URL, Concat("http://sallyport", path).c_str());
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Impl::OnBytes);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, impl_.get());
  curl_multi_add_handle(impl_->multi, easy);
  return absl::OkStatus();
}

absl::Status EventStream::Wait(absl::Duration timeout,
                               std::span<const int> fds) {
  impl_->Perform();
  if (impl_->pending.empty() && impl_->ended.ok()) {
    std::vector<curl_waitfd> waits;
    for (int fd : fds) waits.push_back({fd, CURL_WAIT_POLLIN, 0});
    curl_multi_poll(
        impl_->multi, waits.data(), static_cast<unsigned>(waits.size()),
        static_cast<int>(absl::ToInt64Milliseconds(timeout)), nullptr);
    impl_->Perform();
  }
  // What came before the end is told before the end.
  if (!impl_->pending.empty()) return absl::OkStatus();
  return std::exchange(impl_->ended, absl::OkStatus());
}

bool EventStream::connected() const {
  return impl_->connected || impl_->http_status() == 200;
}

std::deque<std::string> EventStream::Take() {
  return std::exchange(impl_->pending, {});
}

uint64_t EventStream::forgotten() const { return impl_->forgotten; }

}  // namespace sallyport::cli
