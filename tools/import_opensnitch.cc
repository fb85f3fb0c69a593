#include "tools/import_opensnitch.h"

#include <algorithm>
#include <map>
#include <utility>

#include "rules/rule_schema.h"
#include "rules/text_util.h"
#include "rules/time_text.h"
#include "tools/import_builder.h"
#include "tools/import_text.h"
#include "tools/opensnitch_operand.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kAliasFile = "network_aliases.json";
// More operands than there are kinds of them make no sense.
constexpr size_t kMaxOperators = 64;

struct OpenSnitchRule {
  std::string file;
  std::string name;
  std::string description;
  std::string action;
  std::string duration;
  std::string created;
  bool enabled = false;
  bool precedence = false;
  bool nolog = false;
  std::vector<OpenSnitchOperator> operators;

  // Ends OpenSnitch's search.
  bool Decides() const { return action != "allow" || precedence; }
};

// What OpenSnitch ships. Its LAN has "::1" too, which it cannot parse.
NetworkAliases ShippedAliases() {
  return {{"LAN",
           {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8",
            "fc00::/7"}},
          {"MULTICAST", {"224.0.0.0/4", "ff00::/8"}}};
}

std::string_view BaseName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// Reads one file after the other and collects everything that is wrong.
class Reader {
 public:
  explicit Reader(ImportErrors* errors) : errors_(errors) {}

  bool ReadRule(const ImportFile& file, OpenSnitchRule* rule);
  void ReadAliases(const ImportFile& file, NetworkAliases* aliases);

 private:
  bool Parse(const ImportFile& file, InputJson* json);
  bool Fail(std::string_view field, std::string_view what) {
    errors_->Add(FieldProblem(file_, field, what));
    return false;
  }
  bool Text(const InputJson& object, const char* key, std::string_view path,
            std::string* out) {
    std::string problem;
    return ReadText(object, key, out, &problem) ||
           Fail(Concat(path, key), problem);
  }
  bool Bool(const InputJson& object, const char* key, std::string_view path,
            bool* out) {
    std::string problem;
    return ReadBool(object, key, out, &problem) ||
           Fail(Concat(path, key), problem);
  }
  bool ReadOperators(const InputJson& json, OpenSnitchRule* rule);
  bool ReadOperator(const InputJson& json, const std::string& path,
                    OpenSnitchOperator* op);

  ImportErrors* const errors_;
  std::string file_;
};

bool Reader::Parse(const ImportFile& file, InputJson* json) {
  file_ = file.name;
  absl::StatusOr<InputJson> parsed = ParseImportJson(file);
  if (!parsed.ok()) {
    errors_->Add(MessageOf(parsed.status()));
    return false;
  }
  *json = *std::move(parsed);
  if (json->is_object()) return true;
  errors_->Add(Concat(file.name, ":1:1: must be an object { ... }"));
  return false;
}

bool Reader::ReadRule(const ImportFile& file, OpenSnitchRule* rule) {
  InputJson json;
  if (!Parse(file, &json)) return false;
  rule->file = file.name;
  const bool read = Text(json, "name", "", &rule->name) &&
                    Text(json, "description", "", &rule->description) &&
                    Text(json, "action", "", &rule->action) &&
                    Text(json, "duration", "", &rule->duration) &&
                    Bool(json, "enabled", "", &rule->enabled) &&
                    Bool(json, "precedence", "", &rule->precedence) &&
                    Bool(json, "nolog", "", &rule->nolog);
  if (!read) return false;
  if (const auto created = json.find("created");
      created != json.end() && created->is_string()) {
    rule->created = created->get<std::string>();
  }
  if (rule->name.empty()) return Fail("name", "is missing");
  if (rule->action != "allow" && rule->action != "deny" &&
      rule->action != "reject") {
    return Fail("action", Concat(QuoteForMessage(rule->action),
                                 " is none of allow, deny, reject"));
  }
  const auto op = json.find("operator");
  if (op == json.end() || !op->is_object()) {
    return Fail("operator", "must be an object { ... }");
  }
  return ReadOperators(*op, rule);
}

