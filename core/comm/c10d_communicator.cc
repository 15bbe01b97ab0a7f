#include <ATen/ops/empty_like.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/comm/communicator.h"
#include "core/comm/local_address.h"
#include "core/comm/nccl.h"
#include "core/comm/rank_store.h"
#include "core/config/address.h"

namespace rlhf {
namespace {

using Works = std::vector<c10::intrusive_ptr<c10d::Work>>;

// What all calls of one communicator share.
struct Calls {
  const C10dOptions options;
  // Whether one of them ended with an error.
  std::atomic<bool> failed = false;
};

// c10d throws; this is the edge where its errors become statuses.
template <typename F>
absl::Status Collective(Calls& calls, absl::string_view what, F&& function) {
  try {
    function();
    return absl::OkStatus();
  } catch (const std::exception& error) {
    calls.failed = true;
    const C10dOptions& options = calls.options;
    const std::string message = absl::StrCat(
        what, " on rank ", options.rank, " of ", options.world_size, " after ",
        absl::FormatDuration(options.timeout),
        " at most: ", absl::string_view(error.what()).substr(0, 400));
    return (absl::StrContains(message, "imed out") ||
            absl::StrContains(message, "imeout"))
               ? absl::DeadlineExceededError(message)
               : absl::UnavailableError(message);
  }
}

class C10dTransfer final : public Transfer {
 public:
  // `calls` must outlive it.
  C10dTransfer(Calls* calls, std::string what, bool on_gpu)
      : calls_(calls), what_(std::move(what)), on_gpu_(on_gpu) {}

  // Queues work; an error is kept for Wait.
  void Start(const std::function<Works()>& start) {
    status_ = Collective(*calls_, what_, [&] { works_ = start(); });
  }

  // To be done once everything has arrived.
  void set_finish(std::function<void()> finish) { finish_ = std::move(finish); }

  absl::Status Wait() override {
    RLHF_RETURN_IF_ERROR(status_);
    return Collective(*calls_, what_, [this] {
      for (const auto& work : works_) {
        if (on_gpu_) {
          WaitForGpu(*work, calls_->options.timeout);
        } else {
          work->wait();
        }
      }
      if (finish_) finish_();
    });
  }

 private:
  Calls* const calls_;
  const std::string what_;
  const bool on_gpu_;
  Works works_;
  std::function<void()> finish_;
  absl::Status status_;
};

// Tensors on the CPU go over Gloo, those on a GPU over NCCL.
//
// Gloo's own reduce-scatter is an all-reduce of which most is thrown away. Here
// each rank sends every other one its share: the bytes of a ring without its
// N - 1 rounds, moved by Gloo's transport thread while the caller computes.
class C10dCommunicator final : public Communicator {
 public:
  // `nccl` is null where no rank has a GPU.
  C10dCommunicator(const C10dOptions& options,
                   c10::intrusive_ptr<c10d::Backend> gloo,
                   c10::intrusive_ptr<c10d::Backend> nccl)
      : calls_{options}, gloo_(std::move(gloo)), nccl_(std::move(nccl)) {}

  ~C10dCommunicator() override {
    if (nccl_.defined()) CloseNccl(*nccl_, calls_.failed);
  }

  int rank() const override { return calls_.options.rank; }
  int world_size() const override { return calls_.options.world_size; }

  absl::Status AllReduceSum(const std::vector<at::Tensor>& tensors) override {
    // All are queued before the first is waited for, so that the transfers
    // overlap.
    std::vector<std::unique_ptr<C10dTransfer>> transfers;
    for (const at::Tensor& tensor : tensors) {
      transfers.push_back(MakeTransfer("all-reduce", "", tensor));
      transfers.back()->Start([&]() -> Works {
        std::vector<at::Tensor> one = {tensor};
        return {BackendOf(tensor).allreduce(one)};
      });
    }
    for (const auto& transfer : transfers) {
      RLHF_RETURN_IF_ERROR(transfer->Wait());
    }
    return absl::OkStatus();
  }

