#include "tools/call.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "rules/text_util.h"

namespace sallyport::cli {
namespace {

const Json* Find(const Json& json, const std::string& pointer) {
  const Json::json_pointer at(pointer);
  return json.contains(at) ? &json.at(at) : nullptr;
}

std::string ScalarText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  return "";
}

}  // namespace

int Fetch(const Session& session, const Request& request, Json* answer) {
  ApiClient client(session.socket_path);
  absl::StatusOr<Json> got =
      client.CallJson(request.method, request.path, request.body);
  if (!got.ok()) {
    const Json error = Json::parse(client.error_body(), nullptr, false);
    if (session.json && error.is_object()) PrintJson(error);
    return Report(got.status());
  }
  *answer = *std::move(got);
  return kDone;
}

int RunCall(const Session& session, const Request& request,
            const std::function<void(const Json&)>& human) {
  Json answer;
  const int code = Fetch(session, request, &answer);
  if (code != kDone) return code;
  if (session.json) {
    PrintJson(answer);
  } else {
    human(answer);
  }
  return kDone;
}

void PrintJson(const Json& json) {
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  const std::string text =
      json.dump(terminal ? 2 : -1, ' ', /*ensure_ascii=*/terminal,
                Json::error_handler_t::replace);
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);  // a follower's reader wants each line now
}

std::string TextAt(const Json& json, const std::string& pointer) {
  const Json* value = Find(json, pointer);
  return value == nullptr ? "" : ScalarText(*value);
}

double NumberAt(const Json& json, const std::string& pointer,
                double otherwise) {
  const Json* value = Find(json, pointer);
  return value != nullptr && value->is_number() ? value->get<double>()
                                                : otherwise;
}

bool BoolAt(const Json& json, const std::string& pointer, bool otherwise) {
  const Json* value = Find(json, pointer);
  return value != nullptr && value->is_boolean() ? value->get<bool>()
                                                 : otherwise;
}

bool HasAt(const Json& json, const std::string& pointer) {
  const Json* value = Find(json, pointer);
  return value != nullptr && !value->is_null();
}

std::string ListAt(const Json& json, const std::string& pointer) {
  std::string out;
  for (const Json& entry : ArrayAt(json, pointer)) {
    AppendTo(&out, out.empty() ? "" : ", ", ScalarText(entry));
  }
  return out;
}

const Json& ArrayAt(const Json& json, const std::string& pointer) {
  static const Json kEmpty = Json::array();
  const Json* value = Find(json, pointer);
  return value != nullptr && value->is_array() ? *value : kEmpty;
}

std::string Grouped(double number) {
  const std::string digits = std::to_string(std::llround(number));
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    const size_t left = digits.size() - i;
    if (i > 0 && left % 3 == 0 && digits[i - 1] != '-') out.push_back(',');
    out.push_back(digits[i]);
  }
  return out;
}

}  // namespace sallyport::cli