bool Reader::ReadOperators(const InputJson& json, OpenSnitchRule* rule) {
  OpenSnitchOperator op;
  if (!ReadOperator(json, "operator.", &op)) return false;
  if (op.type != "list") {
    rule->operators = {std::move(op)};
    return true;
  }
  InputJson list = json.value("list", InputJson());
  if (list.is_null() || (list.is_array() && list.empty())) {
    // As older versions write it: the list as a text in `data`.
    absl::StatusOr<InputJson> inner =
        ParseImportJson({Concat(file_, ": field operator.data"), op.data});
    if (op.data.empty()) return true;
    if (!inner.ok()) {
      errors_->Add(MessageOf(inner.status()));
      return false;
    }
    list = *std::move(inner);
  }
  if (!list.is_array()) return Fail("operator.list", "must be a list [ ... ]");
  if (list.size() > kMaxOperators) {
    return Fail("operator.list", Concat("more than ", kMaxOperators));
  }
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string path = Concat("operator.list[", i, "]");
    if (!list[i].is_object()) return Fail(path, "must be an object { ... }");
    OpenSnitchOperator& next = rule->operators.emplace_back();
    if (!ReadOperator(list[i], path + ".", &next)) return false;
    if (next.type == "list") next.operand = "list";
  }
  return true;
}

bool Reader::ReadOperator(const InputJson& json, const std::string& path,
                          OpenSnitchOperator* op) {
  return Text(json, "type", path, &op->type) &&
         Text(json, "operand", path, &op->operand) &&
         Text(json, "data", path, &op->data) &&
         Bool(json, "sensitive", path, &op->sensitive);
}

void Reader::ReadAliases(const ImportFile& file, NetworkAliases* aliases) {
  InputJson json;
  if (!Parse(file, &json)) return;
  aliases->clear();
  for (const auto& [name, networks] : json.items()) {
    if (!networks.is_array()) {
      Fail(name, "must be a list of networks");
      continue;
    }
    std::vector<std::string>& list = (*aliases)[name];
    for (const InputJson& network : networks) {
      // As OpenSnitch does, what is no prefix is passed over.
      if (!network.is_string()) continue;
      const std::string text = network.get<std::string>();
      const auto prefix = CanonicalPrefix(text);
      if (prefix.has_value() && text.find('/') != text.npos) {
        list.push_back(*prefix);
      }
    }
    if (list.empty()) aliases->erase(name);
  }
}

// When a temporary rule ends. The status says why it is not taken over: it
// must not live longer than there.
absl::StatusOr<absl::Time> EndOf(const OpenSnitchRule& rule, absl::Time now) {
  const std::string quoted = QuoteForMessage(rule.duration);
  absl::Duration duration;
  if (!absl::ParseDuration(rule.duration, &duration) ||
      duration <= absl::ZeroDuration() ||
      duration > absl::Hours(24 * kMaxDurationDays)) {
    return absl::InvalidArgumentError(
        Concat("it is temporary (", quoted, "), which has no meaning here"));
  }
  const absl::StatusOr<absl::Time> created = ParseRfc3339(rule.created);
  if (!created.ok()) {
    return absl::InvalidArgumentError(
        Concat("it is temporary (", quoted, ") and does not say since when"));
  }
  if (*created + duration <= now) {
    return absl::InvalidArgumentError(
        Concat("it was temporary (", quoted, ") and has ended"));
  }
  return *created + duration;
}

class Translator {
 public:
  Translator(const ImportOptions& options, NetworkAliases aliases)
      : options_(options),
        aliases_(std::move(aliases)),
        builder_(options.base_priority) {}

  void Translate(const OpenSnitchRule& rule);
  void NoteTwin(const OpenSnitchRule& lost, const OpenSnitchRule& kept) {
    builder_.LeaveOut(lost.file, lost.name, lost.action,
                      Concat("a rule of that name is also in ", kept.file,
                             ", which OpenSnitch reads later"));
  }
  absl::StatusOr<ImportResult> Finish();

 private:
  Json Outline(const OpenSnitchRule& rule) const;

  const ImportOptions& options_;
  const NetworkAliases aliases_;
  ImportBuilder builder_;
  size_t case_blind_ = 0;  // rules that met paths without regard to case
};

