#include "tools/regex_translate.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <utility>

#include "absl/strings/ascii.h"
#include "rules/address.h"
#include "rules/app_pattern.h"
#include "rules/text_util.h"
#include "tools/import.h"
#include "tools/import_text.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

// "+" and "*" of a class that we cannot say: so many times at most. A program's
// version, a snap's revision and an AppImage's mount are no longer.
constexpr size_t kMaxTimes = 6;
// What one row may stand for, e.g. ports.
constexpr size_t kMaxTexts = 1024;

// What was lost, for one remark each.
struct Lost {
  size_t rows = 0;
  bool begin = false;
  bool end = false;
  bool dot = false;
  bool slash = false;
  bool times = false;
};

std::vector<std::string> RemarksOf(const Lost& lost) {
  std::vector<std::string> remarks;
  if (lost.begin) remarks.push_back("is read as if it began with ^");
  if (lost.end) remarks.push_back("is read as if it ended with $");
  if (lost.dot) remarks.push_back("has a '.' that is read as a dot alone");
  if (lost.slash) remarks.push_back("has a class whose '/' is left out of it");
  if (lost.times) {
    remarks.push_back(
        Concat("repeats a class: read as up to ", kMaxTimes, " times"));
  }
  if (lost.rows > 0) {
    remarks.push_back(Concat(lost.rows,
                             " of its alternatives cannot be said here and "
                             "are left out of it"));
  }
  return remarks;
}

