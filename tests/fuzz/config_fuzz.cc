// Whatever stands in the config file: no crash; what is taken is valid, and an
// error names its place.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "src/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Config config;
  const absl::Status status = ApplyConfigText(text, "c.toml", &config);
  if (!ValidateConfig(config).ok()) std::abort();
  if (!status.ok() && status.message().find("c.toml:") != 0) std::abort();
  return 0;
}
