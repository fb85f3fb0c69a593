#include "rules/rule_blocks.h"

#include <cstddef>

namespace sallyport {
namespace {

// Knows just enough TOML to tell what is inside a string or a comment.
class Scanner {
 public:
  explicit Scanner(std::string_view toml) : toml_(toml) {}

  std::vector<RuleBlock> Run() {
    blocks_.push_back({});
    while (at_ < toml_.size()) {
      if (line_start_ && AtRuleHeader()) Cut();
      Step();
    }
    Close();
    return std::move(blocks_);
  }

 private:
  bool StartsHere(std::string_view what) const {
    return toml_.substr(at_).starts_with(what);
  }

  // [[rule]] with the blanks that TOML allows.
  bool AtRuleHeader() const {
    size_t i = at_;
    for (std::string_view part : {"[[", "rule", "]]"}) {
      while (i < toml_.size() && (toml_[i] == ' ' || toml_[i] == '\t')) ++i;
      if (!toml_.substr(i).starts_with(part)) return false;
      i += part.size();
    }
    return true;
  }

  void Close() {
    blocks_.back().text = toml_.substr(begin_, at_ - begin_);
    begin_ = at_;
  }

  void Cut() {
    Close();
    blocks_.push_back({{}, line_, 0});
  }

  void Step() {
    const char c = toml_[at_];
    line_start_ = false;
    if (c == '\n') {
      NewLine();
    } else if (c == '#') {
      while (at_ < toml_.size() && toml_[at_] != '\n') ++at_;
    } else if (c == '"' || c == '\'') {
      String(c);
    } else {
      Dot(c);
      ++at_;
    }
  }

  void NewLine() {
    ++at_;
    ++line_;
    line_start_ = true;
    parts_ = 1;
  }

  void Dot(char c) {
    if (c == '=' || c == ',' || c == '[' || c == '{') parts_ = 1;
    if (c == '.' && ++parts_ > kMaxKeyParts) {
      blocks_.back().deep_key_line = line_;
    }
  }

  void String(char quote) {
    const std::string_view triple = quote == '"' ? R"(""")" : "'''";
    const bool multi = StartsHere(triple);
    at_ += multi ? 3 : 1;
    while (at_ < toml_.size()) {
      const char c = toml_[at_];
      if (c == '\n') {
        if (!multi) return;  // not closed: an error for the parser to report
        NewLine();
        line_start_ = false;
      } else if (c == '\\' && quote == '"') {
        // An escaped newline counts as a line too, in the next turn.
        at_ += StartsHere("\\\n") ? 1 : 2;
      } else if (multi ? StartsHere(triple) : c == quote) {
        at_ += multi ? 3 : 1;
        // Up to two quotes more may belong to the string: """a"""""
        while (multi && at_ < toml_.size() && toml_[at_] == quote) ++at_;
        return;
      } else {
        ++at_;
      }
    }
    at_ = toml_.size();  // the escape may have jumped behind the end
  }

  std::string_view toml_;
  size_t at_ = 0;
  size_t begin_ = 0;
  uint32_t line_ = 1;
  uint32_t parts_ = 1;
  bool line_start_ = true;
  std::vector<RuleBlock> blocks_;
};

}  // namespace

std::vector<RuleBlock> SplitRuleBlocks(std::string_view toml) {
  return Scanner(toml).Run();
}

}  // namespace sallyport
