#include "proc/sha256.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

namespace sallyport {
namespace {

// FIPS 180-4, appendix B.
constexpr char kOfAbc[] =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kOfNothing[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Sha256, PiecesGiveTheDigestOfTheWhole) {
  Sha256 hash;
  for (const char* piece : {"a", "", "bc"}) hash.Update(piece);
  EXPECT_EQ(DigestToHex(hash.Finish().value()), kOfAbc);
}

TEST(Sha256, FinishBeginsAnew) {
  Sha256 hash;
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(DigestToHex(hash.Finish().value()), kOfNothing);
    hash.Update("abc");
    EXPECT_EQ(DigestToHex(hash.Finish().value()), kOfAbc);
  }
}

TEST(Sha256, HexGoesBothWays) {
  const Sha256Digest digest = DigestFromHex(kOfAbc).value();
  EXPECT_EQ(DigestToHex(digest), kOfAbc);
  std::string upper = kOfAbc;
  for (char& c : upper) c = static_cast<char>(toupper(c));
  EXPECT_EQ(DigestFromHex(upper), digest);
  for (const std::string& wrong :
       {std::string(), std::string(63, 'a'), std::string(65, 'a'),
        std::string(63, 'a') + "g", std::string(64, '\0')}) {
    EXPECT_FALSE(DigestFromHex(wrong).has_value()) << wrong;
  }
}

TEST(Sha256, FileUpToALimit) {
  char name[] = "/tmp/sallyport-sha256-XXXXXX";
  const int fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  unlink(name);
  ASSERT_EQ(write(fd, "abcdef", 6), 6);
  const auto of = [fd](int64_t max_bytes) {
    EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
    return Sha256OfFd(fd, max_bytes).value_or("");
  };
  EXPECT_EQ(of(3), kOfAbc);
  EXPECT_EQ(of(0), kOfNothing);
  EXPECT_EQ(of(6), of(1 << 30));
  close(fd);
  EXPECT_EQ(Sha256OfFd(-1, 1).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace sallyport