bool HasDigits(const ByteSet& set) {
  for (char c = '0'; c <= '9'; ++c) {
    if (!set[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

// How often a step may stand there, with an end.
size_t BoundedMax(const RegexStep& step, Lost* lost) {
  if (step.max != RegexStep::kNoEnd && step.max <= step.min + 2 * kMaxTimes) {
    return step.max;
  }
  lost->times = true;
  return std::max(step.min, kMaxTimes);
}

// Every text of `texts` with every byte of `set` behind it.
bool AppendSet(const ByteSet& set, size_t most,
               std::vector<std::string>* texts) {
  if (texts->size() * set.count() > most) return false;
  std::vector<std::string> out;
  for (const std::string& text : *texts) {
    for (size_t byte = set._Find_first(); byte < set.size();
         byte = set._Find_next(byte)) {
      out.push_back(text + static_cast<char>(byte));
    }
  }
  *texts = std::move(out);
  return true;
}

// One step of a row behind all of `texts`. False: not to be written out.
bool AppendStep(const RegexStep& step, bool dot_is_dot, Lost* lost,
                std::vector<std::string>* texts) {
  const bool dot = step.IsAny();
  if (dot && (!dot_is_dot || !step.IsOne())) return false;
  if (dot || step.IsLiteral()) {
    lost->dot = lost->dot || dot;
    for (std::string& text : *texts) {
      text.push_back(dot ? '.' : step.literal());
    }
    return true;
  }
  const size_t max = BoundedMax(step, lost);
  std::vector<std::string> all;
  std::vector<std::string> now = *texts;
  for (size_t times = 0; times <= max; ++times) {
    if (times >= step.min) all.insert(all.end(), now.begin(), now.end());
    if (all.size() > kMaxTexts) return false;
    if (times < max && !AppendSet(step.set, kMaxTexts, &now)) return false;
  }
  *texts = std::move(all);
  return true;
}

// Of all texts of one row: hostile rows of 4,000 steps would otherwise make a
// thousand texts of them.
constexpr size_t kMaxTextBytes = size_t{64} << 10;

std::optional<std::vector<std::string>> TextsOf(
    const std::vector<RegexStep>& steps, bool dot_is_dot, Lost* lost) {
  std::vector<std::string> texts(1);
  for (const RegexStep& step : steps) {
    if (!AppendStep(step, dot_is_dot, lost, &texts) ||
        texts.size() * steps.size() > kMaxTextBytes) {
      return std::nullopt;
    }
  }
  return texts;
}

// Each once, in the order of the expression, which is how people read it.
std::vector<std::string> Unique(std::vector<std::string> values) {
  std::vector<std::string> out;
  std::unordered_set<std::string> seen;
  for (std::string& value : values) {
    if (seen.insert(value).second) out.push_back(std::move(value));
  }
  return out;
}

// --- paths ---

// A glob's set of one byte; "?" for everything but '/'.
std::string GlobSet(ByteSet set) {
  set.reset('/');
  ByteSet rest = ~set;
  rest.reset('/').reset('\n').reset('\0');
  if (rest.none()) return "?";
  std::string out = "[";
  const auto append = [&](size_t byte) {
    const char c = static_cast<char>(byte);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                       (c >= 'A' && c <= 'Z') || c == '.' || c == '_';
    static constexpr char kHex[] = "0123456789abcdef";
    if (plain) {
      out.push_back(c);
    } else {
      AppendTo(&out, "\\x", std::string(1, kHex[byte >> 4]),
               std::string(1, kHex[byte & 15]));
    }
  };
  for (size_t byte = set._Find_next(0); byte < set.size();) {
    size_t last = byte;
    while (last + 1 < set.size() && set[last + 1]) ++last;
    append(byte);
    if (last > byte + 1) out.push_back('-');
    if (last > byte) append(last);
    byte = set._Find_next(last);
  }
  return out + "]";
}

std::string GlobOne(const RegexStep& step) {
  if (step.set.count() == 1) {
    const char c = static_cast<char>(step.set._Find_first());
    const bool special =
        std::string_view("*?[]\\").find(c) != std::string::npos;
    return special ? std::string{'\\', c} : std::string(1, c);
  }
  return GlobSet(step.set);
}

// All of what one step may be in a glob.
std::vector<std::string> GlobsOf(const RegexStep& step, Lost* lost) {
  const bool open = step.max == RegexStep::kNoEnd;
  if (!step.IsAny() && !step.IsLiteral() && step.set['/']) lost->slash = true;
  if (step.IsOne()) return {GlobOne(step)};
  // The wildcards of one glob are bounded; more than that it refuses itself.
  const std::string least(std::min(step.min, kMaxGlobWildcards + 1), '?');
  ByteSet others = ~step.set;
  others.reset('\n');
  if (open && others.none()) return {least + "**"};
  if (open && others.count() == 1 && others['/']) return {least + "*"};
  std::vector<std::string> globs;
  const std::string one = GlobOne(step);
  const size_t max = BoundedMax(step, lost);
  std::string many;
  for (size_t times = 0; times <= max; ++times) {
    if (times >= step.min) globs.push_back(many);
    many += one;
    if (many.size() > kMaxAppTextBytes) break;
  }
  return globs;
}

// "/a/.*/b" is not "/a/b", which "/a/**/b" would be: at least one byte.
void FillComponents(std::string* glob) {
  for (size_t at = glob->find("/**"); at != glob->npos;
       at = glob->find("/**", at + 1)) {
    const size_t end = glob->find_first_not_of('*', at + 1);
    if (end != glob->npos && (*glob)[end] == '/') glob->insert(at + 1, "?");
  }
}

// A wildcard, not "\\*".
bool EndsWithStar(std::string_view glob) {
  if (!glob.ends_with('*')) return false;
  glob.remove_suffix(1);
  size_t backslashes = 0;
  while (glob.ends_with('\\')) {
    glob.remove_suffix(1);
    ++backslashes;
  }
  return backslashes % 2 == 0;
}

// `tail` behind `glob`. Two "*" next to each other would become "**".
std::string JoinGlobs(std::string glob, std::string_view tail) {
  size_t before = 0;
  size_t behind = 0;
  while (tail.starts_with('*')) {
    tail.remove_prefix(1);
    ++behind;
  }
  while (behind > 0 && EndsWithStar(glob)) {
    glob.pop_back();
    ++before;
  }
  AppendTo(&glob,
           before > 1 || behind > 1 ? "**"
           : behind > 0             ? "*"
                                    : "",
           tail);
  return glob;
}

std::vector<std::string> GlobsOfRow(const RegexRow& row, Lost* lost) {
  if (row.steps.empty()) {
    // Everything; "^$" is an empty path, which there is none of.
    if (row.begin && row.end) return {};
    return {std::string(kAnyApp)};
  }
  std::vector<std::string> globs(1);
  for (size_t i = 0; i < row.steps.size(); ++i) {
    const std::vector<std::string> next = GlobsOf(row.steps[i], lost);
    if (globs.size() * next.size() > kMaxRulesOfOne) return {};
    std::vector<std::string> joined;
    for (const std::string& glob : globs) {
      for (const std::string& tail : next) {
        joined.push_back(JoinGlobs(glob, tail));
      }
    }
    globs = std::move(joined);
    if (globs[0].size() > kMaxAppTextBytes) return {};
  }
  std::vector<std::string> out;
  for (std::string& glob : globs) {
    FillComponents(&glob);
    // Every path begins with a slash, so what is open there has one before it.
    if (!row.begin) glob.insert(0, "/**");
    if (!row.end) glob += "**";
    glob = CleanAppText(glob);
    if (AppPattern::Parse(glob).ok()) out.push_back(std::move(glob));
  }
  if (!out.empty() && out.size() < globs.size()) ++lost->rows;
  return out;
}

// --- names ---

std::optional<std::string> HostOf(const std::string& text, bool begin,
                                  Lost* lost) {
  if (begin) {
    const auto host = CanonicalHost(text);
    if (!host.has_value() || text.ends_with('.')) return std::nullopt;
    return "=" + *host;
  }
  const bool below = text.starts_with('.');
  const auto host = CanonicalHost(std::string_view(text).substr(below ? 1 : 0));
  if (!host.has_value() || text.ends_with('.')) return std::nullopt;
  if (below) return "*." + *host;
  lost->begin = true;  // "notexample.com" too
  return *host;
}

bool HostsOfRow(RegexRow row, Lost* lost, std::vector<std::string>* values) {
  // "^.+\.x": below x, as ".*\.x".
  if (!row.steps.empty() && row.steps[0].IsAny() && row.steps[0].min == 1 &&
      row.steps[0].max == RegexStep::kNoEnd) {
    row.steps.erase(row.steps.begin());
    if (row.steps.empty() || !row.steps[0].IsLiteral() ||
        row.steps[0].literal() != '.') {
      return false;
    }
    row.begin = false;
  }
  // "^ads\..*" is of names that begin so: there is no such thing here.
  if (row.says_open_end) return false;
  const auto texts = TextsOf(row.steps, /*dot_is_dot=*/true, lost);
  if (!texts.has_value()) return false;
  std::vector<std::string> hosts;
  for (const std::string& text : *texts) {
    auto host = HostOf(text, row.begin, lost);
    if (!host.has_value()) return false;
    hosts.push_back(*std::move(host));
  }
  if (!row.end) lost->end = true;
  values->insert(values->end(), hosts.begin(), hosts.end());
  return true;
}

// "=x" and "*.x" together are "x".
void JoinHosts(std::vector<std::string>* values) {
  std::vector<std::string> sorted = *values;
  std::sort(sorted.begin(), sorted.end());
  const auto has = [&](const std::string& value) {
    return std::binary_search(sorted.begin(), sorted.end(), value);
  };
  for (std::string& value : *values) {
    if (value.starts_with('=') && has("*." + value.substr(1))) {
      value = value.substr(1);
    } else if (value.starts_with("*.") && has("=" + value.substr(2))) {
      value = value.substr(2);
    }
  }
}

// --- addresses ---

constexpr char kOctet = '*';  // stands for any octet; in no address

// An octet's text behind which no digit can follow, nor change it.
bool IsWholeOctet(std::string_view text) {
  int value = 0;
  return text.size() <= 3 && ParseNumber(text, &value) && value * 10 > 255;
}

// "10.", "10.*", "192.168.*.*" as the prefix of the octets that are given.
std::optional<std::string> OpenOctets(std::string_view text, bool open_end,
                                      Lost* lost) {
  std::vector<std::string_view> parts = Split(text, '.');
  if (parts.size() > 4) return std::nullopt;
  if (parts.back().empty() && open_end) {
    parts.pop_back();  // "10." and anything
  } else if (open_end && parts.size() < 4) {
    if (parts.back() != "*" && !IsWholeOctet(parts.back())) lost->end = true;
  } else if (parts.size() < 4) {
    return std::nullopt;
  }
  size_t given = 0;
  while (given < parts.size() && parts[given] != "*") ++given;
  for (size_t i = given; i < parts.size(); ++i) {
    if (parts[i] != "*") return std::nullopt;
  }
  if (given == 0) return std::nullopt;
  std::string address;
  for (size_t i = 0; i < 4; ++i) {
    AppendTo(&address, i > 0 ? "." : "", i < given ? parts[i] : "0");
  }
  if (!ParseIpAddress(address).ok()) return std::nullopt;
  return given == 4 ? address : Concat(address, "/", given * 8);
}

std::optional<std::string> AddressOf(const std::string& text,
                                     const RegexRow& row, Lost* lost) {
  if (!row.begin) lost->begin = true;
  if (const auto address = ParseIpAddress(text); address.ok()) {
    // Another spelling of an address is never met.
    if (address->ToString() != absl::AsciiStrToLower(text)) return std::nullopt;
    if (!row.end) lost->end = true;
    return address->ToString();
  }
  // "fe80:" and anything: the text of an address begins with its first group,
  // if that is not 0.
  if (!row.end && text.size() <= 5 && text.find(':') == text.size() - 1 &&
      !text.starts_with('0')) {
    const auto group = ParseIpAddress(text + ":");
    if (group.ok()) return group->ToString() + "/16";
  }
  return OpenOctets(text, !row.end, lost);
}

bool AddressesOfRow(RegexRow row, Lost* lost,
                    std::vector<std::string>* values) {
  // "10\..+": as ".*", since "10." alone is no address.
  if (!row.steps.empty() && row.steps.back().IsAny() &&
      row.steps.back().min == 1 && row.steps.back().max == RegexStep::kNoEnd) {
    row.steps.pop_back();
    row.end = false;
  }
  for (RegexStep& step : row.steps) {
    const bool octet =
        !step.IsAny() && HasDigits(step.set) && step.min <= 1 && step.max >= 3;
    if (!octet) continue;
    // \d{1,3} between dots.
    step = RegexStep{};
    step.set.set(static_cast<unsigned char>(kOctet));
  }
  const auto texts = TextsOf(row.steps, /*dot_is_dot=*/true, lost);
  if (!texts.has_value()) return false;
  size_t found = 0;
  for (const std::string& text : *texts) {
    // A class stands for texts that are no address too: 172.3[0-1]+.
    auto address = AddressOf(text, row, lost);
    if (!address.has_value()) continue;
    values->push_back(*std::move(address));
    ++found;
  }
  return found > 0;
}

template <typename RowReader>
Translation EachRow(const Regex& regex, RowReader read) {
  Lost lost;
  lost.rows = regex.lost_rows;
  std::vector<std::string> values;
  for (const RegexRow& row : regex.rows) {
    Lost of_row = lost;
    if (read(row, &of_row, &values)) {
      lost = of_row;
    } else {
      ++lost.rows;
    }
  }
  return {Unique(std::move(values)), RemarksOf(lost)};
}

}  // namespace

Translation RegexToApps(const Regex& regex) {
  Translation out = EachRow(regex, [](const RegexRow& row, Lost* lost,
                                      std::vector<std::string>* values) {
    const std::vector<std::string> globs = GlobsOfRow(row, lost);
    values->insert(values->end(), globs.begin(), globs.end());
    return !globs.empty();
  });
  if (std::find(out.values.begin(), out.values.end(), kAnyApp) !=
      out.values.end()) {
    out.values = {std::string(kAnyApp)};
  }
  return out;
}

Translation RegexToHosts(const Regex& regex) {
  Translation out = EachRow(regex, HostsOfRow);
  JoinHosts(&out.values);
  out.values = Unique(std::move(out.values));
  return out;
}

Translation RegexToAddresses(const Regex& regex) {
  return EachRow(regex, AddressesOfRow);
}

Translation RegexToTexts(const Regex& regex) {
  return EachRow(regex, [](const RegexRow& row, Lost* lost,
                           std::vector<std::string>* values) {
    if (row.says_open_end || row.steps.empty()) return false;
    const auto texts = TextsOf(row.steps, /*dot_is_dot=*/false, lost);
    if (!texts.has_value()) return false;
    if (!row.begin) lost->begin = true;
    if (!row.end) lost->end = true;
    values->insert(values->end(), texts->begin(), texts->end());
    return true;
  });
}

}  // namespace sallyport::cli
