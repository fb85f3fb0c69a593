#include "proc/exe_hash.h"

#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proc/unique_fd.h"

namespace sallyport::proc {
namespace {

constexpr size_t kReadBytes = 256 * 1024;

bool IsFileOf(int fd, const App& app) {
  struct stat st;
  if (fstat(fd, &st) != 0) return false;
  int64_t ctime_ns = st.st_ctim.tv_sec * 1'000'000'000 + st.st_ctim.tv_nsec;
  return FileId{st.st_dev, st.st_ino} == app.exe &&
         st.st_size == app.size_bytes && ctime_ns == app.ctime_ns;
}

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

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
  std::unique_ptr<EVP_MD_CTX, ContextDeleter> context(EVP_MD_CTX_new());
  if (context == nullptr ||
      EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    return absl::UnavailableError("SHA-256 is not available");
  }
  std::vector<uint8_t> buffer(kReadBytes);
  for (int64_t done = 0; done <= app.size_bytes;) {
    ssize_t got = read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::UnavailableError(
          absl::StrCat("cannot read exe: ", std::strerror(errno)));
    }
    if (got == 0) break;
    done += got;
    if (EVP_DigestUpdate(context.get(), buffer.data(),
                         static_cast<size_t>(got)) != 1) {
      return absl::UnavailableError("SHA-256 failed");
    }
  }
  if (!IsFileOf(file.get(), app)) {
    return absl::FailedPreconditionError("the file changed while it was read");
  }
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest;
  unsigned int length = 0;
  if (EVP_DigestFinal_ex(context.get(), digest.data(), &length) != 1) {
    return absl::UnavailableError("SHA-256 failed");
  }
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), length));
}

}  // namespace sallyport::proc
