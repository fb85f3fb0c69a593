#include "tools/rule_import.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "rules/rule_text.h"
#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/import_builder.h"
#include "tools/import_lsrules.h"
#include "tools/import_opensnitch.h"
#include "tools/import_portmaster.h"
#include "tools/import_ufw.h"
#include "tools/rule_files.h"
#include "tools/rule_toml.h"
#include "tools/session.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kUfwDirectory[] = "/etc/ufw";
// A rule is a file there; nobody has more.
constexpr size_t kMaxFiles = 10'000;

// One more file; they are bounded together.
absl::Status AddFile(const std::string& path, std::vector<ImportFile>* files) {
  size_t left = kMaxImportBytes;
  for (const ImportFile& file : *files) left -= file.text.size();
  absl::StatusOr<std::string> text = ReadFileText(path, left);
  if (!text.ok()) return text.status();
  files->push_back({path == "-" ? "stdin" : path, *std::move(text)});
  return absl::OkStatus();
}

absl::Status AddIfThere(const std::string& path,
                        std::vector<ImportFile>* files) {
  std::error_code error;
  return fs::exists(path, error) ? AddFile(path, files) : absl::OkStatus();
}

// The rules of OpenSnitch, and its names for networks, which stand one
// directory up.
absl::Status ReadOpenSnitch(const std::string& directory,
                            std::vector<ImportFile>* files) {
  std::error_code error;
  std::vector<std::string> paths;
  for (fs::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().extension() == ".json") paths.push_back(at->path().string());
    if (paths.size() > kMaxFiles) {
      return absl::ResourceExhaustedError(
          Concat(directory, ": more than ", kMaxFiles, " files"));
    }
  }
  if (error) {
    return absl::NotFoundError(
        Concat("cannot read the directory ", directory, ": ", error.message()));
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    const absl::Status added = AddFile(path, files);
    if (!added.ok()) return added;
  }
  return AddIfThere((fs::path(directory) / "../network_aliases.json").string(),
                    files);
}

absl::Status ReadUfw(const std::string& directory,
                     std::vector<ImportFile>* files) {
  const fs::path base(directory.empty() ? kUfwDirectory : directory);
  const absl::Status added = AddFile((base / "user.rules").string(), files);
  if (!added.ok()) return added;
  return AddIfThere((base / "user6.rules").string(), files);
}

absl::StatusOr<ImportResult> Translate(const ForeignImport& import,
                                       const std::string& source) {
  std::vector<ImportFile> files;
  if (import.from == "opensnitch") {
    const absl::Status read = ReadOpenSnitch(source, &files);
    if (!read.ok()) return read;
    return ImportOpenSnitch(files, import.options);
  }
  if (import.from == "ufw") {
    const absl::Status read = ReadUfw(source, &files);
    if (!read.ok()) return read;
    return ImportUfw(files, import.options);
  }
  const absl::Status read = AddFile(source, &files);
  if (!read.ok()) return read;
  return import.from == "lsrules" ? ImportLsrules(files[0], import.options)
                                  : ImportPortmaster(files[0], import.options);
}

// What this version's rules cannot say is left out and noted: other versions
// know more fields and destinations than this one.
std::vector<Rule> Supported(ImportResult* result) {
  std::vector<Rule> rules;
  for (const Json& json : result->rules) {
    absl::StatusOr<Rule> rule = RuleOfJson(json);
    if (rule.ok()) {
      rules.push_back(*std::move(rule));
      continue;
    }
    result->notes.push_back(EscapeForTerminal(Concat(
        "rule ", QuoteForMessage(TextAt(json, "/name")), ": ",
        MessageOf(rule.status()), LeftOutText(TextAt(json, "/policy")))));
  }
  return rules;
}

// A dry run: a rule file that says what it is made of and what would come of
// it. It is good for something without a daemon too.
int DryRun(const Session& session, const std::string& text,
           const std::vector<std::string>& notes, const ImportArgs& args) {
  if (!session.json) {
    for (const std::string& note : notes) std::printf("# %s\n", note.c_str());
    std::fputs(text.c_str(), stdout);
  }
  Json answer = Json::object();
  const int code = SendRules(session, text, args, &answer);
  if (code != kDone && code != kUnreachable) return code;
  if (session.json) {
    answer["dry_run"] = true;
    answer["text"] = text;
    answer["notes"] = notes;
    PrintJson(answer);
  } else {
    std::printf("\n# %s\n", code == kDone
                                ? ImportedText(answer, true).c_str()
                                : "no daemon was asked whether it takes them");
  }
  return kDone;
}

}  // namespace

int ImportForeign(const Session& session, const ForeignImport& import,
                  const ImportArgs& args) {
  absl::StatusOr<ImportResult> result = Translate(import, args.file);
  if (!result.ok()) return Report(result.status());
  const std::vector<Rule> rules = Supported(&*result);
  const std::string text = Concat("version = 1\n\n", PrintRules(rules));
  if (args.dry_run) return DryRun(session, text, result->notes, args);
  if (!session.json) {
    for (const std::string& note : result->notes) Note(note);
  }
  if (rules.empty()) {  // with --replace all of ours would be gone
    return Report(absl::FailedPreconditionError(
        "none of these rules can be taken over: nothing is imported"));
  }
  Json answer;
  const int code = SendRules(session, text, args, &answer);
  if (code != kDone) return code;
  if (session.json) {
    answer["notes"] = result->notes;
    PrintJson(answer);
  } else {
    PrintImported(args, answer);
  }
  return kDone;
}

}  // namespace sallyport::cli
