// PPO on several ranks, whole or sharded, against one rank.
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/ranks.h"
#include "tests/testing/status_matchers.h"
#include "trainer/learner_state.h"
#include "trainer/ppo_fixtures.h"

namespace rlhf {
namespace {

constexpr int64_t kUpdates = 50;

// At the rate at which it is used; MakeOptions learns much faster, and
// amplifies rounding as much.
PpoTrainer::Options Gentle(PpoTrainer::Options options) {
  options.ppo.set_learning_rate(1e-4);
  options.ppo.set_num_epochs(1);
  return options;
}

PpoTrainer::Options Sharded(PpoTrainer::Options options) {
  options.sharded = true;
  return options;
}

struct Outcome {
  std::vector<v1::UpdateReport> reports;
  LearnerState state;
};

// What rank 0 has after updates `first` to `last` on so many ranks, begun with
// `start` if there is one.
Outcome Train(int ranks, const PpoTrainer::Options& options, int64_t first,
              int64_t last, const LearnerState* start = nullptr) {
  Outcome outcome;
  OnRanks(ranks, absl::Seconds(60), [&](Communicator& communicator) {
    PpoTrainer trainer = MakeTrainer(options, &communicator);
    if (start != nullptr) {
      ASSERT_OK(trainer.Import(start->parameters, start->optimizer));
    }
    std::vector<v1::UpdateReport> reports;
    for (int64_t update = first; update <= last; ++update) {
      ASSERT_OK_AND_ASSIGN(reports.emplace_back(),
                           trainer.Update(MakeBatch(update), update));
    }
    ASSERT_OK_AND_ASSIGN(LearnerState state, GatherLearner(trainer));
    if (communicator.rank() != 0) return;
    for (NamedTensor& p : state.parameters) p.tensor = p.tensor.clone();
    for (NamedTensor& p : state.optimizer) p.tensor = p.tensor.clone();
    outcome = {std::move(reports), std::move(state)};
  });
  return outcome;
}

double LargestDifference(const NamedTensors& a, const NamedTensors& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (const NamedTensor& p : a) {
    const auto other = FindTensor(b, p.name, p.tensor.sizes());
    EXPECT_OK(other);
    if (!other.ok()) continue;
    largest = std::max(largest, (p.tensor - *other).abs().max().item<double>());
  }
  return largest;
}

void ExpectSame(const Outcome& actual, const Outcome& expected,
                const std::string& what) {
  ASSERT_EQ(actual.reports.size(), expected.reports.size()) << what;
  for (size_t i = 0; i < expected.reports.size(); ++i) {
    const v1::UpdateReport& a = actual.reports[i];
    const v1::UpdateReport& b = expected.reports[i];
    EXPECT_NEAR(a.policy_loss(), b.policy_loss(), 1e-5) << what << i;
    EXPECT_NEAR(a.value_loss(), b.value_loss(), 1e-5) << what << i;
    EXPECT_NEAR(a.gradient_norm(), b.gradient_norm(), 1e-4) << what << i;
    EXPECT_NEAR(a.kl_k1_nats_per_sequence(), b.kl_k1_nats_per_sequence(), 1e-5)
        << what << i;
  }
  EXPECT_LT(
      LargestDifference(actual.state.parameters, expected.state.parameters),
      1e-5)
      << what;
}

TEST(ManyRanksTest, FiftyUpdatesAreThoseOfOneRank) {
  const PpoTrainer::Options options = Gentle(MakeOptions());
  const Outcome one = Train(1, options, 1, kUpdates);
  for (const int ranks : {2, 3, 4}) {
    ExpectSame(Train(ranks, options, 1, kUpdates), one,
               absl::StrCat(ranks, " ranks, update "));
    ExpectSame(Train(ranks, Sharded(options), 1, kUpdates), one,
               absl::StrCat(ranks, " sharded ranks, update "));
  }
}

TEST(ManyRanksTest, ACriticOfItsOwnIsShardedToo) {
  const PpoTrainer::Options options = Gentle(WithOwnCritic(MakeOptions()));
  ExpectSame(Train(3, Sharded(options), 1, 10), Train(1, options, 1, 10),
             "update ");
}

TEST(ManyRanksTest, RecomputingChangesNothing) {
  PpoTrainer::Options options = MakeOptions();
  const Outcome plain = Train(1, options, 1, 3);
  options.recompute_activations = true;
  const Outcome again = Train(1, options, 1, 3);
  EXPECT_EQ(LargestDifference(plain.state.parameters, again.state.parameters),
            0);
}

TEST(ManyRanksTest, OneShardIsTheWhole) {
  const PpoTrainer::Options options = MakeOptions();
  ExpectSame(Train(1, Sharded(options), 1, 5), Train(1, options, 1, 5),
             "update ");
}

TEST(ManyRanksTest, Bfloat16ShardsLearnAsWholeCopiesDo) {
  PpoTrainer::Options options = Gentle(MakeOptions());
  options.dtype = at::kBFloat16;
  const Outcome whole = Train(2, options, 1, 3);
  const Outcome sharded = Train(2, Sharded(options), 1, 3);
  for (size_t i = 0; i < whole.reports.size(); ++i) {
    // Gradients of micro-batches are rounded alike but summed in another order.
    EXPECT_NEAR(sharded.reports[i].policy_loss(),
                whole.reports[i].policy_loss(), 1e-3);
    EXPECT_NEAR(sharded.reports[i].value_loss(), whole.reports[i].value_loss(),
                1e-3);
  }
}

TEST(ManyRanksTest, ARunGoesOnWithAnyNumberOfRanksShardedOrNot) {
  const PpoTrainer::Options options = Gentle(WithOwnCritic(MakeOptions()));
  const Outcome expected = Train(1, options, 1, 6);
  const Outcome first = Train(1, options, 1, 2);
  const Outcome second = Train(3, Sharded(options), 3, 4, &first.state);
  Outcome third = Train(2, options, 5, 6, &second.state);
  EXPECT_LT(
      LargestDifference(third.state.parameters, expected.state.parameters),
      1e-5);
  EXPECT_LT(LargestDifference(third.state.optimizer, expected.state.optimizer),
            1e-5);
}

TEST(ManyRanksTest, AStateOfAnotherModelIsRefusedByShards) {
  Outcome other = Train(1, MakeOptions(), 1, 1);
  SingleCommunicator alone;
  PpoTrainer trainer =
      MakeTrainer(Sharded(WithOwnCritic(MakeOptions())), &alone);
  EXPECT_THAT(trainer.Import(other.state.parameters, other.state.optimizer),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("critic.model")));
}

TEST(ManyRanksTest, WhatWasGatheredIsGoneAfterAnUpdate) {
  OnRanks(2, absl::Seconds(60), [&](Communicator& communicator) {
    PpoTrainer trainer = MakeTrainer(Sharded(MakeOptions()), &communicator);
    ASSERT_OK(trainer.Update(MakeBatch(1), 1));
    // The tensors are there, their memory is not.
    for (const NamedTensor& p : trainer.policy().parameters()) {
      EXPECT_EQ(p.tensor.storage().nbytes(), 0u) << p.name;
    }
  });
}

TEST(ManyRanksTest, ShardsHaveOneHashOnAllRanks) {
  std::string hashes[2];
  OnRanks(2, absl::Seconds(60), [&](Communicator& communicator) {
    PpoTrainer trainer = MakeTrainer(Sharded(MakeOptions()), &communicator);
    ASSERT_OK_AND_ASSIGN(const auto first, trainer.Update(MakeBatch(1), 1));
    ASSERT_OK_AND_ASSIGN(const auto second, trainer.Update(MakeBatch(2), 2));
    EXPECT_NE(first.parameter_hash(), second.parameter_hash());
    hashes[communicator.rank()] = second.parameter_hash();
  });
  EXPECT_EQ(hashes[0], hashes[1]);
}

TEST(ManyRanksTest, ARankThatIsGoneIsToldByWhatWasWaitedFor) {
  OnRanks(2, absl::Milliseconds(700), [&](Communicator& communicator) {
    PpoTrainer trainer = MakeTrainer(Sharded(MakeOptions()), &communicator);
    if (communicator.rank() == 1) return;
    EXPECT_THAT(
        trainer.Update(MakeBatch(1), 1),
        testing::AnyOf(
            StatusIs(absl::StatusCode::kDeadlineExceeded,
                     testing::HasSubstr("all-gather of the weights of")),
            StatusIs(absl::StatusCode::kUnavailable,
                     testing::HasSubstr("all-gather of the weights of"))));
  });
}

}  // namespace
}  // namespace rlhf
