#include "engine/queue_table.h"

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace sallyport {

std::vector<QueueRow> ParseQueueTable(std::string_view text) {
  std::vector<QueueRow> rows;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    // number portid waiting mode range dropped user_dropped id 1
    std::istringstream fields(line);
    uint32_t number;
    std::string mode, range;
    QueueRow row;
    if (fields >> number >> row.portid >> row.waiting >> mode >> range >>
            row.dropped >> row.user_dropped >> row.last_id &&
        number <= UINT16_MAX) {
      row.number = static_cast<uint16_t>(number);
      rows.push_back(row);
    }
  }
  return rows;
}

std::vector<QueueRow> ReadQueueTable() {
  // thread-self: /proc/net is of the main thread's namespace.
  std::ifstream file("/proc/thread-self/net/netfilter/nfnetlink_queue");
  const std::string text((std::istreambuf_iterator<char>(file)),
                         std::istreambuf_iterator<char>());
  return ParseQueueTable(text);
}

std::optional<QueueRow> FindQueue(uint16_t number) {
  for (const QueueRow& row : ReadQueueTable()) {
    if (row.number == number) return row;
  }
  return std::nullopt;
}

}  // namespace sallyport
