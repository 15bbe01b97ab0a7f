// The broker, its journal and a fleet of actors under faults, in virtual time:
// crashes of either side, lost and repeated messages, late results, full disks,
// a preference model that goes away, and rollouts that are wrong on purpose.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "trainer/experience/rollout_broker.h"

namespace rlhf {
namespace {

constexpr int64_t kUpdates = 12;
// Virtual seconds.
constexpr double kLease = 10;
constexpr double kSlow = 15;  // a slow actor outlives its lease
constexpr double kRestart = 3;
// A prompt, from asking for it to the acknowledgement, when nothing fails.
constexpr double kRound = 5;

std::vector<v1::Prompt> FivePrompts() {
  std::vector<v1::Prompt> prompts(5);
  for (size_t i = 0; i < prompts.size(); ++i) {
    prompts[i].set_prompt_id(absl::StrCat("p", i));
  }
  return prompts;
}

struct Actor {
  int id = 0;
  int life = 0;  // counts its restarts
  int64_t policy_version = 0;
  size_t unacknowledged = 0;
};

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_(seed) {
    options_.rollouts_per_update = Int(2, 8);
    options_.lease = absl::Seconds(kLease);
    options_.max_new_tokens = 4;
    options_.max_staleness = std::max<int64_t>(0, Int(-2, 2));
    options_.vocab_size = 10;
    actors_.resize(static_cast<size_t>(Int(1, 4)));
  }

  // Returns the invariant that was broken; empty if the run finished in order.
  std::string Run() {
    OpenBatch();
    for (size_t i = 0; i < actors_.size(); ++i) {
      actors_[i].id = static_cast<int>(i);
      Ask(actors_[i]);
    }
    After(Real(1, 5), [this] { Forge(); });
    After(Real(5, 60), [this] { LosePm(); });
    while (violation_.empty() && update_ <= kUpdates) {
      now_ = events_.top().time;
      const std::function<void()> event = events_.top().run;
      events_.pop();
      ++num_events_;
      event();
      Require(now_ - batch_start_ <= LongestBatch(),
              "every batch completes in bounded time");
    }
    return violation_;
  }

  int num_events() const { return num_events_; }
  // How often each kind of fault struck, and each answer was given.
  const std::map<std::string, int>& seen() const { return seen_; }

 private:
  struct Event {
    double time;
    int order;
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return std::pair(time, order) > std::pair(other.time, other.order);
    }
  };

  // --- Chance and time.

  int64_t Int(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  double Real(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random_);
  }
  bool Fault(const char* kind) {
    if (Real(0, 1) > 0.02) return false;
    ++seen_[kind];
    ++num_faults_;
    return true;
  }
  void After(double delay, std::function<void()> run) {
    events_.push({now_ + delay, num_scheduled_++, std::move(run)});
  }
  double Delay() { return Real(0.001, 0.1); }
  // Each fault costs at most its own delay and, for what it orphaned, a lease;
  // then, at worst, one actor samples the whole batch alone.
  double LongestBatch() const {
    const auto size = static_cast<double>(options_.rollouts_per_update);
    return (num_faults_ + 1) * (kLease + kSlow + size * kRound);
  }
  void Require(bool holds, const std::string& invariant) {
    if (!holds && violation_.empty()) violation_ = invariant;
  }

  // --- The learner's side. What survives a crash: update_, pm_, journal_.

  void OpenBatch() {
    if (broker_ == nullptr) {
      broker_ = std::make_unique<RolloutBroker>(options_, &schedule_);
    }
    broker_->StartBatch(update_, pm_);
    for (const v1::Rollout& rollout : journal_) broker_->Commit(rollout);
    lease_ends_.clear();
    last_attempts_.clear();
    TrainIfComplete();
  }

  void CrashLearner() {
    broker_.reset();
    ++learner_life_;
    After(Real(0.1, kRestart), [this] { OpenBatch(); });
  }

  void TrainIfComplete() {
    if (!broker_->complete()) return;
    After(Delay(), [this, life = learner_life_, update = update_] {
      if (life == learner_life_ && update == update_) Train();
    });
  }

  void Train() {
    broker_->CloseBatch();
    const std::vector<v1::Rollout> batch = broker_->Batch();
    if (Fault("learner crashes while training")) return CrashLearner();
    CheckBatch(batch);
    ++update_;
    if (Int(0, 2) == 0) NextPm();
    journal_.clear();
    acknowledged_.clear();
    batch_start_ = now_;
    num_faults_ = 0;
    OpenBatch();
  }

  void CheckBatch(const std::vector<v1::Rollout>& batch) {
    Require(static_cast<int64_t>(batch.size()) == options_.rollouts_per_update,
            "a batch has every slot");
    for (size_t i = 0; i < batch.size(); ++i) {
      const v1::Rollout& rollout = batch[i];
      Require(
          rollout.rollout_id() == RolloutId(update_, static_cast<int64_t>(i)),
          "each slot is trained exactly once");
      Require(rollout.has_reward() && std::isfinite(rollout.reward()),
              "every sample has a reward");
      Require(rollout.pm().version() == pm_.version() &&
                  rollout.pm().digest() == pm_.digest(),
              "every reward is of the batch's PM");
      Require(
          rollout.policy_version() <= update_ - 1 &&
              rollout.policy_version() >= update_ - 1 - options_.max_staleness,
          "staleness is bounded");
      const auto acknowledged = acknowledged_.find(rollout.rollout_id());
      if (acknowledged == acknowledged_.end()) continue;
      Require(acknowledged->second == rollout.actor_id(),
              "what was acknowledged is what is trained on");
      acknowledged_.erase(acknowledged);
    }
    Require(acknowledged_.empty(), "no acknowledged rollout is lost");
  }

