#include "tests/simulator/rollout_simulation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

// Virtual seconds.
constexpr double kLease = 10;
constexpr double kSlow = 15;  // a slow actor outlives its lease
constexpr double kRestart = 3;
// A prompt, from asking for it to the acknowledgement, when nothing fails.
constexpr double kRound = 5;
constexpr double kTraining = 8;  // an update takes at most so long
constexpr double kFaultsOfABatch = 200;
constexpr double kDay = 86400;
// Clocks run at least half and at most twice as fast as they should.
constexpr double kSkew = 2;

constexpr int kVocabulary = 10;

std::vector<v1::Prompt> FivePrompts() {
  std::vector<v1::Prompt> prompts(5);
  for (size_t i = 0; i < prompts.size(); ++i) {
    prompts[i].set_prompt_id(absl::StrCat("p", i));
  }
  return prompts;
}

RolloutBroker::Options BrokerOptions(const RolloutSimulation::Size& size) {
  return {.rollouts_per_update = size.rollouts_per_update,
          .lease = absl::Seconds(kLease),
          .max_new_tokens = 4,
          .max_staleness = size.max_staleness,
          .vocab_size = kVocabulary};
}

}  // namespace

RolloutSimulation::Size RolloutSimulation::SmallSize(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto number = [&random](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() %
                                      static_cast<uint64_t>(high - low + 1));
  };
  return {.rollouts_per_update = number(2, 8),
          .max_staleness = std::max<int64_t>(0, number(-2, 3)),
          .num_actors = number(1, 4)};
}

RolloutSimulation::RolloutSimulation(uint64_t seed, const Size& size,
                                     absl::string_view flaw)
    : Simulation(seed, size.fault_share),
      size_(size),
      flaw_(flaw),
      schedule_(FivePrompts(), /*seed=*/1),
      options_(BrokerOptions(size)),
      history_(size.rollouts_per_update, size.max_staleness),
      actors_(static_cast<size_t>(size.num_actors)) {
  NextPm();
}

// Each fault costs at most its own delay and, for what it orphaned, a lease;
// then, at worst, one actor samples all open batches alone.
double RolloutSimulation::LongestBatch() const {
  const auto size = static_cast<double>(size_.rollouts_per_update);
  const auto ahead = static_cast<double>(size_.max_staleness);
  const auto faults = static_cast<double>(num_faults() - num_faults_before_);
  return (faults + 1) * kSkew *
         (kLease + kSlow + kTraining + (1 + ahead) * size * kRound);
}

std::string RolloutSimulation::Run() {
  StartLearner();
  for (Actor& actor : actors_) {
    actor.rate = Real(1 / kSkew, kSkew);
    Ask(actor);
  }
  After(Real(1, 5), [this] { Forge(); });
  After(Real(5, 60), [this] { LosePm(); });
  while (update_ <= size_.num_updates && RunNextEvent()) {
    if (!history_.violation().empty()) return history_.violation();
    // Who tries again for ever would meet faults for ever.
    SetFaultsStrike(now() - batch_start_ < kFaultsOfABatch);
    if (now() - batch_start_ > LongestBatch()) {
      return "every batch completes in bounded time";
    }
  }
  for (const auto& [staleness, count] : history_.num_by_staleness()) {
    Count(absl::StrCat("staleness ", staleness), count);
  }
  Count("update made again", history_.num_made_again());
  return history_.violation();
}

// --- The learner.

// Nobody sets it, but it begins anew with the machine.
absl::Time RolloutSimulation::LearnerClock() const {
  return absl::UnixEpoch() + absl::Seconds(clock_begin_ + clock_rate_ * now());
}

int64_t RolloutSimulation::PublishedVersion() const {
  return flaw_ == "resumes at version 0" && learner_life_ > 0
             ? num_lives_updates_
             : update_ - 1;
}

// The policy's version is update_ - 1 from here until the update is made.
void RolloutSimulation::StartLearner() {
  broker_ = std::make_unique<RolloutBroker>(options_, &schedule_);
  clock_begin_ = Real(-kDay, kDay);
  clock_rate_ = Real(1 / kSkew, kSkew);
  num_lives_updates_ = 0;
  update_ = flaw_ == "starts over" ? 1 : checkpoint_ + 1;
  history_.Started(update_);
  OpenBatches();
}

void RolloutSimulation::CrashLearner() {
  broker_.reset();
  ++learner_life_;
  if (flaw_ == "forgets the journal") journals_.clear();
  After(Real(0.1, kRestart), [this] { StartLearner(); });
}

bool RolloutSimulation::Crashes(const char* kind) {
  if (!Fault(kind)) return false;
  CrashLearner();
  return true;
}

