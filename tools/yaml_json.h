#ifndef SALLYPORT_TOOLS_YAML_JSON_H_
#define SALLYPORT_TOOLS_YAML_JSON_H_

// YAML as JSON (libyaml's events; JSON itself is YAML too). Plain scalars are
// what the core schema of YAML 1.2 says: null, true, false, whole numbers, else
// text. Anchors, aliases, duplicate keys and more than one document are errors:
// exports have none, and an alias can make a gigabyte of a line. Pure.

#include "absl/status/statusor.h"
#include "tools/import.h"
#include "tools/import_text.h"

namespace sallyport::cli {

// The error is "FILE:LINE:COLUMN: ...".
absl::StatusOr<InputJson> ParseImportYaml(const ImportFile& file);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_YAML_JSON_H_
