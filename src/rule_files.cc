#include "src/rule_files.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "proc/sha256.h"
#include "rules/rule_blocks.h"
#include "rules/rule_text.h"
#include "rules/text_util.h"
#include "src/file_guard.h"
#include "src/user_resolver.h"

namespace sallyport {
namespace {

constexpr std::string_view kLengthMark = "# Written by sallyportd, bytes: ";

// Every name of `directory` that may hold rules, sorted.
absl::StatusOr<std::vector<std::string>> RuleFileNames(
    const std::string& directory) {
  DIR* dir = opendir(directory.c_str());
  if (dir == nullptr) return absl::ErrnoToStatus(errno, directory);
  absl::Cleanup closer = [dir] { closedir(dir); };
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(dir);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name.starts_with('.') || !name.ends_with(".toml")) continue;
    names.emplace_back(name);
    if (names.size() > kMaxRuleFiles) {
      return absl::ResourceExhaustedError(
          Concat(directory, ": more than ", kMaxRuleFiles, " files"));
    }
  }
  if (errno != 0) return absl::ErrnoToStatus(errno, directory);
  std::sort(names.begin(), names.end());
  return names;
}

// "" or what tells that a file of ours is not whole.
std::string CutProblem(std::string_view text) {
  const size_t line_end = text.find('\n');
  if (text.starts_with(kLengthMark) && line_end != text.npos) {
    size_t promised = 0;
    const size_t there = text.size() - line_end - 1;
    if (!absl::SimpleAtoi(ToAbsl(text.substr(kLengthMark.size(),
                                             line_end - kLengthMark.size())),
                          &promised)) {
      return "its first line is damaged; if the rest is right, delete it";
    }
    // Longer is a file that somebody has edited.
    if (there < promised) {
      return Concat("cut off: ", there, " of ", promised,
                    " bytes are there; if you shortened it yourself, delete "
                    "its first line");
    }
  }
  return "";
}

std::string HashOf(std::string_view text) {
  Sha256 sha256;
  sha256.Update(text);
  const absl::StatusOr<Sha256Digest> digest = sha256.Finish();
  return digest.ok() ? DigestToHex(*digest) : "";
}

class Loader {
 public:
  explicit Loader(RuleFiles* out) : out_(*out) {}

  void ReadDirectory(const std::string& directory, bool is_ours) {
    if (is_ours) trusted_uid_ = ServiceUid();
    absl::Status status = CheckGuardedDirectory(directory, trusted_uid_);
    if (absl::IsNotFound(status)) return;
    if (!status.ok()) return NotRead(directory, status);
    absl::StatusOr<std::vector<std::string>> names = RuleFileNames(directory);
    if (!names.ok()) return NotRead(directory, names.status());
    for (const std::string& name : *names) {
      ReadFile(Concat(directory, "/", name), is_ours);
    }
  }

 private:
  void NotRead(const std::string& path, const absl::Status& status) {
    out_.errors.emplace_back(MessageOf(status));
    out_.unread.insert(path);
  }

  void ReadFile(const std::string& path, bool is_ours) {
    absl::StatusOr<GuardedFile> file =
        ReadGuarded(path, bytes_left_, trusted_uid_);
    if (!file.ok()) return NotRead(path, file.status());
    bytes_left_ -= file->text.size();
    ParseFile(path, file->text, is_ours);
    RememberedFile text = RememberFile(std::move(file->text), &room_bytes_);
    text.admins = !is_ours;
    text.owner = file->owner;
    text.modified = file->modified;
    out_.texts.emplace(path, std::move(text));
  }

  void ParseFile(const std::string& path, const std::string& text,
                 bool is_ours) {
    if (is_ours) {
      if (std::string problem = CutProblem(text); !problem.empty()) {
        out_.errors.push_back(Concat(path, ": ", problem));
        return;
      }
    }
    RuleParse parse = ParseRules(text, path);
    if (!parse.errors.empty()) {
      std::string errors = FormatRuleErrors(path, parse.errors);
      while (errors.ends_with('\n')) errors.pop_back();
      out_.errors.push_back(std::move(errors));
      return;
    }
    if (is_ours && parse.rules.empty()) {
      out_.errors.push_back(
          Concat(path, ": has no rule; was it cut off? If not, remove it"));
      return;
    }
    for (Rule& rule : parse.rules) AddRule(std::move(rule));
  }

