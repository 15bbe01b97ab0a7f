// The rollout broker, its journals, a learner and a fleet of actors under
// faults, with batches open ahead of the update and without: crashes of either
// side, lost and repeated messages, late results, full disks, clocks that run
// apart, a preference model that goes away, and rollouts that are wrong on
// purpose.
//
// The broker is the real one. Learner, actors, journals and network are played
// here, as learner_loop.h, batch_source.h, rollout_submitter.h and
// rollout_journal.h have them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/simulator/rollout_history.h"
#include "tests/simulator/simulation.h"
#include "trainer/experience/rollout_broker.h"

namespace rlhf {

class RolloutSimulation final : public Simulation {
 public:
  struct Size {
    int64_t num_updates = 12;
    int64_t rollouts_per_update = 4;
    int64_t max_staleness = 0;
    int64_t num_actors = 2;
    int64_t max_leases = 3;  // that an actor asks for at once
    int64_t updates_per_checkpoint = 2;
    double fault_share = 0.02;
  };

  // A run of a size that follows from the seed.
  static Size SmallSize(uint64_t seed);

  // What is broken on purpose in the parts that are played here: "", or
  //   "resumes at version 0"  a learner that was restarted forgets its version
  //   "starts over"           or its checkpoint
  //   "forgets the journal"   or what was acknowledged
  //   "sends what was refused again"  an actor, for ever
  RolloutSimulation(uint64_t seed, const Size& size,
                    absl::string_view flaw = "");

  std::string Run() override;

  int64_t num_trained() const { return history_.num_trained(); }

 private:
  using Sample = std::shared_ptr<const v1::Rollout>;
  // A batch as the disk knows it.
  struct Journal {
    v1::ModelVersion pm;
    std::vector<Sample> rollouts;
  };
  struct Actor {
    int life = 0;  // counts its restarts
    int64_t policy_version = 0;
    size_t unacknowledged = 0;
    double rate = 1;  // how fast its clock runs
  };

  // --- The learner's side. What survives a crash: journals_, checkpoint_.
  void StartLearner();
  void CrashLearner();
  bool Crashes(const char* kind);
  void OpenBatches();
  void OpenAhead();
  void Open(int64_t update);
  void Reopen(int64_t update);
  void TrainIfComplete();
  void Train();
  void Save();
  void NextPm();
  void LosePm();
  absl::Time LearnerClock() const;
  int64_t PublishedVersion() const;
  std::vector<v1::PromptLease> Lease(const Actor& actor);
  std::optional<v1::RolloutAck> Submit(const v1::Rollout& rollout);
  std::optional<v1::RolloutAck> Store(const v1::Rollout& rollout,
                                      v1::RolloutAck ack);

  // --- The actors' side.
  void Restart(Actor& actor);
  void Fetch(Actor& actor);
  void Ask(Actor& actor);
  void Work(Actor& actor, const std::vector<v1::PromptLease>& leases);
  Sample MakeSample(const v1::PromptLease& lease, int64_t policy_version);
  void Send(Actor& actor, int life, const Sample& sample, double give_up);
  void Sent(Actor& actor, int life, const Sample& sample, double give_up);
  void Finished(Actor& actor, int life);
  void Forge();

  double Delay() { return Real(0.001, 0.1); }
  double LongestBatch() const;

  const Size size_;
  const std::string flaw_;
  const PromptSchedule schedule_;
  const RolloutBroker::Options options_;
  RolloutHistory history_;

  int64_t update_ = 1;
  v1::ModelVersion pm_;
  std::map<int64_t, Journal> journals_;  // by update
  int64_t checkpoint_ = 0;
  std::unique_ptr<RolloutBroker> broker_;
  int learner_life_ = 0;
  int training_ = -1;               // the life in which a batch is trained on
  std::vector<v1::Rollout> batch_;  // that one
  // Of this life: its clock began there and runs so fast.
  double clock_begin_ = 0;
  double clock_rate_ = 1;
  int64_t num_lives_updates_ = 0;  // made since it began

  std::vector<Actor> actors_;
  int64_t num_samples_ = 0;
  double batch_start_ = 0;
  int64_t num_faults_before_ = 0;
};

}  // namespace rlhf
