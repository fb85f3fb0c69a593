#include "src/file_guard.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_format.h"
#include "rules/text_util.h"
#include "src/user_names.h"

namespace sallyport {
namespace {

absl::Status Refused(const std::string& path, std::string_view why) {
  return absl::FailedPreconditionError(Concat(path, ": refused: ", why));
}

// Owner and mode, for files and directories alike.
absl::Status CheckOwnerAndMode(const std::string& path, const struct stat& st,
                               std::optional<uid_t> trusted_uid) {
  if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != trusted_uid) {
    return Refused(path, Concat("owned by user ", st.st_uid,
                                "; it must belong to root (chown root)"));
  }
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Refused(path, absl::StrFormat("mode %04o lets others write to it "
                                         "(chmod go-w)",
                                         st.st_mode & 07777));
  }
  return absl::OkStatus();
}

absl::Status CheckFile(const std::string& path, const struct stat& st,
                       size_t max_bytes, std::optional<uid_t> trusted_uid) {
  if (!S_ISREG(st.st_mode)) return Refused(path, "not a regular file");
  if (st.st_nlink > 1) {
    return Refused(
        path, Concat("it has ", st.st_nlink, " hard links; copy it instead"));
  }
  absl::Status status = CheckOwnerAndMode(path, st, trusted_uid);
  if (!status.ok()) return status;
  if (st.st_size < 0 || static_cast<uint64_t>(st.st_size) > max_bytes) {
    return absl::ResourceExhaustedError(Concat(
        path, ": refused: ", st.st_size, " bytes, the limit is ", max_bytes));
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<uid_t> ServiceUid() {
  absl::StatusOr<uint32_t> uid = UserIdOf("sallyport");
  if (!uid.ok()) return std::nullopt;
  return *uid;
}

absl::StatusOr<GuardedFile> ReadGuarded(const std::string& path,
                                        size_t max_bytes,
                                        std::optional<uid_t> trusted_uid) {
  // O_NONBLOCK: a fifo in the place of the file must not make us wait.
  int fd = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    if (errno == ELOOP) return Refused(path, "it is a symbolic link");
    return absl::ErrnoToStatus(errno, Concat(path, ": cannot open"));
  }
  absl::Cleanup closer = [fd] { close(fd); };
  struct stat st;
  if (fstat(fd, &st) != 0) {
    return absl::ErrnoToStatus(errno, Concat(path, ": fstat"));
  }
  absl::Status status = CheckFile(path, st, max_bytes, trusted_uid);
  if (!status.ok()) return status;
  std::string content;
  content.resize(static_cast<size_t>(st.st_size) + 1);
  size_t length = 0;
  for (;;) {  // the file may grow while it is read: up to the cap
    if (length == content.size()) content.resize(content.size() + 65536);
    ssize_t n = read(fd, content.data() + length, content.size() - length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return absl::ErrnoToStatus(errno, Concat(path, ": cannot read"));
    }
    if (n == 0) break;
    length += static_cast<size_t>(n);
    if (length > max_bytes) {
      return absl::ResourceExhaustedError(
          Concat(path, ": refused: more than ", max_bytes, " bytes"));
    }
  }
  content.resize(length);
  return GuardedFile{std::move(content), st.st_uid,
                     absl::TimeFromTimespec(st.st_mtim)};
}

absl::StatusOr<std::string> ReadGuardedFile(const std::string& path,
                                            size_t max_bytes,
                                            std::optional<uid_t> trusted_uid) {
  absl::StatusOr<GuardedFile> file = ReadGuarded(path, max_bytes, trusted_uid);
  if (!file.ok()) return file.status();
  return std::move(file->text);
}

absl::Status CheckGuardedDirectory(const std::string& path,
                                   std::optional<uid_t> trusted_uid) {
  struct stat st;
  if (lstat(path.c_str(), &st) != 0) {
    return absl::ErrnoToStatus(errno, path);
  }
  if (!S_ISDIR(st.st_mode)) {
    return Refused(path, S_ISLNK(st.st_mode) ? "it is a symbolic link"
                                             : "not a directory");
  }
  return CheckOwnerAndMode(path, st, trusted_uid);
}

}  // namespace sallyport
