#ifndef SALLYPORT_TOOLS_REGEX_TRANSLATE_H_
#define SALLYPORT_TOOLS_REGEX_TRANSLATE_H_

// A regular expression of another firewall as what our rules can say: globs of
// paths, names, addresses, plain texts. What comes out never matches more than
// the expression does (for texts that can occur: paths without "//", canonical
// addresses, DNS names). It may match less; then a remark says how. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "tools/regex_rows.h"

namespace sallyport::cli {

struct Translation {
  std::vector<std::string> values;   // any of them; none: it cannot be said
  std::vector<std::string> remarks;  // what of the expression is lost
};

// For `app` and `parent`: globs, or "any" for an expression of everything.
Translation RegexToApps(const Regex& regex);

// For `to`: "=www.example.com", "example.com", "*.example.com".
Translation RegexToHosts(const Regex& regex);

// For `to`: addresses, and prefixes where whole octets are left open.
Translation RegexToAddresses(const Regex& regex);

// The texts that the whole of the expression stands for: ports, user ids,
// names of interfaces. An expression without ^ and $ is read as if it had them.
Translation RegexToTexts(const Regex& regex);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_REGEX_TRANSLATE_H_
