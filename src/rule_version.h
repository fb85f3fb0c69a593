#ifndef SALLYPORT_SRC_RULE_VERSION_H_
#define SALLYPORT_SRC_RULE_VERSION_H_

// The version of a rule, or of all rules: a digest of what they say, so that it
// is the same after a restart and on another machine, and differs whenever a
// field does. And IfMatch: the versions that a change was made for, which keeps
// two people from overwriting each other's work unseen (RFC 9110, 13.1.1).
// Pure; any thread.

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rules/rule.h"
#include "rules/rule_set.h"

namespace sallyport {

// 32 hexadecimal digits. Covers what stands in a rule file; not the file, nor
// the place in the order of precedence (which other rules move).
std::string RuleVersion(const Rule& rule);
std::string RuleSetVersion(const RuleSet& rules);

class IfMatch {
 public:
  static constexpr size_t kMaxVersions = 16;

  IfMatch() = default;  // none was named: every version will do

  // The value of an If-Match header: `"a", "b"` or `*`. A weak tag (W/"a") is
  // of no version. InvalidArgument: not of this form.
  static absl::StatusOr<IfMatch> Parse(std::string_view header);

  // Aborted if `version` is none of them; `what` ("rule 'curl-deny'") is then
  // said to be newer.
  absl::Status Check(std::string_view version, std::string_view what) const;
  // False: Check need not be asked.
  bool is_set() const { return is_set_; }

 private:
  bool is_set_ = false;
  bool any_ = false;
  std::vector<std::string> versions_;
};

// `"VERSION"`, the value of an ETag header.
std::string EntityTag(std::string_view version);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_RULE_VERSION_H_
