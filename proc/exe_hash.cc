#include "proc/exe_hash.h"

#include <sys/stat.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "proc/sha256.h"
#include "proc/unique_fd.h"

namespace sallyport::proc {
namespace {

bool IsFileOf(int fd, const App& app) {
  struct stat st;
  if (fstat(fd, &st) != 0) return false;
  int64_t ctime_ns = st.st_ctim.tv_sec * 1'000'000'000 + st.st_ctim.tv_nsec;
  return FileId{st.st_dev, st.st_ino} == app.exe &&
         st.st_size == app.size_bytes && ctime_ns == app.ctime_ns;
}

}  // namespace

absl::StatusOr<std::string> HashExe(ProcDir& dir, const App& app) {
  if (app.size_bytes > kMaxHashedBytes) {
    return absl::ResourceExhaustedError("executable too large to hash");
  }
  UniqueFd file(dir.Open("exe"));
  if (!file.ok()) {
    return absl::NotFoundError(
        absl::StrCat("cannot open exe: ", std::strerror(-file.get())));
  }
  if (!IsFileOf(file.get(), app)) {
    return absl::FailedPreconditionError("the process runs another file");
  }
  // One byte more than there should be: a file that grew is noticed below.
  absl::StatusOr<std::string> hash = Sha256OfFd(file.get(), app.size_bytes + 1);
  if (!hash.ok()) {
    return absl::UnavailableError(
        absl::StrCat("exe: ", hash.status().message()));
  }
  if (!IsFileOf(file.get(), app)) {
    return absl::FailedPreconditionError("the file changed while it was read");
  }
  return hash;
}

}  // namespace sallyport::proc
