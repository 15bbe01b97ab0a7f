// FeedTree among receivers that come, die and have slow links, by a simulation
// of what flows.
#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/comm/feed_tree.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

constexpr int kBuckets = 20;
constexpr double kBucketBytes = 1e6;
constexpr double kTotal = kBuckets * kBucketBytes;
constexpr double kFast = 100e6;  // bytes per second, each way
constexpr absl::Duration kStep = absl::Milliseconds(20);

struct Receiver {
  std::string name;
  double rate = kFast;
  int joins = 0;  // at this step
  int dies = 1 << 30;
  bool alive = false;
  double bytes = 0;
  std::string source;
  absl::Time moved;
  absl::Time reported;
  int done = -1;  // at this step

  std::string address() const { return name + ":1"; }
  int buckets() const { return static_cast<int>(bytes / kBucketBytes); }
};

class Simulation {
 public:
  explicit Simulation(std::vector<Receiver> receivers,
                      int num_buckets = kBuckets)
      : total_(num_buckets * kBucketBytes), receivers_(std::move(receivers)) {
    tree_.Begin(num_buckets);
  }

  // Ends early once nothing is left to do.
  void Run(int num_steps) {
    for (step_ = 0; step_ < num_steps && !Over(); ++step_) {
      now_ += kStep;
      for (Receiver& receiver : receivers_) Live(receiver);
      Flow();
      ExpectNoCycle();
    }
  }

  const std::vector<Receiver>& receivers() const { return receivers_; }
  double learner_bytes() const { return learner_bytes_; }

 private:
  bool Over() const {
    return std::ranges::all_of(receivers_, [this](const Receiver& receiver) {
      return step_ > receiver.joins && !Takes(receiver);
    });
  }

  Receiver* At(const std::string& address) {
    if (address == FeedTree::kLearner) return nullptr;
    for (Receiver& receiver : receivers_) {
      if (receiver.address() == address) return &receiver;
    }
    return nullptr;
  }

  void Report(Receiver& receiver, const std::string& failed) {
    if (!failed.empty()) {
      // What it had of a bucket is thrown away.
      receiver.bytes = receiver.buckets() * kBucketBytes;
    }
    const std::string source =
        tree_.Report({.receiver = receiver.name,
                      .address = receiver.address(),
                      .num_buckets = receiver.buckets(),
                      .num_bytes = static_cast<uint64_t>(receiver.bytes),
                      .failed_source = failed},
                     now_);
    if (source != receiver.source) {
      receiver.bytes = receiver.buckets() * kBucketBytes;
      receiver.moved = now_;
    }
    receiver.source = source;
    receiver.reported = now_;
  }

  // What a receiver does by itself: joins, dies, reports, gives sources up.
  void Live(Receiver& receiver) {
    if (step_ == receiver.dies) receiver.alive = false;
    if (step_ == receiver.joins) {
      receiver.alive = true;
      receiver.moved = now_;
      Report(receiver, "");
    }
    if (!receiver.alive || receiver.done >= 0) return;
    if (receiver.bytes >= total_) {
      receiver.done = step_;
      Report(receiver, "");
      return;
    }
    Receiver* const source = At(receiver.source);
    if ((source != nullptr && !source->alive) ||
        now_ - receiver.moved > absl::Seconds(5)) {
      receiver.moved = now_;
      Report(receiver, source == nullptr ? ":7" : receiver.source);
    } else if (now_ - receiver.reported >= absl::Milliseconds(500)) {
      Report(receiver, "");
    }
  }

  bool Takes(const Receiver& receiver) const {
    return receiver.alive && receiver.done < 0;
  }

  // Who sends shares its link between those that it feeds.
  void Flow() {
    std::map<std::string, int> fed;
    for (const Receiver& receiver : receivers_) {
      if (Takes(receiver)) ++fed[receiver.source];
    }
    for (Receiver& receiver : receivers_) {
      if (!Takes(receiver)) continue;
      const Receiver* const source = At(receiver.source);
      const double there =
          source == nullptr ? total_ : source->buckets() * kBucketBytes;
      const double rate =
          std::min(receiver.rate, (source == nullptr ? kFast : source->rate) /
                                      fed[receiver.source]);
      const double got = std::clamp(there - receiver.bytes, 0.0,
                                    rate * absl::ToDoubleSeconds(kStep));
      if (got <= 0) continue;
      receiver.bytes += got;
      receiver.moved = now_;
      if (source == nullptr) learner_bytes_ += got;
    }
  }

