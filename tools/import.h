#ifndef SALLYPORT_TOOLS_IMPORT_H_
#define SALLYPORT_TOOLS_IMPORT_H_

// What the readers of other firewalls' rules have in common (import_opensnitch,
// import_ufw, import_lsrules, import_portmaster): texts in, rules and notes
// out. Pure functions of their arguments, whatever the texts hold: bounded in
// time and memory, no files, no daemon; any thread.
//
//   absl::StatusOr<ImportResult> result = ImportUfw(files, {});
//   for (const Json& rule : result->rules) ...   // a body for POST /v1/rules
//
// What a reader may do with a rule that cannot be said in full here: never make
// a wider allow of it. It is left out, or made narrower, and a note says so. A
// text that is not what it should be is an error, "FILE:LINE:COLUMN: ..." or
// "FILE: field F: ...", one line each; then nothing of the import may be used.
//
// Include it in .cc files: it brings nlohmann's header along.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tools/api_client.h"

namespace sallyport::cli {

struct ImportFile {
  std::string name;  // as notes and errors call it
  std::string text;
};

// What the texts do not say.
struct ImportOptions {
  // Whose a Portmaster settings export is: as a rule's `app`. Empty: unknown.
  std::string app;
  // Who "me" is in .lsrules. Empty: unknown.
  std::string user;
  // Their list (a directory of OpenSnitch, an id of Portmaster) -> the name of
  // one of ours.
  std::map<std::string, std::string, std::less<>> lists;
  int32_t base_priority = 0;  // of the rules that are asked last
  // A temporary rule that ended before is not taken over.
  absl::Time now = absl::InfinitePast();
};

struct ImportResult {
  std::vector<Json> rules;  // as the control API takes them; names are unique
  std::vector<std::string> notes;  // one line each; UTF-8, nothing invisible
};

// All texts of one import: a blocklist of half a million names is 12 MB.
inline constexpr size_t kMaxImportBytes = size_t{16} << 20;
// One rule of theirs may become several of ours (an app each), not a flood.
inline constexpr size_t kMaxRulesOfOne = 64;

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_IMPORT_H_
