#include "tools/rule_line.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/str_replace.h"
#include "rules/rule_schema.h"
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

// "interface wg0 not to 10.0.0.1": conditions without a column of their own.
std::string FurtherConditions(const Json& rule) {
  constexpr std::string_view kShownElsewhere[] = {
      "name", "policy",    "app",      "to",      "port", "protocol",
      "user", "direction", "priority", "enabled", "log",  "description"};
  std::string out;
  for (const RuleField& field : RuleFields()) {
    const std::string pointer = Concat("/", field.name);
    const std::string values =
        field.is_list ? ListAt(rule, pointer) : TextAt(rule, pointer);
    if (values.empty() || std::count(std::begin(kShownElsewhere),
                                     std::end(kShownElsewhere), field.name)) {
      continue;
    }
    AppendTo(&out, out.empty() ? "" : " ",
             absl::StrReplaceAll(ToAbsl(field.name), {{"_", " "}}), " ",
             values);
  }
  return out;
}

}  // namespace

bool IsBuiltin(const Json& rule) {
  return TextAt(rule, "/origin") == "builtin";
}

std::string RuleLine(const Json& rule) {
  std::string out = Concat(TextAt(rule, "/name"), ": ", TextAt(rule, "/policy"),
                           " ", TextAt(rule, "/app"));
  const auto append = [&](std::string_view word, const std::string& text) {
    if (text.empty()) return;
    AppendTo(&out, word.empty() ? "" : " ", word, " ", text);
  };
  append("to", ListAt(rule, "/to"));
  append("port", ListAt(rule, "/port"));
  append("protocol", ListAt(rule, "/protocol"));
  append("user", ListAt(rule, "/user"));
  append("", FurtherConditions(rule));
  if (NumberAt(rule, "/priority") != 0) {
    append("priority", TextAt(rule, "/priority"));
  }
  if (!BoolAt(rule, "/enabled", true)) AppendTo(&out, " (disabled)");
  return out;
}

std::string RuleTableText(const Json& answer, bool colour) {
  Table table({"NAME", "POLICY", "APP", "TO", "PORT", "PROTO", "USER", "ALSO",
               "PRIO", "STATE", "DESCRIPTION"});
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
                  list("/user"),
                  {FurtherConditions(rule), paint},
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
