#ifndef SALLYPORT_SRC_RULE_FILES_H_
#define SALLYPORT_SRC_RULE_FILES_H_

// All rule files, read and validated as one. *.toml of each directory, in
// order of directory and name; names that begin with a dot are not looked at.
// Users are resolved to ids here. For RuleStore and --check-config; blocks on
// the file system and on NSS.
//
// A file we wrote begins with a line that says how long it is: one that was
// cut (CASES F13) is refused. In the admin's files a cut can be seen only
// against what was read last: see CutInsideRule.

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "rules/rule.h"

namespace sallyport {

// Texts are kept to find cuts and to tell what changed; not of huge files,
// which are made by programs: of those there is a hash.
inline constexpr size_t kMaxRememberedBytes = 256 << 10;
inline constexpr size_t kMaxAllRememberedBytes = 16 << 20;
// Of all files together; more is no set of rules but an accident.
inline constexpr size_t kMaxRuleFiles = 100'000;

// What a rule file held.
struct RememberedFile {
  size_t bytes = 0;
  std::shared_ptr<const std::string> text;  // shared by all who remember it
  std::string sha256;                       // where there is no text
  bool admins = false;                      // else it is one of ours
  uid_t owner = 0;
  absl::Time modified;
};
using FileTexts = std::map<std::string, RememberedFile>;  // by path

// `text` is kept if `room_bytes`, which then gets smaller, lets it.
RememberedFile RememberFile(std::string text, size_t* room_bytes);
bool HaveSameText(const RememberedFile& a, const RememberedFile& b);

struct RuleFiles {
  std::vector<Rule> rules;          // of all files; users have ids
  std::vector<std::string> errors;  // "FILE:LINE:COLUMN: ..." or "FILE: ..."
  FileTexts texts;                  // of all that could be read
  // Files, and directories, that are there and could not be read.
  std::set<std::string> unread;
};

struct RuleDirectories {
  std::vector<std::string> admins;  // one that does not exist is empty
  std::string ours;                 // as above
};

RuleFiles ReadRuleFiles(const RuleDirectories& directories);

// The content of a file of ours, and the path it goes to.
std::string RuleFileText(const std::vector<Rule>& rules);

// True if `now` is what `before` began with, and ends inside one of its rules
// or has lost all of them: a file that is being written or was cut, since a
// rule that loses its last lines mostly widens.
bool CutInsideRule(std::string_view before, std::string_view now);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_RULE_FILES_H_
