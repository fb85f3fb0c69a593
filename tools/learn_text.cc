#include "tools/learn_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

// Of a list in a cell; the rest is counted. `--json` has all.
constexpr size_t kShown = 4;

std::string ShortList(const Json& rule, const std::string& pointer) {
  const Json& all = ArrayAt(rule, pointer);
  Json shown = Json::array();
  for (const Json& entry : all) {
    if (shown.size() == kShown) break;
    shown.push_back(entry);
  }
  const std::string text = ListAt(Json{{"list", shown}}, "/list");
  return all.size() > kShown
             ? Concat(text, " and ", all.size() - kShown, " more")
             : text;
}

std::string Counted(double count, std::string_view what) {
  return Concat(Grouped(count), " ", what, count == 1 ? "" : "s");
}

std::string Line(std::string_view text) {
  return Concat(EscapeForTerminal(text), "\n");
}

std::string Warning(std::string_view text, bool colour) {
  return Concat(Paint(Colour::kYellow, EscapeForTerminal(text), colour), "\n");
}

std::string RuleTable(const Json& learned, bool colour) {
  Table table({"NAME", "APP", "TO", "PORT", "PROTO", "USER", "FLOWS"});
  for (const Json& rule : ArrayAt(learned, "/rules")) {
    table.AddRow({{TextAt(rule, "/name"), Colour::kGreen},
                  {TextAt(rule, "/app")},
                  {ShortList(rule, "/to")},
                  {ShortList(rule, "/port")},
                  {ListAt(rule, "/protocol")},
                  {ListAt(rule, "/user")},
                  {Grouped(NumberAt(rule, "/flows"))}});
  }
  if (table.empty()) return "";
  std::string out = Concat(table.Render(colour), "\n");
  for (const Json& rule : ArrayAt(learned, "/rules")) {
    AppendTo(&out, Line(Concat(TextAt(rule, "/name"), ": ",
                               TextAt(rule, "/description"))));
  }
  return out;
}

std::string WhyUnnamed(const Json& entry) {
  return TextAt(entry, "/why") == "nobody"
             ? "no program was found"
             : "its file is not at its path (replaced while it runs, a "
               "container's, or in memory only)";
}

std::string UnnamedTable(const Json& learned, bool colour) {
  Table table({"NO RULE FOR", "FLOWS", "DESTINATIONS", "WHY"});
  for (const Json& entry : ArrayAt(learned, "/unnamed")) {
    const std::string app = TextAt(entry, "/app");
    table.AddRow({{app.empty() ? "(nobody)" : app, Colour::kYellow},
                  {Grouped(NumberAt(entry, "/flows"))},
                  {Grouped(NumberAt(entry, "/destinations"))},
                  {WhyUnnamed(entry)}});
  }
  return table.empty() ? "" : Concat("\n", table.Render(colour));
}

// What was not learned, or is not safe.
std::string Losses(const Json& learned, bool colour) {
  std::string out;
  for (const Json& entry : ArrayAt(learned, "/left_out/by_app")) {
    const std::string app = TextAt(entry, "/app");
    AppendTo(&out,
             Warning(Concat(app.empty() ? "(nobody)" : app, ": ",
                            Counted(NumberAt(entry, "/flows"), "flow"),
                            " to further destinations not learned: there is "
                            "no room for more"),
                     colour));
  }
  const double others = NumberAt(learned, "/left_out/other_apps");
  if (others > 0) {
    AppendTo(&out, Warning(Concat(Counted(others, "flow"),
                                  " of further apps not learned: there is no "
                                  "room for more"),
                           colour));
  }
  const double lost = NumberAt(learned, "/lost_events");
  if (lost > 0) {
    AppendTo(&out,
             Warning(Concat(Counted(lost, "event"),
                            " lost since the daemon started: what they told "
                            "is not learned"),
                     colour));
  }
  for (const char* pointer : {"/error", "/notice"}) {
    const std::string text = TextAt(learned, pointer);
    if (!text.empty()) AppendTo(&out, Warning(text, colour));
  }
  if (!BoolAt(learned, "/fewest", true)) {
    AppendTo(&out, Line("fewer rules may do: the search for them was ended"));
  }
  return out;
}

// The options that `apply` needs to come to the same proposal.
std::string OptionWords(const Json& learned) {
  std::string words;
  if (!BoolAt(learned, "/options/group_names", true)) {
    AppendTo(&words, " --exact-names");
  }
  if (BoolAt(learned, "/options/group_addresses")) {
    AppendTo(&words, " --group-addresses");
  }
  if (BoolAt(learned, "/options/by_user")) AppendTo(&words, " --by-user");
  const std::string app = TextAt(learned, "/options/app");
  if (!app.empty()) AppendTo(&words, " --app ", app);
  return words;
}

std::string Hints(const Json& learned) {
  std::string out;
  if (NumberAt(learned, "/decided") > 0) {
    AppendTo(&out, Line(Concat(Grouped(NumberAt(learned, "/decided")), " of ",
                               Grouped(NumberAt(learned, "/destinations")),
                               " destinations seen are decided by rules")));
  }
  const std::string mode = TextAt(learned, "/mode");
  if (mode != "learn") {
    AppendTo(&out, Line(Concat("mode is ", mode,
                               ": nothing more is learned until `sallyport "
                               "mode learn`")));
  }
  if (ArrayAt(learned, "/rules").empty()) return out;
  AppendTo(&out, Line(Concat("to make these rules: sallyport learn apply",
                             OptionWords(learned), " --proposal ",
                             TextAt(learned, "/proposal"))));
  if (TextAt(learned, "/default") == "allow") {
    AppendTo(&out, Line("default is allow: in mode enforce everything else "
                        "passes too, until the configuration says default = "
                        "\"deny\""));
  }
  return out;
}

}  // namespace

std::string ProposalText(const Json& learned, bool colour) {
  std::string rules = RuleTable(learned, colour);
  if (rules.empty()) rules = "no rules to propose\n";
  std::string out = Concat(rules, UnnamedTable(learned, colour));
  const std::string tail = Concat(Losses(learned, colour), Hints(learned));
  if (!tail.empty()) AppendTo(&out, "\n", tail);
  return out;
}

std::string SeenText(const Json& learned, bool colour) {
  Table table({"APP", "TO", "SERVICE", "USER", "FLOWS", "FIRST", "LAST"});
  for (const Json& entry : ArrayAt(learned, "/seen")) {
    const std::string app = TextAt(entry, "/app");
    const bool by_path = TextAt(entry, "/naming") == "path";
    table.AddRow({{app.empty() ? "(nobody)" : app,
                   by_path ? Colour::kNone : Colour::kYellow},
                  {TextAt(entry, "/to")},
                  {TextAt(entry, "/service")},
                  {TextAt(entry, "/uid")},
                  {Grouped(NumberAt(entry, "/flows"))},
                  {TextAt(entry, "/first_seen"), Colour::kDim},
                  {TextAt(entry, "/last_seen"), Colour::kDim}});
  }
  const std::string losses = Losses(learned, colour);
  return Concat(table.empty() ? "nothing seen\n" : table.Render(colour),
                losses.empty() ? "" : "\n", losses);
}

}  // namespace sallyport::cli
