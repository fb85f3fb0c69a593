// Whatever the text: parsing ends; what it accepts is valid, prints, and
// parses again to the same rules, and the print is a fixed point.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "rules/rule_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(
      size == 0 ? "" : reinterpret_cast<const char*>(data), size);
  const sallyport::RuleParse first = sallyport::ParseRules(text, "fuzz");
  for (const sallyport::Rule& rule : first.rules) {
    if (!sallyport::ValidateRule(rule).ok()) std::abort();
  }
  const std::string printed = sallyport::PrintRules(first.rules);
  const sallyport::RuleParse second = sallyport::ParseRules(printed, "fuzz");
  if (!second.errors.empty() || second.rules != first.rules) std::abort();
  if (sallyport::PrintRules(second.rules) != printed) std::abort();
  return 0;
}
