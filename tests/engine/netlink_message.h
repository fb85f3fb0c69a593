#ifndef SALLYPORT_TESTS_ENGINE_NETLINK_MESSAGE_H_
#define SALLYPORT_TESTS_ENGINE_NETLINK_MESSAGE_H_

// A message of nfnetlink, written attribute by attribute as the kernel does it.
//
//   NetlinkMessage message(NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET);
//   message.U32(NFQA_MARK, 7).Put(NFQA_PAYLOAD, payload);
//   ParseQueuedPacket(message.header(), &packet);

#include <endian.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace sallyport {

class NetlinkMessage {
 public:
  explicit NetlinkMessage(int type = 0, uint8_t family = 0) : bytes_(kBytes) {
    header_ = mnl_nlmsg_put_header(bytes_.data());
    header_->nlmsg_type = static_cast<uint16_t>(type);
    auto* generic = static_cast<nfgenmsg*>(
        mnl_nlmsg_put_extra_header(header_, sizeof(nfgenmsg)));
    generic->nfgen_family = family;
  }
  NetlinkMessage(const NetlinkMessage&) = delete;
  NetlinkMessage& operator=(const NetlinkMessage&) = delete;

  NetlinkMessage& Put(uint16_t type, std::span<const uint8_t> value) {
    EXPECT_TRUE(mnl_attr_put_check(header_, bytes_.size(), type, value.size(),
                                   value.data()))
        << "no room";
    return *this;
  }
  // Numbers are in network order there, as most of nfnetlink has them.
  NetlinkMessage& U8(uint16_t type, uint8_t value) {
    return Put(type, {&value, 1});
  }
  NetlinkMessage& U16(uint16_t type, uint16_t value) {
    return PutStruct(type, htobe16(value));
  }
  NetlinkMessage& U32(uint16_t type, uint32_t value) {
    return PutStruct(type, htobe32(value));
  }
  // With its NUL.
  NetlinkMessage& Text(uint16_t type, const std::string& value) {
    return Put(type, {reinterpret_cast<const uint8_t*>(value.c_str()),
                      value.size() + 1});
  }
  template <typename Value>
  NetlinkMessage& PutStruct(uint16_t type, const Value& value) {
    return Put(type, {reinterpret_cast<const uint8_t*>(&value), sizeof(value)});
  }
  NetlinkMessage& Nest(uint16_t type, const std::function<void()>& put_inside) {
    nlattr* nest = mnl_attr_nest_start(header_, type);
    put_inside();
    mnl_attr_nest_end(header_, nest);
    return *this;
  }

  nlmsghdr* header() { return header_; }
  // A copy, so that a read behind its end is seen by ASan.
  std::vector<char> bytes() const {
    return {bytes_.begin(), bytes_.begin() + header_->nlmsg_len};
  }

 private:
  static constexpr size_t kBytes = 1024;

  std::vector<char> bytes_;
  nlmsghdr* header_;
};

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_ENGINE_NETLINK_MESSAGE_H_
