#include "proc/fd_scan.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <memory>
#include <string_view>

#include "proc/proc_text.h"

namespace sallyport::proc {
namespace {

// "socket:[" + 20 digits + "]"; a longer target is no socket.
constexpr size_t kMaxSocketLinkBytes = 32;
constexpr std::string_view kRingLink = "anon_inode:[io_uring]";
// A ring may have 1,048,576 registered files; a line takes up to 40 bytes. This
// is enough for 25,000.
constexpr size_t kMaxRingInfoBytes = 1u << 20;

char* Append(char* at, std::string_view text) {
  return std::copy(text.begin(), text.end(), at);
}

}  // namespace

int64_t MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

FdPath::FdPath(const char* what, FdSlot slot) {
  char* at = text_.data();
  char* end = text_.data() + text_.size() - 1;
  if (slot.task != 0) {
    at = Append(at, "task/");
    at = std::to_chars(at, end, slot.task).ptr;
    *at++ = '/';
  }
  at = Append(at, what);
  if (slot.fd >= 0) {
    *at++ = '/';
    at = std::to_chars(at, end, slot.fd).ptr;
  }
  *at = '\0';
}

namespace {

class Link {
 public:
  Link(ProcDir& dir, FdSlot slot) {
    int length = dir.ReadLink(FdPath("fd", slot).c_str(), bytes_);
    text_ = {bytes_.data(), static_cast<size_t>(std::max(length, 0))};
  }
  std::optional<uint64_t> socket() const {
    return text_.empty() ? std::nullopt : ParseSocketLink(text_);
  }
  bool is_ring() const { return text_ == kRingLink; }

 private:
  std::array<char, kMaxSocketLinkBytes> bytes_;
  std::string_view text_;
};

bool RingHolds(ProcDir& dir, FdSlot slot, uint64_t inode) {
  auto info = std::make_unique_for_overwrite<char[]>(kMaxRingInfoBytes);
  int length =
      dir.Read(FdPath("fdinfo", slot).c_str(), {info.get(), kMaxRingInfoBytes});
  if (length <= 0) return false;
  std::string_view text(info.get(), static_cast<size_t>(length));
  uint64_t found = 0;
  while (NextUserFileSocket(&text, &found)) {
    if (found == inode) return true;
  }
  return false;
}

}  // namespace

bool Holds(ProcDir& dir, FdSlot slot, uint64_t inode) {
  assert(slot.fd >= 0);
  if (slot.in_ring) return RingHolds(dir, slot, inode);
  return Link(dir, slot).socket() == inode;
}

ScanResult ScanSockets(ProcDir& dir, int32_t* next_fd, WorkBudget* budget,
                       std::vector<int32_t>* fds,
                       std::vector<HeldSocket>* out) {
  if (!budget->Take()) return ScanResult::kOutOfBudget;
  int error = dir.List("fd", kMaxFdsPerProcess, fds);
  if (error == -EMFILE || error == -ENFILE) return ScanResult::kNoDescriptors;
  if (error < 0) return ScanResult::kGone;
  auto from = std::lower_bound(fds->begin(), fds->end(), *next_fd);
  int left = kMaxLinksPerScan;
  for (auto fd = from; fd != fds->end(); ++fd) {
    if (left-- == 0 || !budget->Take()) {
      *next_fd = *fd;
      return ScanResult::kOutOfBudget;
    }
    auto inode = Link(dir, {0, *fd}).socket();
    if (inode) out->push_back({static_cast<uint32_t>(*inode), *fd});
  }
  return ScanResult::kComplete;
}

std::optional<FdSlot> FindSocket(ProcDir& dir, const SocketQuery& query,
                                 WorkBudget* budget,
                                 std::vector<int32_t>* fds) {
  fds->clear();
  if (!budget->Take()) return std::nullopt;
  FdPath path("fd", {query.task, -1});
  if (int error = dir.List(path.c_str(), kMaxFdsPerProcess, fds); error < 0) {
    if (error == -EMFILE || error == -ENFILE) budget->Exhaust();
    return std::nullopt;
  }
  for (auto fd = fds->rbegin(); fd != fds->rend(); ++fd) {
    if (query.known_fds != nullptr &&
        std::binary_search(query.known_fds->begin(), query.known_fds->end(),
                           *fd)) {
      continue;
    }
    if (!budget->Take()) return std::nullopt;
    Link link(dir, {query.task, *fd});
    if (link.socket() == query.inode) return FdSlot{query.task, *fd};
    if (query.rings != nullptr && link.is_ring()) {
      query.rings->push_back({query.task, *fd, true});
    }
  }
  return std::nullopt;
}

}  // namespace sallyport::proc
