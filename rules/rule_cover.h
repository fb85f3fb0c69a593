#ifndef SALLYPORT_RULES_RULE_COVER_H_
#define SALLYPORT_RULES_RULE_COVER_H_

// The fewest rules for a relation: which destinations were reached at which
// port by which protocol. A rule is a box, every combination of its three
// lists; it may hold nothing that is not in the relation. To find the fewest
// boxes is NP-hard; what people's machines do is not hard: destinations alike
// are one, what is not connected is solved alone, and the rest is searched
// until a budget is spent. Beyond it a greedy choice stands. Pure;
// deterministic: the same cells in any order give the same boxes.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport {

struct CoverCell {
  uint32_t destination = 0;
  uint32_t port = 0;
  uint32_t protocol = 0;
  auto operator<=>(const CoverCell&) const = default;
};

struct CoverBox {
  std::vector<uint32_t> destinations;  // sorted, none empty
  std::vector<uint32_t> ports;
  std::vector<uint32_t> protocols;
  auto operator<=>(const CoverBox&) const = default;
};

// Steps of the search, for all covers of one proposal together: a few of them
// are a nanosecond's work each.
struct CoverBudget {
  size_t steps = 50'000'000;
};

struct Cover {
  std::vector<CoverBox> boxes;  // sorted
  bool is_fewest = true;        // false: the budget ended first
};

// Boxes that hold all of `cells` and nothing else. The time is that of sorting
// the cells, and the budget's.
Cover CoverCells(std::vector<CoverCell> cells, CoverBudget* budget);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_COVER_H_
