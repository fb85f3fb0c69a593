// Handler: explain. Judges a flow that is made of texts with the code that
// judges packets.

#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "engine/interface_table.h"
#include "rules/app_pattern.h"
#include "rules/explain.h"
#include "rules/rule_fields.h"
#include "rules/text_util.h"
#include "src/api_handlers.h"
#include "src/api_json.h"
#include "src/file_hash.h"
#include "src/rule_json.h"
#include "src/user_names.h"

namespace sallyport {
namespace {

using nlohmann::json;

// What the body asks about.
struct Question {
  App app;
  bool has_app = false;  // no: a flow whose owner was not found
  Flow flow;
  std::optional<uint32_t> uid;
  NetInterface interface;          // flow.out_interface points to it
  std::vector<std::string> notes;  // what was assumed
};

// The path as the kernel would show it: links followed, since a process's exe
// never is one.
absl::Status ReadApp(const json& value, Question* question) {
  if (!value.is_string()) return FieldError("app", "must be a string");
  const std::string text = CleanAppText(value.get<std::string>());
  if (text.empty() || text == kAnyApp) return absl::OkStatus();
  absl::StatusOr<AppPattern> pattern = AppPattern::Parse(text);
  if (!pattern.ok()) return FieldError("app", MessageOf(pattern.status()));
  if (pattern->kind() != AppPattern::Kind::kExact) {
    return FieldError("app", "must be one path; write \\* for a star in it");
  }
  App& app = question->app;
  app.path = pattern->prefix();
  app.path_is_exe = true;
  question->has_app = true;
  char resolved[PATH_MAX];
  if (realpath(app.path.c_str(), resolved) != nullptr) {
    if (app.path != resolved) {
      question->notes.push_back(Concat(QuoteForMessage(app.path),
                                       " is a link: programs run as ",
                                       QuoteForMessage(resolved)));
    }
    app.path = resolved;
  }
  app.path_hash = HashAppPath(app.path);
  struct stat st;
  if (stat(app.path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) {
    question->notes.push_back(Concat(
        "there is no file ", QuoteForMessage(app.path), ": judged as if"));
    return absl::OkStatus();
  }
  app.exe = {st.st_dev, st.st_ino};
  app.link_count = static_cast<uint32_t>(st.st_nlink);
  app.size_bytes = st.st_size;
  return absl::OkStatus();
}

absl::Status ReadTo(const json& value, Question* question) {
  if (!value.is_string()) return FieldError("to", "must be an IP address");
  absl::StatusOr<IpAddress> address = ParseIpAddress(value.get<std::string>());
  if (!address.ok()) return FieldError("to", MessageOf(address.status()));
  question->flow.dst = *address;
  question->flow.is_v6 = !address->IsV4();
  return absl::OkStatus();
}

absl::Status ReadPort(const json& value, Question* question) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > UINT16_MAX) {
    return FieldError("port", "must be a number from 0 to 65535");
  }
  question->flow.dst_port = value.get<uint16_t>();
  return absl::OkStatus();
}

absl::Status ReadProtocol(const json& value, Question* question) {
  if (!value.is_string() && !value.is_number_integer()) {
    return FieldError("protocol", "must be a name such as \"tcp\" or a number");
  }
  absl::StatusOr<uint8_t> protocol = ParseProtocol(
      value.is_string() ? value.get<std::string>() : value.dump());
  if (!protocol.ok())
    return FieldError("protocol", MessageOf(protocol.status()));
  question->flow.protocol = *protocol;
  return absl::OkStatus();
}

absl::Status ReadUser(const json& value, Question* question) {
  if (!value.is_string() && !value.is_number_unsigned()) {
    return FieldError("user", "must be a user name or a uid");
  }
  absl::StatusOr<uint32_t> uid =
      UserIdOf(value.is_string() ? value.get<std::string>() : value.dump());
  if (!uid.ok()) return FieldError("user", MessageOf(uid.status()));
  question->uid = *uid;
  return absl::OkStatus();
}

absl::Status ReadInterface(const json& value, Question* question) {
  if (!value.is_string()) return FieldError("interface", "must be a string");
  const std::string name = value.get<std::string>();
  if (name.empty() || name.size() > kMaxInterfaceBytes) {
    return FieldError("interface",
                      Concat(QuoteForMessage(name), " is no name of a device"));
  }
  const uint32_t ifindex = if_nametoindex(name.c_str());
  if (ifindex == 0 || !OpenLinkLookup()->Get(ifindex, &question->interface)) {
    question->interface = {name, false};
    question->notes.push_back(
        Concat("there is no device ", QuoteForMessage(name), ": judged as if"));
  }
  question->flow.out_interface = &question->interface;
  return absl::OkStatus();
}

absl::Status ReadQuestion(const std::string& text, Question* question) {
  using Read = absl::Status (*)(const json&, Question*);
  constexpr std::pair<std::string_view, Read> kFields[] = {
      {"app", ReadApp},   {"to", ReadTo},
      {"port", ReadPort}, {"protocol", ReadProtocol},
      {"user", ReadUser}, {"interface", ReadInterface}};
  absl::StatusOr<json> body = ParseJsonObject(text);
  if (!body.ok()) return body.status();
  question->flow.protocol = kProtoTcp;
  if (!body->contains("to")) return FieldError("to", "is missing");
  for (const auto& [name, value] : body->items()) {
    Read read = nullptr;
    for (const auto& [known, reader] : kFields) {
      if (known == name) read = reader;
    }
    if (read == nullptr) {
      return FieldError(name, Concat("unknown field ", QuoteForMessage(name)));
    }
    if (absl::Status status = read(value, question); !status.ok()) {
      return status;
    }
  }
  if (!question->flow.HasPorts()) question->flow.dst_port = 0;
  return absl::OkStatus();
}

Explanation ExplainQuestion(const PolicySnapshot& policy, Question* question) {
  const Subject subject{question->has_app ? &question->app : nullptr,
                        question->uid};
  Explanation explanation = Explain(policy, subject, question->flow);
  if ((explanation.judgement.needs & kNeedsSha256) == 0) return explanation;
  absl::StatusOr<std::string> digest = FileSha256(question->app.path);
  if (digest.ok()) {
    question->app.sha256 = *digest;
    return Explain(policy, subject, question->flow);
  }
  question->notes.push_back(
      Concat("its SHA-256 is not known: ", MessageOf(digest.status())));
  // No file has this one: rules with a hash do not match.
  question->app.sha256 = std::string(64, '0');
  return Explain(policy, subject, question->flow);
}

}  // namespace

