// Runs one fuzz target over every file of a corpus directory: what libFuzzer
// found once is tested by every build, with any compiler.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
    return 2;
  }
  std::error_code error;
  std::filesystem::directory_iterator files(argv[1], error);
  if (error) {
    std::fprintf(stderr, "%s: %s\n", argv[1], error.message().c_str());
    return 1;
  }
  size_t count = 0;
  for (const auto& entry : files) {
    if (!entry.is_regular_file()) continue;
    // Named first: a crash must say which file it was.
    std::printf("%s\n", entry.path().c_str());
    std::fflush(stdout);
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)),
                           std::istreambuf_iterator<char>());
    // A copy of its own, so that reading past the end is seen by ASan.
    const std::vector<uint8_t> bytes(text.begin(), text.end());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    ++count;
  }
  std::printf("%zu inputs replayed\n", count);
  // An empty corpus proves nothing, so it is no success.
  return count > 0 ? 0 : 1;
}
