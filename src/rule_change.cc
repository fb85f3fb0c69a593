#include "src/rule_change.h"

#include <algorithm>
#include <span>

#include "rules/text_util.h"
#include "src/escape.h"
#include "src/object_writer.h"

namespace sallyport {
namespace {

constexpr char kType[] = "rules_changed";
// Of names in the line for people.
constexpr size_t kMaxNamesInText = 5;

const char* WhatName(RuleFileChange::What what) {
  switch (what) {
    case RuleFileChange::What::kAdded:
      return "added";
    case RuleFileChange::What::kChanged:
      return "changed";
    case RuleFileChange::What::kRemoved:
      return "removed";
    case RuleFileChange::What::kTaken:
      return "taken";
  }
  return "changed";
}

// The rest is in the status, for as long as it is so.
std::string_view FirstLine(std::string_view error) {
  return error.substr(0, error.find('\n'));
}

void AppendNames(const RuleNameChanges& names, std::string* out) {
  ObjectWriter object(out);
  size_t more = 0;
  const auto list = [&](const char* key, const std::vector<std::string>& all) {
    const size_t shown = std::min(all.size(), kMaxRulesNamed);
    object.Texts(key, std::span(all).first(shown));
    more += all.size() - shown;
  };
  list("added", names.added);
  list("removed", names.removed);
  list("changed", names.changed);
  if (more > 0) object.Number("more", more);
  object.End();
}

void AppendOwner(const RuleFileChange& change, const std::string& owner_name,
                 ObjectWriter& object, std::string* out) {
  object.Word("who", "unknown");
  if (change.owner.has_value()) {
    object.Key("owner");
    ObjectWriter owner(out);
    owner.Number("uid", *change.owner);
    if (!owner_name.empty()) owner.Text("user", owner_name);
    owner.End();
  }
  if (change.modified.has_value()) {
    object.Text("modified",
                absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", *change.modified,
                                 absl::UTCTimeZone()));
  }
}

void AppendDiff(const TextDiff& diff, ObjectWriter& object, std::string* out) {
  object.Key("lines");
  ObjectWriter lines(out);
  lines.Number("added", diff.added);
  lines.Number("removed", diff.removed);
  lines.End();
  object.Texts("diff", diff.lines);
  if (!diff.complete) object.Bool("diff_complete", false);
}

std::string JsonOf(const RuleFileChange& change, const std::string& owner_name,
                   int64_t time_ns) {
  std::string out;
  ObjectWriter object(&out);
  char time[32];
  object.Word("timestamp", FormatTimestamp(time_ns, time));
  object.Word("event_type", kType);
  if (change.more_files > 0) {
    object.Number("more_files", change.more_files);
    object.End();
    return out;
  }
  object.Text("file", change.file);
  object.Word("change", WhatName(change.what));
  object.Bool("in_force", change.in_force);
  if (!change.in_force) object.Text("error", FirstLine(change.error));
  if (change.in_force) {
    object.Key("rules");
    AppendNames(change.rules, &out);
  }
  AppendOwner(change, owner_name, object, &out);
  if (change.diff.has_value()) AppendDiff(*change.diff, object, &out);
  object.End();
  return out;
}

// "; rules added: a, b and 3 more".
void AppendNamesText(const char* word, const std::vector<std::string>& names,
                     std::string* out) {
  if (names.empty()) return;
  AppendTo(out, "; rules ", word, ": ");
  const size_t shown = std::min(names.size(), kMaxNamesInText);
  for (size_t i = 0; i < shown; ++i) {
    AppendTo(out, i == 0 ? "" : ", ", names[i]);
  }
  if (shown < names.size()) {
    AppendTo(out, " and ", names.size() - shown, " more");
  }
}

std::string TextOf(const RuleFileChange& change,
                   const std::string& owner_name) {
  if (change.more_files > 0) {
    return Concat(change.more_files,
                  " more rule files changed by another hand");
  }
  std::string out = Concat("rule file ", change.file);
  if (change.what == RuleFileChange::What::kTaken) {
    out.append(": what another hand changed before is in force now");
  } else {
    AppendTo(&out, " ", WhatName(change.what), " by another hand");
  }
  if (change.diff.has_value()) {
    AppendTo(&out, ": +", change.diff->added, " -", change.diff->removed,
             " lines");
  }
  AppendNamesText("added", change.rules.added, &out);
  AppendNamesText("removed", change.rules.removed, &out);
  AppendNamesText("changed", change.rules.changed, &out);
  if (!change.in_force) {
    AppendTo(&out, "; NOT in force: ", FirstLine(change.error));
  }
  out.append(" (who: unknown");
  if (change.owner.has_value()) {
    AppendTo(&out, "; file owner ",
             owner_name.empty() ? Concat("uid ", *change.owner) : owner_name);
  }
  out.push_back(')');
  return Escape(TruncateUtf8(out, kMaxTextBytes));
}

}  // namespace

EventNotice NoticeOf(const RuleFileChange& change,
                     const std::string& owner_name, int64_t time_ns) {
  EventNotice notice;
  notice.time_ns = time_ns;
  notice.kind = StoredKind::kRulesChanged;
  notice.type = kType;
  notice.text = TextOf(change, owner_name);
  notice.json = JsonOf(change, owner_name, time_ns);
  return notice;
}

}  // namespace sallyport
