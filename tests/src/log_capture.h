#ifndef SALLYPORT_TESTS_SRC_LOG_CAPTURE_H_
#define SALLYPORT_TESTS_SRC_LOG_CAPTURE_H_

// What the daemon says about itself (src/log.h) while this lives. All of it
// goes on to the real standard error at the end: a sanitizer may have spoken
// too. One at a time; text() from any thread.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace sallyport {

class LogCapture {
 public:
  LogCapture()
      : file_(memfd_create("log", MFD_CLOEXEC)), stderr_(dup(STDERR_FILENO)) {
    EXPECT_GE(dup2(file_, STDERR_FILENO), 0);
  }
  ~LogCapture() {
    dup2(stderr_, STDERR_FILENO);
    const std::string said = text();
    EXPECT_EQ(write(STDERR_FILENO, said.data(), said.size()),
              static_cast<ssize_t>(said.size()));
    close(stderr_);
    close(file_);
  }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  std::string text() const {
    std::string all;
    char part[4096];
    ssize_t got;
    while ((got = pread(file_, part, sizeof(part),
                        static_cast<off_t>(all.size()))) > 0) {
      all.append(part, static_cast<size_t>(got));
    }
    return all;
  }
  // How often `part` was said.
  int Count(std::string_view part) const {
    const std::string all = text();
    int count = 0;
    for (size_t at = all.find(part); at != std::string::npos;
         at = all.find(part, at + 1)) {
      ++count;
    }
    return count;
  }

 private:
  const int file_;
  const int stderr_;
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_SRC_LOG_CAPTURE_H_
