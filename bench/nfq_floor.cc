// The honest floor of NFQUEUE: accept everything, look at nothing.
//   nfq_floor QUEUES
// One thread per queue; each receives one packet and sends one verdict. The
// same socket flags, copy range and shape of ruleset as the firewall has: a
// flow costs one trip, then its ct mark keeps it in the kernel. Prints which
// expression queues ("ready native" or "ready xt"); ends, and takes its table
// away, when its standard input ends. Shares no code with the firewall.

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <libnftnl/batch.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <nftables/libnftables.h>

#include <string>
#include <thread>

#include "bench/load_util.h"

namespace sallyport::bench {
namespace {

constexpr uint16_t kQueueBase = 4100;
constexpr uint32_t kCopyRangeBytes = 256;
constexpr int kReceiveBufferBytes = 8 << 20;
constexpr size_t kMessageBytes = 4096;

// Chain `settle` marks what came out of the queue; `judge` accepts what is
// marked. The queue rule comes last and is added by AddQueueRule.
constexpr char kTable[] = R"(
add table inet bench_floor
add chain inet bench_floor judge { type filter hook output priority -110; }
add chain inet bench_floor settle { type filter hook output priority -109; }
add rule inet bench_floor judge ct mark & 0x100000 != 0 accept
add rule inet bench_floor judge ct direction reply accept
add rule inet bench_floor settle ct mark & 0x100000 != 0 accept
add rule inet bench_floor settle ct mark set ct mark | 0x100000
)";

bool RunNft(const std::string& commands, bool quiet) {
  nft_ctx* context = nft_ctx_new(NFT_CTX_DEFAULT);
  if (context == nullptr) Die("libnftables");
  nft_ctx_buffer_error(context);
  nft_ctx_buffer_output(context);
  const bool ok = nft_run_cmd_from_buffer(context, commands.c_str()) == 0;
  if (!ok && !quiet) std::fputs(nft_ctx_get_error_buffer(context), stderr);
  nft_ctx_free(context);
  return ok;
}

// The xtables target as an expression of an nft rule, for kernels without
// CONFIG_NFT_QUEUE.
nftnl_rule* XtQueueRule(uint16_t queues) {
  nftnl_rule* rule = nftnl_rule_alloc();
  nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
  nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, "bench_floor");
  nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, "judge");
  constexpr size_t kInfoBytes = 8;  // XT_ALIGN of the struct below
  auto* info = static_cast<xt_NFQ_info_v3*>(std::calloc(1, kInfoBytes));
  static_assert(sizeof(*info) <= kInfoBytes);
  info->queuenum = kQueueBase;
  info->queues_total = queues;
  info->flags = queues > 1 ? NFQ_FLAG_CPU_FANOUT : 0;
  nftnl_expr* target = nftnl_expr_alloc("target");
  nftnl_expr_set_str(target, NFTNL_EXPR_TG_NAME, "NFQUEUE");
  nftnl_expr_set_u32(target, NFTNL_EXPR_TG_REV, 3);
  nftnl_expr_set(target, NFTNL_EXPR_TG_INFO, info, kInfoBytes);
  nftnl_rule_add_expr(rule, target);
  return rule;
}

bool AddXtQueueRule(uint16_t queues) {
  nftnl_rule* rule = XtQueueRule(queues);
  char buffer[kMessageBytes];
  mnl_nlmsg_batch* batch = mnl_nlmsg_batch_start(buffer, sizeof(buffer));
  auto at = [&] { return static_cast<char*>(mnl_nlmsg_batch_current(batch)); };
  nftnl_batch_begin(at(), 1);
  mnl_nlmsg_batch_next(batch);
  nlmsghdr* message =
      nftnl_nlmsg_build_hdr(at(), NFT_MSG_NEWRULE, NFPROTO_INET,
                            NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, 2);
  nftnl_rule_nlmsg_build_payload(message, rule);
  nftnl_rule_free(rule);
  mnl_nlmsg_batch_next(batch);
  nftnl_batch_end(at(), 3);
  mnl_nlmsg_batch_next(batch);

  mnl_socket* socket = mnl_socket_open(NETLINK_NETFILTER);
  if (socket == nullptr || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
    Die("netlink");
  }
  if (mnl_socket_sendto(socket, mnl_nlmsg_batch_head(batch),
                        mnl_nlmsg_batch_size(batch)) < 0) {
    Die("ruleset");
  }
  char reply[kMessageBytes];
  const ssize_t got = mnl_socket_recvfrom(socket, reply, sizeof(reply));
  const int result =
      got < 0 ? -1
              : mnl_cb_run(reply, static_cast<size_t>(got), 2,
                           mnl_socket_get_portid(socket), nullptr, nullptr);
  mnl_nlmsg_batch_stop(batch);
  mnl_socket_close(socket);
  return result >= 0;
}

