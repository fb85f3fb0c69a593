#include "rules/rule_cover.h"

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace sallyport {
namespace {

using Value = uint32_t CoverCell::*;
using Values = std::vector<uint32_t>;

// Ports of one connected part fit a word; more are never seen but by design.
constexpr size_t kMaxPorts = 64;
// Their subsets are gone through.
constexpr size_t kMaxProtocols = 4;
// Sets of ports that boxes can have, and boxes to choose from.
constexpr size_t kMaxPortSets = 512;
constexpr size_t kMaxBoxes = 1024;

void SortUnique(std::vector<CoverCell>* cells) {
  std::sort(cells->begin(), cells->end());
  cells->erase(std::unique(cells->begin(), cells->end()), cells->end());
}

// Values of one list that occur with the same others are one: a class. Gives
// `cells` the classes' numbers; the answer has the members of each.
std::vector<Values> MergeAlike(Value value, Value a, Value b,
                               std::vector<CoverCell>* cells) {
  using Slice = std::vector<std::pair<uint32_t, uint32_t>>;
  std::map<uint32_t, Slice> slices;
  for (const CoverCell& cell : *cells) {
    slices[cell.*value].emplace_back(cell.*a, cell.*b);
  }
  std::map<Slice, Values> classes;
  for (auto& [at, slice] : slices) {
    std::sort(slice.begin(), slice.end());
    classes[std::move(slice)].push_back(at);
  }
  std::vector<Values> members;
  for (auto& [slice, of_class] : classes) {
    members.push_back(std::move(of_class));
  }
  std::sort(members.begin(), members.end());
  absl::flat_hash_map<uint32_t, uint32_t> class_of;
  for (uint32_t i = 0; i < members.size(); ++i) {
    for (const uint32_t member : members[i]) class_of[member] = i;
  }
  for (CoverCell& cell : *cells) cell.*value = class_of[cell.*value];
  SortUnique(cells);
  return members;
}

// A box reaches from one destination to another only over a service (port and
// protocol) that both have.
std::vector<std::vector<CoverCell>> ConnectedParts(
    const std::vector<CoverCell>& cells) {
  std::vector<size_t> leader(cells.size());
  std::iota(leader.begin(), leader.end(), size_t{0});
  const auto find = [&leader](size_t i) {
    while (leader[i] != i) i = leader[i] = leader[leader[i]];
    return i;
  };
  absl::flat_hash_map<uint32_t, size_t> by_destination;
  absl::flat_hash_map<uint64_t, size_t> by_service;
  for (size_t i = 0; i < cells.size(); ++i) {
    const uint64_t service = uint64_t{cells[i].port} << 32 | cells[i].protocol;
    const size_t one =
        by_destination.try_emplace(cells[i].destination, i).first->second;
    const size_t two = by_service.try_emplace(service, i).first->second;
    leader[find(i)] = find(one);
    leader[find(i)] = find(two);
  }
  std::map<size_t, std::vector<CoverCell>> parts;
  for (size_t i = 0; i < cells.size(); ++i) {
    parts[find(i)].push_back(cells[i]);
  }
  std::vector<std::vector<CoverCell>> out;
  for (auto& [at, part] : parts) out.push_back(std::move(part));
  return out;
}

// A set of the cells of one part.
using Bits = std::vector<uint64_t>;

size_t CountNew(const Bits& box, const Bits& uncovered) {
  size_t count = 0;
  for (size_t i = 0; i < box.size(); ++i) {
    count += static_cast<size_t>(std::popcount(box[i] & uncovered[i]));
  }
  return count;
}

void Remove(const Bits& box, Bits* from) {
  for (size_t i = 0; i < box.size(); ++i) (*from)[i] &= ~box[i];
}

std::optional<size_t> FirstOf(const Bits& bits) {
  for (size_t i = 0; i < bits.size(); ++i) {
    if (bits[i] != 0) {
      return i * 64 + static_cast<size_t>(std::countr_zero(bits[i]));
    }
  }
  return std::nullopt;
}

// One connected part: all boxes that no box contains, then the fewest of them.
class Part {
 public:
  Part(std::vector<CoverCell> cells, CoverBudget* budget)
      : cells_(std::move(cells)), budget_(*budget) {}

  Cover Solve() {
    Cover cover;
    if (!FindBoxes() || !FindReach()) {
      cover.is_fewest = cells_.size() <= 1;
      cover.boxes = ByLists();
      return cover;
    }
    best_ = Greedy();
    cover.is_fewest = LeastFor(All()) >= best_.size() || Search(All());
    for (const size_t box : best_) cover.boxes.push_back(boxes_[box]);
    return cover;
  }

 private:
  bool Spend(size_t steps) {
    const bool enough = budget_.steps >= steps;
    budget_.steps = enough ? budget_.steps - steps : 0;
    return enough;
  }

  Bits All() const {
    Bits all((cells_.size() + 63) / 64);
    for (size_t i = 0; i < cells_.size(); ++i) {
      all[i / 64] |= uint64_t{1} << (i % 64);
    }
    return all;
  }

  static Values Distinct(const std::vector<CoverCell>& cells, Value value) {
    Values values;
    for (const CoverCell& cell : cells) values.push_back(cell.*value);
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
  }

  static size_t IndexOf(const Values& values, uint32_t value) {
    return static_cast<size_t>(
        std::lower_bound(values.begin(), values.end(), value) - values.begin());
  }

  // ports_[protocol * destinations + destination]: a bit per port.
  bool Tabulate() {
    destinations_ = Distinct(cells_, &CoverCell::destination);
    port_values_ = Distinct(cells_, &CoverCell::port);
    protocols_ = Distinct(cells_, &CoverCell::protocol);
    if (port_values_.size() > kMaxPorts || protocols_.size() > kMaxProtocols) {
      return false;
    }
    ports_.assign(protocols_.size() * destinations_.size(), 0);
    for (const CoverCell& cell : cells_) {
      ports_[PlaceOf(IndexOf(protocols_, cell.protocol),
                     IndexOf(destinations_, cell.destination))] |=
          uint64_t{1} << IndexOf(port_values_, cell.port);
    }
    return true;
  }
  size_t PlaceOf(size_t protocol, size_t destination) const {
    return protocol * destinations_.size() + destination;
  }

  // The ports at which `destination` is reached by all of `protocols`.
  uint64_t PortsBy(uint32_t protocols, size_t destination) const {
    uint64_t ports = ~uint64_t{0};
    for (size_t q = 0; q < protocols_.size(); ++q) {
      if (protocols >> q & 1) ports &= ports_[PlaceOf(q, destination)];
    }
    return ports;
  }

  // Every box that cannot grow has as ports an intersection of what its
  // destinations have. False: too many for this method.
  bool FindBoxes() {
    if (!Tabulate()) return false;
    std::set<std::pair<uint64_t, uint32_t>> known;  // ports, protocols
    for (uint32_t protocols = 1; protocols >> protocols_.size() == 0;
         ++protocols) {
      std::set<uint64_t> port_sets;
      for (size_t d = 0; d < destinations_.size(); ++d) {
        const uint64_t ports = PortsBy(protocols, d);
        if (ports == 0 || port_sets.contains(ports)) continue;
        if (!Spend(port_sets.size() + 1)) return false;
        std::vector<uint64_t> more = {ports};
        for (const uint64_t other : port_sets) {
          if ((other & ports) != 0) more.push_back(other & ports);
        }
        port_sets.insert(more.begin(), more.end());
        if (port_sets.size() > kMaxPortSets) return false;
      }
      for (const uint64_t ports : port_sets) {
        if (!Spend(destinations_.size() * protocols_.size() + cells_.size())) {
          return false;
        }
        AddBox(ports, protocols, &known);
        if (boxes_.size() > kMaxBoxes) return false;
      }
    }
    return true;
  }

  void AddBox(uint64_t ports, uint32_t protocols,
              std::set<std::pair<uint64_t, uint32_t>>* known) {
    CoverBox box;
    uint64_t everywhere = ~uint64_t{0};
    std::vector<uint64_t> by_protocol(protocols_.size(), ~uint64_t{0});
    for (size_t d = 0; d < destinations_.size(); ++d) {
      if ((PortsBy(protocols, d) & ports) != ports) continue;
      box.destinations.push_back(destinations_[d]);
      for (size_t q = 0; q < protocols_.size(); ++q) {
        by_protocol[q] &= ports_[PlaceOf(q, d)];
      }
    }
    uint32_t all_protocols = 0;
    for (size_t q = 0; q < protocols_.size(); ++q) {
      if ((by_protocol[q] & ports) != ports) continue;
      all_protocols |= uint32_t{1} << q;
      everywhere &= by_protocol[q];
      box.protocols.push_back(protocols_[q]);
    }
    if (!known->emplace(everywhere, all_protocols).second) return;
    for (size_t p = 0; p < port_values_.size(); ++p) {
      if (everywhere >> p & 1) box.ports.push_back(port_values_[p]);
    }
    Bits bits((cells_.size() + 63) / 64);
    for (size_t i = 0; i < cells_.size(); ++i) {
      if (Holds(box, cells_[i])) bits[i / 64] |= uint64_t{1} << (i % 64);
    }
    boxes_.push_back(std::move(box));
    bits_.push_back(std::move(bits));
  }

  static bool Holds(const CoverBox& box, const CoverCell& cell) {
    const auto has = [](const Values& values, uint32_t value) {
      return std::binary_search(values.begin(), values.end(), value);
    };
    return has(box.destinations, cell.destination) &&
           has(box.ports, cell.port) && has(box.protocols, cell.protocol);
  }

  // of_cell_[cell]: the boxes that hold it; reach_[cell]: the cells that one
  // of these holds too.
  bool FindReach() {
    const size_t words = bits_.front().size();
    if (!Spend(cells_.size() * bits_.size() * words)) return false;
    of_cell_.resize(cells_.size());
    reach_.assign(cells_.size(), Bits(words));
    for (size_t i = 0; i < cells_.size(); ++i) {
      for (size_t box = 0; box < bits_.size(); ++box) {
        if (!(bits_[box][i / 64] >> (i % 64) & 1)) continue;
        of_cell_[i].push_back(box);
        for (size_t w = 0; w < words; ++w) reach_[i][w] |= bits_[box][w];
      }
    }
    return true;
  }

  // Cells of which no two fit into one box need a box each.
  size_t LeastFor(Bits uncovered) const {
    size_t least = 0;
    for (auto cell = FirstOf(uncovered); cell.has_value();
         cell = FirstOf(uncovered)) {
      Remove(reach_[*cell], &uncovered);
      ++least;
    }
    return least;
  }

  std::vector<size_t> Greedy() const {
    std::vector<size_t> chosen;
    Bits uncovered = All();
    while (FirstOf(uncovered).has_value()) {
      size_t best = 0;
      size_t most = 0;
      for (size_t i = 0; i < bits_.size(); ++i) {
        const size_t count = CountNew(bits_[i], uncovered);
        if (count > most) best = i, most = count;
      }
      Remove(bits_[best], &uncovered);
      chosen.push_back(best);
    }
    return chosen;
  }

  // Tries the boxes of the uncovered cell that has the fewest. False: the
  // budget ended. Not deeper than `best_` is long.
  bool Search(const Bits& uncovered) {
    if (!FirstOf(uncovered).has_value()) {
      best_ = chosen_;
      return true;
    }
    if (chosen_.size() + LeastFor(uncovered) >= best_.size()) return true;
    // LeastFor, HardestOf and the boxes tried.
    if (!Spend(cells_.size() * uncovered.size())) return false;
    for (const size_t box : of_cell_[HardestOf(uncovered)]) {
      Bits rest = uncovered;
      Remove(bits_[box], &rest);
      chosen_.push_back(box);
      const bool done = Search(rest);
      chosen_.pop_back();
      if (!done) return false;
    }
    return true;
  }

  size_t HardestOf(const Bits& uncovered) const {
    size_t hardest = 0;
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < cells_.size(); ++i) {
      if (!(uncovered[i / 64] >> (i % 64) & 1)) continue;
      const size_t count = of_cell_[i].size();
      if (count < fewest) hardest = i, fewest = count;
    }
    return hardest;
  }

  // Without choice: what has the same ports and protocols goes together, or
  // what has the same destinations; the shorter of the two.
  std::vector<CoverBox> ByLists() const {
    std::vector<CoverBox> rows = Grouped(
        &CoverCell::destination, &CoverCell::port, &CoverCell::protocol,
        &CoverBox::destinations, &CoverBox::ports, &CoverBox::protocols);
    std::vector<CoverBox> columns = Grouped(
        &CoverCell::port, &CoverCell::destination, &CoverCell::protocol,
        &CoverBox::ports, &CoverBox::destinations, &CoverBox::protocols);
    return columns.size() < rows.size() ? columns : rows;
  }

  // One box for each set of protocols of each `first`, with all of `second`
  // that have it. (What is alike in `first` is one already.)
  std::vector<CoverBox> Grouped(Value first, Value second, Value third,
                                Values CoverBox::*list_of_first,
                                Values CoverBox::*list_of_second,
                                Values CoverBox::*list_of_third) const {
    std::map<std::pair<uint32_t, uint32_t>, Values> thirds;
    for (const CoverCell& cell : cells_) {
      thirds[{cell.*first, cell.*second}].push_back(cell.*third);
    }
    std::map<std::pair<uint32_t, Values>, Values> seconds;
    for (auto& [pair, values] : thirds) {
      std::sort(values.begin(), values.end());
      seconds[{pair.first, values}].push_back(pair.second);
    }
    std::vector<CoverBox> boxes;
    for (const auto& [key, values] : seconds) {
      CoverBox box;
      box.*list_of_first = {key.first};
      box.*list_of_second = values;
      box.*list_of_third = key.second;
      boxes.push_back(std::move(box));
    }
    return boxes;
  }

  const std::vector<CoverCell> cells_;  // sorted
  CoverBudget& budget_;
  Values destinations_;
  Values port_values_;
  Values protocols_;
  std::vector<uint64_t> ports_;

  std::vector<CoverBox> boxes_;  // to choose from
  std::vector<Bits> bits_;       // the cells of each
  std::vector<std::vector<size_t>> of_cell_;
  std::vector<Bits> reach_;
  std::vector<size_t> best_;
  std::vector<size_t> chosen_;
};

Values Expand(const Values& classes, const std::vector<Values>& members) {
  Values values;
  for (const uint32_t at : classes) {
    values.insert(values.end(), members[at].begin(), members[at].end());
  }
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace

Cover CoverCells(std::vector<CoverCell> cells, CoverBudget* budget) {
  constexpr Value kDestination = &CoverCell::destination;
  constexpr Value kPort = &CoverCell::port;
  constexpr Value kProtocol = &CoverCell::protocol;
  SortUnique(&cells);
  Cover cover;
  for (std::vector<CoverCell>& part : ConnectedParts(cells)) {
    const auto destinations = MergeAlike(kDestination, kPort, kProtocol, &part);
    const auto ports = MergeAlike(kPort, kDestination, kProtocol, &part);
    const auto protocols = MergeAlike(kProtocol, kDestination, kPort, &part);
    const Cover of_part = Part(std::move(part), budget).Solve();
    cover.is_fewest = cover.is_fewest && of_part.is_fewest;
    for (const CoverBox& box : of_part.boxes) {
      cover.boxes.push_back({Expand(box.destinations, destinations),
                             Expand(box.ports, ports),
                             Expand(box.protocols, protocols)});
    }
  }
  std::sort(cover.boxes.begin(), cover.boxes.end());
  return cover;
}

}  // namespace sallyport
