#include "src/event_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/allocation_count.h"
#include "tests/src/event_records.h"

namespace sallyport {
namespace {

using nlohmann::json;
using testing::MakeProcess;
using testing::MakeRecord;
using testing::SetRuleName;

EventContext Context() {
  return {[](uint32_t ifindex) -> std::string {
    return ifindex == 2 ? "eth0" : "";
  }};
}

json Event(const DecisionRecord& record) {
  return json::parse(EventToJson(record, Context()));
}

TEST(EventJson, WholeShape) {
  DecisionRecord record = MakeRecord(Verdict::kReject);
  record.flow.out_ifindex = 2;
  record.decision.mode = Mode::kEnforce;
  record.stage = Stage::kSlow;
  auto app = std::make_shared<App>();
  app->path = "/usr/bin/curl";
  app->path_is_exe = true;
  app->sha256 = std::string(64, 'a');
  auto process = std::make_shared<Process>();
  process->id = {4242, 777};
  process->uid = 1000;
  process->app = app;
  auto facts = std::make_unique<ProcessFacts>();
  facts->cmdline = {"curl", "-s", "https://example.com"};
  facts->user_name = "alice";
  facts->cgroup = "/user.slice";
  facts->parent_paths = {"/usr/bin/bash", "/usr/bin/sshd"};
  process->SetFacts(std::move(facts));
  record.ownership.owners = {process, MakeProcess("/usr/bin/wget", 4243, 1001)};
  record.ownership.confidence = Confidence::kAmbiguous;

  const json event = Event(record);
  const json expected = {
      {"timestamp", "2023-11-14T22:13:20.123456Z"},
      {"event_type", "flow"},
      {"flow_id", FlowId(record.flow)},
      {"src_ip", "192.0.2.1"},
      {"src_port", 40000},
      {"dest_ip", "198.51.100.7"},
      {"dest_port", 443},
      {"proto", "TCP"},
      {"direction", "out"},
      {"iface", "eth0"},
      {"verdict",
       {{"action", "reject"},
        {"reason", "rule"},
        {"rule", "a-rule"},
        {"mode", "enforce"},
        {"would_deny", false},
        {"latency_us", 52.3},
        {"stage", "slow"}}},
      {"app",
       {{"path", "/usr/bin/curl"},
        {"pid", 4242},
        {"start_time", 777},
        {"uid", 1000},
        {"user", "alice"},
        {"cmdline", "curl -s https://example.com"},
        {"sha256", std::string(64, 'a')},
        {"cgroup", "/user.slice"},
        {"confidence", "ambiguous"},
        {"parents", {"/usr/bin/bash", "/usr/bin/sshd"}},
        {"state", "ok"},
        {"owners",
         {{{"path", "/usr/bin/curl"}, {"pid", 4242}, {"uid", 1000}},
          {{"path", "/usr/bin/wget"}, {"pid", 4243}, {"uid", 1001}}}}}}};
  EXPECT_EQ(event, expected) << event.dump(1);
}

TEST(EventJson, NobodyFoundLeavesOutWhatIsNotKnown) {
  DecisionRecord record = MakeRecord();
  record.ownership = {};
  record.ownership.socket_uid = 33;
  record.rule_name_length = 0;
  record.decision.reason = Reason::kUnattributed;
  record.latency_ns = 7000;
  const json event = Event(record);
  const json app = {{"uid", 33}, {"confidence", "none"}};
  EXPECT_EQ(event["app"], app);
  EXPECT_FALSE(event["verdict"].contains("rule"));
  EXPECT_FALSE(event.contains("iface"));
  EXPECT_EQ(event["verdict"]["reason"], "unattributed");
  EXPECT_EQ(event["verdict"]["latency_us"], 7);
}

TEST(EventJson, ProtocolsAndPorts) {
  DecisionRecord record = MakeRecord();
  record.flow.protocol = kProtoIcmp;
  record.flow.icmp_type = 8;
  record.flow.icmp_code = 0;
  json event = Event(record);
  EXPECT_EQ(event["proto"], "ICMP");
  EXPECT_EQ(event["icmp_type"], 8);
  EXPECT_EQ(event["icmp_code"], 0);
  EXPECT_FALSE(event.contains("src_port"));
  EXPECT_FALSE(event.contains("dest_port"));

  record.flow.protocol = kProtoIcmpV6;
  record.flow.src = record.flow.dst = *ParseIpAddress("2001:db8::1");
  event = Event(record);
  EXPECT_EQ(event["proto"], "IPv6-ICMP");
  EXPECT_EQ(event["dest_ip"], "2001:db8::1");

  record.flow.protocol = kProtoSctp;
  event = Event(record);
  EXPECT_EQ(event["proto"], "132");
  EXPECT_EQ(event["dest_port"], 443);

  record.flow.protocol = kProtoUdp;
  EXPECT_EQ(Event(record)["proto"], "UDP");
  record.flow.protocol = 0;
  EXPECT_EQ(Event(record)["proto"], "0");
}

TEST(EventJson, MalformedPacketsHaveNoAddresses) {
  DecisionRecord record;
  record.decision.reason = Reason::kMalformed;
  const json event = Event(record);
  EXPECT_FALSE(event.contains("dest_ip"));
  EXPECT_FALSE(event.contains("proto"));
  EXPECT_EQ(event["verdict"]["action"], "deny");
  EXPECT_EQ(event["verdict"]["reason"], "malformed");
}

TEST(EventJson, MonitorSaysWhatWouldHaveBeen) {
  DecisionRecord record = MakeRecord(Verdict::kAllow);
  EXPECT_FALSE(IsViolation(record));
  record.decision.judged = Verdict::kDeny;
  record.decision.mode = Mode::kMonitor;
  const json event = Event(record);
  EXPECT_EQ(event["verdict"]["action"], "allow");
  EXPECT_EQ(event["verdict"]["would_deny"], true);
  EXPECT_EQ(event["verdict"]["mode"], "monitor");
  EXPECT_TRUE(IsViolation(record));
}

TEST(EventJson, AppStates) {
  DecisionRecord record = MakeRecord();
  auto app = std::make_shared<App>();
  app->path = "/usr/bin/curl (deleted)";
  auto process = std::make_shared<Process>();
  process->app = app;
  record.ownership.owners[0] = process;
  EXPECT_EQ(Event(record)["app"]["state"], "replaced");
  app->kind = App::Kind::kMemfd;
  EXPECT_EQ(Event(record)["app"]["state"], "memfd");
  app->kind = App::Kind::kKernel;
  EXPECT_FALSE(Event(record)["app"].contains("state"));
}

TEST(EventJson, A38_HostileNamesStayOneHarmlessLine) {
  DecisionRecord record = MakeRecord(Verdict::kDeny);
  auto process = MakeProcess("/tmp/a\n\x1b[31m\"\\\xe2\x80\xae\xff", 1, 0);
  auto facts = std::make_unique<ProcessFacts>();
  facts->cmdline = {"x\ny", std::string("\0", 1)};
  facts->user_name = "\"}";
  facts->parent_paths = {"\r\n"};
  process->SetFacts(std::move(facts));
  record.ownership.owners[0] = process;
  const std::string text = EventToJson(record, Context());
  for (const char c : text) EXPECT_GE(static_cast<uint8_t>(c), 0x20);
  const json app = json::parse(text)["app"];
  EXPECT_EQ(app["path"], "/tmp/a\\x0a\\x1b[31m\"\\\\xe2\\x80\\xae\\xff");
  EXPECT_EQ(app["cmdline"], "x\\x0ay \\x00");
  EXPECT_EQ(app["user"], "\"}");
  EXPECT_EQ(app["parents"][0], "\\x0d\\x0a");
  for (const char c : EventToText(record)) {
    EXPECT_GE(static_cast<uint8_t>(c), 0x20);
  }
}

TEST(EventJson, A38_LongTextsAreCut) {
  DecisionRecord record = MakeRecord();
  auto process = MakeProcess(std::string(100'000, '\n'), 1, 0);
  auto facts = std::make_unique<ProcessFacts>();
  facts->cmdline.assign(1000, std::string(100'000, 'x'));
  process->SetFacts(std::move(facts));
  record.ownership.owners.assign(100, process);
  const json event = Event(record);
  EXPECT_EQ(event["app"]["cmdline"].get<std::string>().size(), kMaxTextBytes);
  EXPECT_EQ(event["app"]["path"].get<std::string>().size(), 4 * kMaxTextBytes);
  EXPECT_EQ(event["app"]["owners"].size(), kMaxOwnersShown);
}

TEST(EventJson, DecisiveOwnerIsTheApp) {
  DecisionRecord record = MakeRecord();
  record.ownership.owners.push_back(MakeProcess("/bin/b", 2, 0));
  record.decisive_owner = 1;
  EXPECT_EQ(Event(record)["app"]["path"], "/bin/b");
  record.decisive_owner = 9;  // out of range: never beyond the last
  EXPECT_EQ(Event(record)["app"]["path"], "/bin/b");
  EXPECT_EQ(UidOf(record), 0u);
}

TEST(EventJson, FlowIdIsStableAndExactInEveryReader) {
  DecisionRecord record = MakeRecord();
  const uint64_t id = FlowId(record.flow);
  EXPECT_EQ(id, 5859564906802241u);  // FNV-1a, by another program
  EXPECT_LT(id, uint64_t{1} << 53);
  record.flow.out_ifindex = 5;
  EXPECT_EQ(FlowId(record.flow), id);
  record.flow.src_port = 40001;
  EXPECT_NE(FlowId(record.flow), id);
}

TEST(EventJson, ReusedBufferDoesNotAllocate) {
  const DecisionRecord record = MakeRecord(Verdict::kDeny);
  const EventContext context;
  std::string out;
  AppendEventJson(record, context, &out);
  const std::string first = out;
  out.clear();
  const uint64_t before = testing::AllocationsOfThisThread();
  AppendEventJson(record, context, &out);
  EXPECT_EQ(testing::AllocationsOfThisThread(), before);
  EXPECT_EQ(out, first);
}

TEST(EventText, OneLineForPeople) {
  DecisionRecord record = MakeRecord(Verdict::kDeny);
  EXPECT_EQ(EventToText(record),
            "deny /usr/bin/curl[4242] uid 1000 -> TCP 198.51.100.7:443 "
            "(rule a-rule)");
  record.decision.verdict = Verdict::kAllow;
  record.flow.dst = *ParseIpAddress("2001:db8::1");
  record.rule_name_length = 0;
  record.decision.reason = Reason::kDefault;
  record.ownership = {};
  EXPECT_EQ(EventToText(record),
            "allow (would deny) unknown program -> TCP [2001:db8::1]:443 "
            "(default)");
}

}  // namespace
}  // namespace sallyport
