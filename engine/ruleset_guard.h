#ifndef SALLYPORT_ENGINE_RULESET_GUARD_H_
#define SALLYPORT_ENGINE_RULESET_GUARD_H_

// RulesetGuard: hears of every change to nf_tables in its network namespace and
// says which ones touch our table (CASES F07). For one thread (kernel events):
//
//   if (guard->HandleReadable() != RulesetGuard::Seen::kNothing) {
//     absl::StatusOr<bool> repaired = RepairIfDamaged(divert);
//   }
//
// Our own transactions are heard like those of others. They are told apart by
// looking, not by their sender: Verify finds the table intact, nothing is done.

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "engine/divert.h"

struct mnl_socket;

namespace sallyport {

class RulesetGuard {
 public:
  enum class Seen : uint8_t {
    kNothing,   // changes of others only
    kTouched,   // something of table inet sallyport
    kOverflow,  // changes came faster than we read: anything may have happened
  };

  // Listens in the network namespace of the calling thread.
  static absl::StatusOr<std::unique_ptr<RulesetGuard>> Open();
  ~RulesetGuard();

  int fd() const;  // readable: call HandleReadable
  // Takes all that has arrived. Never blocks.
  Seen HandleReadable();

 private:
  explicit RulesetGuard(mnl_socket* socket) : socket_(socket) {}

  mnl_socket* const socket_;
};

// True if one of the netlink messages in `bytes` is about our table. Pure.
bool TouchesOurTable(std::span<const char> bytes);

// Puts the divert back if it is not as Install left it; true if it had to.
// Errors: those of Verify and Install.
absl::StatusOr<bool> RepairIfDamaged(Divert& divert);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_RULESET_GUARD_H_
