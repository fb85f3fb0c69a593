#include "tools/nft_addresses.h"

#include <algorithm>
#include <string_view>
#include <variant>

#include "absl/strings/str_join.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"

namespace sallyport::cli {
namespace {

// The scopes of rules/address.h; `internet` is all that is in none of these,
// nor unspecified.
constexpr const char* kLoopback[] = {"127.0.0.0/8", "::1"};
constexpr const char* kLinkLocal[] = {"169.254.0.0/16", "fe80::/10"};
constexpr const char* kLan[] = {"10.0.0.0/8",     "172.16.0.0/12",
                                "192.168.0.0/16", "169.254.0.0/16",
                                "fc00::/7",       "fe80::/10"};
constexpr const char* kMulticast[] = {"224.0.0.0/4", "255.255.255.255",
                                      "ff00::/8"};
constexpr const char* kBroadcast[] = {"255.255.255.255"};
constexpr const char* kUnspecified[] = {"0.0.0.0", "::"};
constexpr const char* kNearMulticast[] = {"224.0.0.0/24", "239.255.0.0/16",
                                          "255.255.255.255"};

void AddPrefix(const IpPrefix& prefix, AddressSet* set) {
  IpAddress last = prefix.base;
  for (size_t bit = prefix.length; bit < 128; ++bit) {
    last.bytes[bit / 8] |= static_cast<uint8_t>(0x80 >> (bit % 8));
  }
  // ::/0 does not mean IPv4 too.
  const bool v4 = prefix.length >= 96 && prefix.base.IsV4();
  (v4 ? set->v4 : set->v6).push_back({prefix.base, last});
}

template <size_t N>
void AddAll(const char* const (&texts)[N], AddressSet* set) {
  for (const char* text : texts) AddPrefix(*ParseIpPrefix(text), set);
}

std::string AddressIntervalText(const AddressInterval& interval) {
  if (interval.first == interval.last) return interval.first.ToString();
  return Concat(interval.first.ToString(), "-", interval.last.ToString());
}

}  // namespace

AddressSet NotInternet() {
  AddressSet set;
  AddAll(kLoopback, &set);
  AddAll(kLan, &set);
  AddAll(kMulticast, &set);
  AddAll(kUnspecified, &set);
  return set;
}

AddressSet LocalAddresses() {
  AddressSet set;  // kScopesLocal
  AddAll(kLoopback, &set);
  AddAll(kLan, &set);
  AddAll(kNearMulticast, &set);
  for (unsigned flags = 0; flags < 16; ++flags) {  // ff01::/16 to ff05::/16 ...
    AddressInterval near;
    near.first.bytes[0] = near.last.bytes[0] = 0xff;
    near.last.bytes.fill(0xff);
    near.first.bytes[1] = static_cast<uint8_t>(flags << 4 | 1);
    near.last.bytes[1] = static_cast<uint8_t>(flags << 4 | 5);
    set.v6.push_back(near);
  }
  return set;
}

bool AddAddressEntry(const std::string& text, AddressSet* set, bool* internet) {
  if (text == "internet") {
    *internet = true;
  } else if (text == "loopback") {
    AddAll(kLoopback, set);
  } else if (text == "lan") {
    AddAll(kLan, set);
  } else if (text == "link-local") {
    AddAll(kLinkLocal, set);
  } else if (text == "multicast") {
    AddAll(kMulticast, set);
  } else if (text == "broadcast") {
    AddAll(kBroadcast, set);
  } else if (const auto prefix = ParseIpPrefix(text); prefix.ok()) {
    AddPrefix(*prefix, set);
  } else {
    const auto range = ParseDestination(text);
    if (!range.ok()) return false;
    const auto* ends = std::get_if<AddressRange>(&*range);
    if (ends == nullptr) return false;
    (ends->first.IsV4() ? set->v4 : set->v6)
        .push_back({ends->first, ends->last});
  }
  return true;
}

std::string AddressSetText(std::vector<AddressInterval> set) {
  std::sort(set.begin(), set.end(),
            [](const AddressInterval& a, const AddressInterval& b) {
              return a.first < b.first;
            });
  std::vector<AddressInterval> merged;
  for (const AddressInterval& next : set) {
    if (!merged.empty() && next.first <= merged.back().last) {
      merged.back().last = std::max(merged.back().last, next.last);
    } else {
      merged.push_back(next);
    }
  }
  std::vector<std::string> texts;
  for (const AddressInterval& interval : merged) {
    texts.push_back(AddressIntervalText(interval));
  }
  return Concat("{ ", absl::StrJoin(texts, ", "), " }");
}

}  // namespace sallyport::cli
