#include <ATen/ops/empty_like.h>

#include <functional>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#ifdef RLHF_CUDA
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include "core/base/status_macros.h"
#include "core/comm/communicator.h"
#include "core/comm/local_address.h"
#include "core/config/address.h"

namespace rlhf {
namespace {

using Works = std::vector<c10::intrusive_ptr<c10d::Work>>;

// c10d throws; this is the edge where its errors become statuses.
template <typename F>
absl::Status Collective(const C10dOptions& options, absl::string_view what,
                        F&& function) {
  try {
    function();
    return absl::OkStatus();
  } catch (const std::exception& error) {
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
  // `options` must outlive it.
  C10dTransfer(const C10dOptions& options, std::string what)
      : options_(options), what_(std::move(what)) {}

  // Queues work; an error is kept for Wait.
  void Start(const std::function<Works()>& start) {
    status_ = Collective(options_, what_, [&] { works_ = start(); });
  }

  // To be done once everything has arrived.
  void set_finish(std::function<void()> finish) { finish_ = std::move(finish); }

  absl::Status Wait() override {
    RLHF_RETURN_IF_ERROR(status_);
    return Collective(options_, what_, [this] {
      for (const auto& work : works_) work->wait();
      if (finish_) finish_();
    });
  }

 private:
  const C10dOptions& options_;
  const std::string what_;
  Works works_;
  std::function<void()> finish_;
  absl::Status status_;
};

class C10dCommunicator : public Communicator {
 public:
  C10dCommunicator(const C10dOptions& options,
                   c10::intrusive_ptr<c10d::Backend> backend)
      : options_(options), backend_(std::move(backend)) {}

  int rank() const override { return options_.rank; }
  int world_size() const override { return options_.world_size; }

  absl::Status AllReduceSum(const std::vector<at::Tensor>& tensors) override {
    return Collective(options_, About("all-reduce"), [&] {
      // All are queued before the first is waited for, so that the transfers
      // overlap.
      Works works;
      for (const at::Tensor& tensor : tensors) {
        std::vector<at::Tensor> one = {tensor};
        works.push_back(backend_->allreduce(one));
      }
      for (const auto& work : works) work->wait();
    });
  }

  absl::Status Broadcast(const at::Tensor& tensor) override {
    return Collective(options_, About("broadcast"), [&] {
      std::vector<at::Tensor> one = {tensor};
      backend_->broadcast(one)->wait();
    });
  }

  std::unique_ptr<Transfer> StartAllReduceSum(
      const at::Tensor& flat, const std::string& what) override {
    auto transfer = MakeTransfer("all-reduce of ", what);
    transfer->Start([&]() -> Works {
      std::vector<at::Tensor> one = {flat};
      return {backend_->allreduce(one)};
    });
    sent_bytes_.all_reduce +=
        2 * flat.nbytes() * (world_size() - 1) / world_size();
    return transfer;
  }

  std::unique_ptr<Transfer> StartAllGather(const at::Tensor& flat,
                                           const std::string& what) override {
    auto transfer = MakeTransfer("all-gather of ", what);
    const at::Tensor own = OwnShare(flat);
    sent_bytes_.all_gather += OthersBytes(own);
    GatherInto(flat, own, *transfer);
    return transfer;
  }

  std::unique_ptr<Transfer> StartReduceScatterSum(
      const at::Tensor& flat, const std::string& what) override {
    auto transfer = MakeTransfer("reduce-scatter of ", what);
    const at::Tensor own = OwnShare(flat);
    sent_bytes_.reduce_scatter += OthersBytes(own);
    ReduceInto(flat, own, *transfer);
    return transfer;
  }

 protected:
  virtual void GatherInto(const at::Tensor& flat, const at::Tensor& own,
                          C10dTransfer& transfer) {
    transfer.Start([&]() -> Works {
      at::Tensor all = flat, mine = own;
      return {backend_->all_gather_single(all, mine)};
    });
  }

  virtual void ReduceInto(const at::Tensor& flat, const at::Tensor& own,
                          C10dTransfer& transfer) {
    transfer.Start([&]() -> Works {
      at::Tensor all = flat, mine = own;
      return {backend_->reduce_scatter_single(mine, all)};
    });
  }

  c10d::Backend& backend() { return *backend_; }

 private:
  // What an error of a call begins with.
  std::string About(absl::string_view call) const {
    const std::string about = description();
    return about.empty() ? std::string(call) : absl::StrCat(about, ": ", call);
  }

  std::unique_ptr<C10dTransfer> MakeTransfer(absl::string_view kind,
                                             const std::string& what) {
    return std::make_unique<C10dTransfer>(options_,
                                          About(absl::StrCat(kind, what)));
  }

  uint64_t OthersBytes(const at::Tensor& share) const {
    return share.nbytes() * (world_size() - 1);
  }

  const C10dOptions options_;
  const c10::intrusive_ptr<c10d::Backend> backend_;
};

// Gloo's own reduce-scatter is an all-reduce of which most is thrown away. Here
// each rank sends every other one its share: the bytes of a ring without its
// N - 1 rounds, moved by Gloo's transport thread while the caller computes.
class GlooCommunicator final : public C10dCommunicator {
 public:
  using C10dCommunicator::C10dCommunicator;

 protected:
  void GatherInto(const at::Tensor& flat, const at::Tensor& own,
                  C10dTransfer& transfer) override {
    Exchange(
        transfer, [&](int) { return own; },
        [&](int other) { return ShareOf(flat, other); });
  }

  void ReduceInto(const at::Tensor& flat, const at::Tensor& own,
                  C10dTransfer& transfer) override {
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

 private:
  at::Tensor ShareOf(const at::Tensor& flat, int of) const {
    const int64_t share = flat.numel() / world_size();
    return flat.narrow(0, of * share, share);
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
        works.push_back(backend().recv(one, source, tag));
      }
      for (int step = 1; step < world_size(); ++step) {
        const int target = (rank() + step) % world_size();
        std::vector<at::Tensor> one = {to(target)};
        works.push_back(backend().send(one, target, tag));
      }
      return works;
    });
  }

