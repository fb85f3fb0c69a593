#ifndef SALLYPORT_ENGINE_QUEUE_TABLE_H_
#define SALLYPORT_ENGINE_QUEUE_TABLE_H_

// The kernel's own table of queues, /proc/net/netfilter/nfnetlink_queue
// (columns as seq_show in net/netfilter/nfnetlink_queue.c prints them), for the
// network namespace of the calling thread. Any thread; not for the packet path.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sallyport {

struct QueueRow {
  uint16_t number = 0;
  uint32_t portid = 0;        // netlink port of the socket that holds it
  uint32_t waiting = 0;       // packets without a verdict
  uint64_t dropped = 0;       // queue was full
  uint64_t user_dropped = 0;  // the receive buffer was full
  uint64_t last_id = 0;       // packets queued ever
};

std::vector<QueueRow> ParseQueueTable(std::string_view text);
std::vector<QueueRow> ReadQueueTable();  // empty if the file is not there
std::optional<QueueRow> FindQueue(uint16_t number);

}  // namespace sallyport

#endif  // SALLYPORT_ENGINE_QUEUE_TABLE_H_