  void NextPm() {
    pm_.set_version(pm_.version() + 1);
    pm_.set_digest(absl::StrCat("digest", pm_.version()));
  }

  // The pinned PM is gone: what was accepted is scored again by the next. Once
  // in a run, for it ends every lease and would hide one that never ends.
  void LosePm() {
    if (broker_ == nullptr || broker_->complete()) return;
    ++seen_["PM gone"];
    ++num_faults_;
    broker_->CloseBatch();
    journal_ = broker_->Accepted();
    NextPm();
    for (v1::Rollout& rollout : journal_) {
      rollout.set_reward(static_cast<float>(Real(-1, 1)));
      *rollout.mutable_pm() = pm_;
    }
    OpenBatch();
  }

  std::vector<v1::PromptLease> Lease(const Actor& actor) {
    if (broker_ == nullptr) return {};
    const std::vector<v1::PromptLease> leases =
        broker_->Lease(static_cast<int>(Int(1, 3)), actor.policy_version,
                       absl::UnixEpoch() + absl::Seconds(now_));
    for (const v1::PromptLease& lease : leases) {
      double& end = lease_ends_[lease.rollout_id()];
      Require(end <= now_ + 1e-6, "a slot has one lease at a time");
      end = now_ + kLease;
      int32_t& last = last_attempts_[lease.rollout_id()];
      Require(lease.attempt() > last, "attempts only grow");
      last = lease.attempt();
    }
    return leases;
  }

  // What the service does; nullopt if no answer leaves it.
  std::optional<v1::RolloutAck> Submit(const v1::Rollout& rollout) {
    if (broker_ == nullptr) return std::nullopt;
    const v1::RolloutAck ack = broker_->Check(rollout);
    if (ack.status() == v1::RolloutAck::ACCEPTED) {
      Require(rollout.attempt() >= last_attempts_[rollout.rollout_id()],
              "an attempt that was superseded is not accepted");
      if (Fault("disk full")) return std::nullopt;
      if (Crashes("learner crashes before the write")) return std::nullopt;
      journal_.push_back(rollout);
      if (Crashes("learner crashes after the write")) return std::nullopt;
      broker_->Commit(rollout);
      TrainIfComplete();
      if (Crashes("learner crashes before the answer")) return std::nullopt;
      Require(acknowledged_.emplace(rollout.rollout_id(), rollout.actor_id())
                  .second,
              "a slot is acknowledged as accepted once");
    }
    Require(ack.status() != v1::RolloutAck::REFUSED ||
                rollout.pm().version() != pm_.version(),
            absl::StrCat("no honest rollout is refused: ", ack.message()));
    Require(ack.status() != v1::RolloutAck::STALE,
            "work that was leased never turns stale");
    ++seen_[v1::RolloutAck::Status_Name(ack.status())];
    return ack;
  }

  bool Crashes(const char* kind) {
    if (!Fault(kind)) return false;
    CrashLearner();
    return true;
  }

  // --- The actors' side.

  void Ask(Actor& actor) {
    // A new policy may not have arrived yet.
    if (Int(0, 3) > 0) actor.policy_version = update_ - 1;
    After(Delay(), [this, &actor, life = actor.life] {
      const std::vector<v1::PromptLease> leases = Lease(actor);
      const bool lost = !leases.empty() && Fault("lease reply lost");
      const double wait = lost ? 1 : Delay();
      After(wait, [this, &actor, life, leases, lost] {
        if (life == actor.life) {
          Sample(actor, lost ? std::vector<v1::PromptLease>() : leases);
        }
      });
    });
  }

  void Sample(Actor& actor, const std::vector<v1::PromptLease>& leases) {
    actor.unacknowledged = leases.size();
    double delay = 0;
    for (const v1::PromptLease& lease : leases) {
      delay += Real(0.1, 2) + (Fault("slow actor") ? kSlow - 3 : 0);
      After(delay,
            [this, &actor, life = actor.life, rollout = Sampled(lease, actor)] {
              Send(actor, life, rollout);
            });
    }
    if (!leases.empty()) return;
    actor.policy_version = update_ - 1;
    After(0.5, [this, &actor, life = actor.life] {
      if (life == actor.life) Ask(actor);
    });
  }

