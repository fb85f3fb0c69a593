#ifndef SALLYPORT_RULES_DESTINATION_INDEX_H_
#define SALLYPORT_RULES_DESTINATION_INDEX_H_

// Inside a bucket of rules (those of one app): from a flow's destination to the
// entries that may apply, smallest rank first. Part of RuleSet: built once,
// then constant; reading takes no lock and allocates nothing.
//
// Every destination of a rule becomes an entry in the list of its place: the
// exact prefix (found by hash; only prefix lengths that the bucket has are
// tried), the keyword, or everywhere. A range goes under two prefixes that
// cover it, less than twice its size, and is compared when found. In a place
// with many rules for single ports those are found by port. Each list is in
// order of rank, so a search ends at the first entry that cannot win.

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "rules/rule.h"
#include "rules/rule_match.h"

namespace sallyport {

// What of a flow is looked at more than once.
struct FlowKey {
  explicit FlowKey(const Flow& f) : FlowKey(f, ScopesOf(f.dst)) {}
  const Flow& flow;
  uint64_t high;  // of the destination, host order
  uint64_t low;
  bool is_v4;
  bool has_ports;
  uint8_t places;  // bits of the places that are not prefixes
  bool local;

 private:
  FlowKey(const Flow& f, uint8_t scopes);
};

// The best so far of one search.
struct BestRule {
  uint32_t rank = UINT32_MAX;
  // By bit of Need: the best that only lacks that fact.
  std::array<uint32_t, kNeedCount> waiting;

  BestRule() { waiting.fill(UINT32_MAX); }
  // What rules lack that could beat `rank`.
  Needs needs() const;
};

class DestinationIndex {
 public:
  // `rules` are in order of precedence and outlive the index; `bucket_of[i]`
  // is the bucket of rules[i]. Those that are asleep are left out.
  void Build(std::span<const Rule> rules, std::span<const Mismatch> asleep,
             std::span<const uint32_t> bucket_of, uint32_t bucket_count);

  // Improves `best` by the rules of `bucket`. `by_path`: the bucket is for a
  // path or glob, not for "any".
  void Search(uint32_t bucket, bool by_path, const Subject& subject,
              const FlowKey& key, BestRule* best) const;

 private:
  enum Flag : uint8_t {
    kHasUser = 1 << 0,
    kHasProtocol = 1 << 1,
    kHasPort = 1 << 2,
    kManyPorts = 1 << 3,  // ports and protocols are compared in the rule
    kIsRange = 1 << 4,
    kHasFurther = 1 << 5,  // CheckFurther has the last word
    kAllows = 1 << 6,
    kLocalOnly = 1 << 7,
  };
  // One way in which a rule can apply.
  struct Entry {
    uint32_t rank;
    uint32_t user_id;
    uint32_t range;  // in ranges_
    uint16_t port_first;
    uint16_t port_last;
    uint8_t protocol;
    uint8_t flags;
  };
  struct List {
    uint32_t begin = 0;  // in entries_
    uint32_t count = 0;
  };
  // Where a destination leads to: a list, and lists by port beside it. The
  // first entry of the list stands here, since most have no other.
  struct Place {
    uint32_t min_rank = UINT32_MAX;  // of all lists
    uint32_t ports_id = 0;           // first part of PortKey; 0: no such lists
    List rest;
    Entry first = {.rank = UINT32_MAX};  // then there is none
  };
  struct PrefixKey {
    uint64_t high;
    uint64_t low;
    uint32_t bucket;
    uint32_t length;  // or kPlaceLength + ..., while building
    auto operator<=>(const PrefixKey&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const PrefixKey& k) {
      return H::combine(std::move(h), k.high, k.low,
                        uint64_t{k.bucket} << 32 | k.length);
    }
  };
  struct Pending {
    PrefixKey key;
    Entry entry;
  };
  struct Bucket {
    uint32_t min_rank = UINT32_MAX;
    uint32_t lengths_begin = 0;  // in lengths_: those for IPv4, then IPv6
    uint32_t places_begin = 0;   // in places_: one for each bit of `places`
    uint8_t v4_lengths = 0;
    uint8_t v6_lengths = 0;
    uint8_t places = 0;  // by ScopeKeyword, then everywhere
  };

  static uint64_t PortKey(uint32_t ports_id, uint8_t protocol, uint16_t port) {
    return uint64_t{ports_id} << 24 | uint64_t{protocol} << 16 | port;
  }

  // Building.
  void AddRule(const Rule& rule, uint32_t rank, uint32_t bucket,
               std::vector<Pending>* pending);
  void AddPlaces(const Rule& rule, uint32_t bucket, Entry entry,
                 std::vector<Pending>* pending);
  void AddRange(const AddressRange& range, uint32_t bucket, Entry entry,
                std::vector<Pending>* pending);
  Place MakePlace(std::span<const Pending> group);
  void MakePortLists(std::vector<Entry> single_ports, uint32_t ports_id);
  List Append(std::span<const Entry> entries);
  std::span<const Entry> EntriesOf(List list) const {
    return {entries_.data() + list.begin, list.count};
  }
  void SetLengths(std::span<const PrefixKey> keys);

  // Searching.
  void SearchPlace(const Place& place, bool by_path, const Subject& subject,
                   const FlowKey& key, BestRule* best) const;
  void SearchList(std::span<const Entry> list, bool by_path,
                  const Subject& subject, const FlowKey& key,
                  BestRule* best) const;
  bool FurtherAllows(const Entry& entry, const Subject& subject,
                     const FlowKey& key, BestRule* best) const;
  bool EntryAllows(const Entry& entry, bool by_path, const Subject& subject,
                   const FlowKey& key) const;

  std::span<const Rule> rules_;
  std::vector<Bucket> buckets_;
  std::vector<uint8_t> lengths_;
  std::vector<Place> places_;
  absl::flat_hash_map<PrefixKey, Place> prefixes_;
  absl::flat_hash_map<uint64_t, List> port_lists_;
  std::vector<Entry> entries_;
  std::vector<AddressRange> ranges_;
  uint32_t next_ports_id_ = 1;
};

}  // namespace sallyport

#endif  // SALLYPORT_RULES_DESTINATION_INDEX_H_