  // Calls match by their number; far fewer than this are under way at once.
  static constexpr int kNumTags = 1 << 20;
  int next_tag_ = 0;
};

c10::intrusive_ptr<c10d::Store> MakeStore(const C10dOptions& options) {
  c10d::TCPStoreOptions store_options;
  store_options.port = static_cast<uint16_t>(options.master_port);
  store_options.isServer = options.rank == 0 && !options.agent_store;
  store_options.numWorkers = options.world_size;
  store_options.timeout = absl::ToChronoMilliseconds(options.timeout);
  return c10::make_intrusive<c10d::PrefixStore>(
      options.store_prefix, c10::make_intrusive<c10d::TCPStore>(
                                options.master_address, store_options));
}

absl::StatusOr<std::unique_ptr<Communicator>> Join(
    const C10dOptions& options, const c10::intrusive_ptr<c10d::Store>& store) {
#ifdef RLHF_CUDA
  if (options.device.is_cuda()) {
    auto nccl = c10d::ProcessGroupNCCL::Options::create();
    nccl->timeout = absl::ToChronoMilliseconds(options.timeout);
    return std::make_unique<C10dCommunicator>(
        options, c10::make_intrusive<c10d::ProcessGroupNCCL>(
                     store, options.rank, options.world_size, nccl));
  }
#endif
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
  return std::make_unique<GlooCommunicator>(
      options, c10::make_intrusive<c10d::ProcessGroupGloo>(
                   store, options.rank, options.world_size, gloo));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Communicator>> MakeC10dCommunicator(
    const C10dOptions& options) {
#ifndef RLHF_CUDA
  if (options.device.is_cuda()) {
    return absl::UnimplementedError(
        "this build has no CUDA: configure with the `cuda` preset");
  }
#endif
  try {
    return Join(options, MakeStore(options));
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat(
        "rank ", options.rank, " of ", options.world_size,
        " could not join the others at ", options.master_address, ":",
        options.master_port, " within ", absl::FormatDuration(options.timeout),
        ": ", absl::string_view(error.what()).substr(0, 400)));
  }
}

}  // namespace rlhf
