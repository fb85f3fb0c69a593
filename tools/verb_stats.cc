// stats: counters and verdict latency.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "rules/text_util.h"
#include "tools/call.h"
#include "tools/session.h"
#include "tools/status_text.h"
#include "tools/target.h"
#include "tools/verbs.h"

namespace sallyport::cli {

void AddStats(CLI::App& verb, Session& session) {
  auto app = std::make_shared<std::string>();
  verb.add_option("APP", *app, "only this program");
  verb.callback([&session, app] {
    std::string path = "/v1/stats";
    if (!app->empty()) {
      const absl::StatusOr<AppName> name = ResolveApp(*app);
      if (!name.ok()) {
        Report(name.status());
        session.exit_code = kUsage;
        return;
      }
      AppendTo(&path,
               "?app=", UrlEncode(name->path.empty() ? *app : name->path));
    }
    session.exit_code =
        RunCall(session, {"GET", path, ""}, [&](const Json& stats) {
          std::fputs(StatsText(stats, session.colour).c_str(), stdout);
        });
  });
}

}  // namespace sallyport::cli
