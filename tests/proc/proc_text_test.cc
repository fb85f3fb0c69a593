#include "proc/proc_text.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::proc {
namespace {

std::string StatText(const std::string& comm, const std::string& state) {
  return "77 (" + comm + ") " + state +
         " 5 77 77 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 1 0 8877 1000 20 1 0 0 0 "
         "0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n";
}

TEST(ProcText, StatHasItsFieldsWhateverTheNameHolds) {
  for (const std::string comm : {"a", "a b", ") R 1 (", "", "(x)"}) {
    const std::string text = StatText(comm, "S");
    const auto stat = ParseStat(text);
    ASSERT_TRUE(stat.has_value()) << comm;
    EXPECT_EQ(stat->pid, 77);
    EXPECT_EQ(stat->comm, comm);
    EXPECT_EQ(stat->state, 'S');
    EXPECT_EQ(stat->parent_pid, 5);
    EXPECT_EQ(stat->start_ticks, 8877u);
    EXPECT_EQ(stat->exit_signal, 17);
    EXPECT_FALSE(stat->is_zombie());
  }
  const std::string dead = StatText("x", "Z");
  EXPECT_TRUE(ParseStat(dead)->is_zombie());
}

TEST(ProcText, StatCutAnywhereIsNothing) {
  const std::string whole = StatText("a) b", "S");
  const size_t exit_signal = whole.rfind(" 17");
  for (size_t length = 0; length < exit_signal; ++length) {
    EXPECT_FALSE(ParseStat(whole.substr(0, length)).has_value()) << length;
  }
}

TEST(ProcText, SocketLink) {
  EXPECT_EQ(ParseSocketLink("socket:[4711]"), 4711u);
  for (const char* link :
       {"socket:[]", "socket:[1", "socket:[x]", "pipe:[1]", "socket:[-1]",
        "/socket:[1]", "socket:[18446744073709551616]"}) {
    EXPECT_FALSE(ParseSocketLink(link).has_value()) << link;
  }
}

TEST(ProcText, NewestPid) {
  EXPECT_EQ(ParseNewestPid("0.84 1.71 2.40 2/125 1178\n"), 1178);
  EXPECT_FALSE(ParseNewestPid("").has_value());
  EXPECT_FALSE(ParseNewestPid("0.84 1.71 2.40 2/125 x\n").has_value());
}

TEST(ProcText, CloseOnExecIsABitOfTheOctalFlags) {
  EXPECT_TRUE(IsCloseOnExec("pos:\t0\nflags:\t02000002\nmnt_id:\t9\n"));
  EXPECT_FALSE(IsCloseOnExec("pos:\t0\nflags:\t0100002\nmnt_id:\t9\n"));
  EXPECT_FALSE(IsCloseOnExec("pos:\t02000002\n"));
}

TEST(ProcText, NetLinesOfBothFamilies) {
  std::string_view text =
      "  sl  local_address rem_address   st tx_queue rx_queue\n"
      "  155: 0100007F:1388 070200C0:01BB 07 00000000:00000000 00:00000000 "
      "00000000  1000        0 4711 2 0000000000000000 0\n"
      "broken\n"
      "    1: 00000000000000000000000001000000:0050 "
      "00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 "
      "00000000     0        0 12 2 0000000000000000 0\n";
  NetLine line;
  ASSERT_TRUE(NextNetLine(&text, &line));
  EXPECT_EQ(line.local, *ParseIpAddress("127.0.0.1"));
  EXPECT_EQ(line.remote, *ParseIpAddress("192.0.2.7"));
  EXPECT_EQ(line.local_port, 5000);
  EXPECT_EQ(line.remote_port, 443);
  EXPECT_EQ(line.uid, 1000u);
  EXPECT_EQ(line.inode, 4711u);
  ASSERT_TRUE(NextNetLine(&text, &line));
  EXPECT_EQ(line.local, *ParseIpAddress("::1"));
  EXPECT_EQ(line.state, 10);
  EXPECT_FALSE(NextNetLine(&text, &line));
}

TEST(ProcText, SocketsAmongTheFilesOfARing) {
  std::string_view text =
      "pos:\t0\nUserFiles:\t3\n    0: socket:[77]\n    1: <none>\n"
      "    2: socket:[78]\nUserBufs:\t0\n";
  uint64_t inode = 0;
  ASSERT_TRUE(NextUserFileSocket(&text, &inode));
  EXPECT_EQ(inode, 77u);
  ASSERT_TRUE(NextUserFileSocket(&text, &inode));
  EXPECT_EQ(inode, 78u);
  EXPECT_FALSE(NextUserFileSocket(&text, &inode));
}

}  // namespace
}  // namespace sallyport::proc
