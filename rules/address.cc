#include "rules/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "rules/text_util.h"

namespace sallyport {
namespace {

constexpr uint8_t kV4MappedPrefixBits = 96;
constexpr std::array<uint8_t, 12> kV4Mapped = {0, 0, 0, 0, 0,    0,
                                               0, 0, 0, 0, 0xff, 0xff};

absl::Status NotAnAddress(std::string_view text) {
  return absl::InvalidArgumentError(
      Concat(QuoteForMessage(text),
             " is not an IP address; write 192.0.2.1 or 2001:db8::1"));
}

uint8_t ScopesOfV4(const uint8_t* b) {
  switch (b[0]) {
    case 0:
      return (b[1] | b[2] | b[3]) == 0 ? kScopeUnspecified : kScopeInternet;
    case 10:
      return kScopeLan;
    case 127:
      return kScopeLoopback;
    case 169:
      return b[1] == 254 ? kScopeLan | kScopeLinkLocal : kScopeInternet;
    case 172:
      return (b[1] & 0xf0) == 16 ? kScopeLan : kScopeInternet;
    case 192:
      return b[1] == 168 ? kScopeLan : kScopeInternet;
    case 224:
      return (b[1] | b[2]) == 0 ? kScopeMulticast | kScopeMulticastLocal
                                : kScopeMulticast;
    case 239:
      return b[1] == 255 ? kScopeMulticast | kScopeMulticastLocal
                         : kScopeMulticast;
    case 255:
      return (b[1] & b[2] & b[3]) == 255
                 ? kScopeMulticast | kScopeMulticastLocal | kScopeBroadcast
                 : kScopeInternet;
    default:
      return (b[0] & 0xf0) == 224 ? kScopeMulticast : kScopeInternet;
  }
}

uint8_t ScopesOfV6(const uint8_t* b) {
  if (b[0] == 0xff) {
    const uint8_t reach = b[1] & 0x0f;  // RFC 4291, 2.7: 5 is the site
    return reach >= 1 && reach <= 5 ? kScopeMulticast | kScopeMulticastLocal
                                    : kScopeMulticast;
  }
  if ((b[0] & 0xfe) == 0xfc) return kScopeLan;
  if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) {
    return kScopeLan | kScopeLinkLocal;
  }
  if (b[0] == 0) {
    const bool high_zero =
        std::all_of(b + 1, b + 15, [](uint8_t x) { return x == 0; });
    if (high_zero && b[15] == 0) return kScopeUnspecified;
    if (high_zero && b[15] == 1) return kScopeLoopback;
  }
  return kScopeInternet;
}

}  // namespace

IpAddress IpAddress::V4(uint32_t host_order) {
  const uint8_t quad[4] = {static_cast<uint8_t>(host_order >> 24),
                           static_cast<uint8_t>(host_order >> 16),
                           static_cast<uint8_t>(host_order >> 8),
                           static_cast<uint8_t>(host_order)};
  return V4FromBytes(quad);
}

IpAddress IpAddress::V4FromBytes(const uint8_t* network_order_4) {
  IpAddress address;
  std::memcpy(address.bytes.data(), kV4Mapped.data(), kV4Mapped.size());
  std::memcpy(address.bytes.data() + 12, network_order_4, 4);
  return address;
}

IpAddress IpAddress::V6FromBytes(const uint8_t* network_order_16) {
  IpAddress address;
  std::memcpy(address.bytes.data(), network_order_16, 16);
  return address;
}

bool IpAddress::IsV4() const {
  return std::memcmp(bytes.data(), kV4Mapped.data(), kV4Mapped.size()) == 0;
}

uint32_t IpAddress::v4_host_order() const {
  assert(IsV4());
  return uint32_t{bytes[12]} << 24 | uint32_t{bytes[13]} << 16 |
         uint32_t{bytes[14]} << 8 | uint32_t{bytes[15]};
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  const char* made =
      IsV4() ? inet_ntop(AF_INET, bytes.data() + 12, text, sizeof text)
             : inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  return made != nullptr ? made : "";
}

absl::StatusOr<IpAddress> ParseIpAddress(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer ||
      text.find('\0') != text.npos) {
    return NotAnAddress(text);
  }
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  uint8_t bytes[16];
  if (inet_pton(AF_INET, buffer, bytes) == 1) {
    return IpAddress::V4FromBytes(bytes);
  }
  if (inet_pton(AF_INET6, buffer, bytes) == 1) {
    return IpAddress::V6FromBytes(bytes);
  }
  return NotAnAddress(text);
}

IpAddress MaskAddress(const IpAddress& address, uint8_t length) {
  assert(length <= 128);
  IpAddress masked;
  const size_t whole = length / 8;
  std::memcpy(masked.bytes.data(), address.bytes.data(), whole);
  if (length % 8 != 0) {
    masked.bytes[whole] =
        static_cast<uint8_t>(address.bytes[whole] & (0xff00 >> (length % 8)));
  }
  return masked;
}

bool IpPrefix::Contains(const IpAddress& address) const {
  // ::/0 means every IPv6 address, not that IPv4 is part of it: our mapped
  // form must not make an `allow` wider than it reads.
  if (length < kV4MappedPrefixBits && address.IsV4()) return false;
  return MaskAddress(address, length) == base;
}

std::string IpPrefix::ToString() const {
  const bool v4 = length >= kV4MappedPrefixBits && base.IsV4();
  if (length == 128) return base.ToString();
  return Concat(base.ToString(), "/",
                v4 ? length - kV4MappedPrefixBits : length);
}

absl::StatusOr<IpPrefix> ParseIpPrefix(std::string_view text) {
  const size_t slash = text.find('/');
  absl::StatusOr<IpAddress> base = ParseIpAddress(text.substr(0, slash));
  if (!base.ok()) return base.status();
  IpPrefix prefix{*base, 128};
  if (slash == text.npos) return prefix;

  const bool dotted = text.substr(0, slash).find(':') == text.npos;
  const uint32_t most = dotted ? 32 : 128;
  const std::string_view digits = text.substr(slash + 1);
  uint32_t length = 0;
  if (digits.empty() || digits.size() > 3 ||
      digits.find_first_not_of("0123456789") != digits.npos ||
      !absl::SimpleAtoi(ToAbsl(digits), &length) || length > most) {
    return absl::InvalidArgumentError(Concat(
        QuoteForMessage(text), ": the prefix length must be 0 to ", most));
  }
  prefix.length =
      static_cast<uint8_t>(dotted ? length + kV4MappedPrefixBits : length);
  const IpAddress masked = MaskAddress(*base, prefix.length);
  if (masked != *base) {
    prefix.base = masked;
    return absl::InvalidArgumentError(Concat(
        QuoteForMessage(text), " has host bits set; write ", prefix.ToString(),
        " for the network or ", base->ToString(), " for the address"));
  }
  return prefix;
}

uint8_t ScopesOf(const IpAddress& address) {
  return address.IsV4() ? ScopesOfV4(address.bytes.data() + 12)
                        : ScopesOfV6(address.bytes.data());
}

bool IsLocal(const IpAddress& address) {
  return (ScopesOf(address) & kScopesLocal) != 0;
}

}  // namespace sallyport
