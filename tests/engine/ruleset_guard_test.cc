#include "engine/ruleset_guard.h"

#include <gtest/gtest.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <string>
#include <vector>

#include "tests/engine/flow_fakes.h"
#include "tests/engine/netlink_message.h"

namespace sallyport {
namespace {

std::vector<char> Event(int type, uint8_t family, const std::string& table) {
  return NetlinkMessage(NFNL_SUBSYS_NFTABLES << 8 | type, family)
      .U32(NFTA_TABLE_FLAGS, 0)
      .Text(NFTA_TABLE_NAME, table)
      .bytes();
}

TEST(RulesetGuard, F07_SeesEveryKindOfChangeOfOurTable) {
  for (int type :
       {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_DELCHAIN,
        NFT_MSG_NEWRULE, NFT_MSG_DELRULE, NFT_MSG_NEWSET, NFT_MSG_DELSET}) {
    EXPECT_TRUE(TouchesOurTable(Event(type, NFPROTO_INET, "sallyport")));
  }
}

TEST(RulesetGuard, TablesOfOthersAreNothing) {
  EXPECT_FALSE(
      TouchesOurTable(Event(NFT_MSG_DELTABLE, NFPROTO_INET, "sallyport2")));
  EXPECT_FALSE(TouchesOurTable(Event(NFT_MSG_DELTABLE, NFPROTO_INET, "sally")));
  EXPECT_FALSE(
      TouchesOurTable(Event(NFT_MSG_DELTABLE, NFPROTO_IPV4, "sallyport")));
  EXPECT_FALSE(
      TouchesOurTable(Event(NFT_MSG_NEWGEN, NFPROTO_INET, "sallyport")));
}

TEST(RulesetGuard, FindsOurTableBehindOthersInOneDatagram) {
  std::vector<char> bytes = Event(NFT_MSG_NEWRULE, NFPROTO_INET, "filter");
  const std::vector<char> ours =
      Event(NFT_MSG_DELRULE, NFPROTO_INET, "sallyport");
  bytes.insert(bytes.end(), ours.begin(), ours.end());
  EXPECT_TRUE(TouchesOurTable(bytes));
}

TEST(RulesetGuard, CutOffEventsAreHarmless) {
  const std::vector<char> whole =
      Event(NFT_MSG_DELRULE, NFPROTO_INET, "sallyport");
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::vector<char> part(whole.begin(),
                                 whole.begin() + static_cast<long>(length));
    EXPECT_FALSE(TouchesOurTable(part)) << length;
  }
}

TEST(RepairIfDamaged, AnIntactTableIsLeftAlone) {
  FakeDivert divert;
  EXPECT_FALSE(*RepairIfDamaged(divert));
  EXPECT_EQ(divert.log, CallLog{"verify"});
}

TEST(RepairIfDamaged, F07_ADamagedTableIsPutBack) {
  FakeDivert divert;
  divert.intact = false;
  EXPECT_TRUE(*RepairIfDamaged(divert));
  EXPECT_EQ(divert.log, (CallLog{"verify", "install"}));
}

// Two programs that write rules at the same time: the first Install finds its
// table changed before it could look at it.
TEST(RepairIfDamaged, TriesAgainIfChangedMeanwhile) {
  FakeDivert divert;
  divert.intact = false;
  divert.install_statuses = {absl::AbortedError("changed")};
  EXPECT_TRUE(*RepairIfDamaged(divert));
  EXPECT_EQ(divert.log, (CallLog{"verify", "install", "verify", "install"}));
}

TEST(RepairIfDamaged, GivesUpOnAnybodyWhoChangesInALoop) {
  FakeDivert divert;
  divert.intact = false;
  divert.install_statuses.assign(1000, absl::AbortedError("changed"));
  EXPECT_TRUE(absl::IsAborted(RepairIfDamaged(divert).status()));
  EXPECT_LT(divert.log.size(), 50u);
}

TEST(RepairIfDamaged, OtherErrorsComeBackAtOnce) {
  FakeDivert divert;
  divert.intact = false;
  divert.install_statuses = {absl::PermissionDeniedError("no")};
  EXPECT_TRUE(absl::IsPermissionDenied(RepairIfDamaged(divert).status()));
  divert.verify_status = absl::InternalError("no");
  EXPECT_TRUE(absl::IsInternal(RepairIfDamaged(divert).status()));
}

}  // namespace
}  // namespace sallyport
