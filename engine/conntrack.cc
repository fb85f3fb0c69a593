#include "engine/conntrack.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <cerrno>
#include <memory>
#include <set>
#include <utility>

namespace sallyport {

absl::StatusOr<size_t> MarkExisting(
    Conntrack& conntrack, const MarkBits& marks,
    const std::function<bool(const IpAddress&)>& is_local) {
  absl::StatusOr<ConntrackDump> dump = conntrack.Dump(marks.mask, 0);
  if (!dump.ok()) return dump.status();
  std::erase_if(dump->entries, [&](const ConntrackEntry& entry) {
    return !is_local(entry.flow.src);
  });
  return conntrack.SetMark(dump->entries, marks.mask, marks.allowed());
}

absl::StatusOr<std::function<bool(const IpAddress&)>> LocalAddresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) {
    return absl::ErrnoToStatus(errno, "cannot list the local addresses");
  }
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, freeifaddrs);
  std::set<IpAddress> addresses;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    if (one->ifa_addr->sa_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
      addresses.insert(IpAddress::V4(ntohl(v4->sin_addr.s_addr)));
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(one->ifa_addr);
      addresses.insert(IpAddress::V6FromBytes(v6->sin6_addr.s6_addr));
    }
  }
  return [addresses = std::move(addresses)](const IpAddress& address) {
    return (ScopesOf(address) & kScopeLoopback) != 0 ||
           addresses.contains(address);
  };
}

}  // namespace sallyport
