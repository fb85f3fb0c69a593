#ifndef SALLYPORT_PROC_PROCESS_FACTS_H_
#define SALLYPORT_PROC_PROCESS_FACTS_H_

// What is shown of a process: command line, cgroup, user name, parents. Reads
// /proc through libproc2; slow lane only, any thread.

#include "proc/process_table.h"
#include "rules/owner.h"

namespace sallyport::proc {

// Sets the facts of `process` once. Of a process that is gone, or whose pid is
// another's by now, only the user name is known.
void DescribeProcess(ProcessTable& table, const Process& process);

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_PROCESS_FACTS_H_
