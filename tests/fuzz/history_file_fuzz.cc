// A history with some of its bytes changed: three bytes of input are place,
// place and value. Whatever they do, verifying ends, and a file in which a
// record reads differently is never called whole.

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "src/history.h"
#include "src/history_schema.h"

namespace sallyport {
namespace {

constexpr size_t kMaxPatches = 64;

class PatchedFile {
 public:
  PatchedFile() {
    char directory[] = "/tmp/sallyport-fuzz-XXXXXX";
    if (mkdtemp(directory) == nullptr) std::abort();
    directory_ = directory;
    path_ = directory_ + "/h.db";
    std::vector<StoredEvent> events;
    for (int i = 0; i < 24; ++i) {
      events.push_back({.time_ns = 1'700'000'000'000'000'000 + i,
                        .violation = i % 2 == 0,
                        .uid = 1000,
                        .app = "/bin/app",
                        .json = "{\"number\":" + std::to_string(i) + "}"});
    }
    if (!History::Open(path_, {}).value()->Append(events).ok()) std::abort();
    fd_ = open(path_.c_str(), O_RDWR | O_CLOEXEC);
    size_ = static_cast<off_t>(std::filesystem::file_size(path_));
    texts_ = Texts();
    if (texts_.size() != events.size()) std::abort();
  }
  ~PatchedFile() {
    close(fd_);
    std::filesystem::remove_all(directory_);
  }

  const std::string& path() const { return path_; }
  bool ReadsDifferently() const { return Texts() != texts_; }

  // Puts `value` at `at`; what was there.
  uint8_t Patch(size_t at, uint8_t value) {
    const auto offset = static_cast<off_t>(at) % size_;
    uint8_t before = 0;
    if (pread(fd_, &before, 1, offset) != 1) std::abort();
    if (pwrite(fd_, &value, 1, offset) != 1) std::abort();
    return before;
  }

 private:
  std::vector<std::string> Texts() const {
    std::vector<std::string> texts;
    auto db = SqliteDb::OpenUnused(path_);
    if (!db.ok()) return texts;
    for (const char* table : kHistoryTables) {
      auto select =
          db->Prepare((std::string("SELECT json, app, time_ns FROM ") + table +
                       " ORDER BY id")
                          .c_str());
      while (select.ok() && select->Step().value_or(false)) {
        texts.push_back(std::string(select->Text(0)) + "|" +
                        std::string(select->Text(1)) + "|" +
                        std::to_string(select->Int(2)));
      }
    }
    return texts;
  }

  std::string directory_;
  std::string path_;
  int fd_ = -1;
  off_t size_ = 0;
  std::vector<std::string> texts_;
};

}  // namespace
}  // namespace sallyport

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;
  static PatchedFile file;
  struct Undo {
    size_t at;
    uint8_t value;
  };
  std::vector<Undo> undo;
  for (size_t i = 0; i + 3 <= size && undo.size() < kMaxPatches; i += 3) {
    const size_t at = data[i] * size_t{256} + data[i + 1];
    undo.push_back({at, file.Patch(at, data[i + 2])});
  }
  const auto report = VerifyHistory(file.path(), {});
  if (report.ok() && report->IsIntact() && file.ReadsDifferently()) {
    std::abort();
  }
  if (report.ok()) HistoryReportToJson(*report);
  while (!undo.empty()) {
    file.Patch(undo.back().at, undo.back().value);
    undo.pop_back();
  }
  return 0;
}