  absl::Status Broadcast(const at::Tensor& tensor) override {
    const auto transfer = MakeTransfer("broadcast", "", tensor);
    transfer->Start([&]() -> Works {
      std::vector<at::Tensor> one = {tensor};
      return {BackendOf(tensor).broadcast(one)};
    });
    return transfer->Wait();
  }

  std::unique_ptr<Transfer> StartAllReduceSum(
      const at::Tensor& flat, const std::string& what) override {
    auto transfer = MakeTransfer("all-reduce of ", what, flat);
    transfer->Start([&]() -> Works {
      std::vector<at::Tensor> one = {flat};
      return {BackendOf(flat).allreduce(one)};
    });
    sent_bytes_.all_reduce +=
        2 * flat.nbytes() * (world_size() - 1) / world_size();
    return transfer;
  }

  std::unique_ptr<Transfer> StartAllGather(const at::Tensor& flat,
                                           const std::string& what) override {
    auto transfer = MakeTransfer("all-gather of ", what, flat);
    const at::Tensor own = OwnShare(flat);
    sent_bytes_.all_gather += OthersBytes(own);
    if (flat.is_cpu()) {
      Exchange(
          *transfer, [&](int) { return own; },
          [&](int other) { return ShareOf(flat, other); });
      return transfer;
    }
    transfer->Start([&]() -> Works {
      at::Tensor all = flat, mine = own;
      return {BackendOf(flat)._allgather_base(all, mine)};
    });
    return transfer;
  }

  std::unique_ptr<Transfer> StartReduceScatterSum(
      const at::Tensor& flat, const std::string& what) override {
    auto transfer = MakeTransfer("reduce-scatter of ", what, flat);
    const at::Tensor own = OwnShare(flat);
    sent_bytes_.reduce_scatter += OthersBytes(own);
    if (flat.is_cpu()) {
      ExchangeAndSum(flat, own, *transfer);
      return transfer;
    }
    transfer->Start([&]() -> Works {
      at::Tensor all = flat, mine = own;
      return {BackendOf(flat)._reduce_scatter_base(mine, all)};
    });
    return transfer;
  }

 private:
  c10d::Backend& BackendOf(const at::Tensor& tensor) const {
    if (tensor.is_cpu()) return *gloo_;
    RLHF_CHECK(nccl_.defined()) << "a tensor on " << tensor.device().str()
                                << " of ranks that work on the CPU";
    return *nccl_;
  }

  // `kind` and `what` are what its errors tell of, after what all are about.
  std::unique_ptr<C10dTransfer> MakeTransfer(absl::string_view kind,
                                             const std::string& what,
                                             const at::Tensor& tensor) {
    const std::string about = description();
    return std::make_unique<C10dTransfer>(
        &calls_, absl::StrCat(about, about.empty() ? "" : ": ", kind, what),
        !tensor.is_cpu());
  }

  uint64_t OthersBytes(const at::Tensor& share) const {
    return share.nbytes() * (world_size() - 1);
  }

  at::Tensor ShareOf(const at::Tensor& flat, int of) const {
    const int64_t share = flat.numel() / world_size();
    return flat.narrow(0, of * share, share);
  }

  void ExchangeAndSum(const at::Tensor& flat, const at::Tensor& own,
                      C10dTransfer& transfer) {
    std::vector<at::Tensor> received(world_size());
    for (int other = 0; other < world_size(); ++other) {
      if (other != rank()) received[other] = at::empty_like(own);
    }
    Exchange(
        transfer, [&](int other) { return ShareOf(flat, other); },
        [&](int other) { return received[other]; });
    transfer.set_finish([own, received] {
      for (const at::Tensor& share : received) {
        if (share.defined()) own.add_(share);
      }
    });
  }

