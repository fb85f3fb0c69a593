#include "engine/interface_table.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace sallyport {
namespace {

// One link with its statistics and af_spec: 1.5 to 3 KiB.
constexpr size_t kAnswerBytes = 32 << 10;

// IFLA_INFO_KIND of devices that carry what they are given inside something
// else, through a program (drivers/net/tun.c) or WireGuard
// (drivers/net/wireguard/device.c).
bool IsVpnKind(std::string_view kind) {
  return kind == "tun" || kind == "wireguard";
}

// The text of a string attribute, also of one without its NUL.
std::string_view TextOf(const nlattr* attribute) {
  const auto* text = static_cast<const char*>(mnl_attr_get_payload(attribute));
  return {text, strnlen(text, mnl_attr_get_payload_len(attribute))};
}

int ReadLinkInfo(const nlattr* attribute, void* device) {
  if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND) {
    static_cast<NetInterface*>(device)->is_vpn = IsVpnKind(TextOf(attribute));
  }
  return MNL_CB_OK;
}

int ReadLink(const nlattr* attribute, void* device) {
  if (mnl_attr_get_type(attribute) == IFLA_IFNAME) {
    static_cast<NetInterface*>(device)->name = TextOf(attribute);
  } else if (mnl_attr_get_type(attribute) == IFLA_LINKINFO) {
    mnl_attr_parse_nested(attribute, ReadLinkInfo, device);
  }
  return MNL_CB_OK;
}

class RealLinkLookup : public LinkLookup {
 public:
  // One socket for each question: they are rare, and come from any thread.
  bool Get(uint32_t ifindex, NetInterface* device) override {
    mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (socket == nullptr) return false;
    const bool found = Ask(socket, ifindex, device);
    mnl_socket_close(socket);
    return found;
  }

 private:
  static bool Ask(mnl_socket* socket, uint32_t ifindex, NetInterface* device) {
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) return false;
    alignas(nlmsghdr) std::array<char, kAnswerBytes> buffer;
    nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
    request->nlmsg_type = RTM_GETLINK;
    request->nlmsg_flags = NLM_F_REQUEST;
    request->nlmsg_seq = 1;
    auto* link = static_cast<ifinfomsg*>(
        mnl_nlmsg_put_extra_header(request, sizeof(ifinfomsg)));
    link->ifi_index = static_cast<int>(ifindex);
    if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0) {
      return false;
    }
    // The kernel has made the answer inside our send.
    const ssize_t size =
        mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    const auto* answer = reinterpret_cast<const nlmsghdr*>(buffer.data());
    if (size <= 0 || !mnl_nlmsg_ok(answer, static_cast<int>(size)) ||
        answer->nlmsg_type != RTM_NEWLINK) {
      return false;
    }
    mnl_attr_parse(answer, sizeof(ifinfomsg), ReadLink, device);
    return !device->name.empty();
  }
};

}  // namespace

std::unique_ptr<LinkLookup> OpenLinkLookup() {
  return std::make_unique<RealLinkLookup>();
}

const NetInterface* InterfaceTable::Find(uint32_t ifindex,
                                         int64_t now_ns) const {
  const Device* device =
      slots_[ifindex % kSlots].load(std::memory_order_acquire);
  if (device == nullptr || device->ifindex != ifindex ||
      now_ns - device->looked_up_ns.load(std::memory_order_relaxed) >
          kMaxAgeNs) {
    return nullptr;
  }
  return &device->interface;
}

const NetInterface* InterfaceTable::LookUp(uint32_t ifindex, int64_t now_ns) {
  if (const NetInterface* known = Find(ifindex, now_ns)) return known;
  NetInterface found;
  if (ifindex == 0 || !links_.Get(ifindex, &found)) return nullptr;
  std::lock_guard lock(mutex_);
  std::atomic<const Device*>& slot = slots_[ifindex % kSlots];
  const Device* device = nullptr;
  for (const Device& known : devices_) {
    if (known.ifindex == ifindex && known.interface == found) device = &known;
  }
  if (device == nullptr) {
    if (devices_.size() >= kMaxDevices) return nullptr;
    device = &devices_.emplace_back(ifindex, std::move(found));
  }
  device->looked_up_ns.store(now_ns, std::memory_order_relaxed);
  slot.store(device, std::memory_order_release);
  return &device->interface;
}

}  // namespace sallyport
