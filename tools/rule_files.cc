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

// Every rule of `rules` as the daemon would take it now. The first refusal is
// reported.
int DryRunAll(const Session& session, const std::vector<Rule>& rules) {
  for (const Rule& rule : rules) {
    Json ignored;
    const int code = Fetch(
        session,
        {"POST", "/v1/rules?dry_run=1",
         RuleToApi(rule).dump(-1, ' ', false, Json::error_handler_t::replace)},
        &ignored);
    if (code != kDone) {
      Note(Concat("rule ", rule.name, " was refused: nothing imported"));
      return code;
    }
  }
  return kDone;
}

// Removes what was added before `count` was reached.
void TakeBack(const Session& session, const std::vector<Rule>& rules,
              size_t count) {
  ApiClient client(session.socket_path);
  size_t left = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto removed =
        client.Call("DELETE", Concat("/v1/rules/", UrlEncode(rules[i].name)));
    if (!removed.ok()) ++left;
  }
  Note(left == 0 ? "nothing imported: what had been added is removed again"
                 : Concat(left,
                          " imported rules could not be removed "
                          "again, see `sallyport rules`"));
}

// The daemon's opinion of the text: it may know more than we do.
int CheckByDaemon(const Session& session, const std::string& file,
                  const std::string& text) {
  Json answer;
  const int code =
      Fetch(session,
            {"POST", "/v1/rules/check",
             Json({{"text", text}})
                 .dump(-1, ' ', false, Json::error_handler_t::replace)},
            &answer);
  if (code != kDone) return code;
  if (BoolAt(answer, "/ok")) return kDone;
  if (session.json) PrintJson(answer);
  for (const Json& error : ArrayAt(answer, "/errors")) {
    std::fprintf(
        stderr, "%s\n",
        EscapeForTerminal(Concat(Origin(file), ":", TextAt(error, "/line"), ":",
                                 TextAt(error, "/column"), ": ",
                                 TextAt(error, "/message")))
            .c_str());
  }
  return kFailed;
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

int ImportRules(const Session& session, const std::string& file) {
  const absl::StatusOr<std::string> text = ReadText(file);
  if (!text.ok()) return Report(text.status());
  const RuleParse parse = ParseRules(*text, Origin(file));
  if (!parse.errors.empty()) {
    if (session.json) {
      PrintJson(
          Json{{"ok", false}, {"errors", ErrorsAsJson(file, parse.errors)}});
    }
    PrintErrors(file, parse.errors);
    return kFailed;
  }
  int code = CheckByDaemon(session, file, *text);
  if (code != kDone) return code;
  code = DryRunAll(session, parse.rules);
  if (code != kDone) return code;
  Json added = Json::array();
  for (size_t i = 0; i < parse.rules.size(); ++i) {
    Json rule;
    code = Fetch(session,
                 {"POST", "/v1/rules",
                  RuleToApi(parse.rules[i])
                      .dump(-1, ' ', false, Json::error_handler_t::replace)},
                 &rule);
    if (code != kDone) {
      TakeBack(session, parse.rules, i);
      return code;
    }
    added.push_back(std::move(rule));
  }
  if (session.json) {
    PrintJson(Json{{"imported", added.size()}, {"rules", std::move(added)}});
    return kDone;
  }
  for (const Json& rule : added) {
    std::printf("added %s\n", EscapeForTerminal(RuleLine(rule)).c_str());
  }
  std::printf("imported %zu rules\n", added.size());
  return kDone;
}

}  // namespace sallyport::cli
