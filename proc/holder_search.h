#ifndef SALLYPORT_PROC_HOLDER_SEARCH_H_
#define SALLYPORT_PROC_HOLDER_SEARCH_H_

// The long way from a socket to a holder: everybody is asked, the likely first.
// Slow lane only; within the budget. Thread-safe as ProcessTable is.

#include <cstdint>
#include <optional>

#include "proc/process_table.h"

namespace sallyport::proc {

struct SearchResult {
  std::optional<SocketHolder> holder;
  // Everybody was asked. False and no holder: there may be one.
  bool is_complete = false;
};

// Order of processes: likely owners of `uid`, all of `uid` from the newest, all
// others. Of them all first the descriptors that are new since they were last
// read; then every descriptor; then what is registered with io_urings (CASES
// A21); then threads with a table of their own (CASES A22). A search that runs
// out of time is gone on with by the next.
SearchResult SearchEverybody(ProcessTable& table, uint64_t inode, uint32_t uid,
                             WorkBudget* budget);

// All who hold it behind a descriptor of their own table. False if the budget
// ended before everybody was asked.
bool FindAllHolders(ProcessTable& table, uint64_t inode, uint32_t uid,
                    WorkBudget* budget, std::vector<SocketHolder>* holders);

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_HOLDER_SEARCH_H_
