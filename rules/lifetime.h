#ifndef SALLYPORT_RULES_LIFETIME_H_
#define SALLYPORT_RULES_LIFETIME_H_

// Lifetime: how long a rule lasts by itself; the field `lifetime`. (Beside it
// stands `expires`, a moment.) Pure; any thread.

#include <cstdint>
#include <optional>
#include <string_view>

namespace sallyport {

enum class Lifetime : uint8_t {
  kAlways,        // until somebody removes it
  kUntilExit,     // until the last process it was made for has ended
  kUntilRestart,  // until the daemon stops
  kOnce,          // for one flow
};

inline constexpr Lifetime kLifetimes[] = {
    Lifetime::kAlways, Lifetime::kUntilExit, Lifetime::kUntilRestart,
    Lifetime::kOnce};

constexpr const char* LifetimeName(Lifetime lifetime) {
  switch (lifetime) {
    case Lifetime::kAlways:
      return "always";
    case Lifetime::kUntilExit:
      return "until-exit";
    case Lifetime::kUntilRestart:
      return "until-restart";
    case Lifetime::kOnce:
      return "once";
  }
  return "once";  // the shortest: what is forgotten does not stay
}

// The inverse; nothing else is accepted.
constexpr std::optional<Lifetime> ParseLifetime(std::string_view text) {
  for (Lifetime lifetime : kLifetimes) {
    if (text == LifetimeName(lifetime)) return lifetime;
  }
  return std::nullopt;
}

}  // namespace sallyport

#endif  // SALLYPORT_RULES_LIFETIME_H_