ApiResponse HandleExplain(const ApiContext& context,
                          const ApiRequest& request) {
  Question question;
  if (absl::Status status = ReadQuestion(request.body, &question);
      !status.ok()) {
    return ErrorResponse(status);
  }
  const PolicySnapshot policy = context.policy();
  const Explanation explanation = ExplainQuestion(policy, &question);
  const auto& rules = policy.rules->rules();
  const Decision& decision = explanation.judgement.decision;
  const auto as_json = [&](uint32_t index) -> json {
    if (index >= rules.size()) return nullptr;
    return RuleToJson(StoredRule{rules[index], index,
                                 context.rules->IsReadOnly(rules[index])});
  };
  json losers = json::array();
  for (const Loser& loser : explanation.losers) {
    if (loser.rule >= rules.size()) continue;
    losers.push_back(
        {{"rule", rules[loser.rule].name}, {"why", SafeMessage(loser.why)}});
  }
  json text = json::array();
  for (const std::string& note : question.notes)
    text.push_back(SafeMessage(note));
  for (const std::string& line : ExplanationText(policy, explanation)) {
    text.push_back(SafeMessage(line));
  }
  const bool has_rule = decision.rule < rules.size();
  ApiResponse response;
  response.body = PrintJson(
      {{"verdict", VerdictName(decision.verdict)},
       {"judged", VerdictName(decision.judged)},
       {"reason", ReasonName(decision.reason)},
       {"rule", has_rule ? json(rules[decision.rule].name) : json(nullptr)},
       {"mode", ModeName(policy.settings.mode)},
       {"winner", as_json(explanation.winner)},
       {"losers", std::move(losers)},
       {"text", std::move(text)}});
  return response;
}

}  // namespace sallyport
