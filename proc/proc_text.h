#ifndef SALLYPORT_PROC_PROC_TEXT_H_
#define SALLYPORT_PROC_PROC_TEXT_H_

// Parsers of the texts below /proc. Pure, bounds-checked, and none of them
// allocates; any bytes may be given to any of them (fuzzed by
// tests/fuzz/proc_text_fuzz.cc). What does not parse gives nullopt or false.

#include <cstdint>
#include <optional>
#include <string_view>

#include "rules/address.h"

namespace sallyport::proc {

// /proc/PID/stat, as far as we need it.
struct StatLine {
  int32_t pid = 0;
  std::string_view comm;  // may hold spaces and ')'
  char state = '?';
  int32_t parent_pid = 0;
  uint32_t flags = 0;  // PF_* of the kernel
  uint64_t start_ticks = 0;
  int32_t exit_signal = 0;
  // A thread has no exit signal of its own.
  bool is_thread() const { return exit_signal == -1; }
  bool is_kernel_thread() const { return (flags & 0x00200000) != 0; }
  bool is_zombie() const { return state == 'Z' || state == 'X'; }
};
std::optional<StatLine> ParseStat(std::string_view text);

// "socket:[4711]" -> 4711.
std::optional<uint64_t> ParseSocketLink(std::string_view link);

// Last field of /proc/loadavg.
std::optional<int32_t> ParseNewestPid(std::string_view text);

// True if the `flags:` of a /proc/PID/fdinfo text have O_CLOEXEC.
bool IsCloseOnExec(std::string_view fdinfo);

// One line of /proc/net/{tcp,udp,udplite,raw,icmp}{,6}.
struct NetLine {
  IpAddress local;
  IpAddress remote;
  uint16_t local_port = 0;  // raw: protocol number; icmp: id
  uint16_t remote_port = 0;
  uint8_t state = 0;
  uint32_t uid = 0;
  uint64_t inode = 0;
};
// Takes the next good line off `text`; header and broken lines are passed
// over. False at the end.
bool NextNetLine(std::string_view* text, NetLine* line);

// Takes the next socket of the `UserFiles` of an io_uring's fdinfo off `text`
// (CASES A21). Starts anywhere in the text. False at the end.
bool NextUserFileSocket(std::string_view* text, uint64_t* inode);

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_PROC_TEXT_H_
