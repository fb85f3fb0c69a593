// What verifying the history found, as JSON.

#include <nlohmann/json.hpp>

#include "src/api_json.h"
#include "src/history_verify.h"

namespace sallyport {
namespace {

using nlohmann::json;

const char* WhatName(ChainBreak::What what) {
  switch (what) {
    case ChainBreak::What::kChanged:
      return "changed";
    case ChainBreak::What::kMissing:
      return "missing";
    case ChainBreak::What::kCut:
      return "cut";
    case ChainBreak::What::kInserted:
      return "inserted";
    case ChainBreak::What::kReplaced:
      return "replaced";
    case ChainBreak::What::kDamaged:
      return "damaged";
  }
  return "changed";
}

json LinkToJson(const char* chain, const ChainLink& link) {
  return {{"chain", chain}, {"id", link.id}, {"hash", DigestToHex(link.hash)}};
}

json ChainToJson(const ChainReport& chain) {
  json out = {{"chain", chain.name},
              {"intact", !chain.broken.has_value()},
              {"records", chain.records},
              {"unchained", chain.unchained},
              {"pruned", chain.pruned}};
  if (chain.begun_ns != 0) out["begun"] = RecordTimeText(chain.begun_ns);
  if (chain.since_ns != 0) out["since"] = RecordTimeText(chain.since_ns);
  if (chain.newest_ns != 0) out["newest"] = RecordTimeText(chain.newest_ns);
  out["head"] = {{"id", chain.head.id}, {"hash", DigestToHex(chain.head.hash)}};
  if (!chain.broken.has_value()) return out;
  const ChainBreak& broken = *chain.broken;
  json what = {{"what", WhatName(broken.what)}, {"message", broken.message}};
  if (broken.id != 0) what["id"] = broken.id;
  if (broken.last_id != broken.id) what["last_id"] = broken.last_id;
  if (broken.time_ns != 0) what["time"] = RecordTimeText(broken.time_ns);
  out["broken"] = std::move(what);
  return out;
}

}  // namespace

std::string HistoryReportToJson(const HistoryReport& report) {
  json out = {{"intact", report.IsIntact()}, {"chains", json::array()}};
  for (const ChainReport& chain : report.chains) {
    out["chains"].push_back(ChainToJson(chain));
  }
  if (!report.heads.empty()) out["heads"] = json::array();
  for (const HeadReport& head : report.heads) {
    json one = {{"hash", DigestToHex(head.hash)}, {"found", head.found}};
    if (head.found) {
      one["chain"] = head.chain;
      one["id"] = head.id;
    }
    out["heads"].push_back(std::move(one));
  }
  if (!report.notice.empty()) out["notice"] = SafeMessage(report.notice);
  return PrintJson(out);
}

std::string HistoryHeadsToJson(const HistoryHeads& heads) {
  return PrintJson({{"heads",
                     {LinkToJson("violations", heads[0]),
                      LinkToJson("allowed", heads[1])}}});
}

}  // namespace sallyport
