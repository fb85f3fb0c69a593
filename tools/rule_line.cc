#include "tools/rule_line.h"

#include <nlohmann/json.hpp>

#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

Colour ColourOfPolicy(const std::string& policy) {
  if (policy == "allow") return Colour::kGreen;
  if (policy == "local-only") return Colour::kYellow;
  return Colour::kRed;
}

}  // namespace

bool IsBuiltin(const Json& rule) {
  return TextAt(rule, "/origin") == "builtin";
}

std::string RuleLine(const Json& rule) {
  std::string out = Concat(TextAt(rule, "/name"), ": ", TextAt(rule, "/policy"),
                           " ", TextAt(rule, "/app"));
  const auto append = [&](std::string_view word, const std::string& text) {
    if (!text.empty()) AppendTo(&out, " ", word, " ", text);
  };
  append("to", ListAt(rule, "/to"));
  append("port", ListAt(rule, "/port"));
  append("protocol", ListAt(rule, "/protocol"));
  append("user", TextAt(rule, "/user"));
  if (NumberAt(rule, "/priority") != 0) {
    append("priority", TextAt(rule, "/priority"));
  }
  if (!BoolAt(rule, "/enabled", true)) AppendTo(&out, " (disabled)");
  return out;
}

std::string RuleTableText(const Json& answer, bool colour) {
  Table table({"NAME", "POLICY", "APP", "TO", "PORT", "PROTO", "USER", "PRIO",
               "STATE", "DESCRIPTION"});
  for (const Json& rule : ArrayAt(answer, "/rules")) {
    const bool enabled = BoolAt(rule, "/enabled", true);
    const Colour paint = enabled ? Colour::kNone : Colour::kDim;
    const std::string policy = TextAt(rule, "/policy");
    std::string priority = TextAt(rule, "/priority");
    if (priority == "0") priority.clear();
    std::string state = enabled ? "" : "disabled";
    if (BoolAt(rule, "/read_only")) {
      AppendTo(&state, state.empty() ? "" : ", ",
               IsBuiltin(rule) ? "built in" : "admin's file");
    }
    const auto list = [&](const char* pointer) {
      return Cell{ListAt(rule, pointer), paint};
    };
    table.AddRow({{TextAt(rule, "/name"), paint},
                  {policy, enabled ? ColourOfPolicy(policy) : paint},
                  {TextAt(rule, "/app"), paint},
                  list("/to"),
                  list("/port"),
                  list("/protocol"),
                  {TextAt(rule, "/user"), paint},
                  {priority, paint},
                  {state, Colour::kDim},
                  {TextAt(rule, "/description"), Colour::kDim}});
  }
  std::string out =
      table.empty() ? "no rules: the default decides\n" : table.Render(colour);
  const std::string error = TextAt(answer, "/error");
  if (!error.empty()) {
    AppendTo(&out,
             Paint(Colour::kRed,
                   Concat("the files on disk are not loaded, the last good "
                          "set is used:\n",
                          EscapeLines(error, 0)),
                   colour),
             "\n");
  }
  return out;
}

}  // namespace sallyport::cli
