#include "tools/import_builder.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "rules/judge.h"
#include "rules/rule.h"
#include "rules/text_util.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

// More than anybody reads; a hostile file must not fill a disk.
constexpr size_t kMaxNotes = 10'000;
constexpr size_t kMaxErrors = 100;
// Room for "-" and a number up to kMaxRules.
constexpr size_t kMaxSuffixBytes = 7;

std::string PolicyOf(const Json& rule) {
  return rule.value("policy", std::string());
}

}  // namespace

void ImportBuilder::Note(std::string text) {
  if (notes_.size() >= kMaxNotes) {
    ++notes_lost_;
    return;
  }
  notes_.push_back(EscapeForTerminal(text));
}

void ImportBuilder::Note(std::string_view where, std::string_view rule,
                         std::string_view text) {
  Note(Concat(where, ": rule ", QuoteForMessage(rule), ": ", text));
}

void ImportBuilder::LeaveOut(std::string_view where, std::string_view rule,
                             std::string_view policy, std::string_view why) {
  Note(where, rule, Concat(why, LeftOutText(policy)));
}

void ImportBuilder::Add(std::string_view wanted_name, Json rule) {
  // Beyond the limit Finish fails; until then a flood must not be kept.
  if (rules_.size() > kMaxRules) return;
  Json named;
  named["name"] = UniqueName(wanted_name);
  for (auto& [key, value] : rule.items()) named[key] = std::move(value);
  rules_.push_back(std::move(named));
}

std::string ImportBuilder::UniqueName(std::string_view wanted) {
  const std::string slug = SlugOf(wanted);
  if (names_.insert(slug).second) return slug;
  // Counted by what is left of the name, so that no number is tried twice.
  std::string base = slug.substr(0, kMaxRuleNameBytes - kMaxSuffixBytes);
  while (base.ends_with('-')) base.pop_back();
  size_t& number = next_number_.emplace(base, 2).first->second;
  for (;;) {
    std::string name = Concat(base, "-", number++);
    if (names_.insert(name).second) return name;
  }
}

void ImportBuilder::GivePriorities() {
  int32_t runs = 0;
  std::string last;
  for (const Json& rule : rules_) {
    if (runs == 0 || PolicyOf(rule) != last) ++runs;
    last = PolicyOf(rule);
  }
  int32_t top = base_priority_ + std::max(runs - 1, 0);
  // From there on a rule also counts in mode lockdown: an import must not get
  // there by being long.
  if (base_priority_ < kLockdownPriority) {
    top = std::min(top, kLockdownPriority - 1);
  }
  int32_t priority = top + 1;
  last.clear();
  for (Json& rule : rules_) {
    if (last.empty() || PolicyOf(rule) != last) --priority;
    last = PolicyOf(rule);
    if (priority != 0) rule["priority"] = priority;
  }
  if (runs > 1) {
    Note(Concat("the order of the source became priorities from ", top,
                " (asked first) to ", priority,
                " (asked last); neighbours of the same policy share one"));
  }
}

absl::StatusOr<ImportResult> ImportBuilder::Finish() {
  if (rules_.size() > kMaxRules) {
    return absl::ResourceExhaustedError(
        Concat("this would make more than ", kMaxRules, " rules"));
  }
  GivePriorities();
  if (notes_lost_ > 0) {
    notes_.push_back(Concat("and ", notes_lost_, " notes more"));
  }
  return ImportResult{std::move(rules_), std::move(notes_)};
}

std::string LeftOutText(std::string_view policy) {
  return Concat("; rule left out",
                policy == "allow"
                    ? ""
                    : ": what it turned away is left to the other rules");
}

std::string SlugOf(std::string_view text) {
  std::string slug;
  for (char c : text) {
    if (slug.size() >= kMaxRuleNameBytes) break;
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte)) {
      slug.push_back(absl::ascii_tolower(byte));
    } else if (!slug.empty() && slug.back() != '-') {
      slug.push_back('-');
    }
  }
  while (slug.ends_with('-')) slug.pop_back();
  return slug.empty() ? "rule" : slug;
}

void ImportErrors::Add(std::string error) {
  if (lines_.size() >= kMaxErrors) {
    ++lost_;
    return;
  }
  lines_.push_back(EscapeForTerminal(error));
}

absl::Status ImportErrors::ToStatus() const {
  std::string text = absl::StrJoin(lines_, "\n");
  if (lost_ > 0) AppendTo(&text, "\nand ", lost_, " errors more");
  return absl::InvalidArgumentError(text);
}

}  // namespace sallyport::cli
