#include "src/rule_version.h"

#include <openssl/evp.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "rules/rule_text.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

constexpr size_t kVersionBytes = 16;  // of a SHA-256: enough against chance

std::string DigestOf(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE] = {};
  // Cannot fail: the algorithm is built in.
  EVP_Digest(text.data(), text.size(), digest, nullptr, EVP_sha256(), nullptr);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), kVersionBytes));
}

absl::Status NotAList(std::string_view header) {
  return absl::InvalidArgumentError(
      Concat("If-Match ", QuoteForMessage(header),
             " is no list of entity tags; send what ETag said, with its "
             "quotes, or *"));
}

void SkipBlanks(std::string_view* text) {
  const size_t first = text->find_first_not_of(" \t");
  text->remove_prefix(std::min(first, text->size()));
}

}  // namespace

std::string RuleVersion(const Rule& rule) {
  return DigestOf(PrintRules({&rule, 1}));
}

std::string RuleSetVersion(const RuleSet& rules) {
  return DigestOf(PrintRules(rules.rules()));
}

absl::StatusOr<IfMatch> IfMatch::Parse(std::string_view header) {
  IfMatch parsed;
  parsed.is_set_ = true;
  std::string_view rest = header;
  SkipBlanks(&rest);
  if (rest.starts_with('*')) {
    rest.remove_prefix(1);
    SkipBlanks(&rest);
    if (!rest.empty()) return NotAList(header);
    parsed.any_ = true;
    return parsed;
  }
  for (;;) {
    const bool weak = rest.starts_with("W/");
    if (weak) rest.remove_prefix(2);
    const size_t end = rest.find('"', 1);
    if (!rest.starts_with('"') || end == rest.npos) return NotAList(header);
    if (parsed.versions_.size() >= kMaxVersions) {
      return absl::InvalidArgumentError(
          Concat("If-Match has more than ", kMaxVersions, " entity tags"));
    }
    if (!weak) parsed.versions_.emplace_back(rest.substr(1, end - 1));
    rest.remove_prefix(end + 1);
    SkipBlanks(&rest);
    if (rest.empty()) return parsed;
    if (!rest.starts_with(',')) return NotAList(header);
    rest.remove_prefix(1);
    SkipBlanks(&rest);
  }
}

absl::Status IfMatch::Check(std::string_view version,
                            std::string_view what) const {
  if (!is_set_ || any_ ||
      std::find(versions_.begin(), versions_.end(), version) !=
          versions_.end()) {
    return absl::OkStatus();
  }
  return absl::AbortedError(
      Concat(what, " changed since you read it: it is now ", EntityTag(version),
             "; nothing is changed, read again"));
}

std::string EntityTag(std::string_view version) {
  return Concat("\"", version, "\"");
}

}  // namespace sallyport
