#ifndef SALLYPORT_PROC_SHA256_H_
#define SALLYPORT_PROC_SHA256_H_

// SHA-256 by OpenSSL, of bytes that come piece by piece and of files. A Sha256
// belongs to one thread at a time and may be used again after Finish, which
// costs no memory. Errors: Unavailable (OpenSSL has no SHA-256 to give, or the
// file cannot be read).

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace sallyport {

using Sha256Digest = std::array<uint8_t, 32>;

std::string DigestToHex(const Sha256Digest& digest);  // lower case
// 64 hexadecimal digits of either case.
std::optional<Sha256Digest> DigestFromHex(std::string_view hex);

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(std::string_view bytes);
  // The digest of all since the last Finish; the next Update begins anew.
  absl::StatusOr<Sha256Digest> Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
  bool ok_ = false;  // nothing has failed since the digest was begun
};

// Of what `fd` holds from where it stands to its end, or to the first
// `max_bytes`; hex.
absl::StatusOr<std::string> Sha256OfFd(int fd, int64_t max_bytes);

}  // namespace sallyport

#endif  // SALLYPORT_PROC_SHA256_H_
