// doctor: checks everything and says what to do.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/call.h"
#include "tools/doctor_checks.h"
#include "tools/doctor_facts.h"
#include "tools/session.h"
#include "tools/text.h"
#include "tools/verbs.h"

namespace sallyport::cli {
namespace {

Colour ColourOf(Level level) {
  if (level == Level::kOk) return Colour::kGreen;
  return level == Level::kWarn ? Colour::kYellow : Colour::kRed;
}

void PrintFinding(const Finding& finding, bool colour) {
  std::printf(
      "%s  %-13s %s\n",
      Paint(ColourOf(finding.level), Fit(LevelName(finding.level), 4), colour)
          .c_str(),
      finding.check.c_str(), EscapeForTerminal(finding.message).c_str());
  if (!finding.remedy.empty()) {
    std::printf("%20s%s\n", "",
                EscapeForTerminal("-> " + finding.remedy).c_str());
  }
}

int RunDoctor(const Session& session) {
  const std::vector<Finding> findings =
      Diagnose(CollectFacts(session.socket_path));
  const bool good =
      std::none_of(findings.begin(), findings.end(),
                   [](const Finding& f) { return f.level == Level::kFail; });
  if (session.json) {
    Json checks = Json::array();
    for (const Finding& finding : findings) {
      Json check = {{"check", finding.check},
                    {"level", LevelName(finding.level)},
                    {"message", finding.message}};
      if (!finding.remedy.empty()) check["remedy"] = finding.remedy;
      checks.push_back(std::move(check));
    }
    PrintJson(Json{{"ok", good}, {"checks", std::move(checks)}});
  } else {
    for (const Finding& finding : findings) {
      PrintFinding(finding, session.colour);
    }
  }
  return good ? kDone : kFailed;
}

}  // namespace

void AddDoctor(CLI::App& verb, Session& session) {
  verb.callback([&session] { session.exit_code = RunDoctor(session); });
}

}  // namespace sallyport::cli
