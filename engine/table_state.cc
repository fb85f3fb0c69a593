#include "engine/table_state.h"

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "engine/divert_ruleset.h"

namespace sallyport {
namespace {

// Changes by others while we read make a dump invalid; more than these in a
// row means somebody changes rules in a loop.
constexpr int kMaxAttempts = 16;

struct TableFree {
  void operator()(nftnl_table* t) const { nftnl_table_free(t); }
};
struct ChainFree {
  void operator()(nftnl_chain* c) const { nftnl_chain_free(c); }
};
struct RuleFree {
  void operator()(nftnl_rule* r) const { nftnl_rule_free(r); }
};

bool IsOurs(const char* table) {
  return table != nullptr && std::string_view(table) == kTableName;
}

int ReadFlags(NftSocket& socket, TableState* state) {
  return socket.Ask(
      NFT_MSG_GETTABLE, NFPROTO_INET, /*dump=*/false,
      [](nlmsghdr* request) {
        mnl_attr_put_strz(request, NFTA_TABLE_NAME, kTableName);
      },
      [state](const nlmsghdr* answer) {
        std::unique_ptr<nftnl_table, TableFree> table(nftnl_table_alloc());
        if (nftnl_table_nlmsg_parse(answer, table.get()) < 0) return;
        state->present = true;
        state->flags = nftnl_table_get_u32(table.get(), NFTNL_TABLE_FLAGS);
        state->handle = nftnl_table_get_u64(table.get(), NFTNL_TABLE_HANDLE);
      });
}

int ReadChains(NftSocket& socket, TableState* state) {
  return socket.Ask(
      NFT_MSG_GETCHAIN, NFPROTO_INET, /*dump=*/true, [](nlmsghdr*) {},
      [state](const nlmsghdr* answer) {
        std::unique_ptr<nftnl_chain, ChainFree> chain(nftnl_chain_alloc());
        if (nftnl_chain_nlmsg_parse(answer, chain.get()) < 0) return;
        if (!IsOurs(nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_TABLE))) {
          return;
        }
        ChainState found;
        found.name = nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_NAME);
        found.is_base = nftnl_chain_is_set(chain.get(), NFTNL_CHAIN_HOOKNUM);
        if (found.is_base) {
          found.hook = nftnl_chain_get_u32(chain.get(), NFTNL_CHAIN_HOOKNUM);
          found.priority = nftnl_chain_get_s32(chain.get(), NFTNL_CHAIN_PRIO);
          found.policy = nftnl_chain_get_u32(chain.get(), NFTNL_CHAIN_POLICY);
          const char* type = nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_TYPE);
          if (type != nullptr) found.type = type;
        }
        state->chains.push_back(std::move(found));
      });
}

int ReadRules(NftSocket& socket, TableState* state) {
  return socket.Ask(
      NFT_MSG_GETRULE, NFPROTO_INET, /*dump=*/true,
      [](nlmsghdr* request) {
        mnl_attr_put_strz(request, NFTA_RULE_TABLE, kTableName);
      },
      [state](const nlmsghdr* answer) {
        std::unique_ptr<nftnl_rule, RuleFree> rule(nftnl_rule_alloc());
        if (nftnl_rule_nlmsg_parse(answer, rule.get()) < 0) return;
        // Old kernels ignore the filter of the request.
        if (!IsOurs(nftnl_rule_get_str(rule.get(), NFTNL_RULE_TABLE))) return;
        const std::string_view chain =
            nftnl_rule_get_str(rule.get(), NFTNL_RULE_CHAIN);
        for (ChainState& known : state->chains) {
          if (known.name == chain) {
            known.rule_handles.push_back(
                nftnl_rule_get_u64(rule.get(), NFTNL_RULE_HANDLE));
          }
        }
      });
}

}  // namespace

const ChainState* TableState::Find(std::string_view name) const {
  for (const ChainState& chain : chains) {
    if (chain.name == name) return &chain;
  }
  return nullptr;
}

absl::StatusOr<TableState> ReadTable(NftSocket& socket) {
  int error = EINTR;
  for (int attempt = 0; attempt < kMaxAttempts && error == EINTR; ++attempt) {
    TableState state;
    error = ReadFlags(socket, &state);
    if (error == ENOENT) return TableState{};
    if (error == 0) error = ReadChains(socket, &state);
    if (error == 0) error = ReadRules(socket, &state);
    if (error == ENOENT) error = EINTR;  // it went away while we read
    if (error == 0) {
      std::sort(state.chains.begin(), state.chains.end(),
                [](const ChainState& a, const ChainState& b) {
                  return a.name < b.name;
                });
      return state;
    }
  }
  return NftErrorToStatus(error, "cannot read table inet sallyport");
}

absl::StatusOr<TableState> ReadTable() {
  absl::StatusOr<NftSocket> socket = NftSocket::Open();
  if (!socket.ok()) return socket.status();
  return ReadTable(*socket);
}

}  // namespace sallyport
