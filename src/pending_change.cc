#include "src/pending_change.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "rules/text_util.h"
#include "src/api_json.h"

namespace sallyport {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;

const char* KindName(PendingChange::Kind kind) {
  return kind == PendingChange::Kind::kMode ? "mode" : "rules";
}

absl::Status Wrong(std::string_view field) {
  return absl::InvalidArgumentError(
      Concat("field '", field, "' is missing or wrong"));
}

absl::Status ReadText(const json& object, const char* field,
                      std::string* text) {
  const auto at = object.find(field);
  if (at == object.end() || !at->is_string()) return Wrong(field);
  *text = at->get<std::string>();
  return absl::OkStatus();
}

// From 0 to `most`.
absl::Status ReadNumber(const json& object, const char* field, int64_t most,
                        int64_t* number) {
  const auto at = object.find(field);
  if (at == object.end() || !at->is_number_integer() ||
      (at->is_number_unsigned() &&
       at->get<uint64_t>() > static_cast<uint64_t>(most)) ||
      at->get<int64_t>() < 0) {
    return Wrong(field);
  }
  *number = at->get<int64_t>();
  return absl::OkStatus();
}

absl::Status ReadMode(const json& object, const char* field, Mode* mode) {
  std::string text;
  if (absl::Status s = ReadText(object, field, &text); !s.ok()) return s;
  const std::optional<Mode> parsed = ParseMode(text);
  if (!parsed.has_value()) return Wrong(field);
  *mode = *parsed;
  return absl::OkStatus();
}

}  // namespace

std::string PendingChangeText(const PendingChange& change) {
  json object = {
      {"version", kVersion},       {"kind", KindName(change.kind)},
      {"what", change.what},       {"asked_by_uid", change.asked_by_uid},
      {"boot_id", change.boot_id}, {"deadline_ns", change.deadline_ns}};
  if (change.kind == PendingChange::Kind::kMode) {
    object["mode_before"] = ModeName(change.mode_before);
    object["mode_after"] = ModeName(change.mode_after);
  }
  return PrintJson(object) + "\n";
}

absl::StatusOr<PendingChange> ParsePendingChange(std::string_view text) {
  absl::StatusOr<json> parsed = ParseJsonObject(text);
  if (!parsed.ok()) return parsed.status();
  PendingChange change;
  std::string kind;
  int64_t version = 0, uid = 0;
  for (const absl::Status& status :
       {ReadNumber(*parsed, "version", kVersion, &version),
        ReadText(*parsed, "kind", &kind),
        ReadText(*parsed, "what", &change.what),
        ReadNumber(*parsed, "asked_by_uid",
                   std::numeric_limits<uint32_t>::max(), &uid),
        ReadText(*parsed, "boot_id", &change.boot_id),
        ReadNumber(*parsed, "deadline_ns", std::numeric_limits<int64_t>::max(),
                   &change.deadline_ns)}) {
    if (!status.ok()) return status;
  }
  if (version != kVersion) return Wrong("version");
  change.asked_by_uid = static_cast<uint32_t>(uid);
  if (kind == KindName(PendingChange::Kind::kRules)) {
    change.kind = PendingChange::Kind::kRules;
    return change;
  }
  if (kind != KindName(PendingChange::Kind::kMode)) return Wrong("kind");
  for (const absl::Status& status :
       {ReadMode(*parsed, "mode_before", &change.mode_before),
        ReadMode(*parsed, "mode_after", &change.mode_after)}) {
    if (!status.ok()) return status;
  }
  return change;
}

const char* ChangeStateName(ChangeState state) {
  switch (state) {
    case ChangeState::kApplied:
      return "applied";
    case ChangeState::kConfirmed:
      return "confirmed";
    case ChangeState::kRolledBack:
      break;
  }
  return "rolled-back";
}

EventNotice NoticeOf(const PendingChange& change, ChangeState state,
                     std::string_view why, absl::Time now) {
  json object = {{"kind", KindName(change.kind)},
                 {"what", SafeMessage(change.what)},
                 {"state", ChangeStateName(state)},
                 {"asked_by_uid", change.asked_by_uid}};
  if (!why.empty()) object["why"] = SafeMessage(why);
  EventNotice notice;
  notice.time_ns = absl::ToUnixNanos(now);
  notice.kind = StoredKind::kChange;
  notice.type = "change";
  notice.text = SafeMessage(Concat(change.what, ": ", ChangeStateName(state),
                                   why.empty() ? "" : ": ", why));
  notice.json =
      PrintJson({{"timestamp", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", now,
                                                absl::UTCTimeZone())},
                 {"event_type", "change"},
                 {"change", std::move(object)}});
  return notice;
}

}  // namespace sallyport