  void AddRule(Rule rule) {
    auto [first, fresh] = origin_of_name_.try_emplace(rule.name, rule.origin);
    if (!fresh) {
      out_.errors.push_back(Concat(rule.origin, ": name: '", rule.name,
                                   "' is already a rule of ", first->second));
      return;
    }
    const absl::Status status = users_.Resolve(&rule);
    if (!status.ok()) {
      out_.errors.push_back(
          Concat(rule.origin, ": rule '", rule.name, "': ", MessageOf(status)));
      return;
    }
    out_.rules.push_back(std::move(rule));
  }

  RuleFiles& out_;
  std::optional<uid_t> trusted_uid_;       // beside root and us
  size_t bytes_left_ = kMaxRuleFileBytes;  // of all files together
  size_t room_bytes_ = kMaxAllRememberedBytes;
  absl::flat_hash_map<std::string, std::string> origin_of_name_;
  UserResolver users_;
};

// Without the blank and comment lines at its end, which belong to what comes
// next as likely as not.
std::string_view TrimTail(std::string_view text) {
  for (;;) {
    const size_t last = text.find_last_not_of(" \t\r\n");
    if (last == text.npos) return std::string_view();
    text = text.substr(0, last + 1);
    const size_t newline = text.rfind('\n');
    const size_t begin = newline == text.npos ? 0 : newline + 1;
    const size_t first = text.find_first_not_of(" \t", begin);
    if (text[first] != '#') return text;
    text = text.substr(0, begin);
  }
}

}  // namespace

RememberedFile RememberFile(std::string text, size_t* room_bytes) {
  RememberedFile out;
  out.bytes = text.size();
  if (text.size() <= std::min(kMaxRememberedBytes, *room_bytes)) {
    *room_bytes -= text.size();
    out.text = std::make_shared<const std::string>(std::move(text));
  } else {
    out.sha256 = HashOf(text);
  }
  return out;
}

bool HaveSameText(const RememberedFile& a, const RememberedFile& b) {
  if (a.bytes != b.bytes) return false;
  if (a.text != nullptr && b.text != nullptr) return *a.text == *b.text;
  const std::string hash_a = a.text == nullptr ? a.sha256 : HashOf(*a.text);
  const std::string hash_b = b.text == nullptr ? b.sha256 : HashOf(*b.text);
  return hash_a == hash_b;
}

RuleFiles ReadRuleFiles(const RuleDirectories& directories) {
  RuleFiles files;
  Loader loader(&files);
  for (const std::string& directory : directories.admins) {
    loader.ReadDirectory(directory, false);
  }
  loader.ReadDirectory(directories.ours, true);
  if (files.errors.empty() && files.rules.size() > kMaxRules) {
    files.errors.push_back(Concat("more than ", kMaxRules, " rules"));
  }
  return files;
}

std::string RuleFileText(const std::vector<Rule>& rules) {
  const std::string text = PrintRules(rules);
  return Concat(kLengthMark, text.size(), "\n", text);
}

bool CutInsideRule(std::string_view before, std::string_view now) {
  if (now.size() >= before.size() || !before.starts_with(now)) return false;
  const std::vector<RuleBlock> old_blocks = SplitRuleBlocks(before);
  const std::vector<RuleBlock> new_blocks = SplitRuleBlocks(now);
  if (old_blocks.size() <= 1 || new_blocks.empty()) return false;
  // All rules gone at once: an editor between truncate and write.
  if (new_blocks.size() == 1) return true;
  const size_t last = new_blocks.size() - 1;
  if (last >= old_blocks.size()) return true;
  return TrimTail(new_blocks[last].text) != TrimTail(old_blocks[last].text);
}

}  // namespace sallyport
