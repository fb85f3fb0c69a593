#include "rules/app_pattern.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

constexpr std::string_view kEscapable = "*?[]\\";

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// "//", "." and ".." never stand in a path that the kernel names: a rule with
// one would silently match nothing. `last` says that the pattern ends here.
bool IsNormal(std::string_view literal, bool last) {
  for (std::string_view bad : {"//", "/./", "/../"}) {
    if (literal.find(bad) != literal.npos) return false;
  }
  if (!last) return true;
  return !literal.ends_with("/") && !literal.ends_with("/.") &&
         !literal.ends_with("/..");
}

}  // namespace

// Turns the text into tokens; adjacent literals are one.
class AppPattern::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Token>> Run() {
    while (at_ < text_.size()) {
      const absl::Status step = Next();
      if (!step.ok()) return step;
    }
    return std::move(tokens_);
  }

 private:
  absl::Status Next() {
    switch (text_[at_]) {
      case '*':
        return Star();
      case '?':
        ++at_;
        return Add(Step::kOneByte);
      case '[':
        return Set();
      case '\\': {
        absl::StatusOr<char> byte = Escape();
        if (!byte.ok()) return byte.status();
        Literal(*byte);
        return absl::OkStatus();
      }
      default:
        Literal(text_[at_++]);
        return absl::OkStatus();
    }
  }

  void Literal(char byte) {
    if (tokens_.empty() || tokens_.back().step != Step::kLiteral) {
      tokens_.push_back({Step::kLiteral, "", {}});
    }
    tokens_.back().literal.push_back(byte);
  }

  absl::Status Add(Step step, std::bitset<256> set = {}) {
    if (++wildcards_ > kMaxGlobWildcards) {
      return Wrong(Concat("more than ", kMaxGlobWildcards, " wildcards"));
    }
    tokens_.push_back({step, "", set});
    return absl::OkStatus();
  }

  absl::Status Star() {
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] == '*') ++at_;
    if (at_ - begin == 1) return Add(Step::kWithinName);
    const bool component = begin > 0 && text_[begin - 1] == '/' &&
                           at_ < text_.size() && text_[at_] == '/';
    if (!component) return Add(Step::kAcross);
    ++at_;  // its slash: none for no component
    return Add(Step::kComponents);
  }

  // REQUIRES: text_[at_] is a backslash
  absl::StatusOr<char> Escape() {
    const std::string_view rest = text_.substr(at_ + 1);
    if (!rest.empty() && kEscapable.find(rest[0]) != kEscapable.npos) {
      at_ += 2;
      return rest[0];
    }
    if (rest.size() >= 3 && rest[0] == 'x' && HexValue(rest[1]) >= 0 &&
        HexValue(rest[2]) >= 0) {
      at_ += 4;
      const int value = HexValue(rest[1]) * 16 + HexValue(rest[2]);
      if (value == 0) return Wrong("no path has a NUL byte (\\x00)");
      return static_cast<char>(value);
    }
    return Wrong(
        "a backslash must be followed by xNN (a byte) or one of * ? [ ] \\; "
        "write \\\\ for a backslash itself");
  }

  absl::StatusOr<unsigned char> SetByte() {
    const char c = text_[at_];
    if (c == '\\') {
      absl::StatusOr<char> byte = Escape();
      if (!byte.ok()) return byte.status();
      return static_cast<unsigned char>(*byte);
    }
    if (!absl::ascii_isascii(static_cast<unsigned char>(c))) {
      return Wrong("a set [...] holds bytes; write others than ASCII as \\xNN");
    }
    ++at_;
    return static_cast<unsigned char>(c);
  }

  absl::Status Set() {
    ++at_;
    const bool negated =
        at_ < text_.size() && (text_[at_] == '!' || text_[at_] == '^');
    if (negated) ++at_;
    std::bitset<256> set;
    while (at_ < text_.size() && text_[at_] != ']') {
      absl::StatusOr<unsigned char> first = SetByte();
      if (!first.ok()) return first.status();
      unsigned char last = *first;
      if (at_ + 1 < text_.size() && text_[at_] == '-' &&
          text_[at_ + 1] != ']') {
        ++at_;
        absl::StatusOr<unsigned char> end = SetByte();
        if (!end.ok()) return end.status();
        last = *end;
      }
      if (last < *first) return Wrong("a range in [...] is reversed");
      for (int byte = *first; byte <= last; ++byte) set.set(byte);
    }
    if (at_ >= text_.size()) {
      return Wrong("'[' is not closed; write \\[ for the character itself");
    }
    ++at_;
    if (set.none()) return Wrong("empty set []");
    if (negated) set.flip();
    set.reset('/');
    return Add(Step::kSet, set);
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t wildcards_ = 0;
  std::vector<Token> tokens_;
};

