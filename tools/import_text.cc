#include "tools/import_text.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "rules/address.h"
#include "rules/rule.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";
constexpr size_t kMaxHostBytes = 253;  // RFC 1035, without the root's dot
constexpr size_t kMaxLabelBytes = 63;

struct Place {
  size_t line = 1;
  size_t column = 1;
};

Place PlaceOf(std::string_view text, size_t at) {
  Place place;
  for (char c : text.substr(0, at)) {
    ++place.column;
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    }
  }
  return place;
}

// The offset at which brackets outside of strings nest too deep. The parser
// itself has no such limit, and what it builds is torn down by recursion.
std::optional<size_t> TooDeepAt(std::string_view json) {
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxImportDepth) return i;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return std::nullopt;
}

absl::Status ErrorAt(const ImportFile& file, size_t at, std::string_view what) {
  const Place place = PlaceOf(file.text, at);
  return absl::InvalidArgumentError(EscapeForTerminal(
      Concat(file.name, ":", place.line, ":", place.column, ": ", what)));
}

// nlohmann's message without its own place and class.
std::string_view BareMessage(std::string_view what) {
  for (std::string_view end : {": ", "] "}) {
    const size_t at = what.find(end);
    if (at != what.npos) return what.substr(at + end.size());
  }
  return what;
}

}  // namespace

absl::StatusOr<InputJson> ParseImportJson(const ImportFile& file) {
  if (file.text.size() > kMaxImportBytes) {
    return absl::ResourceExhaustedError(
        Concat(file.name, ": longer than ", kMaxImportBytes, " bytes"));
  }
  if (const auto at = TooDeepAt(file.text); at.has_value()) {
    return ErrorAt(file, *at,
                   Concat("nested deeper than ", kMaxImportDepth, " levels"));
  }
  try {
    return InputJson::parse(file.text);
  } catch (const InputJson::parse_error& error) {
    return ErrorAt(file, error.byte > 0 ? error.byte - 1 : 0,
                   Concat("no JSON: ", BareMessage(error.what())));
  } catch (const InputJson::exception& error) {  // a number out of range
    return ErrorAt(file, 0, Concat("no JSON: ", BareMessage(error.what())));
  }
}

std::string FieldProblem(std::string_view file, std::string_view field,
                         std::string_view what) {
  return Concat(file, ": field ", field, ": ", what);
}

bool ReadText(const InputJson& object, const char* key, std::string* out,
              std::string* problem) {
  const auto at = object.find(key);
  if (at == object.end() || at->is_null()) return true;
  if (!at->is_string()) {
    *problem = "must be a string";
    return false;
  }
  *out = at->get<std::string>();
  return true;
}

bool ReadBool(const InputJson& object, const char* key, bool* out,
              std::string* problem) {
  const auto at = object.find(key);
  if (at == object.end() || at->is_null()) return true;
  if (!at->is_boolean()) {
    *problem = "must be true or false";
    return false;
  }
  *out = at->get<bool>();
  return true;
}

std::optional<std::string> CanonicalPrefix(std::string_view text) {
  const size_t slash = text.find('/');
  const absl::StatusOr<IpAddress> base = ParseIpAddress(text.substr(0, slash));
  if (!base.ok()) return std::nullopt;
  if (slash == text.npos) return base->ToString();
  const bool dotted = text.substr(0, slash).find(':') == text.npos;
  const std::string_view digits = text.substr(slash + 1);
  uint32_t length = 0;
  if (digits.size() > 3 || !ParseNumber(digits, &length) ||
      length > (dotted ? 32U : 128U)) {
    return std::nullopt;
  }
  IpPrefix prefix;
  prefix.length = static_cast<uint8_t>(dotted ? length + 96 : length);
  prefix.base = MaskAddress(*base, prefix.length);
  // A mapped IPv6 prefix that holds more than IPv4 has no text of its own.
  const std::string out = prefix.ToString();
  return ParseIpPrefix(out).ok() ? std::optional(out) : std::nullopt;
}

std::optional<std::string> CanonicalAddresses(std::string_view text) {
  if (text.find('-') == text.npos) return CanonicalPrefix(text);
  const absl::StatusOr<Destination> range = ParseDestination(text);
  if (!range.ok() || !std::holds_alternative<AddressRange>(*range)) {
    return std::nullopt;
  }
  return DestinationToString(*range);
}

bool IsDeviceName(std::string_view text) {
  return text != kVpnInterfaces && !text.ends_with('*') &&
         ParseInterface(text).ok();
}

std::optional<std::string> CanonicalHost(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > kMaxHostBytes) return std::nullopt;
  std::string host = absl::AsciiStrToLower(ToAbsl(text));
  for (std::string_view label : Split(host, '.')) {
    if (label.empty() || label.size() > kMaxLabelBytes) return std::nullopt;
    for (char c : label) {
      const auto byte = static_cast<unsigned char>(c);
      if (!absl::ascii_isalnum(byte) && c != '-' && c != '_') {
        return std::nullopt;
      }
    }
  }
  if (ParseIpAddress(host).ok()) return std::nullopt;
  return host;
}

Json PortValue(std::string_view text) {
  const size_t mark = text.find_first_of("-:");
  uint32_t first = 0;
  uint32_t last = 0;
  const auto port = [](std::string_view digits, uint32_t* out) {
    return digits.size() <= 5 && ParseNumber(digits, out) && *out <= UINT16_MAX;
  };
  if (!port(text.substr(0, mark), &first)) return nullptr;
  if (mark == text.npos) return first;
  if (!port(text.substr(mark + 1), &last) || last < first) return nullptr;
  if (first == last) return first;
  return Concat(first, "-", last);
}

Json PortList(std::vector<int> ports) {
  std::sort(ports.begin(), ports.end());
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  Json list = Json::array();
  for (size_t i = 0; i < ports.size();) {
    size_t end = i + 1;
    while (end < ports.size() && ports[end] == ports[end - 1] + 1) ++end;
    if (end - i >= 3) {
      list.push_back(Concat(ports[i], "-", ports[end - 1]));
      i = end;
    } else {
      list.push_back(ports[i++]);
    }
  }
  return list;
}

std::string DescriptionOf(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    char32_t code_point = 0;
    const size_t length = Utf8Length(text, i, &code_point);
    const size_t bytes = std::max<size_t>(length, 1);
    if (out.size() + bytes > kMaxDescriptionBytes) break;
    if (length != 0 && !IsInvisible(code_point)) {
      AppendTo(&out, text.substr(i, bytes));
    } else if (!out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
    i += bytes;
  }
  return std::string(Trim(out));
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t at = text.find_first_not_of(kBlanks); at != text.npos;) {
    const size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kBlanks, end);
  }
  return words;
}

}  // namespace sallyport::cli
