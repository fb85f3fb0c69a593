#include "rules/destination_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <tuple>
#include <utility>

namespace sallyport {
namespace {

// While building: lengths beyond any prefix stand for keywords and everywhere.
constexpr uint32_t kPlaceLength = 200;

// A rule with more pairs of protocol and port range than this is one entry, and
// its lists are compared in the rule.
constexpr size_t kMaxEntriesPerDestination = 8;

// Fewer rules for single ports in one place are as quick to look through.
constexpr size_t kMinPortLists = 8;

// The bits of Bucket::places: one for each ScopeKeyword, then this.
constexpr uint32_t kEverywhere = 6;

// By ScopeKeyword.
constexpr uint8_t kScopes[kEverywhere] = {kScopeLoopback,  kScopeLan,
                                          kScopeInternet,  kScopeMulticast,
                                          kScopeLinkLocal, kScopeBroadcast};

constexpr uint8_t kAnyPortProtocol = 0;  // 0 is HOPOPT, which has no ports

uint64_t Load(const uint8_t* bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | bytes[i];
  return value;
}

struct Words {
  uint64_t high;
  uint64_t low;
};

Words WordsOf(const IpAddress& address) {
  return {Load(address.bytes.data()), Load(address.bytes.data() + 8)};
}

Words Mask(Words words, uint32_t length) {
  if (length == 0) return {0, 0};
  if (length <= 64) return {words.high & ~uint64_t{0} << (64 - length), 0};
  return {words.high, words.low & ~uint64_t{0} << (128 - length)};
}

// How many leading bits the two have in common.
uint32_t CommonLength(Words a, Words b) {
  if (a.high != b.high) {
    return static_cast<uint32_t>(std::countl_zero(a.high ^ b.high));
  }
  return 64 + static_cast<uint32_t>(std::countl_zero(a.low ^ b.low));
}

uint8_t PlacesOf(uint8_t scopes) {
  uint32_t places = 1u << kEverywhere;
  for (uint32_t keyword = 0; keyword < kEverywhere; ++keyword) {
    if ((scopes & kScopes[keyword]) != 0) places |= 1u << keyword;
  }
  return static_cast<uint8_t>(places);
}

bool IsV4Prefix(uint64_t high, uint64_t low, uint32_t length) {
  return length >= 96 && high == 0 && low >> 32 == 0xffff;
}

}  // namespace

FlowKey::FlowKey(const Flow& f, uint8_t scopes)
    : flow(f),
      high(Load(f.dst.bytes.data())),
      low(Load(f.dst.bytes.data() + 8)),
      is_v4(IsV4Prefix(high, low, 128)),
      has_ports(f.HasPorts()),
      places(PlacesOf(scopes)),
      local((scopes & kScopesLocal) != 0) {}

Needs BestRule::needs() const {
  Needs needs = 0;
  for (size_t bit = 0; bit < kNeedCount; ++bit) {
    if (waiting[bit] < rank) needs |= static_cast<Needs>(1u << bit);
  }
  return needs;
}

void DestinationIndex::Build(std::span<const Rule> rules,
                             std::span<const Mismatch> asleep,
                             std::span<const uint32_t> bucket_of,
                             uint32_t bucket_count) {
  rules_ = rules;
  buckets_.resize(bucket_count);
  std::vector<Pending> pending;
  pending.reserve(rules.size());
  for (uint32_t rank = 0; rank < rules.size(); ++rank) {
    if (asleep[rank] != Mismatch::kNone) continue;
    AddRule(rules[rank], rank, bucket_of[rank], &pending);
  }
  std::sort(
      pending.begin(), pending.end(), [](const Pending& a, const Pending& b) {
        return std::tie(a.key, a.entry.rank) < std::tie(b.key, b.entry.rank);
      });
  entries_.reserve(pending.size());
  std::vector<PrefixKey> keys;
  for (size_t begin = 0, end = 0; begin < pending.size(); begin = end) {
    const PrefixKey& key = pending[begin].key;
    while (end < pending.size() && pending[end].key == key) ++end;
    const Place place =
        MakePlace(std::span(pending).subspan(begin, end - begin));
    Bucket& bucket = buckets_[key.bucket];
    bucket.min_rank = std::min(bucket.min_rank, place.min_rank);
    if (key.length >= kPlaceLength) {
      // Sorted: those of a bucket come one after another, in order of bits.
      if (bucket.places == 0) {
        bucket.places_begin = static_cast<uint32_t>(places_.size());
      }
      bucket.places |= static_cast<uint8_t>(1u << (key.length - kPlaceLength));
      places_.push_back(place);
    } else {
      keys.push_back(key);
      prefixes_.emplace(key, place);
    }
  }
  SetLengths(keys);
}

void DestinationIndex::AddRule(const Rule& rule, uint32_t rank, uint32_t bucket,
                               std::vector<Pending>* pending) {
  Entry entry = {};
  entry.rank = rank;
  entry.port_last = UINT16_MAX;
  if (rule.user.size() == 1) {
    entry.user_id = *rule.user.front().id;  // RuleSet has seen to it
    entry.flags |= kHasUser;
  }
  if (HasFurther(rule)) entry.flags |= kHasFurther;
  if (rule.policy == RulePolicy::kAllow) entry.flags |= kAllows;
  if (rule.policy == RulePolicy::kLocalOnly) entry.flags |= kLocalOnly;

  const size_t ports = std::max<size_t>(rule.port.size(), 1);
  const size_t protocols = std::max<size_t>(rule.protocol.size(), 1);
  if (ports * protocols > kMaxEntriesPerDestination) {
    entry.flags |= kManyPorts;
    AddPlaces(rule, bucket, entry, pending);
    return;
  }
  for (size_t i = 0; i < ports; ++i) {
    if (!rule.port.empty()) {
      entry.flags |= kHasPort;
      entry.port_first = rule.port[i].first;
      entry.port_last = rule.port[i].last;
    }
    for (size_t j = 0; j < protocols; ++j) {
      if (!rule.protocol.empty()) {
        entry.flags |= kHasProtocol;
        entry.protocol = rule.protocol[j];
      }
      AddPlaces(rule, bucket, entry, pending);
    }
  }
}

void DestinationIndex::AddPlaces(const Rule& rule, uint32_t bucket, Entry entry,
                                 std::vector<Pending>* pending) {
  const auto add_place = [&](uint32_t place) {
    pending->push_back({{0, 0, bucket, kPlaceLength + place}, entry});
  };
  if (rule.to.empty()) add_place(kEverywhere);
  for (const Destination& destination : rule.to) {
    if (const auto* prefix = std::get_if<IpPrefix>(&destination)) {
      const Words base = WordsOf(prefix->base);
      pending->push_back(
          {{base.high, base.low, bucket, prefix->length}, entry});
    } else if (const auto* range = std::get_if<AddressRange>(&destination)) {
      AddRange(*range, bucket, entry, pending);
    } else {
      add_place(static_cast<uint32_t>(std::get<ScopeKeyword>(destination)));
    }
  }
}

// Cut where the first differing bit turns: what is left of the cut is the end
// of a block of addresses, what is right of it the begin of one, so that the
// smallest prefix around either half is less than twice its size.
void DestinationIndex::AddRange(const AddressRange& range, uint32_t bucket,
                                Entry entry, std::vector<Pending>* pending) {
  entry.flags |= kIsRange;
  entry.range = static_cast<uint32_t>(ranges_.size());
  ranges_.push_back(range);
  const Words first = WordsOf(range.first);
  const Words last = WordsOf(range.last);
  const auto add = [&](Words base, uint32_t length) {
    const Words masked = Mask(base, length);
    pending->push_back({{masked.high, masked.low, bucket, length}, entry});
  };
  const uint32_t common = CommonLength(first, last);
  if (common == 128) return add(first, 128);
  const Words middle = Mask(last, common + 1);  // begin of the right half
  const Words before = {middle.low == 0 ? middle.high - 1 : middle.high,
                        middle.low - 1};
  add(first, CommonLength(first, before));
  add(last, CommonLength(middle, last));
}

DestinationIndex::Place DestinationIndex::MakePlace(
    std::span<const Pending> group) {
  std::vector<Entry> plain;
  std::vector<Entry> single_ports;
  for (const Pending& pending : group) {
    const Entry& entry = pending.entry;
    const bool single =
        (entry.flags & kHasPort) != 0 && entry.port_first == entry.port_last;
    (single ? single_ports : plain).push_back(entry);
  }
  Place place;
  place.min_rank = group.front().entry.rank;
  if (single_ports.size() < kMinPortLists) {
    single_ports.clear();
    plain.clear();
    for (const Pending& pending : group) plain.push_back(pending.entry);
  }
  if (!plain.empty()) {
    place.first = plain.front();
    place.rest = Append(std::span(plain).subspan(1));
  }
  if (!single_ports.empty()) {
    place.ports_id = next_ports_id_++;
    MakePortLists(std::move(single_ports), place.ports_id);
  }
  return place;
}

void DestinationIndex::MakePortLists(std::vector<Entry> single_ports,
                                     uint32_t ports_id) {
  const auto key_of = [&](const Entry& entry) {
    const bool any = (entry.flags & kHasProtocol) == 0;
    return PortKey(ports_id, any ? kAnyPortProtocol : entry.protocol,
                   entry.port_first);
  };
  // Stable: by rank within a key.
  std::stable_sort(
      single_ports.begin(), single_ports.end(),
      [&](const Entry& a, const Entry& b) { return key_of(a) < key_of(b); });
  for (size_t begin = 0, end = 0; begin < single_ports.size(); begin = end) {
    const uint64_t key = key_of(single_ports[begin]);
    while (end < single_ports.size() && key_of(single_ports[end]) == key) ++end;
    port_lists_.emplace(
        key, Append(std::span(single_ports).subspan(begin, end - begin)));
  }
}

DestinationIndex::List DestinationIndex::Append(
    std::span<const Entry> entries) {
  const List list = {static_cast<uint32_t>(entries_.size()),
                     static_cast<uint32_t>(entries.size())};
  entries_.insert(entries_.end(), entries.begin(), entries.end());
  return list;
}

void DestinationIndex::SetLengths(std::span<const PrefixKey> keys) {
  // (bucket, IPv6?, length from the longest), each once.
  std::vector<std::array<uint32_t, 3>> found;
  for (const PrefixKey& key : keys) {
    const bool v4 = IsV4Prefix(key.high, key.low, key.length);
    const std::array<uint32_t, 3> length = {key.bucket, v4 ? 0u : 1u,
                                            128 - key.length};
    if (found.empty() || found.back() != length) found.push_back(length);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  for (const auto& [index, is_v6, shortness] : found) {
    Bucket& bucket = buckets_[index];
    if (bucket.v4_lengths + bucket.v6_lengths == 0) {
      bucket.lengths_begin = static_cast<uint32_t>(lengths_.size());
    }
    ++(is_v6 == 0 ? bucket.v4_lengths : bucket.v6_lengths);
    lengths_.push_back(static_cast<uint8_t>(128 - shortness));
  }
}

void DestinationIndex::Search(uint32_t bucket_index, bool by_path,
                              const Subject& subject, const FlowKey& key,
                              BestRule* best) const {
  const Bucket& bucket = buckets_[bucket_index];
  if (bucket.min_rank >= best->rank) return;
  const uint8_t* length = lengths_.data() + bucket.lengths_begin;
  if (!key.is_v4) length += bucket.v4_lengths;
  const uint8_t* end =
      length + (key.is_v4 ? bucket.v4_lengths : bucket.v6_lengths);
  for (; length != end; ++length) {
    const Words base = Mask({key.high, key.low}, *length);
    const auto found =
        prefixes_.find(PrefixKey{base.high, base.low, bucket_index, *length});
    if (found == prefixes_.end()) continue;
    SearchPlace(found->second, by_path, subject, key, best);
  }
  for (uint32_t bits = bucket.places & key.places; bits != 0;
       bits &= bits - 1) {
    const uint32_t below = (bits & (~bits + 1)) - 1;
    const auto offset =
        static_cast<uint32_t>(std::popcount(bucket.places & below));
    SearchPlace(places_[bucket.places_begin + offset], by_path, subject, key,
                best);
  }
}

void DestinationIndex::SearchPlace(const Place& place, bool by_path,
                                   const Subject& subject, const FlowKey& key,
                                   BestRule* best) const {
  if (place.min_rank >= best->rank) return;
  SearchList({&place.first, 1}, by_path, subject, key, best);
  SearchList(EntriesOf(place.rest), by_path, subject, key, best);
  if (place.ports_id == 0 || !key.has_ports) return;
  for (uint8_t protocol : {key.flow.protocol, kAnyPortProtocol}) {
    const auto found =
        port_lists_.find(PortKey(place.ports_id, protocol, key.flow.dst_port));
    if (found == port_lists_.end()) continue;
    SearchList(EntriesOf(found->second), by_path, subject, key, best);
  }
}

void DestinationIndex::SearchList(std::span<const Entry> list, bool by_path,
                                  const Subject& subject, const FlowKey& key,
                                  BestRule* best) const {
  for (const Entry& entry : list) {
    if (entry.rank >= best->rank) return;
    if (EntryAllows(entry, by_path, subject, key) &&
        FurtherAllows(entry, subject, key, best)) {
      best->rank = entry.rank;
      return;
    }
  }
}

bool DestinationIndex::FurtherAllows(const Entry& entry, const Subject& subject,
                                     const FlowKey& key, BestRule* best) const {
  if ((entry.flags & kHasFurther) == 0) return true;
  const Mismatch mismatch = CheckFurther(rules_[entry.rank], subject, key.flow);
  if (mismatch == Mismatch::kNone) return true;
  if (const Needs need = NeedOf(mismatch); need != 0) {
    uint32_t& waiting = best->waiting[std::countr_zero(need)];
    waiting = std::min(waiting, entry.rank);
  }
  return false;
}

// Everything but the destination's place and what is further asked.
bool DestinationIndex::EntryAllows(const Entry& entry, bool by_path,
                                   const Subject& subject,
                                   const FlowKey& key) const {
  const Flow& flow = key.flow;
  const uint8_t flags = entry.flags;
  if ((flags & kHasProtocol) != 0 && entry.protocol != flow.protocol) {
    return false;
  }
  if ((flags & kHasPort) != 0 &&
      (!key.has_ports || flow.dst_port < entry.port_first ||
       flow.dst_port > entry.port_last)) {
    return false;
  }
  if ((flags & kHasUser) != 0 && subject.uid != entry.user_id) return false;
  if (by_path && !subject.app->path_is_exe &&
      ((flags & kAllows) != 0 || ((flags & kLocalOnly) != 0 && key.local))) {
    return false;
  }
  if ((flags & kIsRange) != 0) {
    const AddressRange& range = ranges_[entry.range];
    // Its prefixes may be wider than it is. Both are IPv4, or neither.
    if (flow.dst < range.first || range.last < flow.dst ||
        range.first.IsV4() != key.is_v4) {
      return false;
    }
  }
  if ((flags & kManyPorts) != 0) {
    const Rule& rule = rules_[entry.rank];
    return PortsAllow(rule, flow) && ProtocolsAllow(rule, flow);
  }
  return true;
}

}  // namespace sallyport
