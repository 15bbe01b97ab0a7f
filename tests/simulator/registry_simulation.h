// The registry's aliases, two refreshers and people who promote and roll back,
// under faults: a refresher dies between any two steps, the other goes on with
// what it left, people act on an old view, reports are lost.
//
// The rules of the aliases are the real ones (core/registry/alias_rules.h).
// Files, locks, gate and refreshers are played here, as model_registry.h,
// refresher.cc and candidate_verdict.h have them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "core/registry/alias_rules.h"
#include "tests/simulator/simulation.h"

namespace rlhf {

class RegistrySimulation final : public Simulation {
 public:
  // What is broken on purpose in a refresher: "", or
  //   "compares with one and replaces another"
  //   "looks before its trials only"  at whether somebody took it back
  //   "trusts its memory"  and not at all
  explicit RegistrySimulation(uint64_t seed, absl::string_view flaw = "")
      : Simulation(seed, /*fault_share=*/0.05), flaw_(flaw) {}

  std::string Run() override;

 private:
  // What a published version's card tells.
  struct Card {
    bool passed = false;
    std::optional<int64_t> compared_with;
  };
  // One process; `life` counts its restarts.
  struct Refresher {
    int id = 0;
    int life = 0;
  };

  void Require(bool holds, const char* rule) {
    if (!holds && violation_.empty()) violation_ = rule;
  }
  std::optional<int64_t> Serving() const {
    return FindAlias(aliases_, "serving");
  }
  // One more line of the log, or none if the process dies first.
  void Append(const Aliases& after);

  // --- The refreshers.
  void Begin(Refresher& refresher);
  void Then(Refresher& refresher, double delay,
            void (RegistrySimulation::*step)(Refresher&, int64_t),
            int64_t version);
  void Watch(Refresher& refresher, int64_t);
  void Train(Refresher& refresher);
  void Publish(Refresher& refresher, int64_t version);
  void Conclude(Refresher& refresher, int64_t version);
  void Try(Refresher& refresher, int64_t version);
  void Promote(Refresher& refresher, int64_t version);
  void EndTrials();
  void Set(const std::string& alias, int64_t version);

  // --- People.
  void PersonActs();
  void PersonPromotes(int64_t version, std::optional<int64_t> expected);

  void CheckGate(int64_t version, const Aliases& before);

  const std::string flaw_;
  std::string violation_;

  // Durable.
  std::map<int64_t, Card> cards_;
  Aliases aliases_;
  std::set<int64_t> reported_;
  std::set<int64_t> served_;
  std::optional<int> lock_;  // the refresher that has it

  std::vector<Refresher> refreshers_;
  // What was measured and is not published yet, by the process that did.
  Card measured_;
};

}  // namespace rlhf