// Everything but the conditions.
Json Translator::Outline(const OpenSnitchRule& rule) const {
  Json out = {{"policy", rule.action}};
  if (rule.duration == "until restart") out["lifetime"] = "until-restart";
  if (!rule.enabled) out["enabled"] = false;
  if (rule.nolog) out["log"] = false;
  std::string description = DescriptionOf(rule.description);
  if (description.empty()) {
    description = DescriptionOf(Concat("OpenSnitch: ", rule.name));
  }
  out["description"] = std::move(description);
  return out;
}

void Translator::Translate(const OpenSnitchRule& rule) {
  const auto leave_out = [&](std::string_view why) {
    builder_.LeaveOut(rule.file, rule.name, rule.action, why);
  };
  Json outline = Outline(rule);
  if (!rule.duration.empty() && rule.duration != "always" &&
      rule.duration != "until restart") {
    const absl::StatusOr<absl::Time> end = EndOf(rule, options_.now);
    if (!end.ok()) return leave_out(MessageOf(end.status()));
    outline["expires"] = FieldTimeText(*end);
  }
  if (rule.operators.empty()) {
    return leave_out("its list of operands is empty, which matches everything");
  }
  OpenSnitchMatch match(options_, aliases_);
  std::vector<std::string> remarks;
  bool case_blind = false;
  for (const OpenSnitchOperator& op : rule.operators) {
    const absl::Status added = match.Add(op, &remarks);
    if (!added.ok()) return leave_out(MessageOf(added));
    case_blind =
        case_blind || (!op.sensitive && (op.operand == "process.path" ||
                                         op.operand == "process.parent.path"));
  }
  absl::StatusOr<std::vector<Json>> rules = match.Rules();
  if (!rules.ok()) return leave_out(MessageOf(rules.status()));
  if (case_blind) ++case_blind_;
  for (const std::string& remark : remarks) {
    builder_.Note(rule.file, rule.name, remark);
  }
  for (const Json& conditions : *rules) {
    Json out = {{"policy", outline["policy"]}};
    for (const auto& [key, value] : conditions.items()) out[key] = value;
    for (const auto& [key, value] : outline.items()) out[key] = value;
    builder_.Add(rule.name, std::move(out));
  }
}

absl::StatusOr<ImportResult> Translator::Finish() {
  if (case_blind_ > 0) {
    builder_.Note(
        Concat(case_blind_, case_blind_ == 1 ? " rule meets" : " rules meet",
               " paths in OpenSnitch without regard to upper and lower case "
               "(sensitive: false); here a path is what it is, byte for byte"));
  }
  return builder_.Finish();
}

}  // namespace

absl::StatusOr<ImportResult> ImportOpenSnitch(std::span<const ImportFile> files,
                                              const ImportOptions& options) {
  ImportErrors errors;
  Reader reader(&errors);
  NetworkAliases aliases = ShippedAliases();
  std::vector<OpenSnitchRule> rules;
  for (const ImportFile& file : files) {
    if (BaseName(file.name) == kAliasFile) {
      reader.ReadAliases(file, &aliases);
      continue;
    }
    OpenSnitchRule rule;
    if (reader.ReadRule(file, &rule)) rules.push_back(std::move(rule));
  }
  if (!errors.empty()) return errors.ToStatus();

  // OpenSnitch reads its files by name, and keeps the last of twins.
  std::stable_sort(rules.begin(), rules.end(),
                   [](const auto& a, const auto& b) {
                     return std::pair(a.name, BaseName(a.file)) <
                            std::pair(b.name, BaseName(b.file));
                   });
  Translator translator(options, std::move(aliases));
  std::vector<const OpenSnitchRule*> order;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (i + 1 < rules.size() && rules[i].name == rules[i + 1].name) {
      translator.NoteTwin(rules[i], rules[i + 1]);
    } else {
      order.push_back(&rules[i]);
    }
  }
  std::stable_partition(order.begin(), order.end(),
                        [](const OpenSnitchRule* r) { return r->Decides(); });
  for (const OpenSnitchRule* rule : order) translator.Translate(*rule);
  return translator.Finish();
}

}  // namespace sallyport::cli
