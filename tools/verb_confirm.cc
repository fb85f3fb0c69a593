// confirm, and the flag --confirm of other verbs: changes that go back by
// themselves.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "rules/text_util.h"
#include "rules/time_text.h"
#include "tools/call.h"
#include "tools/session.h"
#include "tools/text.h"
#include "tools/verbs.h"

namespace sallyport::cli {

void AddConfirm(CLI::App& verb, Session& session) {
  auto undo = std::make_shared<bool>(false);
  verb.add_flag("--undo", *undo, "take the change back now");
  verb.callback([&session, undo] {
    const std::string body = Json({{"keep", !*undo}}).dump();
    session.exit_code =
        RunCall(session, {"POST", "/v1/confirm", body}, [&](const Json& done) {
          const std::string what =
              TextAt(done, *undo ? "/taken_back" : "/confirmed");
          std::printf("%s %s\n", *undo ? "taken back:" : "confirmed:",
                      EscapeForTerminal(what).c_str());
        });
  });
}

void AddConfirmOption(CLI::App& verb, std::string& text) {
  verb.add_option("--confirm", text,
                  "go back after this time (60s, 5m) unless confirmed")
      ->type_name("TIME")
      ->check([](const std::string& value) {
        const auto duration = ParseDuration(value);
        return duration.ok() ? "" : MessageOf(duration.status());
      });
}

std::optional<int64_t> ConfirmSeconds(const std::string& text) {
  const auto duration = ParseDuration(text);
  if (!duration.ok()) return std::nullopt;
  return absl::ToInt64Seconds(*duration);
}

void PrintConfirmHint(const std::string& text) {
  std::printf("it goes back in %s unless you run: sallyport confirm\n",
              text.c_str());
}

}  // namespace sallyport::cli
