#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#ifdef RLHF_CUDA
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include "core/base/status_macros.h"
#include "core/comm/communicator.h"

namespace rlhf {
namespace {

class C10dCommunicator final : public Communicator {
 public:
  C10dCommunicator(const C10dOptions& options,
                   c10::intrusive_ptr<c10d::Backend> backend)
      : options_(options), backend_(std::move(backend)) {}

  int rank() const override { return options_.rank; }
  int world_size() const override { return options_.world_size; }

  absl::Status AllReduceSum(const std::vector<at::Tensor>& tensors) override {
    return Collective("all-reduce", [&] {
      // All are queued before the first is waited for, so that the transfers
      // overlap.
      std::vector<c10::intrusive_ptr<c10d::Work>> works;
      for (const at::Tensor& tensor : tensors) {
        std::vector<at::Tensor> one = {tensor};
        works.push_back(backend_->allreduce(one));
      }
      for (const auto& work : works) work->wait();
    });
  }

  absl::Status Broadcast(const at::Tensor& tensor) override {
    return Collective("broadcast", [&] {
      std::vector<at::Tensor> one = {tensor};
      backend_->broadcast(one)->wait();
    });
  }

 private:
  // c10d throws; this is the edge where its errors become statuses.
  template <typename F>
  absl::Status Collective(absl::string_view what, F&& function) {
    try {
      function();
      return absl::OkStatus();
    } catch (const std::exception& error) {
      const std::string about = description();
      const std::string message = absl::StrCat(
          about, about.empty() ? "" : ": ", what, " on rank ", rank(), " of ",
          world_size(), " after ", absl::FormatDuration(options_.timeout),
          " at most: ", absl::string_view(error.what()).substr(0, 400));
      return (absl::StrContains(message, "imed out") ||
              absl::StrContains(message, "imeout"))
                 ? absl::DeadlineExceededError(message)
                 : absl::UnavailableError(message);
    }
  }

  const C10dOptions options_;
  const c10::intrusive_ptr<c10d::Backend> backend_;
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

c10::intrusive_ptr<c10d::Backend> MakeBackend(
    const C10dOptions& options, const c10::intrusive_ptr<c10d::Store>& store) {
#ifdef RLHF_CUDA
  if (options.device.is_cuda()) {
    auto nccl = c10d::ProcessGroupNCCL::Options::create();
    nccl->timeout = absl::ToChronoMilliseconds(options.timeout);
    return c10::make_intrusive<c10d::ProcessGroupNCCL>(
        store, options.rank, options.world_size, nccl);
  }
#endif
  auto gloo = c10d::ProcessGroupGloo::Options::create(
      absl::ToChronoMilliseconds(options.timeout));
  gloo->threads = 2;
  gloo->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(
      options.master_address == "localhost" ? "127.0.0.1"
                                            : options.master_address));
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, options.rank,
                                                     options.world_size, gloo);
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
    return std::make_unique<C10dCommunicator>(
        options, MakeBackend(options, MakeStore(options)));
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat(
        "rank ", options.rank, " of ", options.world_size,
        " could not join the others at ", options.master_address, ":",
        options.master_port, " within ", absl::FormatDuration(options.timeout),
        ": ", absl::string_view(error.what()).substr(0, 400)));
  }
}

}  // namespace rlhf
