#ifndef SALLYPORT_RULES_BUILTIN_RULES_H_
#define SALLYPORT_RULES_BUILTIN_RULES_H_

// Rules that stand in no file.

#include <string_view>

#include "rules/rule.h"

namespace sallyport {

inline constexpr std::string_view kBuiltinOrigin = "builtin";
inline constexpr std::string_view kBuiltinLoopbackName = "builtin-loopback";

// Allows everybody loopback, without a line in the log: much of a system talks
// to itself. The loader adds it unless it is switched off; any rule of the
// user's that names an app, or has a higher priority, goes before it.
Rule BuiltinLoopbackRule();

}  // namespace sallyport

#endif  // SALLYPORT_RULES_BUILTIN_RULES_H_
