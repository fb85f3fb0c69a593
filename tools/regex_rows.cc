#include "tools/regex_rows.h"

#include <cassert>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "rules/text_util.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

// A row under construction: anchors are steps of their own.
struct Item {
  enum class Kind : uint8_t { kSet, kBegin, kEnd };
  Kind kind = Kind::kSet;
  RegexStep step;
};
using Row = std::vector<Item>;
using Rows = std::vector<Row>;

ByteSet SetOf(std::string_view bytes) {
  ByteSet set;
  for (char c : bytes) set.set(static_cast<unsigned char>(c));
  return set;
}

ByteSet RangeOf(unsigned char first, unsigned char last) {
  ByteSet set;
  for (unsigned byte = first; byte <= last; ++byte) set.set(byte);
  return set;
}

// The set of \d, \w, \s; nullopt for another letter.
std::optional<ByteSet> ClassOf(char letter) {
  switch (absl::ascii_tolower(static_cast<unsigned char>(letter))) {
    case 'd':
      return RangeOf('0', '9');
    case 'w':
      return RangeOf('0', '9') | RangeOf('a', 'z') | RangeOf('A', 'Z') |
             SetOf("_");
    case 's':
      return SetOf("\t\n\f\r ");
    default:
      return std::nullopt;
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<Regex> Run() {
    absl::StatusOr<Rows> rows = Alternation(0);
    if (!rows.ok()) return rows.status();
    if (at_ < text_.size()) return Wrong("')' without '('");
    for (Row& row : *rows) Finish(std::move(row));
    return std::move(regex_);
  }

 private:
  absl::Status Wrong(std::string_view what) const {
    return absl::InvalidArgumentError(Concat("column ", at_ + 1, ": ", what));
  }

  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[at_]; }
  bool Take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }

  absl::StatusOr<Rows> Alternation(size_t depth) {
    if (depth > kMaxRegexDepth) return Wrong("too many groups in groups");
    Rows all;
    for (;;) {
      absl::StatusOr<Rows> rows = Sequence(depth);
      if (!rows.ok()) return rows.status();
      for (Row& row : *rows) all.push_back(std::move(row));
      if (all.size() > kMaxRegexRows) return TooMany();
      if (!Take("|")) return all;
    }
  }

  absl::Status TooMany() const {
    return absl::InvalidArgumentError("stands for too many alternatives");
  }

  absl::StatusOr<Rows> Sequence(size_t depth) {
    Rows rows(1);
    while (!AtEnd() && Peek() != '|' && Peek() != ')') {
      absl::StatusOr<Rows> atom = Atom(depth);
      if (!atom.ok()) return atom.status();
      atom = Repeated(*std::move(atom));
      if (!atom.ok()) return atom.status();
      const absl::Status joined = Join(*atom, &rows);
      if (!joined.ok()) return joined;
    }
    return rows;
  }

  // Every row followed by every row of `next`.
  absl::Status Join(const Rows& next, Rows* rows) {
    size_t left = 0;
    size_t right = 0;
    for (const Row& row : *rows) left += row.size() + 1;
    for (const Row& row : next) right += row.size() + 1;
    if (rows->size() * next.size() > kMaxRegexRows ||
        left * next.size() + right * rows->size() > kMaxRegexSteps) {
      return TooMany();
    }
    if (next.size() == 1) {  // nearly always: a literal
      for (Row& row : *rows) {
        row.insert(row.end(), next[0].begin(), next[0].end());
      }
      return absl::OkStatus();
    }
    Rows joined;
    for (const Row& row : *rows) {
      for (const Row& tail : next) {
        joined.push_back(row);
        joined.back().insert(joined.back().end(), tail.begin(), tail.end());
      }
    }
    *rows = std::move(joined);
    return absl::OkStatus();
  }

  static Rows One(const ByteSet& set) {
    return Rows{Row{Item{Item::Kind::kSet, RegexStep{set, 1, 1}}}};
  }

  absl::StatusOr<Rows> Atom(size_t depth) {
    switch (Peek()) {
      case '(':
        return Group(depth);
      case '[': {
        absl::StatusOr<ByteSet> set = Class();
        if (!set.ok()) return set.status();
        return One(*set);
      }
      case '.':
        ++at_;
        return One(~SetOf("\n"));
      case '^':
        ++at_;
        return Rows{Row{Item{Item::Kind::kBegin, {}}}};
      case '$':
        ++at_;
        return Rows{Row{Item{Item::Kind::kEnd, {}}}};
      case '*':
      case '+':
      case '?':
        return Wrong("nothing to repeat");
      case '\\': {
        absl::StatusOr<ByteSet> set = Escape();
        if (!set.ok()) return set.status();
        return One(*set);
      }
      default:
        return One(SetOf(text_.substr(at_++, 1)));
    }
  }

  absl::StatusOr<Rows> Group(size_t depth) {
    ++at_;
    if (Take("?")) {
      if (Take("P<") || (Peek() == '<' && Take("<"))) {
        const size_t end = text_.find('>', at_);
        if (end == text_.npos) return Wrong("a group's name without '>'");
        at_ = end + 1;
      } else {
        while (Peek() == 'i' || Peek() == 's') {
          regex_.ignores_case = regex_.ignores_case || Peek() == 'i';
          ++at_;
        }
        if (Take(")")) return Rows(1);  // (?i): a flag for what follows
        if (!Take(":")) return Wrong("this kind of group is not understood");
      }
    }
    absl::StatusOr<Rows> rows = Alternation(depth + 1);
    if (!rows.ok()) return rows.status();
    if (!Take(")")) return Wrong("'(' is not closed");
    return rows;
  }

  // REQUIRES: text_[at_] is a backslash
  absl::StatusOr<ByteSet> Escape() {
    if (at_ + 1 >= text_.size()) return Wrong("a backslash at the end");
    const char c = text_[at_ + 1];
    const auto byte = static_cast<unsigned char>(c);
    std::optional<ByteSet> set;
    if (absl::ascii_ispunct(byte)) {
      set = SetOf(text_.substr(at_ + 1, 1));
    } else if ((set = ClassOf(c)).has_value() && absl::ascii_isupper(byte)) {
      set->flip();
      regex_.has_upper_class = true;
    }
    if (!set.has_value()) {
      return Wrong(Concat("\\", EscapeForTerminal(text_.substr(at_ + 1, 1)),
                          " is not understood"));
    }
    at_ += 2;
    return *set;
  }

  absl::StatusOr<ByteSet> Class() {
    ++at_;
    const bool negated = Take("^");
    ByteSet set;
    bool first = true;
    while (first || Peek() != ']') {
      first = false;
      if (AtEnd()) return Wrong("'[' is not closed");
      if (text_.substr(at_).starts_with("[:")) {
        return Wrong("[: :] is not understood");
      }
      absl::StatusOr<ByteSet> low = ClassByte();
      if (!low.ok()) return low.status();
      const bool range =
          Peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']';
      if (!range) {
        set |= *low;
        continue;
      }
      ++at_;
      absl::StatusOr<ByteSet> high = ClassByte();
      if (!high.ok()) return high.status();
      if (low->count() != 1 || high->count() != 1) {
        return Wrong("a range between classes");
      }
      const size_t begin = low->_Find_first();
      const size_t end = high->_Find_first();
      if (end < begin) return Wrong("a range is reversed");
      set |= RangeOf(static_cast<unsigned char>(begin),
                     static_cast<unsigned char>(end));
    }
    ++at_;
    if (negated) set.flip();
    if (set.none()) return Wrong("a class of nothing");
    return set;
  }

  absl::StatusOr<ByteSet> ClassByte() {
    if (AtEnd()) return Wrong("'[' is not closed");
    if (Peek() == '\\') return Escape();
    // A class is of bytes here, of characters there.
    if (!absl::ascii_isascii(static_cast<unsigned char>(Peek()))) {
      return Wrong("a class of other than ASCII is not understood");
    }
    return SetOf(text_.substr(at_++, 1));
  }

  struct Count {
    size_t min;
    size_t max;
  };

  // * + ? {m} {m,} {m,n}; nullopt: none of them stands here.
  std::optional<Count> TakeCount() {
    if (Take("*")) return Count{0, RegexStep::kNoEnd};
    if (Take("+")) return Count{1, RegexStep::kNoEnd};
    if (Take("?")) return Count{0, 1};
    if (Peek() != '{') return std::nullopt;
    const size_t close = text_.find('}', at_);
    if (close == text_.npos) return std::nullopt;
    const std::string_view inside = text_.substr(at_ + 1, close - at_ - 1);
    const size_t comma = inside.find(',');
    Count count{0, 0};
    // As RE2 has it: what is no count is a literal '{'.
    if (!ParseNumber(inside.substr(0, comma), &count.min)) return std::nullopt;
    count.max = count.min;
    if (comma != inside.npos) {
      if (comma + 1 == inside.size()) {
        count.max = RegexStep::kNoEnd;
      } else if (!ParseNumber(inside.substr(comma + 1), &count.max)) {
        return std::nullopt;
      }
    }
    at_ = close + 1;
    return count;
  }

  absl::StatusOr<Rows> Repeated(Rows atom) {
    const std::optional<Count> count = TakeCount();
    if (!count.has_value()) return atom;
    Take("?");  // lazy: the same texts match
    if (TakeCount().has_value()) return Wrong("a repetition of a repetition");
    if (count->max < count->min || count->min > kMaxRegexRepeat ||
        (count->max != RegexStep::kNoEnd && count->max > kMaxRegexRepeat)) {
      return Wrong("a repetition that is not allowed");
    }
    const bool simple = atom.size() == 1 && atom[0].size() == 1 &&
                        atom[0][0].kind == Item::Kind::kSet &&
                        atom[0][0].step.IsOne();
    if (simple && count->max > 1) {
      atom[0][0].step.min = count->min;
      atom[0][0].step.max = count->max;
      return atom;
    }
    if (count->max == RegexStep::kNoEnd) {
      return Wrong("a repeated group is not understood");
    }
    Rows all;
    Rows row(1);
    for (size_t times = 0; times <= count->max; ++times) {
      if (times >= count->min) all.insert(all.end(), row.begin(), row.end());
      if (all.size() > kMaxRegexRows) return TooMany();
      if (times == count->max) break;
      const absl::Status joined = Join(atom, &row);
      if (!joined.ok()) return joined;
    }
    return all;
  }

  void Finish(Row row);

  const std::string_view text_;
  size_t at_ = 0;
  Regex regex_;
};