  void ExpectNoCycle() {
    for (const Receiver& receiver : receivers_) {
      const Receiver* at = &receiver;
      size_t steps = 0;
      while (at != nullptr && Takes(*at) && steps <= receivers_.size()) {
        at = At(at->source);
        ++steps;
      }
      ASSERT_LE(steps, receivers_.size()) << receiver.name;
    }
  }

  const double total_;
  FeedTree tree_;
  std::vector<Receiver> receivers_;
  absl::Time now_ = absl::FromUnixSeconds(1000);
  int step_ = 0;
  double learner_bytes_ = 0;
};

int Steps(absl::Duration time) { return static_cast<int>(time / kStep); }

TEST(FeedTreeSimulationTest, FortyReceiversTakeHardlyLongerThanTwo) {
  std::vector<Receiver> receivers;
  for (int i = 0; i < 40; ++i) receivers.push_back({.name = absl::StrCat(i)});
  Simulation simulation(receivers);
  simulation.Run(Steps(absl::Seconds(4)));
  // One after another the learner would need 8 seconds for all.
  for (const Receiver& receiver : simulation.receivers()) {
    EXPECT_GE(receiver.done, 0) << receiver.name;
    EXPECT_LT(receiver.done, Steps(absl::Seconds(2))) << receiver.name;
  }
  EXPECT_LE(simulation.learner_bytes(), 6 * kTotal);
}

// Trials at the learner cost little where its link is the limit.
TEST(FeedTreeSimulationTest, ALongTransferToManyStaysATree) {
  std::vector<Receiver> receivers;
  for (int i = 0; i < 30; ++i) receivers.push_back({.name = absl::StrCat(i)});
  Simulation simulation(receivers, /*num_buckets=*/400);
  simulation.Run(Steps(absl::Seconds(15)));
  // With two at each source it takes 8 seconds.
  for (const Receiver& receiver : simulation.receivers()) {
    EXPECT_GE(receiver.done, 0) << receiver.name;
    EXPECT_LT(receiver.done, Steps(absl::Seconds(11))) << receiver.name;
  }
  EXPECT_LE(simulation.learner_bytes(), 4 * 400 * kBucketBytes);
}

TEST(FeedTreeSimulationTest, OneThatJoinsInTheMiddleTakesAsLongAsTheOthers) {
  std::vector<Receiver> receivers;
  for (int i = 0; i < 10; ++i) receivers.push_back({.name = absl::StrCat(i)});
  receivers.push_back({.name = "late", .joins = Steps(absl::Seconds(0.2))});
  Simulation simulation(receivers);
  simulation.Run(Steps(absl::Seconds(3)));
  const Receiver& late = simulation.receivers().back();
  EXPECT_GE(late.done, 0);
  EXPECT_LT(late.done - late.joins, Steps(absl::Seconds(2)));
}

TEST(FeedTreeSimulationTest, WhoeverLivesGetsAllWhateverTheOthersDo) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    std::mt19937_64 random(seed);
    const auto below = [&random](int n) {
      return static_cast<int>(random() % static_cast<uint64_t>(n));
    };
    std::vector<Receiver> receivers;
    for (int i = 0; i < 24; ++i) {
      Receiver receiver = {.name = absl::StrCat(i), .joins = below(100)};
      if (below(4) == 0) receiver.dies = receiver.joins + 1 + below(150);
      if (below(4) == 0) receiver.rate = kFast / (20 + below(200));
      receivers.push_back(receiver);
    }
    Simulation simulation(receivers);
    simulation.Run(Steps(absl::Seconds(120)));
    for (const Receiver& receiver : simulation.receivers()) {
      if (!receiver.alive) continue;
      EXPECT_GE(receiver.done, 0) << "seed " << seed << " " << receiver.name;
      if (receiver.rate < kFast) continue;
      EXPECT_LT(receiver.done - receiver.joins, Steps(absl::Seconds(15)))
          << "seed " << seed << " " << receiver.name;
    }
  }
}

TEST(FeedTreeSimulationTest, ReceiversThatStandStillHoldNobodyUp) {
  std::vector<Receiver> receivers = {{.name = "deaf1", .rate = 0},
                                     {.name = "deaf2", .rate = 0}};
  for (int i = 0; i < 10; ++i) {
    receivers.push_back({.name = absl::StrCat(i), .joins = 10});
  }
  Simulation simulation(receivers);
  simulation.Run(Steps(absl::Seconds(12)));
  for (const Receiver& receiver : simulation.receivers()) {
    if (receiver.rate == 0) continue;
    EXPECT_GE(receiver.done, 0) << receiver.name;
    EXPECT_LT(receiver.done, Steps(absl::Seconds(10))) << receiver.name;
  }
}

}  // namespace
}  // namespace rlhf
