#include "tools/doctor_facts.h"

#include <nftables/libnftables.h>
#include <sched.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tools/api_client.h"
#include "tools/daemon_process.h"
#include "tools/session.h"
#include "tools/text.h"

namespace sallyport::cli {
namespace {

std::optional<std::string> ReadSmallFile(const char* path) {
  std::ifstream stream(path);
  if (!stream) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

std::optional<uint64_t> ReadNumber(const char* path) {
  const std::optional<std::string> text = ReadSmallFile(path);
  uint64_t number = 0;
  if (!text.has_value() ||
      !ParseNumber(std::string_view(*text).substr(0, text->find('\n')),
                   &number)) {
    return std::nullopt;
  }
  return number;
}

std::optional<std::vector<OutputChain>> ReadOutputChains() {
  const std::unique_ptr<nft_ctx, decltype(&nft_ctx_free)> nft(
      nft_ctx_new(NFT_CTX_DEFAULT), &nft_ctx_free);
  if (nft == nullptr) return std::nullopt;
  nft_ctx_output_set_flags(nft.get(), NFT_CTX_OUTPUT_JSON);
  if (nft_ctx_buffer_output(nft.get()) != 0 ||
      nft_ctx_buffer_error(nft.get()) != 0 ||
      nft_run_cmd_from_buffer(nft.get(), "list chains") != 0) {
    return std::nullopt;
  }
  return ParseOutputChains(nft_ctx_get_output_buffer(nft.get()));
}

void AskDaemon(const std::string& socket_path, DoctorFacts* facts) {
  ApiClient client(socket_path, absl::Seconds(3));
  const auto ask = [&](const char* path, Json* into) {
    absl::StatusOr<Json> answer = client.Get(path);
    if (answer.ok()) {
      *into = *std::move(answer);
    } else if (facts->unreachable.empty()) {
      facts->unreachable = FirstLine(answer.status());
    }
  };
  ask("/v1/version", &facts->version);
  if (!facts->unreachable.empty()) return;  // each try costs the whole timeout
  ask("/v1/status", &facts->status);
  ask("/v1/stats", &facts->stats);
}

}  // namespace

DoctorFacts CollectFacts(const std::string& socket_path) {
  DoctorFacts facts;
  facts.root = IsRoot();
  facts.unit = ReadUnitState();
  facts.cli_version = SALLYPORT_VERSION;
  const DaemonProcess daemon = DaemonProcess::Behind(socket_path);
  facts.listener_pid = daemon.pid();
  AskDaemon(socket_path, &facts);
  if (!facts.root) return facts;
  // Not ours: then what we would read speaks of other queues and tables.
  if (daemon.network_namespace_fd() >= 0 &&
      setns(daemon.network_namespace_fd(), CLONE_NEWNET) != 0) {
    return facts;
  }
  const std::optional<std::string> queues =
      ReadSmallFile("/proc/thread-self/net/netfilter/nfnetlink_queue");
  if (queues.has_value()) facts.queues = ParseKernelQueues(*queues);
  facts.chains = ReadOutputChains();
  facts.conntrack_count =
      ReadNumber("/proc/sys/net/netfilter/nf_conntrack_count");
  facts.conntrack_max = ReadNumber("/proc/sys/net/netfilter/nf_conntrack_max");
  return facts;
}

}  // namespace sallyport::cli