const char* AddQueueRule(uint16_t queues) {
  std::string rule =
      "add rule inet bench_floor judge queue num " + std::to_string(kQueueBase);
  if (queues > 1) {
    rule += "-" + std::to_string(kQueueBase + queues - 1) + " fanout";
  }
  if (RunNft(rule, true)) return "native";
  if (AddXtQueueRule(queues)) return "xt";
  Die("no way to queue: neither nft's queue nor xtables' NFQUEUE");
}

mnl_socket* OpenQueue(uint16_t number) {
  mnl_socket* socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
  if (socket == nullptr || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
    Die("netlink");
  }
  const int fd = mnl_socket_get_fd(socket);
  const int on = 1;
  setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes,
             sizeof(kReceiveBufferBytes));
  char buffer[kMessageBytes];
  nlmsghdr* message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, number);
  nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
  if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0) Die("bind");
  message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, number);
  nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, kCopyRangeBytes);
  nfq_nlmsg_cfg_put_qmaxlen(message, 4096);
  constexpr uint32_t kFlags = NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID;
  mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(kFlags));
  mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(kFlags));
  if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0) {
    Die("queue parameters");
  }
  return socket;
}

int TakeId(const nlattr* attr, void* id) {
  if (mnl_attr_get_type(attr) != NFQA_PACKET_HDR) return MNL_CB_OK;
  nfqnl_msg_packet_hdr header;
  std::memcpy(&header, mnl_attr_get_payload(attr), sizeof(header));
  *static_cast<uint32_t*>(id) = ntohl(header.packet_id);
  return MNL_CB_STOP;
}

void AcceptAll(mnl_socket* socket, uint16_t number) {
  char received[kMessageBytes];
  char answer[256];
  for (;;) {
    const ssize_t got = mnl_socket_recvfrom(socket, received, sizeof(received));
    if (got < 0) continue;
    int left = static_cast<int>(got);
    const auto* message = reinterpret_cast<const nlmsghdr*>(received);
    for (; mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_type == NLMSG_ERROR) continue;
      uint32_t id = 0;
      mnl_attr_parse(message, sizeof(nfgenmsg), TakeId, &id);
      nlmsghdr* verdict = nfq_nlmsg_put(answer, NFQNL_MSG_VERDICT, number);
      nfq_nlmsg_verdict_put(verdict, static_cast<int>(id), NF_ACCEPT);
      mnl_socket_sendto(socket, verdict, verdict->nlmsg_len);
    }
  }
}

int Run(int argc, char** argv) {
  const int queues = argc == 2 ? std::atoi(argv[1]) : 0;
  if (queues < 1 || queues > 64) {
    std::fprintf(stderr, "usage: %s QUEUES (1 to 64)\n", argv[0]);
    return 2;
  }
  for (int i = 0; i < queues; ++i) {
    const uint16_t number = static_cast<uint16_t>(kQueueBase + i);
    std::thread(AcceptAll, OpenQueue(number), number).detach();
  }
  if (!RunNft(kTable, false)) return 1;
  std::printf("ready %s\n", AddQueueRule(static_cast<uint16_t>(queues)));
  std::fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  RunNft("delete table inet bench_floor", true);
  _exit(0);  // the threads above have no end of their own
}

}  // namespace
}  // namespace sallyport::bench

int main(int argc, char** argv) { return sallyport::bench::Run(argc, argv); }
