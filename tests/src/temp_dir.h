#ifndef SALLYPORT_TESTS_SRC_TEMP_DIR_H_
#define SALLYPORT_TESTS_SRC_TEMP_DIR_H_

// A directory of mode 0700 that is gone when the test is over, and files in
// it.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace sallyport {

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/sallyport-test-XXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }
  std::string MakeDir(std::string_view name) const {
    std::string path = *this / name;
    std::filesystem::create_directories(path);
    chmod(path.c_str(), 0755);
    return path;
  }
  std::string Write(std::string_view name, std::string_view content) const {
    std::string path = *this / name;
    std::ofstream(path, std::ios::binary) << content;
    chmod(path.c_str(), 0644);
    return path;
  }

 private:
  std::string path_;
};

inline std::string ReadWhole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)),
                     std::istreambuf_iterator<char>());
}

}  // namespace sallyport

#endif  // SALLYPORT_TESTS_SRC_TEMP_DIR_H_
