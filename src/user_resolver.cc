#include "src/user_resolver.h"

#include <utility>

#include "rules/text_util.h"
#include "src/user_names.h"

namespace sallyport {

absl::Status UserResolver::Resolve(Rule* rule) {
  for (const auto& [field, users] :
       {std::pair("user", &rule->user),
        std::pair("not_user", &rule->not_user)}) {
    for (RuleUser& user : *users) {
      if (user.id.has_value()) continue;
      const absl::StatusOr<uint32_t>& id = Find(user.text);
      if (!id.ok()) {
        return absl::InvalidArgumentError(
            Concat(field, ": ", MessageOf(id.status())));
      }
      user.id = *id;
    }
  }
  return absl::OkStatus();
}

const absl::StatusOr<uint32_t>& UserResolver::Find(const std::string& name) {
  const auto known = known_.find(name);
  return known != known_.end()
             ? known->second
             : known_.emplace(name, UserIdOf(name)).first->second;
}

}  // namespace sallyport
