#ifndef SALLYPORT_TOOLS_IMPORT_TEXT_H_
#define SALLYPORT_TOOLS_IMPORT_TEXT_H_

// Small parsers that several importers share. Pure; any thread.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/import.h"

namespace sallyport::cli {

// What is read: sorted keys, since a lookup in cli::Json walks all keys of an
// object, and hostile objects have many.
using InputJson = nlohmann::json;

// No format of ours nests deeper than a handful.
inline constexpr size_t kMaxImportDepth = 32;

// `file.text` as JSON; the error is "FILE:LINE:COLUMN: ...".
absl::StatusOr<InputJson> ParseImportJson(const ImportFile& file);

// "FILE: field FIELD: WHAT".
std::string FieldProblem(std::string_view file, std::string_view field,
                         std::string_view what);

// Fields of an object. Absent or null: `out` is left as it is. Of another
// type: false, `*problem` is "must be a ...".
bool ReadText(const InputJson& object, const char* key, std::string* out,
              std::string* problem);
bool ReadBool(const InputJson& object, const char* key, bool* out,
              std::string* problem);

// An address or prefix as `to` takes it: host bits cleared ("192.168.1.7/24" is
// "192.168.1.0/24"). nullopt if it is neither.
std::optional<std::string> CanonicalPrefix(std::string_view text);

// The same, and ranges: "10.0.0.1-10.0.0.9".
std::optional<std::string> CanonicalAddresses(std::string_view text);

// True if `text` is the name of one device: no word or pattern of ours.
bool IsDeviceName(std::string_view text);

// A DNS name in lower case without the dot at its end; nullopt if it is no
// name (an address, an empty label, other characters, a wildcard).
std::optional<std::string> CanonicalHost(std::string_view text);

// "80" is 80, "8000-8080" and "8000:8080" are "8000-8080"; null if it is no
// port.
Json PortValue(std::string_view text);

// Port numbers as a rule's `port`: sorted, neighbours joined to ranges.
Json PortList(std::vector<int> ports);

// Fit for `description`: UTF-8, bounded, invisible characters made blanks.
std::string DescriptionOf(std::string_view text);

// Blanks (also tabs, CR) around `text` taken away; the words of it.
std::string_view Trim(std::string_view text);
std::vector<std::string_view> Words(std::string_view text);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_IMPORT_TEXT_H_
