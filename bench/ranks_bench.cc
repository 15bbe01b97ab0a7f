// PPO updates on made-up rollouts, as one learner rank among several; the
// launcher's variables (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT) say which.
//
//   ranks_bench MODEL_DIR whole|sharded ROLLOUTS PROMPT RESPONSE MINIBATCHES N
//
// Prints a JSON line for each of N updates. bench/ranks_bench.py starts it on
// one rank and on two.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/launch/launch_environment.h"
#include "core/nn/model_directory.h"
#include "trainer/ppo_trainer.h"

namespace rlhf {
namespace {

struct Arguments {
  std::string model;
  bool sharded = false;
  int64_t rollouts, prompt_tokens, response_tokens, minibatches, updates;
};

std::vector<int32_t> Tokens(int64_t count, uint64_t key, int64_t vocab_size) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) {
    tokens.push_back(
        static_cast<int32_t>(MixHash(key, static_cast<uint64_t>(i)) %
                             static_cast<uint64_t>(vocab_size)));
  }
  return tokens;
}

std::vector<PpoSample> MakeBatch(const Arguments& arguments,
                                 int64_t vocab_size) {
  std::vector<PpoSample> batch;
  for (int64_t i = 0; i < arguments.rollouts; ++i) {
    const auto key = static_cast<uint64_t>(i);
    batch.push_back(
        {.prompt_ids = Tokens(arguments.prompt_tokens, 2 * key, vocab_size),
         .response_ids =
             Tokens(arguments.response_tokens, 2 * key + 1, vocab_size),
         .behaviour_logprobs = std::vector<float>(
             static_cast<size_t>(arguments.response_tokens), -10),
         .score = static_cast<double>(i % 4),
         .ended = true});
  }
  return batch;
}

absl::StatusOr<std::unique_ptr<Communicator>> Join(const LaunchInfo& launch) {
  if (launch.world_size == 1) return std::make_unique<SingleCommunicator>();
  return MakeC10dCommunicator({.rank = launch.rank,
                               .world_size = launch.world_size,
                               .master_address = launch.master_address,
                               .master_port = launch.master_port,
                               .agent_store = launch.agent_store,
                               .store_prefix = "bench"});
}

absl::Status Run(const Arguments& arguments) {
  RLHF_ASSIGN_OR_RETURN(const LaunchInfo launch,
                        DetectLaunch(ReadEnvironment()));
  RLHF_ASSIGN_OR_RETURN(Transformer policy, LoadModel(arguments.model));
  const std::vector<PpoSample> batch =
      MakeBatch(arguments, policy.config().vocab_size);
  auto reference = std::make_shared<const Transformer>(policy.Clone());
  RLHF_ASSIGN_OR_RETURN(const auto communicator, Join(launch));
  PpoTrainer::Options options;
  options.ppo.set_learning_rate(1e-6);
  options.ppo.set_num_minibatches(static_cast<int>(arguments.minibatches));
  options.sharded = arguments.sharded;
  PpoTrainer trainer(
      {.policy = std::move(policy), .reference = std::move(reference)}, options,
      communicator.get());
  for (int64_t update = 1; update <= arguments.updates; ++update) {
    const uint64_t before = communicator->sent_bytes().total();
    const std::clock_t cpu = std::clock();  // of all threads
    RLHF_ASSIGN_OR_RETURN(const v1::UpdateReport report,
                          trainer.Update(batch, update));
    std::printf(
        "{\"update\": %lld, \"forward_s\": %.4f, \"train_s\": %.4f, "
        "\"cpu_s\": %.4f, \"gradient_norm\": %.7f, \"sent_bytes\": %llu}\n",
        static_cast<long long>(update), report.advantage_seconds(),
        report.update_seconds(),
        static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC,
        report.gradient_norm(),
        static_cast<unsigned long long>(communicator->sent_bytes().total() -
                                        before));
    std::fflush(stdout);
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr,
                 "usage: ranks_bench MODEL_DIR whole|sharded ROLLOUTS PROMPT "
                 "RESPONSE MINIBATCHES UPDATES\n");
    return 2;
  }
  const absl::Status status = rlhf::Run({.model = argv[1],
                                         .sharded = argv[2][0] == 's',
                                         .rollouts = std::atoll(argv[3]),
                                         .prompt_tokens = std::atoll(argv[4]),
                                         .response_tokens = std::atoll(argv[5]),
                                         .minibatches = std::atoll(argv[6]),
                                         .updates = std::atoll(argv[7])});
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
