#include "src/api_json.h"

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_format.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

using nlohmann::json;

constexpr char kFieldPayload[] = "sallyport/field";

// Brackets outside strings. Looked at before parsing, so that nothing is built
// of a bomb.
bool IsTooDeep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxJsonDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

// Of two equal keys one reader sees the first and another the last.
class DuplicateKeys {
 public:
  bool operator()(int, json::parse_event_t event, json& value) {
    switch (event) {
      case json::parse_event_t::object_start:
        keys_.emplace_back();
        break;
      case json::parse_event_t::object_end:
        keys_.pop_back();
        break;
      case json::parse_event_t::key:
        if (!keys_.back().insert(value.get<std::string>()).second &&
            duplicate_.empty()) {
          duplicate_ = value.get<std::string>();
        }
        break;
      default:
        break;
    }
    return true;
  }
  const std::string& duplicate() const { return duplicate_; }

 private:
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
  std::string duplicate_;
};

}  // namespace

absl::Status FieldError(std::string_view field, std::string_view message) {
  absl::Status status = absl::InvalidArgumentError(ToAbsl(message));
  if (!field.empty()) {
    status.SetPayload(kFieldPayload, absl::Cord(ToAbsl(field)));
  }
  return status;
}

std::string FieldOf(const absl::Status& status) {
  absl::optional<absl::Cord> field = status.GetPayload(kFieldPayload);
  return field.has_value() ? std::string(*field) : "";
}

absl::StatusOr<json> ParseJsonObject(std::string_view text) {
  if (text.empty()) {
    return absl::InvalidArgumentError(
        "the body is empty; a JSON object is "
        "expected");
  }
  if (IsTooDeep(text)) {
    return absl::InvalidArgumentError(
        Concat("JSON nested deeper than ", kMaxJsonDepth, " levels"));
  }
  DuplicateKeys duplicates;
  json parsed;
  try {
    parsed = json::parse(text, std::ref(duplicates));
  } catch (const json::parse_error& error) {
    // Its text quotes the input, unescaped: only the place is passed on.
    return absl::InvalidArgumentError(
        Concat("not valid JSON, at byte ", error.byte));
  } catch (const json::exception&) {
    return absl::InvalidArgumentError("not valid JSON");
  }
  if (!parsed.is_object()) {
    return absl::InvalidArgumentError(
        Concat("a JSON object is expected, not ", parsed.type_name()));
  }
  if (!duplicates.duplicate().empty()) {
    return FieldError(duplicates.duplicate(), "field given twice");
  }
  return parsed;
}

absl::StatusOr<json> ParseBody(std::string_view text,
                               std::initializer_list<std::string_view> known) {
  absl::StatusOr<json> body = ParseJsonObject(text);
  if (!body.ok()) return body;
  for (const auto& [name, value] : body->items()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return FieldError(name, Concat("unknown field ", QuoteForMessage(name)));
  }
  return body;
}

std::string SafeMessage(std::string_view message) {
  std::string out;
  for (size_t i = 0; i < message.size();) {
    char32_t code_point = 0;
    const size_t length = Utf8Length(message, i, &code_point);
    const bool keep =
        length > 0 && (code_point == U'\n' || !IsInvisible(code_point));
    const std::string_view bytes =
        message.substr(i, std::max<size_t>(length, 1));
    if (keep) {
      out += bytes;
    } else {
      for (const char byte : bytes) {
        absl::StrAppendFormat(&out, "\\x%02x",
                              static_cast<unsigned char>(byte));
      }
    }
    i += bytes.size();
  }
  return out;
}

std::string PrintJson(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace sallyport
