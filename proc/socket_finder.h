#ifndef SALLYPORT_PROC_SOCKET_FINDER_H_
#define SALLYPORT_PROC_SOCKET_FINDER_H_

// SocketFinder: the sockets a packet can have come from. Decides which lookups
// answer for which protocol, and what to do when they find nothing: the tables
// of /proc/net for what sock_diag does not know, raw sockets for what no other
// socket has sent. Not thread-safe: one per Resolver.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "proc/proc_fs.h"
#include "proc/socket_lookup.h"

namespace sallyport::proc {

struct Candidates {
  SocketSet sockets;
  // Headers alone led here, and a raw socket can write any: never exact.
  bool is_guess = false;
};

enum class FindStatus : uint8_t { kFound, kNone, kNeedSlow };

class SocketFinder {
 public:
  // `lookup` null: only /proc/net (a kernel without sock_diag, CASES F33).
  // REQUIRES: `fs` outlives the finder.
  SocketFinder(std::unique_ptr<SocketLookup> lookup, ProcFs& fs,
               bool find_udp_twins)
      : lookup_(std::move(lookup)), fs_(fs), find_udp_twins_(find_udp_twins) {}

  // `packet_uid` is the kernel's own word on the sender: of several sockets
  // only those of that user can have sent the packet. On the packet path
  // (`may_walk` false) tables of all TCP sockets are not walked: kNeedSlow.
  FindStatus Find(const Flow& flow, std::optional<uint32_t> packet_uid,
                  bool may_walk, Candidates* candidates);

 private:
  using Match = bool (*)(const Flow& flow, const SocketInfo& socket);

  FindStatus FindStream(const Flow& flow, bool may_walk, SocketSet* sockets);
  FindStatus FindDatagram(const Flow& flow, bool may_walk, SocketSet* sockets);
  // Appends the lines of /proc/net/NAME that match.
  void ReadTable(const char* name, const Flow& flow, Match match,
                 SocketSet* sockets);
  void ReadRaw(const Flow& flow, std::optional<uint32_t> packet_uid,
               Candidates* candidates);

  std::unique_ptr<SocketLookup> lookup_;
  ProcFs& fs_;
  const bool find_udp_twins_;
  std::string table_;  // the text being read
};

}  // namespace sallyport::proc

#endif  // SALLYPORT_PROC_SOCKET_FINDER_H_
