#include "proc/sha256.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/escaping.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

constexpr size_t kReadBytes = 256 << 10;

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string DigestToHex(const Sha256Digest& digest) {
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(digest.data()), digest.size()));
}

std::optional<Sha256Digest> DigestFromHex(std::string_view hex) {
  Sha256Digest digest;
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < digest.size(); ++i) {
    const int high = HexValue(hex[2 * i]);
    const int low = HexValue(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return digest;
}

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  ok_ = context_ != nullptr &&
        EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1;
}

Sha256::~Sha256() = default;

void Sha256::Update(std::string_view bytes) {
  ok_ =
      ok_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1;
}

absl::StatusOr<Sha256Digest> Sha256::Finish() {
  Sha256Digest digest;
  const bool done =
      ok_ && EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1;
  // Without a digest named, the one that is set up already is begun anew.
  ok_ = context_ != nullptr &&
        EVP_DigestInit_ex(context_.get(), done ? nullptr : EVP_sha256(),
                          nullptr) == 1;
  if (!done) return absl::UnavailableError("SHA-256 is not available");
  return digest;
}

absl::StatusOr<std::string> Sha256OfFd(int fd, int64_t max_bytes) {
  Sha256 hash;
  std::vector<char> buffer(kReadBytes);
  while (max_bytes > 0) {
    const auto most =
        std::min<int64_t>(max_bytes, static_cast<int64_t>(buffer.size()));
    const ssize_t got = read(fd, buffer.data(), static_cast<size_t>(most));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::UnavailableError(
          Concat("cannot be read: ", std::strerror(errno)));
    }
    if (got == 0) break;
    hash.Update({buffer.data(), static_cast<size_t>(got)});
    max_bytes -= got;
  }
  const absl::StatusOr<Sha256Digest> digest = hash.Finish();
  if (!digest.ok()) return digest.status();
  return DigestToHex(*digest);
}

}  // namespace sallyport
