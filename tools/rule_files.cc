#include "tools/rule_files.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "absl/status/statusor.h"
#include "rules/rule_text.h"
#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/rule_line.h"
#include "tools/rule_toml.h"
#include "tools/session.h"
#include "tools/text.h"
#include "tools/verbs.h"

namespace sallyport::cli {
namespace {

absl::StatusOr<std::string> ReadText(const std::string& file) {
  std::ostringstream text;
  if (file == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  std::ifstream stream(file, std::ios::binary);
  // Reading a directory fails only at the first byte; peek asks for it.
  if (!stream || (stream.peek() == EOF && !stream.eof())) {
    return absl::NotFoundError(Concat("cannot read ", file));
  }
  text << stream.rdbuf();
  return text.str();
}

std::string Origin(const std::string& file) {
  return file == "-" ? "stdin" : file;
}

// The same name in two files: each is right, the set is not.
void FindTwins(std::vector<RuleParse>* parses,
               const std::vector<std::string>& files) {
  std::vector<std::pair<std::string, size_t>> seen;
  for (size_t i = 0; i < parses->size(); ++i) {
    for (const Rule& rule : (*parses)[i].rules) {
      seen.emplace_back(rule.name, i);
    }
  }
  std::sort(seen.begin(), seen.end());
  for (size_t i = 1; i < seen.size(); ++i) {
    if (seen[i].first != seen[i - 1].first ||
        seen[i].second == seen[i - 1].second) {
      continue;
    }
    (*parses)[seen[i].second].errors.push_back(
        {1, 1,
         Concat("rule '", seen[i].first, "' is also in ",
                Origin(files[seen[i - 1].second]))});
  }
}

void PrintErrors(const std::string& file,
                 const std::vector<RuleError>& errors) {
  const std::string text = FormatRuleErrors(Origin(file), errors);
  for (std::string_view line : Split(text, '\n')) {
    if (line.empty()) continue;
    std::fprintf(stderr, "%s\n", EscapeForTerminal(line).c_str());
  }
}

Json ErrorsAsJson(const std::string& file,
                  const std::vector<RuleError>& errors) {
  Json list = Json::array();
  for (const RuleError& error : errors) {
    list.push_back({{"file", Origin(file)},
                    {"line", error.line},
                    {"column", error.column},
                    {"message", error.message}});
  }
  return list;
}

// "imported 12 rules: 3 added, 1 changed, 2 removed, 8 as they were".
std::string ImportedText(const Json& answer, bool dry_run) {
  const size_t added = ArrayAt(answer, "/added").size();
  const size_t changed = ArrayAt(answer, "/changed").size();
  const size_t removed = ArrayAt(answer, "/removed").size();
  std::string out = Concat(dry_run ? "would import " : "imported ",
                           added + changed, " rules");
  const char* gap = ": ";
  for (const auto& [count, word] :
       {std::pair(changed, " of them changed"), std::pair(removed, " removed"),
        std::pair(static_cast<size_t>(NumberAt(answer, "/unchanged")),
                  " stood there already")}) {
    if (count == 0) continue;
    AppendTo(&out, gap, count, word);
    gap = ", ";
  }
  return out;
}

}  // namespace

int CheckRuleFiles(const Session& session,
                   const std::vector<std::string>& files) {
  std::vector<RuleParse> parses;
  for (const std::string& file : files) {
    const absl::StatusOr<std::string> text = ReadText(file);
    if (text.ok()) {
      parses.push_back(ParseRules(*text, Origin(file)));
    } else {  // the others are checked all the same
      parses.emplace_back().errors.push_back({1, 1, "cannot be read"});
    }
  }
  FindTwins(&parses, files);
  size_t rules = 0;
  Json errors = Json::array();
  for (size_t i = 0; i < files.size(); ++i) {
    rules += parses[i].rules.size();
    if (!session.json) PrintErrors(files[i], parses[i].errors);
    for (Json& error : ErrorsAsJson(files[i], parses[i].errors)) {
      errors.push_back(std::move(error));
    }
  }
  const bool good = errors.empty();
  if (session.json) {
    PrintJson(Json{{"ok", good}, {"rules", rules}, {"errors", errors}});
  } else if (good) {
    std::printf("ok: %zu rules\n", rules);
  }
  return good ? kDone : kFailed;
}

int ExportRules(const Session& session) {
  return RunCall(session, {"GET", "/v1/rules", ""}, [](const Json& answer) {
    std::string text = "version = 1\n";
    for (const Json& rule : ArrayAt(answer, "/rules")) {
      if (IsBuiltin(rule)) continue;  // every daemon has it already
      AppendTo(&text, "\n", RuleToToml(rule));
    }
    std::fputs(text.c_str(), stdout);
  });
}

int ImportRules(const Session& session, const ImportArgs& args) {
  const absl::StatusOr<std::string> text = ReadText(args.file);
  if (!text.ok()) return Report(text.status());
  // Looked at here first: the daemon does not know the name of the file.
  const RuleParse parse = ParseRules(*text, Origin(args.file));
  if (!parse.errors.empty()) {
    if (session.json) {
      PrintJson(Json{{"ok", false},
                     {"errors", ErrorsAsJson(args.file, parse.errors)}});
    }
    PrintErrors(args.file, parse.errors);
    return kFailed;
  }
  Json body = {{"text", *text}, {"replace", args.replace}};
  if (const auto seconds = ConfirmSeconds(args.confirm);
      seconds.has_value() && !args.dry_run) {
    body["confirm_seconds"] = *seconds;
  }
  return RunCall(
      session,
      {"POST", args.dry_run ? "/v1/rules/import?dry_run=1" : "/v1/rules/import",
       body.dump(-1, ' ', false, Json::error_handler_t::replace)},
      [&](const Json& answer) {
        for (const Json& rule : ArrayAt(answer, "/rules")) {
          std::printf("%s\n", EscapeForTerminal(RuleLine(rule)).c_str());
        }
        for (const Json& name : ArrayAt(answer, "/removed")) {
          std::printf("removed %s\n",
                      EscapeForTerminal(TextAt(name, "")).c_str());
        }
        std::printf("%s\n", ImportedText(answer, args.dry_run).c_str());
        if (BoolAt(answer, "/to_be_confirmed")) PrintConfirmHint(args.confirm);
      });
}

}  // namespace sallyport::cli
