#ifndef SALLYPORT_SRC_ATOMIC_FILE_H_
#define SALLYPORT_SRC_ATOMIC_FILE_H_

// Writes a file so that a reader, a power cut or a full disk finds the old
// content or the new one, never a mix: temporary file in the same directory,
// fsync, rename, fsync of the directory. FileWriter is the surface that rule
// store tests inject faults through; the real one is AtomicFileWriter.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sallyport {

struct FileChange {
  std::string path;
  std::optional<std::string> content;  // none: the file is to go
};

class FileWriter {
 public:
  virtual ~FileWriter() = default;
  // Replaces or makes `path` (mode 0600). On any error the old file is as it
  // was. The message says which step failed and why.
  virtual absl::Status Write(const std::string& path,
                             std::string_view content) = 0;
  // Removes `path`; not being there is no error.
  virtual absl::Status Remove(const std::string& path) = 0;
  // Many at once, all of one directory: each as by Write or Remove, but what
  // they have in common is waited for once. If it fails, some are changed and
  // others not; those that go went first.
  virtual absl::Status Apply(std::span<const FileChange> changes) = 0;
};

class AtomicFileWriter : public FileWriter {
 public:
  absl::Status Write(const std::string& path,
                     std::string_view content) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status Apply(std::span<const FileChange> changes) override;
};

// Temporary files are named `.NAME.XXXXXX.tmp`, so no reader of *.toml sees
// them, also when one is left by a crash.
inline constexpr char kTemporarySuffix[] = ".tmp";

}  // namespace sallyport

#endif  // SALLYPORT_SRC_ATOMIC_FILE_H_
