#include "src/event_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <sstream>
#include <vector>

#include "tests/src/event_records.h"
#include "tests/src/temp_dir.h"

namespace sallyport {
namespace {

using testing::MakeRecord;
using Sink = EventLogOptions::Sink;

// A line that tells its number and is `bytes` long, without the newline.
std::string Line(int number, size_t bytes) {
  std::string line = "{\"n\":" + std::to_string(number) + ",\"x\":\"";
  line.append(bytes - line.size() - 2, 'x');
  return line + "\"}";
}

TEST(EventLog, NoneDoesNothing) {
  EventLog log({});
  log.Write(MakeRecord(), "{}");
  log.Flush();
  EXPECT_FALSE(log.enabled());
  EXPECT_EQ(log.lost(), 0u);
  EXPECT_TRUE(log.error().ok());
}

TEST(EventLog, AppendsLinesToAPrivateFile) {
  TempDir dir;
  const std::string path = dir / "events.ndjson";
  for (int i = 0; i < 2; ++i) {
    EventLog log({Sink::kFile, path});
    log.Write(MakeRecord(), "{\"a\":1}");
    log.Write(MakeRecord(), "{\"b\":2}");
    log.Flush();
  }
  EXPECT_EQ(ReadWhole(path), "{\"a\":1}\n{\"b\":2}\n{\"a\":1}\n{\"b\":2}\n");
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07, 0u);
}

TEST(EventLog, RotatesBySize) {
  TempDir dir;
  const std::string path = dir / "events.ndjson";
  EventLog log({Sink::kFile, path, 1000});
  for (int i = 0; i < 50; ++i) {
    log.Write(MakeRecord(), Line(i, 99));
    log.Flush();
  }
  EXPECT_LE(std::filesystem::file_size(path), 1000u);
  EXPECT_EQ(std::filesystem::file_size(path + ".1"), 1000u);
  EXPECT_EQ(ReadWhole(path + ".1").substr(0, 99), Line(30, 99));
  EXPECT_EQ(log.lost(), 0u);
}

TEST(EventLog, ReopensAfterLogrotate) {
  TempDir dir;
  const std::string path = dir / "events.ndjson";
  EventLog log({Sink::kFile, path});
  log.Write(MakeRecord(), "1");
  log.Flush();
  ASSERT_EQ(std::rename(path.c_str(), (dir / "old").c_str()), 0);
  log.Write(MakeRecord(), "2");
  log.Reopen();
  log.Write(MakeRecord(), "3");
  log.Flush();
  EXPECT_EQ(ReadWhole(dir / "old"), "1\n2\n");
  EXPECT_EQ(ReadWhole(path), "3\n");
}

TEST(EventLog, MissingDirectoryIsToldAndTriedAgain) {
  TempDir dir;
  const std::string path = dir / "later/events.ndjson";
  EventLog log({Sink::kFile, path});
  log.Write(MakeRecord(), "1");
  log.Flush();
  EXPECT_EQ(log.lost(), 1u);
  EXPECT_FALSE(log.error().ok());
  ASSERT_TRUE(std::filesystem::create_directory(dir / "later"));
  log.Write(MakeRecord(), "2");
  log.Flush();
  EXPECT_EQ(ReadWhole(path), "2\n");
  EXPECT_EQ(log.lost(), 1u);
  EXPECT_TRUE(log.error().ok());
}

TEST(EventLog, F16_FullDiskIsCountedAndTold) {
  EventLog log({Sink::kFile, "/dev/full"});
  log.Write(MakeRecord(), "1");
  log.Write(MakeRecord(), "2");
  log.Flush();
  EXPECT_EQ(log.lost(), 2u);
  EXPECT_EQ(log.error().code(), absl::StatusCode::kResourceExhausted);
}

// The reader of a pipe stopped: every call returns at once, what did not fit
// is counted, and what the reader sees in the end is whole lines.
TEST(EventLog, F36_StoppedReaderOfAPipe) {
  TempDir dir;
  const std::string path = dir / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EventLog log({Sink::kFile, path});
  int written = 0;
  const auto write_until_lost = [&](uint64_t lost) {
    while (log.lost() < lost) {
      // No divisor of the pipe's size: lines get torn.
      log.Write(MakeRecord(), Line(written++, 5003));
      log.Flush();
    }
  };
  write_until_lost(20);
  EXPECT_EQ(log.error().code(), absl::StatusCode::kUnavailable);

  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  std::string text;
  char buffer[65536];
  const auto drain = [&] {
    for (ssize_t n; (n = read(reader, buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<size_t>(n));
    }
  };
  drain();
  log.Write(MakeRecord(), Line(written++, 5003));
  log.Flush();
  drain();
  EXPECT_TRUE(log.error().ok());
  close(reader);

  std::istringstream lines(text);
  std::string line;
  uint64_t seen = 0;
  while (std::getline(lines, line)) {
    EXPECT_EQ(line.size(), 5003u);
    EXPECT_TRUE(line.starts_with("{\"n\":")) << line.substr(0, 40);
    EXPECT_TRUE(line.ends_with("\"}"));
    ++seen;
  }
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(seen + log.lost(), static_cast<uint64_t>(written));
}

// A journal of our own: a datagram socket.
class FakeJournal {
 public:
  explicit FakeJournal(const std::string& path) {
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
              0);
  }
  ~FakeJournal() { close(fd_); }
  FakeJournal(const FakeJournal&) = delete;
  FakeJournal& operator=(const FakeJournal&) = delete;

  std::string Receive() {
    char buffer[65536];
    const ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
    return n < 0 ? "" : std::string(buffer, static_cast<size_t>(n));
  }

 private:
  int fd_ = -1;
};

TEST(EventLog, JournalEntry) {
  TempDir dir;
  FakeJournal journal(dir / "journal");
  EventLog log({Sink::kJournal, dir / "journal"});
  log.Write(MakeRecord(Verdict::kDeny), "{\"a\":1}");
  log.Flush();
  EXPECT_EQ(journal.Receive(),
            "MESSAGE=deny /usr/bin/curl[4242] uid 1000 -> TCP "
            "198.51.100.7:443 (rule a-rule)\n"
            "PRIORITY=4\nSYSLOG_IDENTIFIER=sallyportd\n"
            "SALLYPORT_ACTION=deny\nSALLYPORT_REASON=rule\n"
            "SALLYPORT_EVENT={\"a\":1}\n");
  log.Write(MakeRecord(Verdict::kAllow), "{}");
  EXPECT_NE(journal.Receive().find("PRIORITY=6\n"), std::string::npos);
  EXPECT_EQ(log.lost(), 0u);
}

TEST(EventLog, NoticesAreLinesAndEntriesToo) {
  const EventNotice notice = {.type = "rules_changed",
                              .text = "rule file a changed",
                              .json = "{\"b\":2}"};
  TempDir dir;
  FakeJournal journal(dir / "journal");
  EventLog to_journal({Sink::kJournal, dir / "journal"});
  to_journal.WriteNotice(notice);
  EXPECT_EQ(journal.Receive(),
            "MESSAGE=rule file a changed\n"
            "PRIORITY=4\nSYSLOG_IDENTIFIER=sallyportd\n"
            "SALLYPORT_EVENT={\"b\":2}\n");
  EventLog to_file({Sink::kFile, dir / "log"});
  to_file.WriteNotice(notice);
  to_file.Flush();
  EXPECT_EQ(ReadWhole(dir / "log"), "{\"b\":2}\n");
  EventLog({}).WriteNotice(notice);
  EventLog nowhere({Sink::kFile, dir / "no/log"});
  nowhere.WriteNotice(notice);
  EXPECT_EQ(nowhere.lost(), 1u);
}

TEST(EventLog, F36_StoppedJournal) {
  TempDir dir;
  FakeJournal journal(dir / "journal");
  EventLog log({Sink::kJournal, dir / "journal"});
  uint64_t written = 0;
  while (log.lost() < 10) {
    log.Write(MakeRecord(), "{}");
    ++written;
  }
  EXPECT_FALSE(log.error().ok());
  uint64_t seen = 0;
  while (!journal.Receive().empty()) ++seen;
  EXPECT_EQ(seen + log.lost(), written);
  log.Write(MakeRecord(), "{}");
  EXPECT_FALSE(journal.Receive().empty());
  EXPECT_TRUE(log.error().ok());
}

TEST(EventLog, F36_JournalThatIsNotThere) {
  TempDir dir;
  EventLog log({Sink::kJournal, dir / "journal"});
  log.Write(MakeRecord(), "{}");
  EXPECT_EQ(log.lost(), 1u);
  EXPECT_FALSE(log.error().ok());
  FakeJournal journal(dir / "journal");  // journald started again
  log.Write(MakeRecord(), "{}");
  EXPECT_FALSE(journal.Receive().empty());
  EXPECT_TRUE(log.error().ok());
}

}  // namespace
}  // namespace sallyport
