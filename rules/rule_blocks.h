#ifndef SALLYPORT_RULES_RULE_BLOCKS_H_
#define SALLYPORT_RULES_RULE_BLOCKS_H_

// Cuts the text of a rule file at its [[rule]] lines, so that each rule is
// parsed by itself: a syntax error in one does not hide those of others, and
// the memory of the TOML tree is that of one rule, not of 100,000. Pure.

#include <cstdint>
#include <string_view>
#include <vector>

namespace sallyport {

// `a.b.c = 1` nests tables; the TOML library frees them recursively, so what
// is handed to it must be shallow.
inline constexpr uint32_t kMaxKeyParts = 16;

struct RuleBlock {
  std::string_view text;       // begins with [[rule]], but for the first block
  uint32_t line = 1;           // of its first line in the file
  uint32_t deep_key_line = 0;  // line of the file with a key of more than
                               // kMaxKeyParts parts; 0: none. Do not parse it.
};

// The first block is what stands before any [[rule]], maybe nothing. Joined,
// the blocks are `toml`. A [[rule]] inside a string or comment does not count.
std::vector<RuleBlock> SplitRuleBlocks(std::string_view toml);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_BLOCKS_H_
