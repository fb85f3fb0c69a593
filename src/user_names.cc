#include "src/user_names.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/numbers.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

// A record with its strings; NSS says ERANGE until the buffer is big enough.
constexpr size_t kMaxRecordBytes = 1 << 20;

// `look_up(record, buffer, size, result)` is one of the get*_r family.
template <typename Record, typename LookUp>
std::optional<Record> GrowingLookUp(std::vector<char>* buffer, int* error,
                                    LookUp look_up) {
  for (buffer->resize(1024);; buffer->resize(buffer->size() * 4)) {
    Record record;
    Record* result = nullptr;
    *error = look_up(&record, buffer->data(), buffer->size(), &result);
    if (*error == EINTR) continue;
    if (*error == ERANGE && buffer->size() < kMaxRecordBytes) continue;
    if (*error != 0 || result == nullptr) return std::nullopt;
    return record;
  }
}

}  // namespace

absl::StatusOr<uint32_t> UserIdOf(std::string_view name_or_id) {
  if (name_or_id.empty()) return absl::InvalidArgumentError("empty user name");
  if (name_or_id[0] >= '0' && name_or_id[0] <= '9') {
    uint32_t id;
    // The largest is the kernel's word for 'no user'.
    if (absl::SimpleAtoi(ToAbsl(name_or_id), &id) && id != UINT32_MAX)
      return id;
  }
  const std::string name(name_or_id);
  std::vector<char> buffer;
  int error = 0;
  std::optional<passwd> record = GrowingLookUp<passwd>(
      &buffer, &error,
      [&name](passwd* out, char* data, size_t size, passwd** result) {
        return getpwnam_r(name.c_str(), out, data, size, result);
      });
  if (record.has_value()) return record->pw_uid;
  return absl::NotFoundError(Concat("no such user: \"", name, "\""));
}

std::string UserNameOf(uint32_t uid) {
  std::vector<char> buffer;
  int error = 0;
  std::optional<passwd> record = GrowingLookUp<passwd>(
      &buffer, &error,
      [uid](passwd* out, char* data, size_t size, passwd** result) {
        return getpwuid_r(uid, out, data, size, result);
      });
  return record.has_value() ? record->pw_name : "";
}

std::optional<uint32_t> GroupIdOf(const std::string& name) {
  std::vector<char> buffer;
  int error = 0;
  std::optional<group> record = GrowingLookUp<group>(
      &buffer, &error,
      [&name](group* out, char* data, size_t size, group** result) {
        return getgrnam_r(name.c_str(), out, data, size, result);
      });
  if (!record.has_value()) return std::nullopt;
  return record->gr_gid;
}

}  // namespace sallyport
