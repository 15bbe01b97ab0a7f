#include "tests/simulator/registry_simulation.h"

namespace rlhf {
namespace {

constexpr double kEnd = 3000;  // virtual seconds

}  // namespace

std::string RegistrySimulation::Run() {
  refreshers_ = {{.id = 0}, {.id = 1}};
  for (Refresher& refresher : refreshers_) Begin(refresher);
  After(Real(10, 60), [this] { PersonActs(); });
  while (now() < kEnd && violation_.empty()) RunNextEvent();
  Require(cards_.size() > 5, "versions keep coming");
  return violation_;
}

void RegistrySimulation::Append(const Aliases& after) {
  const std::optional<int64_t> before = Serving();
  aliases_ = after;
  const std::optional<int64_t> serving = Serving();
  Require(serving.has_value() || !before.has_value(),
          "once one serves, one always does");
  if (serving != before) {
    Require(cards_.contains(*serving), "only what is published serves");
    Require(FindAlias(aliases_, "previous") == before,
            "who served before is remembered");
    Require(FindAlias(aliases_, "shadow") != serving &&
                FindAlias(aliases_, "canary") != serving,
            "who serves is on no trial");
  }
  if (serving.has_value()) served_.insert(*serving);
}

// --- The refreshers.

void RegistrySimulation::Begin(Refresher& refresher) {
  if (lock_.has_value() && *lock_ != refresher.id) {
    After(1, [this, &refresher] { Begin(refresher); });
    return;
  }
  lock_ = refresher.id;
  Watch(refresher, 0);
}

// The next step, unless the process dies before it, or stands still so long
// that it is restarted.
void RegistrySimulation::Then(Refresher& refresher, double delay,
                              void (RegistrySimulation::*step)(Refresher&,
                                                               int64_t),
                              int64_t version) {
  if (Fault("refresher dies")) {
    ++refresher.life;
    lock_.reset();
    After(Real(0.1, 20), [this, &refresher] { Begin(refresher); });
    return;
  }
  After(delay, [this, &refresher, step, version, life = refresher.life] {
    if (life == refresher.life) (this->*step)(refresher, version);
  });
}

void RegistrySimulation::Watch(Refresher& refresher, int64_t) {
  for (const auto& [version, card] : cards_) {
    if (reported_.contains(version)) continue;
    Count("goes on with what was left");
    return Conclude(refresher, version);
  }
  Train(refresher);
}

void RegistrySimulation::Train(Refresher& refresher) {
  measured_ = {.passed = Real(0, 1) < 0.7, .compared_with = Serving()};
  const int64_t version = cards_.empty() ? 1 : cards_.rbegin()->first + 1;
  Then(refresher, Real(1, 60), &RegistrySimulation::Publish, version);
}

void RegistrySimulation::Publish(Refresher& refresher, int64_t version) {
  Require(cards_.try_emplace(version, measured_).second,
          "a version is published once");
  Then(refresher, Real(0.01, 1), &RegistrySimulation::Conclude, version);
}

void RegistrySimulation::Conclude(Refresher& refresher, int64_t version) {
  Set("candidate", version);
  const bool knows = flaw_ != "trusts its memory";
  if (!cards_.at(version).passed || (knows && served_.contains(version))) {
    reported_.insert(version);
    return Then(refresher, 5, &RegistrySimulation::Watch, 0);
  }
  Then(refresher, Real(0.01, 1), &RegistrySimulation::Try, version);
}

void RegistrySimulation::Try(Refresher& refresher, int64_t version) {
  EndTrials();
  if (Serving().has_value()) Set(Int(0, 1) == 0 ? "shadow" : "canary", version);
  Then(refresher, Real(0.1, 40), &RegistrySimulation::Promote, version);
}

void RegistrySimulation::Promote(Refresher& refresher, int64_t version) {
  const std::optional<int64_t> expected =
      flaw_ == "compares with one and replaces another"
          ? Serving()
          : cards_.at(version).compared_with;
  Aliases after = aliases_;
  const bool looks =
      flaw_ != "looks before its trials only" && flaw_ != "trusts its memory";
  if (looks && served_.contains(version)) {
    Count("served during its trials");
  } else if (PromoteIn(after, version, expected).ok()) {
    Count("promoted");
    CheckGate(version, aliases_);
    Append(after);
  } else {
    Count("refused: something else serves");
  }
  EndTrials();
  // The line in pms.jsonl may be missing after this.
  if (!Fault("report lost")) reported_.insert(version);
  Then(refresher, 5, &RegistrySimulation::Watch, 0);
}

void RegistrySimulation::EndTrials() {
  Aliases after = aliases_;
  after.erase("shadow");
  after.erase("canary");
  Append(after);
}

void RegistrySimulation::Set(const std::string& alias, int64_t version) {
  Aliases after = aliases_;
  after[alias] = version;
  Append(after);
}

void RegistrySimulation::CheckGate(int64_t version, const Aliases& before) {
  const Card& card = cards_.at(version);
  Require(card.passed, "the gate promotes only what passed");
  const std::optional<int64_t> serving = FindAlias(before, "serving");
  Require(serving == card.compared_with || serving == version,
          "the gate replaces only what it compared with");
  Require(!served_.contains(version) || serving == version,
          "the gate does not bring back what was taken back");
}

// --- People.

void RegistrySimulation::PersonActs() {
  After(Real(10, 200), [this] { PersonActs(); });
  if (Int(0, 1) == 0) {
    Aliases after = aliases_;
    const std::optional<int64_t> before = Serving();
    const auto serves = RollBackIn(after);
    if (!serves.ok()) return;
    Count("rolled back");
    Append(after);
    Require(Serving() == *serves && FindAlias(after, "previous") == before,
            "a rollback changes places");
  } else if (!cards_.empty()) {
    const int64_t version = Int(1, cards_.rbegin()->first);
    // Looked at a while ago.
    After(Real(0, 30),
          [this, version, seen = Serving()] { PersonPromotes(version, seen); });
  }
}

void RegistrySimulation::PersonPromotes(int64_t version,
                                        std::optional<int64_t> expected) {
  Aliases after = aliases_;
  const std::optional<int64_t> serving = Serving();
  const absl::Status status = PromoteIn(after, version, expected);
  Require(status.ok() == (serving == expected),
          "a promotion is made exactly on the view that it was decided on");
  if (!status.ok()) {
    Require(after == aliases_, "a refused promotion changes nothing");
    Count("promotion on an old view");
    return;
  }
  Count("promoted by a person");
  Append(after);
}

}  // namespace rlhf
