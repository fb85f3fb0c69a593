#include "proc/proc_resolver.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "proc/holder_search.h"
#include "proc/owner_hints.h"
#include "proc/proc_text.h"
#include "proc/process_facts.h"
#include "proc/real_proc_fs.h"
#include "proc/sock_diag.h"
#include "proc/socket_finder.h"

namespace sallyport {
namespace {

using proc::Candidates;
using proc::FdSlot;
using proc::FindStatus;
using proc::OwnerHints;
using proc::WorkBudget;
using Lane = ProcessTable::Lane;

// /proc calls of one fast lookup for looking at new processes, and for
// searching; about 400 and 150 us.
constexpr int kFastCatchUpCalls = 160;
constexpr int kFastSearchCalls = 64;
// Holders that the packet path confirms and identifies one by one.
constexpr size_t kMaxFastHolders = 16;
// Owners beyond these are left out if their app and user are among them: they
// would be judged alike.
constexpr size_t kMaxAlikeOwners = 16;
constexpr size_t kNewestTried = 4;
constexpr int32_t kInitPid = 1;
// The kernel may lose its word of an exec for want of memory, unnoticed.
constexpr int64_t kCheckAgainNs = 1'000'000'000;

class ProcResolver : public Resolver {
 public:
  ProcResolver(std::shared_ptr<ProcessTable> table,
               std::unique_ptr<SocketLookup> lookup,
               ProcResolverOptions options)
      : table_(std::move(table)),
        options_(options),
        finder_(std::move(lookup), table_->fs(), options.find_udp_twins) {}

  ResolveStatus ResolveFast(const Flow& flow,
                            std::optional<uint32_t> packet_uid,
                            Ownership* ownership) override {
    WorkBudget catch_up = WorkBudget::Calls(kFastCatchUpCalls);
    WorkBudget search = WorkBudget::Calls(kFastSearchCalls);
    return Resolve(flow, packet_uid, Lane::kFast, &catch_up, &search,
                   ownership);
  }

  void ResolveSlow(const Flow& flow, std::optional<uint32_t> packet_uid,
                   Ownership* ownership) override {
    if (!table_->MakeRoom()) hints_.Clear();  // they hold directories too
    const int64_t now_ns = table_->NowNs();
    const int64_t deadline_ns = absl::ToInt64Nanoseconds(options_.deadline);
    // Half of the time at most for looking at thousands of new processes: the
    // likely ones are still asked.
    WorkBudget catch_up =
        WorkBudget::Until(&table_->now(), now_ns + deadline_ns / 2);
    WorkBudget search = WorkBudget::Until(&table_->now(), now_ns + deadline_ns);
    Resolve(flow, packet_uid, Lane::kSlow, &catch_up, &search, ownership);
  }

  std::shared_ptr<const Process> WithSha256(
      std::shared_ptr<const Process> process) override {
    return table_->WithSha256(std::move(process));
  }

  void Describe(const Process& process) override {
    proc::DescribeProcess(*table_, process);
  }

 private:
  enum class Held : uint8_t { kByOwners, kByNobody, kNotKnown };

  ResolveStatus Resolve(const Flow& flow, std::optional<uint32_t> packet_uid,
                        Lane lane, WorkBudget* catch_up, WorkBudget* search,
                        Ownership* ownership);
  // Appends to holders_ who holds the socket.
  Held FindHolders(const SocketInfo& socket, Lane lane, WorkBudget* budget);
  // False if the budget ended before everyone was asked.
  bool TakeIndexed(uint64_t inode, WorkBudget* budget, bool* all_known);
  bool AddAncestors(size_t first, uint64_t inode, WorkBudget* budget);
  bool AskAncestor(const TrackedPtr& ancestor,
                   const ProcessTable::Holders& found, uint64_t inode,
                   WorkBudget* budget);
  Held AddEverybody(const SocketInfo& socket, WorkBudget* budget);
  bool SearchNewest(const SocketInfo& socket, WorkBudget* budget);
  void AddHolder(const SocketHolder& holder);
  void NoteOwner(const SocketHolder& holder, uint32_t uid);
  void AddOwners(uint32_t socket_uid, bool* is_ambiguous, Ownership* ownership);
  void AddOwner(const SocketHolder& holder, uint32_t socket_uid,
                bool* is_ambiguous, Ownership* ownership);
  // True if `hint` tells what the process is, without a look at /proc.
  bool IsUnchanged(const OwnerHints::Hint& hint, uint32_t socket_uid) const;
  // Asks /proc what it is. The program before an exec is added as an owner.
  bool LookAgain(OwnerHints::Hint* hint, const SocketHolder& holder,
                 uint32_t socket_uid, bool* is_ambiguous, Ownership* ownership);

