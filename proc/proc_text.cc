#include "proc/proc_text.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace sallyport::proc {
namespace {

template <typename T>
std::optional<T> ParseNumber(std::string_view text, int base = 10) {
  T value{};
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::string_view TakeLine(std::string_view* text) {
  size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return line;
}

// The next word; empty at the end of the line.
std::string_view TakeWord(std::string_view* line) {
  size_t begin = line->find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) {
    *line = {};
    return {};
  }
  line->remove_prefix(begin);
  size_t end = std::min(line->find_first_of(" \t\n"), line->size());
  std::string_view word = line->substr(0, end);
  line->remove_prefix(end);
  return word;
}

// "0100007F:0277": 32-bit words of the address as the CPU reads them, then the
// port as a number.
bool ParseEndpoint(std::string_view text, IpAddress* address, uint16_t* port) {
  size_t colon = text.find(':');
  if (colon != 8 && colon != 32) return false;
  std::array<uint8_t, 16> bytes{};
  for (size_t word = 0; word < colon / 8; ++word) {
    auto value = ParseNumber<uint32_t>(text.substr(word * 8, 8), 16);
    if (!value) return false;
    std::memcpy(bytes.data() + word * 4, &*value, 4);
  }
  *address = colon == 8 ? IpAddress::V4FromBytes(bytes.data())
                        : IpAddress::V6FromBytes(bytes.data());
  auto number = ParseNumber<uint16_t>(text.substr(colon + 1), 16);
  if (number) *port = *number;
  return number.has_value();
}

bool ParseNetLine(std::string_view text, NetLine* line) {
  std::string_view slot = TakeWord(&text);
  if (slot.empty() || slot.back() != ':') return false;
  if (!ParseEndpoint(TakeWord(&text), &line->local, &line->local_port) ||
      !ParseEndpoint(TakeWord(&text), &line->remote, &line->remote_port)) {
    return false;
  }
  auto state = ParseNumber<uint8_t>(TakeWord(&text), 16);
  TakeWord(&text);  // tx_queue:rx_queue
  TakeWord(&text);  // tr:tm->when
  TakeWord(&text);  // retrnsmt
  auto uid = ParseNumber<uint32_t>(TakeWord(&text));
  TakeWord(&text);  // timeout
  auto inode = ParseNumber<uint64_t>(TakeWord(&text));
  if (!state || !uid || !inode) return false;
  line->state = *state;
  line->uid = *uid;
  line->inode = *inode;
  return true;
}

}  // namespace

std::optional<StatLine> ParseStat(std::string_view text) {
  // The name may hold anything, also ") R 1": it ends at the last ')'.
  size_t open = text.find('(');
  size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos ||
      open == 0 || close < open) {
    return std::nullopt;
  }
  StatLine line;
  std::string_view head = text.substr(0, open);
  auto pid = ParseNumber<int32_t>(TakeWord(&head));
  line.comm = text.substr(open + 1, close - open - 1);
  std::string_view rest = text.substr(close + 1);
  std::string_view state = TakeWord(&rest);
  auto parent = ParseNumber<int32_t>(TakeWord(&rest));
  for (int field = 5; field < 9; ++field) TakeWord(&rest);
  auto flags = ParseNumber<uint32_t>(TakeWord(&rest));
  for (int field = 10; field < 22; ++field) TakeWord(&rest);
  auto start = ParseNumber<uint64_t>(TakeWord(&rest));
  for (int field = 23; field < 38; ++field) TakeWord(&rest);
  auto exit_signal = ParseNumber<int32_t>(TakeWord(&rest));
  if (!pid || state.size() != 1 || !parent || !flags || !start ||
      !exit_signal) {
    return std::nullopt;
  }
  line.pid = *pid;
  line.state = state[0];
  line.parent_pid = *parent;
  line.flags = *flags;
  line.start_ticks = *start;
  line.exit_signal = *exit_signal;
  return line;
}

std::optional<uint64_t> ParseSocketLink(std::string_view link) {
  constexpr std::string_view kPrefix = "socket:[";
  if (!link.starts_with(kPrefix) || link.back() != ']') return std::nullopt;
  link.remove_prefix(kPrefix.size());
  link.remove_suffix(1);
  return ParseNumber<uint64_t>(link);
}

std::optional<int32_t> ParseNewestPid(std::string_view text) {
  std::string_view last;
  std::string_view word = TakeWord(&text);
  int words = 0;
  for (; !word.empty() && words < 5; word = TakeWord(&text), ++words) {
    last = word;
  }
  if (words != 5) return std::nullopt;
  return ParseNumber<int32_t>(last);
}

bool IsCloseOnExec(std::string_view fdinfo) {
  while (!fdinfo.empty()) {
    std::string_view line = TakeLine(&fdinfo);
    if (!line.starts_with("flags:")) continue;
    line.remove_prefix(6);
    auto flags = ParseNumber<uint64_t>(TakeWord(&line), 8);
    return flags && (*flags & O_CLOEXEC) != 0;
  }
  return false;
}

bool NextNetLine(std::string_view* text, NetLine* line) {
  while (!text->empty()) {
    if (ParseNetLine(TakeLine(text), line)) return true;
  }
  return false;
}

bool NextUserFileSocket(std::string_view* text, uint64_t* inode) {
  while (!text->empty()) {
    std::string_view line = TakeLine(text);
    std::string_view slot = TakeWord(&line);
    if (slot.empty() || slot.back() != ':') continue;
    slot.remove_suffix(1);
    if (!ParseNumber<uint32_t>(slot)) continue;  // a heading, as "UserFiles:"
    auto found = ParseSocketLink(TakeWord(&line));
    if (!found) continue;
    *inode = *found;
    return true;
  }
  return false;
}

}  // namespace sallyport::proc
