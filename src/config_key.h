#ifndef SALLYPORT_SRC_CONFIG_KEY_H_
#define SALLYPORT_SRC_CONFIG_KEY_H_

// The table of config keys: one row says how a key is called in the file and
// on the command line, what it takes, and how it gets into a Config. The file
// reader and the flag reader both go through it, so that they cannot differ.
// For src/config*.cc and tests. Pure.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "src/config.h"

namespace sallyport {

using ConfigValue =
    std::variant<std::string, int64_t, bool, std::vector<std::string>>;

enum class ConfigKind : uint8_t {
  kText,
  kNumber,
  kYesNo,
  kTexts,         // a list; on the command line: the flag given several times
  kTextOrNumber,  // the mark mask: TOML has hexadecimal numbers
};

struct ConfigRow {
  ConfigKey key;
  ConfigKind kind;
  // "" or what is wrong with the value. REQUIRES: `value` is of `kind`.
  std::string (*set)(const ConfigValue& value, Config* config);
};

std::span<const ConfigRow> ConfigRows();
const ConfigRow* FindConfigRow(std::string_view name);  // null: unknown

// Sets one key. "" or the error, which says what to write instead.
std::string SetConfigKey(const ConfigRow& row, const ConfigValue& value,
                         Config* config);

}  // namespace sallyport

#endif  // SALLYPORT_SRC_CONFIG_KEY_H_
