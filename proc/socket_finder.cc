#include "proc/socket_finder.h"

#include <algorithm>

#include "proc/proc_text.h"

namespace sallyport::proc {
namespace {

constexpr uint8_t kProtoDccp = 33;
constexpr uint8_t kProtoRaw = 255;  // IPPROTO_RAW: writes its own headers
constexpr uint8_t kTcpListen = 10;
constexpr uint8_t kIcmpEcho = 8, kIcmpExtendedEcho = 42;
constexpr uint8_t kIcmpV6Echo = 128, kIcmpV6ExtendedEcho = 160;

bool IsStream(uint8_t protocol) {
  return protocol == kProtoTcp || protocol == kProtoSctp ||
         protocol == kProtoDccp;
}

bool IsDatagram(uint8_t protocol) {
  return protocol == kProtoUdp || protocol == kProtoUdpLite;
}

bool IsEchoRequest(const Flow& flow) {
  if (flow.protocol == kProtoIcmp) {
    return flow.icmp_type == kIcmpEcho || flow.icmp_type == kIcmpExtendedEcho;
  }
  return flow.protocol == kProtoIcmpV6 &&
         (flow.icmp_type == kIcmpV6Echo ||
          flow.icmp_type == kIcmpV6ExtendedEcho);
}

bool HasTuple(const Flow& flow, const SocketInfo& socket) {
  return socket.local_port == flow.src_port &&
         socket.remote_port == flow.dst_port && socket.local == flow.src &&
         socket.remote == flow.dst && socket.state != kTcpListen;
}

bool HasPort(const Flow& flow, const SocketInfo& socket) {
  return socket.local_port == flow.src_port;
}

// In the tables of raw sockets the port is the protocol number.
bool SpeaksProtocol(const Flow& flow, const SocketInfo& socket) {
  return socket.local_port == flow.protocol || socket.local_port == kProtoRaw;
}

bool IsAny(const Flow&, const SocketInfo&) { return true; }

bool IsOf(const SocketInfo& socket, uint32_t uid) { return socket.uid == uid; }

bool HasUid(const SocketSet& sockets, uint32_t uid) {
  return std::any_of(sockets.begin(), sockets.end(),
                     [uid](const SocketInfo& s) { return IsOf(s, uid); });
}

void KeepUid(SocketSet* sockets, uint32_t uid) {
  sockets->erase(
      std::remove_if(sockets->begin(), sockets->end(),
                     [uid](const SocketInfo& s) { return !IsOf(s, uid); }),
      sockets->end());
}

}  // namespace

FindStatus SocketFinder::Find(const Flow& flow,
                              std::optional<uint32_t> packet_uid, bool may_walk,
                              Candidates* candidates) {
  SocketSet& sockets = candidates->sockets;
  FindStatus status = FindStatus::kNone;
  if (IsStream(flow.protocol)) {
    status = FindStream(flow, may_walk, &sockets);
  } else if (IsDatagram(flow.protocol)) {
    status = FindDatagram(flow, may_walk, &sockets);
  } else if (IsEchoRequest(flow)) {
    ReadTable(flow.is_v6 ? "icmp6" : "icmp", flow, HasPort, &sockets);
  }
  if (status == FindStatus::kNeedSlow) return status;
  // A socket of another user than the sender's is not the sender: then the
  // headers are the work of a raw socket.
  if (sockets.empty() || (packet_uid && !HasUid(sockets, *packet_uid))) {
    ReadRaw(flow, packet_uid, candidates);
  }
  if (packet_uid && HasUid(sockets, *packet_uid)) {
    KeepUid(&sockets, *packet_uid);
  }
  return sockets.empty() ? FindStatus::kNone : FindStatus::kFound;
}

FindStatus SocketFinder::FindStream(const Flow& flow, bool may_walk,
                                    SocketSet* sockets) {
  LookupResult result = LookupResult::kUnsupported;
  if (lookup_ != nullptr) {
    SocketInfo socket;
    result = lookup_->FindExact(flow, &socket);
    if (result == LookupResult::kFound) {
      sockets->push_back(socket);
      return FindStatus::kFound;
    }
  }
  if (!may_walk) return FindStatus::kNeedSlow;
  if (result != LookupResult::kUnsupported) {
    // Bound to a device the exact lookup was not told of (VRF): the whole
    // tuple must be the packet's, the port alone says nothing (CASES A32).
    SocketSet found;
    lookup_->FindByPort(flow, &found);
    for (const SocketInfo& socket : found) {
      if (HasTuple(flow, socket)) sockets->push_back(socket);
    }
  } else if (flow.protocol == kProtoTcp) {
    if (!flow.is_v6) ReadTable("tcp", flow, HasTuple, sockets);
    ReadTable("tcp6", flow, HasTuple, sockets);
  }
  return sockets->empty() ? FindStatus::kNone : FindStatus::kFound;
}

FindStatus SocketFinder::FindDatagram(const Flow& flow, bool may_walk,
                                      SocketSet* sockets) {
  LookupResult result = LookupResult::kUnsupported;
  if (lookup_ != nullptr) {
    if (!find_udp_twins_) {
      SocketInfo socket;
      result = lookup_->FindExact(flow, &socket);
      if (result == LookupResult::kFound) {
        sockets->push_back(socket);
        return FindStatus::kFound;
      }
    }
    // The exact lookup answers who would receive. Sockets that share the port
    // may all have sent (CASES A23), so all of them are taken.
    result = lookup_->FindByPort(flow, sockets);
  }
  if (result == LookupResult::kUnsupported) {
    if (!may_walk) return FindStatus::kNeedSlow;
    bool lite = flow.protocol == kProtoUdpLite;
    if (!flow.is_v6) {
      ReadTable(lite ? "udplite" : "udp", flow, HasPort, sockets);
    }
    ReadTable(lite ? "udplite6" : "udp6", flow, HasPort, sockets);
  }
  return sockets->empty() ? FindStatus::kNone : FindStatus::kFound;
}

void SocketFinder::ReadTable(const char* name, const Flow& flow, Match match,
                             SocketSet* sockets) {
  if (fs_.ReadNet(name, &table_) <= 0) return;
  std::string_view text = table_;
  NetLine line;
  while (sockets->size() < kMaxSocketCandidates && NextNetLine(&text, &line)) {
    SocketInfo socket;
    socket.inode = line.inode;
    socket.uid = line.uid;
    socket.state = line.state;
    socket.local = line.local;
    socket.remote = line.remote;
    socket.local_port = line.local_port;
    socket.remote_port = line.remote_port;
    if (match(flow, socket)) sockets->push_back(socket);
  }
}

void SocketFinder::ReadRaw(const Flow& flow, std::optional<uint32_t> packet_uid,
                           Candidates* candidates) {
  const char* name = flow.is_v6 ? "raw6" : "raw";
  const bool has_owner_by_tuple =
      IsStream(flow.protocol) || IsDatagram(flow.protocol);
  // Whoever opened a raw socket is not to blame for a TCP packet whose sender
  // is gone, unless the kernel names his user.
  if (has_owner_by_tuple && !packet_uid) return;
  SocketSet raw;
  ReadTable(name, flow, SpeaksProtocol, &raw);
  if (packet_uid && has_owner_by_tuple) KeepUid(&raw, *packet_uid);
  bool is_guess = has_owner_by_tuple;
  if (raw.empty() && !has_owner_by_tuple) {
    // With IP_HDRINCL a socket of one protocol sends any other.
    ReadTable(name, flow, IsAny, &raw);
    is_guess = true;
  }
  if (raw.empty()) return;
  candidates->is_guess = is_guess;
  for (const SocketInfo& socket : raw) candidates->sockets.push_back(socket);
}

}  // namespace sallyport::proc