// Anchors at the ends become flags, ".*" at the ends becomes their absence.
void Parser::Finish(Row row) {
  RegexRow out;
  size_t first = 0;
  size_t last = row.size();
  while (first < last && row[first].kind == Item::Kind::kBegin) {
    out.begin = true;
    ++first;
  }
  while (last > first && row[last - 1].kind == Item::Kind::kEnd) {
    out.end = true;
    --last;
  }
  for (size_t i = first; i < last; ++i) {
    if (row[i].kind != Item::Kind::kSet) {
      ++regex_.lost_rows;
      return;
    }
    out.steps.push_back(row[i].step);
  }
  const auto is_run = [](const RegexStep& step) {
    return step.IsAny() && step.min == 0 && step.max == RegexStep::kNoEnd;
  };
  while (!out.steps.empty() && is_run(out.steps.back())) {
    out.steps.pop_back();
    out.end = false;
    out.says_open_end = true;
  }
  size_t runs = 0;
  while (runs < out.steps.size() && is_run(out.steps[runs])) ++runs;
  if (runs > 0) {
    out.steps.erase(out.steps.begin(),
                    out.steps.begin() + static_cast<ptrdiff_t>(runs));
    out.begin = false;
  }
  regex_.rows.push_back(std::move(out));
}

// Positions of a text as bits: bit i, before the byte i.
uint64_t StepFrom(const RegexStep& step, std::string_view text, uint64_t at) {
  uint64_t out = step.min == 0 ? at : 0;
  for (size_t times = 1; at != 0 && times <= step.max; ++times) {
    uint64_t next = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      if ((at >> i & 1) != 0 && step.set[static_cast<unsigned char>(text[i])]) {
        next |= uint64_t{1} << (i + 1);
      }
    }
    at = next;  // moves on with each turn, so it runs out
    if (times >= step.min) out |= at;
  }
  return out;
}

}  // namespace

char RegexStep::literal() const {
  assert(IsLiteral());
  return static_cast<char>(set._Find_first());
}

absl::StatusOr<Regex> ParseRegex(std::string_view text) {
  if (text.size() > kMaxRegexBytes) {
    return absl::InvalidArgumentError(
        Concat("longer than ", kMaxRegexBytes, " bytes"));
  }
  return Parser(text).Run();
}

bool RegexMatches(const Regex& regex, std::string_view text) {
  assert(text.size() < 64);
  const uint64_t end = uint64_t{1} << text.size();
  const uint64_t everywhere = end | (end - 1);
  for (const RegexRow& row : regex.rows) {
    uint64_t at = row.begin ? 1 : everywhere;
    for (const RegexStep& step : row.steps) at = StepFrom(step, text, at);
    if ((row.end ? at & end : at) != 0) return true;
  }
  return false;
}

std::string QuoteRegex(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (absl::ascii_ispunct(static_cast<unsigned char>(c))) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

}  // namespace sallyport::cli
