// Any bytes as each of the texts below /proc.

#include <cstddef>
#include <cstdint>

#include "proc/proc_text.h"

using namespace sallyport::proc;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto stat = ParseStat(text)) {
    // What it borrows must lie in the text.
    if (!stat->comm.empty() &&
        (stat->comm.data() < text.data() ||
         stat->comm.data() + stat->comm.size() > text.data() + text.size())) {
      __builtin_trap();
    }
  }
  ParseSocketLink(text);
  ParseNewestPid(text);
  IsCloseOnExec(text);
  std::string_view rest = text;
  NetLine line;
  while (NextNetLine(&rest, &line)) {
    if (rest.size() >= size) __builtin_trap();  // it must come to an end
  }
  rest = text;
  uint64_t inode = 0;
  for (size_t before = rest.size(); NextUserFileSocket(&rest, &inode);
       before = rest.size()) {
    if (rest.size() >= before) __builtin_trap();
  }
  return 0;
}
