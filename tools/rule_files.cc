#include "tools/rule_files.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/status/statusor.h"
#include "rules/rule_text.h"
#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/rule_line.h"
#include "tools/rule_nft.h"
#include "tools/rule_toml.h"
#include "tools/session.h"
#include "tools/text.h"
#include "tools/verbs.h"

namespace sallyport::cli {
namespace {

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

}  // namespace

int CheckRuleFiles(const Session& session,
                   const std::vector<std::string>& files) {
  std::vector<RuleParse> parses;
  for (const std::string& file : files) {
    const absl::StatusOr<std::string> text =
        ReadFileText(file, kMaxRuleTextBytes);
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

absl::StatusOr<std::string> ReadFileText(const std::string& file,
                                         size_t most_bytes) {
  std::ifstream stream;
  if (file != "-") {
    stream.open(file, std::ios::binary);
    // Reading a directory fails only at the first byte; peek asks for it.
    if (!stream || (stream.peek() == EOF && !stream.eof())) {
      return absl::NotFoundError(Concat("cannot read ", file));
    }
  }
  std::istream& in = file == "-" ? std::cin : stream;
  std::string text;
  std::vector<char> buffer(size_t{64} << 10);
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    text.append(buffer.data(), static_cast<size_t>(in.gcount()));
    if (text.size() > most_bytes) {
      return absl::ResourceExhaustedError(
          Concat(Origin(file), " is longer than ", most_bytes, " bytes"));
    }
  }
  return text;
}

int ExportRules(const Session& session, const std::string& format) {
  return RunCall(session, {"GET", "/v1/rules", ""}, [&](const Json& answer) {
    const Json& rules = ArrayAt(answer, "/rules");
    if (format == "nft") {
      std::fputs(RulesToNft(rules).c_str(), stdout);
      return;
    }
    std::string text = "version = 1\n";
    Json list = Json::array();
    for (const Json& rule : rules) {
      if (IsBuiltin(rule)) continue;  // every daemon has it already
      AppendTo(&text, "\n", RuleToToml(rule));
      Json bare = rule;
      for (const char* key : {"origin", "read_only", "index"}) bare.erase(key);
      list.push_back(std::move(bare));
    }
    if (format == "json") {
      PrintJson(Json{{"rules", std::move(list)}});
    } else {
      std::fputs(text.c_str(), stdout);
    }
  });
}

int SendRules(const Session& session, const std::string& text,
              const ImportArgs& args, Json* answer) {
  Json body = {{"text", text}, {"replace", args.replace}};
  if (const auto seconds = ConfirmSeconds(args.confirm);
      seconds.has_value() && !args.dry_run) {
    body["confirm_seconds"] = *seconds;
  }
  return Fetch(
      session,
      {"POST", args.dry_run ? "/v1/rules/import?dry_run=1" : "/v1/rules/import",
       body.dump(-1, ' ', false, Json::error_handler_t::replace)},
      answer);
}

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

void PrintImported(const ImportArgs& args, const Json& answer) {
  for (const Json& rule : ArrayAt(answer, "/rules")) {
    std::printf("%s\n", EscapeForTerminal(RuleLine(rule)).c_str());
  }
  for (const Json& name : ArrayAt(answer, "/removed")) {
    std::printf("removed %s\n", EscapeForTerminal(TextAt(name, "")).c_str());
  }
  std::printf("%s\n", ImportedText(answer, args.dry_run).c_str());
  if (BoolAt(answer, "/to_be_confirmed")) PrintConfirmHint(args.confirm);
}

int ImportRules(const Session& session, const ImportArgs& args) {
  const absl::StatusOr<std::string> text =
      ReadFileText(args.file, kMaxRuleTextBytes);
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
  Json answer;
  const int code = SendRules(session, *text, args, &answer);
  if (code != kDone) return code;
  if (session.json) {
    PrintJson(answer);
  } else {
    PrintImported(args, answer);
  }
  return kDone;
}

}  // namespace sallyport::cli
