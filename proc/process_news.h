#ifndef SALLYPORT_PROC_PROCESS_NEWS_H_
#define SALLYPORT_PROC_PROCESS_NEWS_H_

// ProcessNews: whether the ProcessTable has been told of every fork and exec so
// far. The kernel queues its word of a fork before the child runs, and of an
// exec before the new program runs (kernel/fork.c, copy_process; fs/exec.c,
// exec_binprm): who asks after a packet came knows of whoever may have sent it,
// for the price of a poll.

namespace sallyport {

class ProcessNews {
 public:
  virtual ~ProcessNews() = default;
  // Any thread.
  virtual bool is_all_heard() const = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_PROC_PROCESS_NEWS_H_
