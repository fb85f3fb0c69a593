#ifndef SALLYPORT_TESTS_SRC_MORTAL_WRITER_H_
#define SALLYPORT_TESTS_SRC_MORTAL_WRITER_H_

// A FileWriter that does so many steps for real, and from then on nothing: what
// a process leaves behind that dies there. A change of many files is as many
// steps, so death comes in the middle too.

#include "src/atomic_file.h"

namespace sallyport {

class MortalWriter : public FileWriter {
 public:
  absl::Status Write(const std::string& path,
                     std::string_view content) override {
    return Dies() ? Dead() : real_.Write(path, content);
  }
  absl::Status Remove(const std::string& path) override {
    return Dies() ? Dead() : real_.Remove(path);
  }
  absl::Status Apply(std::span<const FileChange> changes) override {
    for (const FileChange& change : changes) {
      absl::Status status = change.content.has_value()
                                ? Write(change.path, *change.content)
                                : Remove(change.path);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  static constexpr int kImmortal = -1;
  int steps_left = kImmortal;

 private:
  bool Dies() {
    if (steps_left == kImmortal) return false;
    if (steps_left == 0) return true;
    --steps_left;
    return false;
  }
  static absl::Status Dead() { return absl::UnavailableError("dead"); }

  AtomicFileWriter real_;
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_SRC_MORTAL_WRITER_H_
