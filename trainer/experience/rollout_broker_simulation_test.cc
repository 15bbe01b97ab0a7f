// The broker, its journals and a fleet of actors under faults, in virtual time,
// with batches open ahead of the update and without: crashes of either side,
// lost and repeated messages, late results, full disks, a preference model that
// goes away, and rollouts that are wrong on purpose.
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
constexpr double kTraining = 8;  // an update takes at most so long

std::vector<v1::Prompt> FivePrompts() {
  std::vector<v1::Prompt> prompts(5);
  for (size_t i = 0; i < prompts.size(); ++i) {
    prompts[i].set_prompt_id(absl::StrCat("p", i));
  }
  return prompts;
}

// A batch as the disk knows it.
struct Journal {
  v1::ModelVersion pm;
  std::vector<v1::Rollout> rollouts;
};

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
    options_.max_staleness = std::max<int64_t>(0, Int(-2, 3));
    options_.vocab_size = 10;
    actors_.resize(static_cast<size_t>(Int(1, 4)));
  }

  // Returns the invariant that was broken; empty if the run finished in order.
  std::string Run() {
    StartLearner();
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
  // then, at worst, one actor samples all open batches alone.
  double LongestBatch() const {
    const auto size = static_cast<double>(options_.rollouts_per_update);
    const auto ahead = static_cast<double>(options_.max_staleness);
    return (num_faults_ + 1) *
           (kLease + kSlow + kTraining + (1 + ahead) * size * kRound);
  }
  void Require(bool holds, const std::string& invariant) {
    if (!holds && violation_.empty()) violation_ = invariant;
  }

  // --- The learner's side. What survives a crash: journals_, checkpoint_.

  // The policy's version is update_ - 1 from here until the update is made.
  void StartLearner() {
    broker_ = std::make_unique<RolloutBroker>(options_, &schedule_);
    lease_ends_.clear();
    last_attempts_.clear();
    update_ = checkpoint_ + 1;
    OpenBatches();
  }

  // As BatchSource does: those that the newest version may sample for, once the
  // first is complete.
  void OpenBatches() {
    Open(update_);
    if (update_ > 1) OpenAhead();
    TrainIfComplete();
  }

  void OpenAhead() {
    for (int64_t ahead = 1; ahead <= options_.max_staleness; ++ahead) {
      Open(update_ + ahead);
    }
    int64_t num_open = 0;
    for (int64_t update = 1; update <= kUpdates + 9; ++update) {
      num_open += broker_->open(update) ? 1 : 0;
    }
    Require(num_open <= options_.max_staleness + 1,
            "the number of open batches is bounded");
  }

  void Open(int64_t update) {
    if (update > kUpdates || broker_->open(update)) return;
    const auto [journal, is_new] = journals_.try_emplace(update);
    if (is_new) journal->second.pm = pm_;
    Reopen(update);
  }

  void Reopen(int64_t update) {
    const Journal& journal = journals_.at(update);
    broker_->OpenBatch(update, journal.pm);
    for (const v1::Rollout& rollout : journal.rollouts) {
      broker_->Commit(rollout);
    }
    std::erase_if(lease_ends_, [update](const auto& entry) {
      return UpdateOfRollout(entry.first) == update;
    });
    std::erase_if(last_attempts_, [update](const auto& entry) {
      return UpdateOfRollout(entry.first) == update;
    });
  }

  void CrashLearner() {
    broker_.reset();
    ++learner_life_;
    After(Real(0.1, kRestart), [this] { StartLearner(); });
  }

  // Takes the batch; others are leased and filled while it is trained on.
  void TrainIfComplete() {
    if (training_ == learner_life_ || !broker_->open(update_) ||
        !broker_->complete(update_)) {
      return;
    }
    broker_->CloseBatch(update_);
    batch_ = broker_->Batch(update_);
    if (update_ == 1) OpenAhead();
    training_ = learner_life_;
    After(Real(0.01, kTraining), [this, life = learner_life_] {
      if (life == learner_life_) Train();
    });
  }

  void Train() {
    if (Fault("learner crashes while training")) return CrashLearner();
    training_ = -1;
    CheckBatch(journals_.at(update_).rollouts);
    if (Int(0, 1) == 0) checkpoint_ = update_;
    ++update_;
    if (Int(0, 2) == 0) NextPm();
    batch_start_ = now_;
    num_faults_ = 0;
    if (update_ <= kUpdates) OpenBatches();
  }

  // `stored` is in the order of arrival.
  void CheckBatch(std::vector<v1::Rollout> stored) {
    std::sort(stored.begin(), stored.end(), [](const auto& a, const auto& b) {
      return a.rollout_id() < b.rollout_id();
    });
    const v1::ModelVersion& pm = journals_.at(update_).pm;
    Require(static_cast<int64_t>(batch_.size()) == options_.rollouts_per_update,
            "a batch has every slot");
    std::vector<std::string> samples;
    for (size_t i = 0; i < batch_.size(); ++i) {
      const v1::Rollout& rollout = batch_[i];
      samples.push_back(rollout.actor_id());
      Require(used_by_.try_emplace(rollout.actor_id(), update_).first->second ==
                  update_,
              "no sample is used twice");
      Require(
          rollout.rollout_id() == RolloutId(update_, static_cast<int64_t>(i)),
          "each slot is trained exactly once");
      Require(i < stored.size() && stored[i].actor_id() == rollout.actor_id(),
              "the journal holds what is trained on");
      Require(rollout.has_reward() && std::isfinite(rollout.reward()),
              "every sample has a reward");
      Require(rollout.pm().version() == pm.version() &&
                  rollout.pm().digest() == pm.digest(),
              "every reward is of the batch's PM");
      const int64_t staleness = update_ - 1 - rollout.policy_version();
      Require(staleness >= 0 && staleness <= options_.max_staleness,
              "staleness is bounded");
      if (staleness > 0) ++seen_[absl::StrCat("staleness ", staleness)];
      const auto acknowledged = acknowledged_.find(rollout.rollout_id());
      if (acknowledged == acknowledged_.end()) continue;
      Require(acknowledged->second == rollout.actor_id(),
              "what was acknowledged is what is trained on");
      acknowledged_.erase(acknowledged);
    }
    for (const auto& [rollout_id, sample] : acknowledged_) {
      Require(UpdateOfRollout(rollout_id) > update_,
              "no acknowledged rollout is lost");
    }
    // After a crash an update is made again, of the very same samples.
    const auto [before, is_new] = trained_.try_emplace(update_, samples);
    Require(before->second == samples, "an update made again is the same");
    if (!is_new) ++seen_["update made again"];
  }

  void NextPm() {
    pm_.set_version(pm_.version() + 1);
    pm_.set_digest(absl::StrCat("digest", pm_.version()));
  }

  // A pinned PM is gone: what was accepted is scored again by the next. Once
  // in a run, for it ends every lease and would hide one that never ends.
  void LosePm() {
    if (broker_ == nullptr) return;
    NextPm();
    ++num_faults_;
    for (auto& [update, journal] : journals_) {
      if (!broker_->open(update) || broker_->complete(update)) continue;
      ++seen_["PM gone"];
      broker_->CloseBatch(update);
      journal = {.pm = pm_, .rollouts = broker_->Accepted(update)};
      for (v1::Rollout& rollout : journal.rollouts) {
        rollout.set_reward(static_cast<float>(Real(-1, 1)));
        *rollout.mutable_pm() = pm_;
      }
      Reopen(update);
    }
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
      journals_.at(*UpdateOfRollout(rollout.rollout_id()))
          .rollouts.push_back(rollout);
      if (Crashes("learner crashes after the write")) return std::nullopt;
      broker_->Commit(rollout);
      if (Crashes("learner crashes before the answer")) return std::nullopt;
      Require(acknowledged_.emplace(rollout.rollout_id(), rollout.actor_id())
                  .second,
              "a slot is acknowledged as accepted once");
      TrainIfComplete();
    }
    Require(ack.status() != v1::RolloutAck::REFUSED ||
                rollout.pm().version() != PmOf(rollout).version(),
            absl::StrCat("no honest rollout is refused: ", ack.message()));
    Require(ack.status() != v1::RolloutAck::STALE,
            "work that was leased never turns stale");
    ++seen_[v1::RolloutAck::Status_Name(ack.status())];
    return ack;
  }

  const v1::ModelVersion& PmOf(const v1::Rollout& rollout) {
    return journals_.at(*UpdateOfRollout(rollout.rollout_id())).pm;
  }

  bool Crashes(const char* kind) {
    if (!Fault(kind)) return false;
    CrashLearner();
    return true;
  }

  // --- The actors' side.

  // Versions never go back, also when the learner restarts behind the actor.
  void Fetch(Actor& actor) {
    actor.policy_version = std::max(actor.policy_version, update_ - 1);
  }

  void Ask(Actor& actor) {
    // A new policy may not have arrived yet.
    if (Int(0, 3) > 0) Fetch(actor);
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
    Fetch(actor);
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
      After(Real(0.1, kRestart), [this, &actor] {
        actor.policy_version = update_ - 1;
        Ask(actor);
      });
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
    lease.set_pm_version(journals_.at(update_).pm.version());
    v1::Rollout rollout = Sampled(lease, {.policy_version = update_ - 1});
    const auto flaw = Int(0, 5);
    if (flaw == 0) rollout.clear_reward();
    if (flaw == 1) rollout.mutable_pm()->set_digest("forged");
    if (flaw == 2) rollout.set_policy_version(update_);
    if (flaw == 3) rollout.set_policy_version(-1);
    if (flaw == 4) rollout.set_response_ids(0, 10);
    if (flaw == 5) {
      const int64_t closed = update_ + 1 + options_.max_staleness;
      rollout.set_rollout_id(RolloutId(closed, slot));
    }
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
  std::map<int64_t, Journal> journals_;  // by update
  int64_t checkpoint_ = 0;
  std::unique_ptr<RolloutBroker> broker_;
  int learner_life_ = 0;
  int training_ = -1;               // the life in which a batch is trained on
  std::vector<v1::Rollout> batch_;  // that one

  std::vector<Actor> actors_;
  int num_samples_ = 0;

  // What the invariants need: the samples acknowledged as accepted and not
  // trained on yet, by rollout, the samples of each update that was made and
  // the update of each sample, and the leases that the broker remembers.
  std::map<std::string, std::string> acknowledged_;
  std::map<int64_t, std::vector<std::string>> trained_;
  std::map<std::string, int64_t> used_by_;
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
  for (const char* what : {"learner crashes while training",
                           "learner crashes before the write",
                           "learner crashes after the write",
                           "learner crashes before the answer",
                           "disk full",
                           "lease reply lost",
                           "slow actor",
                           "message repeated",
                           "acknowledgement lost",
                           "actor crashes",
                           "PM gone",
                           "ACCEPTED",
                           "DUPLICATE",
                           "SUPERSEDED",
                           "REFUSED",
                           "forged, STALE",
                           "forged, REFUSED",
                           "staleness 1",
                           "staleness 2",
                           "staleness 3",
                           "update made again"}) {
    EXPECT_GT(seen[what], 100) << what;
  }
}

}  // namespace
}  // namespace rlhf
