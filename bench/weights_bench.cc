// One process of bench/weights_bench.py: how long a version of the policy takes
// from the learner's float32 weights to the engine of an actor on this host.
//
//   weights_bench learner MODEL_DIR ADDRESS
//     packs and publishes a version, in bfloat16, for each line of its input;
//     prints when it began and when it was published
//   weights_bench actor MODEL_DIR ADDRESS
//     takes every version as `rlhf actor` does, and prints when its engine had
//     it; ends with its input
//
// Times are seconds of a clock that all processes share.
#include <atomic>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "actor/generation_engine.h"
#include "actor/policy_fetcher.h"
#include "actor/policy_packer.h"
#include "bench/line_json.h"
#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/comm/weight_snapshot.h"
#include "core/nn/model_directory.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "trainer/weights_service.h"

namespace rlhf {
namespace {

// How often the actor looks for a version: far less than a publish takes.
constexpr absl::Duration kPoll = absl::Microseconds(500);

double Now() {
  return absl::ToDoubleSeconds(MonotonicNow() - absl::UnixEpoch());
}

absl::Status Learn(const std::string& directory, const std::string& address) {
  RLHF_ASSIGN_OR_RETURN(const Transformer model, LoadModel(directory));
  WeightsService weights;
  RLHF_ASSIGN_OR_RETURN(const auto server,
                        GrpcServer::Start(address, {&weights}));
  server->SetServing(true);
  int64_t version = 0;
  ServeLines([&](const Json&) -> absl::StatusOr<Json> {
    const double began = Now();
    RLHF_ASSIGN_OR_RETURN(
        auto snapshot,
        PackWeights(++version, model.parameters(), {.dtype = at::kBFloat16}));
    weights.Publish(std::move(snapshot));
    return Json{
        {"version", version}, {"began_s", began}, {"published_s", Now()}};
  });
  weights.Stop();
  server->Shutdown(absl::Seconds(2));
  return absl::OkStatus();
}

absl::Status Act(const std::string& directory, const std::string& address) {
  RLHF_ASSIGN_OR_RETURN(const ModelConfig config, LoadModelConfig(directory));
  prometheus::Registry registry;
  ActorMetrics metrics(registry);
  PolicyFetcher fetcher(address, config, &metrics);
  std::atomic<bool> over = false;
  std::thread input([&over] {
    std::string line;
    while (std::getline(std::cin, line)) {
    }
    over = true;
  });
  PrintLine({{"ready", true}});
  std::unique_ptr<GenerationEngine> engine;
  PolicyPacker packer;
  while (!over) {
    std::optional<PolicyVersion> policy = fetcher.Take();
    if (!policy.has_value()) {
      absl::SleepFor(kPoll);
      continue;
    }
    auto model = packer.Pack(std::move(*policy->model));
    if (engine == nullptr) {
      engine = std::make_unique<GenerationEngine>(
          std::move(model),
          GenerationEngine::Options{.max_batch = 16, .max_tokens = 128});
    } else {
      engine->SetModel(std::move(model), policy->version,
                       GenerationEngine::OldCache::kRecompute);
    }
    PrintLine({{"version", policy->version}, {"flipped_s", Now()}});
  }
  input.join();
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  PrepareRpc();
  const std::string role = argc == 4 ? argv[1] : "";
  if (role != "learner" && role != "actor") {
    std::cerr << "usage: weights_bench learner|actor MODEL_DIR ADDRESS\n";
    return 2;
  }
  const absl::Status status =
      role == "learner" ? Learn(argv[2], argv[3]) : Act(argv[2], argv[3]);
  if (!status.ok()) std::cerr << "weights_bench: " << status << "\n";
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) { return rlhf::Main(argc, argv); }