  const std::shared_ptr<ProcessTable> table_;  // shared by all resolvers
  const ProcResolverOptions options_;
  proc::SocketFinder finder_;
  OwnerHints hints_;
  bool has_heard_all_ = false;  // of the lookup that runs
  // Of the lookup that runs; kept for their memory.
  ProcessTable::Holders holders_;
  ProcessTable::Holders indexed_;
  std::vector<TrackedPtr> processes_;
  std::vector<int32_t> fds_;
};

ResolveStatus ProcResolver::Resolve(const Flow& flow,
                                    std::optional<uint32_t> packet_uid,
                                    Lane lane, WorkBudget* catch_up,
                                    WorkBudget* search, Ownership* ownership) {
  *ownership = Ownership();
  ownership->socket_uid = packet_uid;
  const bool is_slow = lane == Lane::kSlow;
  Candidates candidates;
  FindStatus status = finder_.Find(flow, packet_uid, is_slow, &candidates);
  if (status == FindStatus::kNeedSlow) return ResolveStatus::kNeedSlow;
  // A dead sender's port may be somebody else's by now: the kernel's word on
  // who sent contradicts the socket then (CASES A01).
  if (packet_uid) {
    auto& sockets = candidates.sockets;
    sockets.erase(std::remove_if(sockets.begin(), sockets.end(),
                                 [&](const SocketInfo& socket) {
                                   return socket.inode != 0 &&
                                          socket.uid != *packet_uid;
                                 }),
                  sockets.end());
  }
  if (status == FindStatus::kNone || candidates.sockets.empty()) {
    return ResolveStatus::kDone;
  }
  const uint32_t socket_uid = candidates.sockets[0].uid;
  ownership->socket_uid = socket_uid;

  has_heard_all_ = options_.news != nullptr && options_.news->is_all_heard();
  const bool is_caught_up =
      (!is_slow && has_heard_all_ && table_->IsUpToDate()) ||
      table_->CatchUp(lane, catch_up);
  if (!is_caught_up && !is_slow) return ResolveStatus::kNeedSlow;
  holders_.clear();
  bool is_ambiguous =
      candidates.is_guess || !is_caught_up || !table_->index_is_complete();
  for (const SocketInfo& socket : candidates.sockets) {
    Held held =
        socket.inode == 0 ? Held::kByNobody : FindHolders(socket, lane, search);
    if (held == Held::kNotKnown && !is_slow) return ResolveStatus::kNeedSlow;
    if (held != Held::kByOwners) is_ambiguous = true;
  }
  if (!is_slow && holders_.size() > kMaxFastHolders) {
    return ResolveStatus::kNeedSlow;
  }
  AddOwners(socket_uid, &is_ambiguous, ownership);
  if (ownership->owners.empty()) {
    ownership->confidence = Confidence::kNone;
  } else {
    is_ambiguous = is_ambiguous || ownership->owners.size() > 1;
    ownership->confidence =
        is_ambiguous ? Confidence::kAmbiguous : Confidence::kExact;
  }
  return ResolveStatus::kDone;
}

ProcResolver::Held ProcResolver::FindHolders(const SocketInfo& socket,
                                             Lane lane, WorkBudget* budget) {
  const size_t before = holders_.size();
  bool all_known = true;
  if (!TakeIndexed(socket.inode, budget, &all_known)) return Held::kNotKnown;
  if (holders_.size() > before) {
    if (all_known || AddAncestors(before, socket.inode, budget)) {
      return Held::kByOwners;
    }
    if (lane == Lane::kFast) return Held::kNotKnown;
    return AddEverybody(socket, budget);
  }

  const OwnerHints::Hint* hint = hints_.Search(socket.inode, socket.uid);
  if (hint != nullptr) {
    AddHolder({hint->process, hint->slots[0]});
    return Held::kByOwners;
  }
  hints_.Prune(*table_);
  if (table_->IsUnheld(socket.inode)) return Held::kByNobody;
  if (SearchNewest(socket, budget)) return Held::kByOwners;
  if (lane == Lane::kFast) return Held::kNotKnown;

  proc::SearchResult found =
      proc::SearchEverybody(*table_, socket.inode, socket.uid, budget);
  if (found.holder) {
    NoteOwner(*found.holder, socket.uid);
    return Held::kByOwners;
  }
  if (!found.is_complete) return Held::kNotKnown;
  table_->NoteUnheld(socket.inode);
  return Held::kByNobody;
}

// Those who were seen with the socket, and still have it.
bool ProcResolver::TakeIndexed(uint64_t inode, WorkBudget* budget,
                               bool* all_known) {
  indexed_.clear();
  *all_known = table_->FindHolders(inode, &indexed_);
  for (SocketHolder& holder : indexed_) {
    bool no_descriptors = false;
    std::shared_ptr<ProcDir> dir =
        table_->DirOf(holder.process, &no_descriptors);
    if (no_descriptors) return false;
    if (dir != nullptr && proc::Holds(*dir, holder.slot, inode)) {
      AddHolder(holder);
      continue;
    }
    // Moved to another descriptor (dup2, as inetd does), or closed.
    std::optional<FdSlot> slot;
    if (dir != nullptr) {
      slot = proc::FindSocket(*dir, {inode, 0, {}, nullptr}, budget, &fds_);
      if (!slot && budget->exhausted()) return false;
    }
    if (slot) {
      holder.slot = *slot;
      table_->AddHolder(inode, holder);
      AddHolder(holder);
    } else {
      table_->RemoveHolder(inode, *holder.process);
    }
  }
  return true;
}

// A socket that was seen when a process was first looked at may be older than
// the process: then one of its ancestors made it, and may have moved its copy
// since. Those between the two were born with it, and are indexed themselves.
// False if somebody could not be asked.
bool ProcResolver::AddAncestors(size_t first, uint64_t inode,
                                WorkBudget* budget) {
  const ProcessTable::Holders found(
      holders_.begin() + static_cast<ptrdiff_t>(first), holders_.end());
  std::vector<TrackedPtr> ancestors;
  for (const SocketHolder& holder : found) {
    processes_.clear();
    if (!table_->Ancestors(*holder.process, &processes_)) return false;
    for (const TrackedPtr& ancestor : processes_) {
      if (std::find(ancestors.begin(), ancestors.end(), ancestor) ==
          ancestors.end()) {
        ancestors.push_back(ancestor);
      }
    }
  }
  for (const TrackedPtr& ancestor : ancestors) {
    if (!AskAncestor(ancestor, found, inode, budget)) return false;
  }
  table_->NoteAncestorsKnown(inode);
  return true;
}

bool ProcResolver::AskAncestor(const TrackedPtr& ancestor,
                               const ProcessTable::Holders& found,
                               uint64_t inode, WorkBudget* budget) {
  bool no_descriptors = false;
  std::shared_ptr<ProcDir> dir = table_->DirOf(ancestor, &no_descriptors);
  if (dir == nullptr) return !no_descriptors;
  std::optional<FdSlot> slot;
  for (const SocketHolder& holder : found) {  // the same number, most likely
    if (holder.process == ancestor) return true;
    if (slot) continue;
    if (!budget->Take()) return false;
    if (proc::Holds(*dir, holder.slot, inode)) slot = holder.slot;
  }
  if (!slot) {
    slot = proc::FindSocket(*dir, {inode, 0, {}, nullptr}, budget, &fds_);
  }
  if (!slot) return !budget->exhausted();
  AddHolder({ancestor, *slot});
  table_->AddHolder(inode, {ancestor, *slot});
  return true;
}

// Everybody who holds it, whoever they are to each other.
ProcResolver::Held ProcResolver::AddEverybody(const SocketInfo& socket,
                                              WorkBudget* budget) {
  std::vector<SocketHolder> all;
  const bool is_complete =
      proc::FindAllHolders(*table_, socket.inode, socket.uid, budget, &all);
  for (const SocketHolder& holder : all) {
    AddHolder(holder);
    table_->AddHolder(socket.inode, holder);
  }
  if (!is_complete) return Held::kNotKnown;
  table_->NoteAncestorsKnown(socket.inode);
  return Held::kByOwners;
}

// Young processes that sent nothing yet, then whoever sent last: what they
// opened since they were last read.
bool ProcResolver::SearchNewest(const SocketInfo& socket, WorkBudget* budget) {
  processes_.clear();
  table_->Newest(&socket.uid, kNewestTried, &processes_);
  hints_.MostRecent(socket.uid, 1, &processes_);
  std::vector<SocketHolder> likely;
  table_->LikelyOwners(socket.uid, &likely);
  for (const SocketHolder& holder : likely) {
    std::shared_ptr<ProcDir> dir = table_->DirOf(holder.process);
    if (dir == nullptr || !budget->Take()) continue;
    if (proc::Holds(*dir, holder.slot, socket.inode)) {
      NoteOwner(holder, socket.uid);
      return true;
    }
  }
  for (const TrackedPtr& process : processes_) {
    std::shared_ptr<ProcDir> dir = table_->DirOf(process);
    if (dir == nullptr) continue;
    auto slot = proc::FindSocket(
        *dir, {socket.inode, 0, table_->KnownFds(process), nullptr}, budget,
        &fds_);
    if (slot) {
      NoteOwner({process, *slot}, socket.uid);
      return true;
    }
  }
  return false;
}

void ProcResolver::AddHolder(const SocketHolder& holder) {
  for (const SocketHolder& known : holders_) {
    if (known.process == holder.process) return;
  }
  holders_.push_back(holder);
}

void ProcResolver::NoteOwner(const SocketHolder& holder, uint32_t uid) {
  AddHolder(holder);
  table_->NoteOwner(uid, holder);
  std::shared_ptr<ProcDir> dir = table_->DirOf(holder.process);
  if (dir != nullptr) hints_.Note(holder, std::move(dir), uid);
}

void ProcResolver::AddOwners(uint32_t socket_uid, bool* is_ambiguous,
                             Ownership* ownership) {
  const bool has_others = holders_.size() > 1;
  for (const SocketHolder& holder : holders_) {
    // Socket activation: init opened it for the other one (CASES A40).
    if (has_others && holder.process->id.pid == kInitPid) continue;
    AddOwner(holder, socket_uid, is_ambiguous, ownership);
  }
}

bool ProcResolver::IsUnchanged(const OwnerHints::Hint& hint,
                               uint32_t socket_uid) const {
  if (!has_heard_all_ || hint.identity == nullptr ||
      hint.execs != hint.process->execs() ||
      hint.generation != table_->identity_generation() ||
      hint.identity->uid != socket_uid ||
      table_->NowNs() >= hint.check_again_ns) {
    return false;
  }
  // The same file; but is it still what its name leads to (CASES A04)?
  std::shared_ptr<ProcFile> file = hint.exe_file.lock();
  FileStat exe;
  return file != nullptr && file->Stat(&exe) == 0 && exe == hint.exe;
}

// False if the process is gone.
bool ProcResolver::LookAgain(OwnerHints::Hint* hint, const SocketHolder& holder,
                             uint32_t socket_uid, bool* is_ambiguous,
                             Ownership* ownership) {
  FileStat exe;
  const uint32_t execs = holder.process->execs();       // before the look
  if (hint->dir->Stat("exe", &exe) != 0) return false;  // died meanwhile
  const uint64_t generation = table_->identity_generation();
  if (hint->identity == nullptr || !(hint->exe == exe) ||
      hint->generation != generation || hint->identity->uid != socket_uid) {
    auto now = table_->Identify(holder.process, *hint->dir, exe, socket_uid);
    if (now == nullptr) return false;
    // An exec since it was last looked at: the packet may be older, unless the
    // descriptor cannot have come through the exec (CASES A03).
    std::shared_ptr<const Process> before = hint->identity;
    if (before != nullptr && !(hint->exe.id == exe.id)) {
      std::array<char, 1024> info;
      int length =
          hint->dir->Read(proc::FdPath("fdinfo", holder.slot).c_str(), info);
      std::string_view text(info.data(),
                            static_cast<size_t>(std::max(length, 0)));
      if (!proc::IsCloseOnExec(text)) {
        ownership->owners.push_back(std::move(before));
        *is_ambiguous = true;
      }
    }
    hint->identity = std::move(now);
    hint->exe = exe;
    hint->generation = generation;
  }
  if (options_.news != nullptr) {
    hint->exe_file = table_->HoldExe(holder.process, *hint->dir, exe);
    hint->execs = execs;
    hint->check_again_ns = table_->NowNs() + kCheckAgainNs;
  }
  return true;
}

void ProcResolver::AddOwner(const SocketHolder& holder, uint32_t socket_uid,
                            bool* is_ambiguous, Ownership* ownership) {
  OwnerHints::Hint* hint = hints_.Find(*holder.process);
  if (hint == nullptr) {
    std::shared_ptr<ProcDir> dir = table_->DirOf(holder.process);
    if (dir == nullptr) return;
    hint = &hints_.Note(holder, std::move(dir), socket_uid);
    table_->NoteOwner(socket_uid, holder);
  }
  if (!IsUnchanged(*hint, socket_uid)) {
    if (!LookAgain(hint, holder, socket_uid, is_ambiguous, ownership)) return;
  }
  auto is_alike = [&](const std::shared_ptr<const Process>& owner) {
    return owner->app == hint->identity->app &&
           owner->uid == hint->identity->uid;
  };
  auto& owners = ownership->owners;
  if (owners.size() >= kMaxAlikeOwners &&
      std::any_of(owners.begin(), owners.end(), is_alike)) {
    *is_ambiguous = true;
    return;
  }
  owners.push_back(hint->identity);
}

}  // namespace

absl::StatusOr<std::shared_ptr<ProcessTable>> CreateProcessTable(
    ProcessTableOptions options) {
  auto fs = OpenProcFs();
  if (!fs.ok()) return fs.status();
  auto table =
      std::make_shared<ProcessTable>(*std::move(fs), std::move(options));
  if (absl::Status status = table->Prime(); !status.ok()) return status;
  return table;
}

std::unique_ptr<Resolver> CreateProcResolver(
    std::shared_ptr<ProcessTable> table, std::unique_ptr<SocketLookup> lookup,
    ProcResolverOptions options) {
  return std::make_unique<ProcResolver>(std::move(table), std::move(lookup),
                                        options);
}

std::unique_ptr<Resolver> CreateProcResolver(
    std::shared_ptr<ProcessTable> table, ProcResolverOptions options) {
  auto lookup = OpenSockDiag();
  return CreateProcResolver(
      std::move(table), lookup.ok() ? *std::move(lookup) : nullptr, options);
}

}  // namespace sallyport
