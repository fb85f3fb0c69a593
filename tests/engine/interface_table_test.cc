#include "engine/interface_table.h"

#include <gtest/gtest.h>
#include <net/if.h>

#include "tests/engine/fakes.h"

namespace sallyport {
namespace {

constexpr int64_t kNow = 5'000'000'000;

TEST(InterfaceTable, LooksUpOnceAndRemembers) {
  FakeLinkLookup links;
  links.Set(3, {"eth0", false});
  InterfaceTable table(links);
  EXPECT_EQ(table.Find(3, kNow), nullptr);
  const NetInterface* device = table.LookUp(3, kNow);
  ASSERT_NE(device, nullptr);
  EXPECT_EQ(device->name, "eth0");
  EXPECT_EQ(table.Find(3, kNow + InterfaceTable::kMaxAgeNs), device);
  EXPECT_EQ(table.LookUp(3, kNow), device);
  EXPECT_EQ(links.calls(), 1);
  EXPECT_EQ(table.LookUp(4, kNow), nullptr);
  EXPECT_EQ(table.LookUp(0, kNow), nullptr);
}

// The story: eth0 is renamed while it is up, and a rule for the old name goes
// on to match.
TEST(InterfaceTable, ARenamedDeviceIsSeenWithinItsAge) {
  FakeLinkLookup links;
  links.Set(3, {"eth0", false});
  InterfaceTable table(links);
  const NetInterface* before = table.LookUp(3, kNow);
  links.Set(3, {"wan", false});
  const int64_t later = kNow + InterfaceTable::kMaxAgeNs + 1;
  EXPECT_EQ(table.Find(3, later), nullptr);
  EXPECT_EQ(table.LookUp(3, later)->name, "wan");
  EXPECT_EQ(before->name, "eth0") << "packets in flight still point to it";
  links.Remove(3);
  EXPECT_EQ(table.LookUp(3, later + InterfaceTable::kMaxAgeNs + 1), nullptr);
}

TEST(InterfaceTable, TheSameDeviceIsKeptOnce) {
  FakeLinkLookup links;
  links.Set(3, {"eth0", false});
  InterfaceTable table(links);
  const NetInterface* first = table.LookUp(3, kNow);
  for (int64_t i = 1; i < 100; ++i) {
    EXPECT_EQ(table.LookUp(3, kNow + i * 2 * InterfaceTable::kMaxAgeNs), first);
  }
}

TEST(InterfaceTable, TwoDevicesOfOneSlotAreBothFound) {
  FakeLinkLookup links;
  InterfaceTable table(links);
  for (uint32_t ifindex : {7u, 7u + 256, 7u + 512}) {
    links.Set(ifindex, {"d" + std::to_string(ifindex), false});
  }
  for (int round = 0; round < 3; ++round) {
    for (uint32_t ifindex : {7u, 7u + 256, 7u + 512}) {
      EXPECT_EQ(table.LookUp(ifindex, kNow)->name,
                "d" + std::to_string(ifindex));
      EXPECT_EQ(table.Find(ifindex, kNow)->name, "d" + std::to_string(ifindex));
    }
  }
}

TEST(InterfaceTable, BeyondTheLimitNothingNewIsKnown) {
  FakeLinkLookup links;
  InterfaceTable table(links);
  for (uint32_t i = 1; i <= InterfaceTable::kMaxDevices + 1; ++i) {
    links.Set(i, {std::to_string(i), false});
    EXPECT_EQ(table.LookUp(i, kNow) == nullptr,
              i > InterfaceTable::kMaxDevices);
  }
}

TEST(InterfaceTable, TheKernelKnowsLoopback) {
  const std::unique_ptr<LinkLookup> links = OpenLinkLookup();
  NetInterface device;
  ASSERT_TRUE(links->Get(if_nametoindex("lo"), &device));
  EXPECT_EQ(device, (NetInterface{"lo", false}));
  EXPECT_FALSE(links->Get(0x7ffffff0, &device));
}

}  // namespace
}  // namespace sallyport
