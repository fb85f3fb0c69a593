#ifndef SALLYPORT_RULES_ADDRESS_H_
#define SALLYPORT_RULES_ADDRESS_H_

// IP addresses, prefixes and scopes as values. An IPv4 address is kept as its
// IPv4-mapped IPv6 form (RFC 4291, 2.5.5.2), so that one 128-bit comparison
// serves both families; IsV4() tells them apart. All functions are pure and
// may be called from any thread; none allocates but Parse* and ToString.

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sallyport {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};  // network order

  static IpAddress V4(uint32_t host_order);
  static IpAddress V4FromBytes(const uint8_t* network_order_4);
  static IpAddress V6FromBytes(const uint8_t* network_order_16);

  bool IsV4() const;
  uint32_t v4_host_order() const;  // REQUIRES: IsV4()
  std::string ToString() const;    // "192.0.2.1", "2001:db8::1"

  auto operator<=>(const IpAddress&) const = default;
};

// Accepts dotted quad and RFC 4291 text; nothing else (no zone, no port).
absl::StatusOr<IpAddress> ParseIpAddress(std::string_view text);

// The first `length` bits of `address`, the rest zero. REQUIRES: length <= 128
IpAddress MaskAddress(const IpAddress& address, uint8_t length);

// `length` counts bits of the 128-bit form: an IPv4 /24 is stored as 120.
struct IpPrefix {
  IpAddress base;  // host bits are zero
  uint8_t length = 128;

  // A prefix shorter than ::ffff:0:0/96 holds IPv6 addresses only: ::/0 does
  // not mean "IPv4 too".
  bool Contains(const IpAddress& address) const;
  std::string ToString() const;

  auto operator<=>(const IpPrefix&) const = default;
};

// "192.0.2.0/24", "2001:db8::/32", or a bare address (full length). Host bits
// that are set are an error: they are nearly always a typing mistake.
absl::StatusOr<IpPrefix> ParseIpPrefix(std::string_view text);

// What kind of place an address is; the keywords of the `to` field. Bits, since
// an address may be in several.
enum Scope : uint8_t {
  kScopeLoopback = 1 << 0,     // 127/8, ::1
  kScopeLan = 1 << 1,          // RFC 1918, link-local (RFC 3927, 4291), ULA
                               // (RFC 4193), and 100.64/10 is NOT (RFC 6598)
  kScopeMulticast = 1 << 2,    // 224/4, ff00::/8, 255.255.255.255
  kScopeInternet = 1 << 3,     // none of the above, and not unspecified
  kScopeUnspecified = 1 << 4,  // 0.0.0.0, ::
  // Multicast whose scope ends at the site or nearer (ff01..ff05, 224.0.0/24,
  // 239.255/16) or broadcast: what `local-only` may reach.
  kScopeMulticastLocal = 1 << 5,
  kScopeLinkLocal = 1 << 6,  // 169.254/16, fe80::/10; always kScopeLan too
  kScopeBroadcast = 1 << 7,  // 255.255.255.255; always kScopeMulticast too
};

uint8_t ScopesOf(const IpAddress& address);

// What a `local-only` rule lets through: loopback, lan, local multicast.
inline constexpr uint8_t kScopesLocal =
    kScopeLoopback | kScopeLan | kScopeMulticastLocal;
bool IsLocal(const IpAddress& address);

}  // namespace sallyport

#endif  // SALLYPORT_RULES_ADDRESS_H_
