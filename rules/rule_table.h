#ifndef SALLYPORT_RULES_RULE_TABLE_H_
#define SALLYPORT_RULES_RULE_TABLE_H_

// RuleTable: hands the current PolicySnapshot to readers that never wait.
// Quiescent-state reclamation: a reader announces when it holds no snapshot; a
// retired snapshot is freed once every registered reader has been quiescent
// since. (Invariants are numbered in the implementer's version of this header.)
//
//   RuleTable::Reader reader(table);        // once per thread
//   const PolicySnapshot& p = reader.Enter();   // wait-free
//   ... judge a batch, send its verdicts ...
//   reader.Leave();                         // p is gone from here on
//
// Publish and Synchronize are for the control thread (serialised inside).

#include <memory>

#include "rules/judge.h"

namespace sallyport {

class RuleTable {
 public:
  explicit RuleTable(std::unique_ptr<const PolicySnapshot> first);
  ~RuleTable();  // REQUIRES: no Reader is left

  // Makes `next` current. Readers that Enter afterwards see it.
  void Publish(std::unique_ptr<const PolicySnapshot> next);

  // Returns when no reader can still act on a snapshot older than the current
  // one: everyone has left, or entered anew, since. Blocks the caller only.
  void Synchronize();

  // A copy for the control side (CLI, API). May lock.
  std::shared_ptr<const RuleSet> CurrentRules() const;
  JudgeSettings CurrentSettings() const;

  class Reader {
   public:
    explicit Reader(RuleTable& table);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    const PolicySnapshot& Enter();
    void Leave();
  };
};

}  // namespace sallyport

#endif  // SALLYPORT_RULES_RULE_TABLE_H_