  // Sends `to(other)` to every other rank and receives `from(other)` from it.
  void Exchange(C10dTransfer& transfer,
                const std::function<at::Tensor(int)>& to,
                const std::function<at::Tensor(int)>& from) {
    const int tag = next_tag_;
    next_tag_ = (next_tag_ + 1) % kNumTags;
    transfer.Start([&] {
      Works works;
      for (int step = 1; step < world_size(); ++step) {
        const int source = (rank() - step + world_size()) % world_size();
        std::vector<at::Tensor> one = {from(source)};
        works.push_back(gloo_->recv(one, source, tag));
      }
      for (int step = 1; step < world_size(); ++step) {
        const int target = (rank() + step) % world_size();
        std::vector<at::Tensor> one = {to(target)};
        works.push_back(gloo_->send(one, target, tag));
      }
      return works;
    });
  }

  // Calls match by their number; far fewer than this are under way at once.
  static constexpr int kNumTags = 1 << 20;

  Calls calls_;
  const c10::intrusive_ptr<c10d::Backend> gloo_;
  const c10::intrusive_ptr<c10d::Backend> nccl_;
  int next_tag_ = 0;
};

absl::Status CannotJoin(const C10dOptions& options, absl::string_view why) {
  return absl::UnavailableError(absl::StrCat(
      "rank ", options.rank, " of ", options.world_size,
      " could not join the others at ", options.master_address, ":",
      options.master_port, " within ", absl::FormatDuration(options.timeout),
      ": ", why.substr(0, 400)));
}

// Gloo writes to sockets whose other end may be gone, and the signal of that
// would end this rank without a word. Who has a handler of their own keeps it.
void LetWritesFail() {
  struct sigaction present = {};
  ::sigaction(SIGPIPE, nullptr, &present);
  if (present.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
}

absl::StatusOr<std::unique_ptr<Communicator>> Join(const C10dOptions& options) {
  const auto met = MakeRankStore(options);
  if (!met.ok()) return CannotJoin(options, met.status().message());
  const c10::intrusive_ptr<c10d::Store>& store = *met;
  auto gloo = c10d::ProcessGroupGloo::Options::create(
      absl::ToChronoMilliseconds(options.timeout));
  gloo->threads = 2;
  RLHF_ASSIGN_OR_RETURN(const std::string address,
                        LocalAddressTowards(options.master_address));
  if (!options.on_one_machine && !IsLoopbackHost(options.master_address) &&
      IsLoopbackHost(address)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "this machine reaches ", options.master_address, " (MASTER_ADDR) by ",
        address, ", where no other machine can reach it; give an address of ",
        "the network, or mend /etc/hosts"));
  }
  gloo->devices.push_back(
      c10d::ProcessGroupGloo::createDeviceForHostname(address));
  // Here the ranks meet; NCCL connects with its first call.
  c10::intrusive_ptr<c10d::Backend> on_cpu =
      c10::make_intrusive<c10d::ProcessGroupGloo>(
          c10::make_intrusive<c10d::PrefixStore>("gloo", store), options.rank,
          options.world_size, gloo);
  c10::intrusive_ptr<c10d::Backend> on_gpu;
  if (options.device.is_cuda()) {
    on_gpu = MakeNccl(options,
                      c10::make_intrusive<c10d::PrefixStore>("nccl", store));
  }
  return std::make_unique<C10dCommunicator>(options, std::move(on_cpu),
                                            std::move(on_gpu));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Communicator>> MakeC10dCommunicator(
    const C10dOptions& options) {
  if (options.device.is_cuda() && !HasNccl()) {
    return absl::UnimplementedError(
        absl::StrCat("ranks on ", options.device.str(),
                     ": this build has no CUDA; build with `make cuda`"));
  }
  LetWritesFail();
  try {
    return Join(options);
  } catch (const std::exception& error) {
    return CannotJoin(options, error.what());
  }
}

}  // namespace rlhf
