#ifndef SALLYPORT_TESTS_TOOLS_IMPORT_TESTING_H_
#define SALLYPORT_TESTS_TOOLS_IMPORT_TESTING_H_

// Short ways for the tests of importers: files of the corpus, the rules of a
// result by name, notes that hold a text.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "rules/rule.h"
#include "tools/import.h"
#include "tools/import_text.h"

namespace sallyport::cli {

inline std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::filesystem::path Corpus(std::string_view name) {
  return std::filesystem::path(SALLYPORT_CORPUS) / name;
}

inline ImportFile CorpusFile(std::string_view name) {
  const std::filesystem::path path = Corpus(name);
  return {path.filename().string(), ReadAll(path)};
}

// The files of a directory by name.
inline std::vector<ImportFile> CorpusFiles(std::string_view directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(Corpus(directory))) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<ImportFile> files;
  for (const auto& path : paths) {
    files.push_back({path.filename().string(), ReadAll(path)});
  }
  return files;
}

// The rule of that name; null if there is none.
inline Json RuleNamed(const ImportResult& result, std::string_view name) {
  for (const Json& rule : result.rules) {
    if (rule["name"] == name) return rule;
  }
  return nullptr;
}

// All but name, priority and description, which each test would repeat.
inline std::string Bare(Json rule) {
  if (!rule.is_object()) return "none";
  for (const char* key : {"name", "priority", "description"}) rule.erase(key);
  return rule.dump();
}

// The notes that hold `text`, one per line.
inline std::string NotesWith(const ImportResult& result,
                             std::string_view text) {
  std::string out;
  for (const std::string& note : result.notes) {
    if (note.find(text) != note.npos) out += note + "\n";
  }
  return out;
}

// What every import promises, whatever it read.
inline void ExpectSound(const ImportResult& result) {
  std::set<std::string> names;
  for (const Json& rule : result.rules) {
    const std::string name = rule.value("name", "");
    EXPECT_TRUE(IsValidRuleName(name)) << rule.dump();
    EXPECT_TRUE(names.insert(name).second) << name;
    const std::string policy = rule.value("policy", "");
    EXPECT_TRUE(policy == "allow" || policy == "deny" || policy == "reject")
        << rule.dump();
    EXPECT_FALSE(rule.value("app", "").empty()) << rule.dump();
    for (const auto& [key, value] : rule.items()) {
      EXPECT_FALSE(value.is_null()) << rule.dump();
      // An empty list would read as no condition.
      EXPECT_FALSE(value.is_array() && value.empty()) << rule.dump();
    }
  }
  for (const std::string& note : result.notes) {
    EXPECT_EQ(note.find('\n'), note.npos) << note;
  }
}

}  // namespace sallyport::cli

#endif  // SALLYPORT_TESTS_TOOLS_IMPORT_TESTING_H_