  v1::Rollout Sampled(const v1::PromptLease& lease, const Actor& actor) {
    v1::Rollout rollout;
    rollout.set_rollout_id(lease.rollout_id());
    rollout.set_attempt(lease.attempt());
    *rollout.mutable_prompt() = lease.prompt();
    rollout.add_prompt_ids(1);
    rollout.add_response_ids(static_cast<int32_t>(Int(0, 9)));
    rollout.add_behaviour_logprobs(-1);
    rollout.set_policy_version(actor.policy_version);
    rollout.set_finish_reason(v1::FINISH_REASON_STOP);
    rollout.set_reward(static_cast<float>(Real(-1, 1)));
    rollout.mutable_pm()->set_version(lease.pm_version());
    rollout.mutable_pm()->set_digest(
        absl::StrCat("digest", lease.pm_version()));
    // Tells every sample ever made from every other.
    rollout.set_actor_id(absl::StrCat(actor.id, "#", num_samples_++));
    return rollout;
  }

  void Send(Actor& actor, int life, const v1::Rollout& rollout) {
    if (life != actor.life) return;
    if (Fault("message repeated")) {
      After(Real(0.001, 30), [this, rollout] { (void)Submit(rollout); });
    }
    After(Delay(), [this, &actor, life, rollout] {
      const bool answered = Submit(rollout).has_value();
      if (!answered || Fault("acknowledgement lost")) {
        After(1, [this, &actor, life, rollout] { Send(actor, life, rollout); });
      } else {
        After(Delay(), [this, &actor, life] { Acknowledged(actor, life); });
      }
    });
    if (Fault("actor crashes")) {
      ++actor.life;
      After(Real(0.1, kRestart), [this, &actor] { Ask(actor); });
    }
  }

  void Acknowledged(Actor& actor, int life) {
    if (life == actor.life && --actor.unacknowledged == 0) Ask(actor);
  }

  // A rollout that is good but for one thing is never accepted.
  void Forge() {
    After(Real(1, 5), [this] { Forge(); });
    if (broker_ == nullptr) return;
    const int64_t slot = Int(0, options_.rollouts_per_update - 1);
    v1::PromptLease lease;
    lease.set_rollout_id(RolloutId(update_, slot));
    lease.set_attempt(99);
    const int64_t first = (update_ - 1) * options_.rollouts_per_update;
    *lease.mutable_prompt() = *schedule_.At(first + slot).prompt;
    lease.set_pm_version(pm_.version());
    v1::Rollout rollout = Sampled(lease, {.policy_version = update_ - 1});
    const auto flaw = Int(0, 5);
    if (flaw == 0) rollout.clear_reward();
    if (flaw == 1) rollout.mutable_pm()->set_digest("forged");
    if (flaw == 2) rollout.set_policy_version(update_);
    if (flaw == 3) rollout.set_policy_version(-1);
    if (flaw == 4) rollout.set_response_ids(0, 10);
    if (flaw == 5) rollout.set_rollout_id(RolloutId(update_ + 1, slot));
    const v1::RolloutAck ack = broker_->Check(rollout);
    ++seen_[absl::StrCat("forged, ",
                         v1::RolloutAck::Status_Name(ack.status()))];
    Require(ack.status() != v1::RolloutAck::ACCEPTED,
            absl::StrCat("no forged rollout is accepted (flaw ", flaw, ")"));
  }

  std::mt19937_64 random_;
  const PromptSchedule schedule_{FivePrompts(), /*seed=*/1};
  RolloutBroker::Options options_;

  double now_ = 0;
  std::priority_queue<Event> events_;
  int num_scheduled_ = 0;
  int num_events_ = 0;

  int64_t update_ = 1;
  v1::ModelVersion pm_ = [] {
    v1::ModelVersion pm;
    pm.set_version(1);
    pm.set_digest("digest1");
    return pm;
  }();
  std::vector<v1::Rollout> journal_;
  std::unique_ptr<RolloutBroker> broker_;
  int learner_life_ = 0;

  std::vector<Actor> actors_;
  int num_samples_ = 0;

  // What the invariants need: of the open batch, the samples acknowledged as
  // accepted, by rollout, and the leases that the broker remembers.
  std::map<std::string, std::string> acknowledged_;
  std::map<std::string, double> lease_ends_;
  std::map<std::string, int32_t> last_attempts_;
  double batch_start_ = 0;
  int num_faults_ = 0;
  std::map<std::string, int> seen_;
  std::string violation_;
};

TEST(RolloutBrokerSimulationTest, HoldsItsInvariantsUnderFaults) {
  std::map<std::string, int> seen;
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    Simulation simulation(seed);
    ASSERT_EQ(simulation.Run(), "") << "broken by seed " << seed;
    ASSERT_GE(simulation.num_events(), 100) << "seed " << seed;
    for (const auto& [what, count] : simulation.seen()) seen[what] += count;
  }
  // The faults and the answers all came up, so the invariants were tried.
  for (const char* what :
       {"learner crashes while training", "learner crashes before the write",
        "learner crashes after the write", "learner crashes before the answer",
        "disk full", "lease reply lost", "slow actor", "message repeated",
        "acknowledgement lost", "actor crashes", "PM gone", "ACCEPTED",
        "DUPLICATE", "SUPERSEDED", "REFUSED", "forged, STALE",
        "forged, REFUSED"}) {
    EXPECT_GT(seen[what], 100) << what;
  }
}

}  // namespace
}  // namespace rlhf
