#ifndef SALLYPORT_PROC_UNIQUE_FD_H_
#define SALLYPORT_PROC_UNIQUE_FD_H_

// An open descriptor and the duty to close it. Not thread-safe; move-only.

#include <unistd.h>

#include <utility>

namespace sallyport::proc {

class UniqueFd {
 public:
  explicit UniqueFd(int fd = -1) : fd_(fd) {}
  ~UniqueFd() {
    if (fd_ >= 0) close(fd_);
  }
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_UNIQUE_FD_H_