absl::StatusOr<AppPattern> AppPattern::Parse(std::string_view text) {
  AppPattern pattern;
  if (text == kAnyApp) return pattern;
  if (text.empty()) {
    return Wrong("empty; write an absolute path, a glob or \"any\"");
  }
  if (text.size() > kMaxAppTextBytes) {
    return Wrong(Concat("longer than ", kMaxAppTextBytes, " bytes"));
  }
  if (CleanAppText(text) != text) {
    return Wrong(Concat(
        "bytes that are not UTF-8 and invisible characters must be written as "
        "\\xNN: ",
        QuoteForMessage(CleanAppText(text))));
  }
  if (text[0] != '/') {
    return Wrong(Concat(QuoteForMessage(text),
                        " is not an absolute path; write the full path, "
                        "a glob such as /opt/**/name, or \"any\""));
  }
  absl::StatusOr<std::vector<Token>> tokens = Parser(text).Run();
  if (!tokens.ok()) return tokens.status();
  for (size_t i = 0; i < tokens->size(); ++i) {
    const std::string& literal = (*tokens)[i].literal;
    if (!IsNormal(literal, i + 1 == tokens->size())) {
      return Wrong(Concat(QuoteForMessage(text),
                          " names no executable: write it without '//', "
                          "'.', '..' and without '/' at the end"));
    }
    pattern.literal_bytes_ += literal.size();
  }
  if (pattern.literal_bytes_ >= kMaxAppPathBytes) {
    return Wrong(Concat("path of more than ", kMaxAppPathBytes - 1, " bytes"));
  }
  pattern.tokens_ = *std::move(tokens);
  pattern.Finish();
  return pattern;
}

// REQUIRES: tokens_ begins with a literal (the text begins with '/')
void AppPattern::Finish() {
  prefix_ = tokens_.front().literal;
  tokens_.erase(tokens_.begin());
  kind_ = tokens_.empty() ? Kind::kExact : Kind::kGlob;
  if (!tokens_.empty() && tokens_.back().step == Step::kLiteral) {
    suffix_ = tokens_.back().literal;
  }
}

// A set of positions in a path, on the stack.
class AppPattern::Positions {
 public:
  // For positions from 0 to `end`, none of them set.
  explicit Positions(size_t end) : words_used_(end / 64 + 1) { Clear(); }

  void Clear() { std::fill_n(words_, words_used_, 0); }
  void Set(size_t at) { words_[at / 64] |= uint64_t{1} << (at % 64); }
  bool Has(size_t at) const { return words_[at / 64] >> (at % 64) & 1; }

  // The first position of the set at or behind `at`, at most `end`.
  std::optional<size_t> Next(size_t at, size_t end) const {
    while (at <= end) {
      const uint64_t rest = words_[at / 64] >> (at % 64);
      if (rest != 0) {
        at += static_cast<size_t>(std::countr_zero(rest));
        return at <= end ? std::optional<size_t>(at) : std::nullopt;
      }
      at = (at / 64 + 1) * 64;
    }
    return std::nullopt;
  }

 private:
  size_t words_used_;  // the others are not even cleared: paths are short
  uint64_t words_[kMaxAppPathBytes / 64 + 1];
};

bool AppPattern::Matches(std::string_view path) const {
  switch (kind_) {
    case Kind::kAny:
      return true;
    case Kind::kExact:
      return path == prefix_;
    case Kind::kGlob:
      return path.size() <= kMaxAppPathBytes && path.size() >= literal_bytes_ &&
             path.starts_with(prefix_) && path.ends_with(suffix_) &&
             MatchTokens(path);
  }
  return false;
}

// Keeps the set of positions that the tokens so far can end at. No token is
// looked at twice for one position, so nothing can blow up.
bool AppPattern::MatchTokens(std::string_view path) const {
  const size_t end = path.size();
  Positions sets[2] = {Positions(end), Positions(end)};
  sets[0].Set(prefix_.size());
  size_t turn = 0;
  for (const Token& token : tokens_) {
    const Positions& reached = sets[turn % 2];
    Positions& next = sets[++turn % 2];
    next.Clear();
    for (std::optional<size_t> p = reached.Next(0, end); p.has_value();
         p = reached.Next(*p + 1, end)) {
      const size_t at = *p;
      switch (token.step) {
        case Step::kLiteral:
          if (path.substr(at).starts_with(token.literal)) {
            next.Set(at + token.literal.size());
          }
          break;
        case Step::kOneByte:
          if (at < end && path[at] != '/') next.Set(at + 1);
          break;
        case Step::kSet:
          if (at < end && token.set[static_cast<unsigned char>(path[at])]) {
            next.Set(at + 1);
          }
          break;
        case Step::kWithinName:
          // A position already set was reached from the same component.
          for (size_t i = at; i <= end && !next.Has(i); ++i) {
            next.Set(i);
            if (i < end && path[i] == '/') break;
          }
          break;
        case Step::kAcross:
          for (size_t i = at; i <= end && !next.Has(i); ++i) next.Set(i);
          break;
        case Step::kComponents:
          if (next.Has(at)) break;
          next.Set(at);
          for (size_t i = at; i < end; ++i) {
            if (path[i] == '/') next.Set(i + 1);
          }
          break;
      }
    }
  }
  return sets[turn % 2].Has(end);
}

std::string ExactAppText(std::string_view path) {
  std::string text;
  for (char c : path) {
    if (kEscapable.find(c) != kEscapable.npos) text += '\\';
    text += c;
  }
  return CleanAppText(text);
}

std::string CleanAppText(std::string_view typed) {
  std::string text;
  for (size_t i = 0; i < typed.size();) {
    char32_t code_point = 0;
    const size_t length = Utf8Length(typed, i, &code_point);
    if (length != 0 && !IsInvisible(code_point)) {
      AppendTo(&text, typed.substr(i, length));
      i += length;
      continue;
    }
    for (size_t end = i + std::max<size_t>(length, 1); i < end; ++i) {
      absl::StrAppendFormat(&text, "\\x%02x",
                            static_cast<unsigned char>(typed[i]));
    }
  }
  return text;
}

}  // namespace sallyport