// As BatchSource does: those that the newest version may sample for, once the
// first is complete.
void RolloutSimulation::OpenBatches() {
  Open(update_);
  if (update_ > 1) OpenAhead();
  TrainIfComplete();
}

void RolloutSimulation::OpenAhead() {
  for (int64_t ahead = 1; ahead <= size_.max_staleness; ++ahead) {
    Open(update_ + ahead);
  }
}

void RolloutSimulation::Open(int64_t update) {
  if (update > size_.num_updates || broker_->open(update)) return;
  const auto [journal, is_new] = journals_.try_emplace(update);
  if (is_new) journal->second.pm = pm_;
  Reopen(update);
}

void RolloutSimulation::Reopen(int64_t update) {
  const Journal& journal = journals_.at(update);
  broker_->OpenBatch(update, journal.pm);
  for (const Sample& sample : journal.rollouts) broker_->Commit(*sample);
  history_.Opened(update, journal.pm);
}

// Takes the batch; others are leased and filled while it is trained on.
void RolloutSimulation::TrainIfComplete() {
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

void RolloutSimulation::Train() {
  if (Crashes("learner crashes while training")) return;
  training_ = -1;
  history_.Trained(update_, batch_);
  ++num_lives_updates_;
  if (Int(1, size_.updates_per_checkpoint) == 1) Save();
  ++update_;
  if (Int(0, 2) == 0) NextPm();
  batch_start_ = now();
  num_faults_before_ = num_faults();
  if (update_ <= size_.num_updates) OpenBatches();
}

void RolloutSimulation::Save() {
  if (Fault("disk full at a checkpoint")) return;
  checkpoint_ = update_;
  journals_.erase(journals_.begin(), journals_.upper_bound(update_));
  history_.Saved(update_);
}

void RolloutSimulation::NextPm() {
  pm_.set_version(pm_.version() + 1);
  pm_.set_digest(absl::StrCat("digest", pm_.version()));
}

// A pinned PM is gone: what was accepted is scored again by the next. Rarely,
// for it ends every lease and would hide one that never ends.
void RolloutSimulation::LosePm() {
  After(Real(1000, 5000), [this] { LosePm(); });
  if (broker_ == nullptr) return;
  NextPm();
  Count("PM gone");
  --num_faults_before_;  // a fault of this batch
  for (auto& [update, journal] : journals_) {
    if (!broker_->open(update) || broker_->complete(update)) continue;
    broker_->CloseBatch(update);
    journal = {.pm = pm_};
    for (v1::Rollout& rollout : broker_->Accepted(update)) {
      rollout.set_reward(static_cast<float>(Real(-1, 1)));
      *rollout.mutable_pm() = pm_;
      journal.rollouts.push_back(std::make_shared<v1::Rollout>(rollout));
    }
    Reopen(update);
  }
}

std::vector<v1::PromptLease> RolloutSimulation::Lease(const Actor& actor) {
  if (broker_ == nullptr) return {};
  const absl::Time now = LearnerClock();
  std::vector<v1::PromptLease> leases = broker_->Lease(
      static_cast<int>(Int(1, size_.max_leases)), actor.policy_version, now);
  for (const v1::PromptLease& lease : leases) {
    history_.Leased(lease, actor.policy_version, now, now + options_.lease);
  }
  return leases;
}

// What the service does; nullopt if no answer leaves it.
std::optional<v1::RolloutAck> RolloutSimulation::Submit(
    const v1::Rollout& rollout) {
  if (broker_ == nullptr) return std::nullopt;
  std::optional<v1::RolloutAck> ack = broker_->Check(rollout);
  if (ack->status() == v1::RolloutAck::ACCEPTED) {
    ack = Store(rollout, *std::move(ack));
  }
  if (!ack.has_value()) return ack;
  history_.Answered(rollout, *ack);
  Count(v1::RolloutAck::Status_Name(ack->status()));
  if (ack->status() == v1::RolloutAck::ACCEPTED) TrainIfComplete();
  return ack;
}

std::optional<v1::RolloutAck> RolloutSimulation::Store(
    const v1::Rollout& rollout, v1::RolloutAck ack) {
  if (Fault("disk full")) return std::nullopt;
  if (Crashes("learner crashes before the write")) return std::nullopt;
  journals_.at(*UpdateOfRollout(rollout.rollout_id()))
      .rollouts.push_back(std::make_shared<v1::Rollout>(rollout));
  history_.Stored(rollout);
  if (Crashes("learner crashes after the write")) return std::nullopt;
  broker_->Commit(rollout);
  if (Crashes("learner crashes before the answer")) return std::nullopt;
  return ack;
}

}  // namespace rlhf
