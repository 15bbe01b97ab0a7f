#include "feedback/batch/batch_evidence.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "core/base/hash.h"
#include "core/comparisons/choice.h"
#include "feedback/batch/language.h"
#include "feedback/batch/personal_data.h"

namespace rlhf {
namespace {

// Votes on one pair that a worker is compared with: pairs that everybody gets
// are no reason to count for ever.
constexpr size_t kMaxVotes = 16;

// Answers of one worker and what they share with each other worker.
struct WorkerTally {
  AnswerEvidence evidence;
  absl::flat_hash_map<uint64_t, SeenShare> with;
};

// The kinds of personal data in what a comparison shows and says.
std::set<PersonalDataKind> PersonalKinds(const v1::Comparison& comparison) {
  std::set<PersonalDataKind> kinds;
  const auto look_at = [&](const std::string& text) {
    for (const PersonalDatum& datum : FindPersonalData(text)) {
      kinds.insert(datum.kind);
    }
  };
  for (const v1::Message& message : comparison.prompt().messages()) {
    look_at(message.content());
  }
  look_at(comparison.response_a());
  look_at(comparison.response_b());
  look_at(comparison.comment());
  look_at(comparison.edited_response());
  return kinds;
}

class Measurer {
 public:
  explicit Measurer(const BatchBackground& background, size_t size)
      : background_(background),
        batch_(std::max<size_t>(size, 1)),
        log_speaks_(static_cast<int64_t>(background.profile->size()) >=
                    background.min_log_size) {
    if (!log_speaks_) return;
    evidence_.log_longer = background.profile->longer_is_better();
    usual_ = background.profile->UsualLengths();
    for (int kind = 0; kind < kNumChoiceKinds; ++kind) {
      evidence_.log_choices[kind] =
          background.profile->ChoiceShare(static_cast<ChoiceKind>(kind));
    }
  }

  void Take(const BatchItem& item) {
    const v1::Comparison& comparison = *item.comparison;
    const ComparisonKey key = KeyOf(comparison);
    const NearKey near = NearKeyOf(comparison, key.pair);
    ++evidence_.num_comparisons;
    TakeDuplicates(comparison, key, near);
    TakePersonalData(item);
    const ComparisonTraits traits = TraitsOf(comparison);
    TakeTraits(traits);
    TakeEdit(comparison);
    WorkerTally* const tally = TallyOf(comparison, key);
    TakeAnswer(item, key, traits, evidence_.everybody);
    // What is extra has no vote on its pair.
    ComparisonKey vote = key;
    if (!Counts(comparison)) vote.vote = 0;
    if (tally != nullptr) {
      TakeAnswer(item, key, traits, tally->evidence);
      TakeVotes(vote, *tally);
    }
    batch_.Add(vote, near);
  }

  BatchEvidence Finish() && {
    for (auto& [name, tally] : tallies_) {
      for (const auto& [other, share] : tally.with) {
        if (IntervalOf(share, kWorkerQuantile).low >
            IntervalOf(tally.evidence.twin, kWorkerQuantile).low) {
          tally.evidence.twin = share;
        }
      }
      evidence_.workers.push_back(std::move(tally.evidence));
    }
    for (const auto& [kind, count] : kinds_) {
      evidence_.personal_data_kinds.emplace_back(PersonalDataName(kind), count);
    }
    return std::move(evidence_);
  }

 private:
  void TakeDuplicates(const v1::Comparison& comparison,
                      const ComparisonKey& key, const NearKey& near) {
    const bool exact =
        background_.index->HasAnswer(key) || batch_.HasAnswer(key);
    const std::string& edited = comparison.edited_response();
    const bool edit_again =
        !edited.empty() && !edits_.insert(Xxh3(edited)).second;
    evidence_.exact_duplicates.Add(exact);
    evidence_.near_duplicates.Add(!exact && (edit_again ||
                                             background_.index->HasNear(near) ||
                                             batch_.HasNear(near)));
  }

  void TakeEdit(const v1::Comparison& comparison) {
    const size_t length = comparison.edited_response().size();
    if (!log_speaks_ || length == 0) return;
    evidence_.unusual_length.Add(length < usual_.low || length > usual_.high);
  }

  void TakePersonalData(const BatchItem& item) {
    const std::set<PersonalDataKind> kinds = PersonalKinds(*item.comparison);
    evidence_.personal_data.Add(!kinds.empty());
    if (!kinds.empty() && item.line > 0 &&
        evidence_.personal_data_lines.size() < BatchEvidence::kMaxLines) {
      evidence_.personal_data_lines.push_back(item.line);
    }
    for (const PersonalDataKind kind : kinds) ++kinds_[kind];
  }

  void TakeTraits(const ComparisonTraits& traits) {
    if (background_.profile->num_known_languages() >=
            background_.min_log_size &&
        traits.language != kUnknownLanguage) {
      evidence_.other_language.Add(
          !background_.profile->HasLanguage(traits.language));
    }
    for (int kind = 0; kind < kNumChoiceKinds; ++kind) {
      evidence_.choices[kind].Add(static_cast<int>(traits.choice) == kind);
    }
    if (!log_speaks_) return;
    for (const size_t length : {traits.length_a, traits.length_b}) {
      evidence_.unusual_length.Add(length < usual_.low || length > usual_.high);
    }
  }

  void TakeAnswer(const BatchItem& item, const ComparisonKey& key,
                  const ComparisonTraits& traits, AnswerEvidence& answers) {
    const v1::Comparison& comparison = *item.comparison;
    if (comparison.worker_seconds() > 0) {
      answers.too_fast.Add(comparison.worker_seconds() <
                           background_.min_seconds);
    }
    if (background_.gold != nullptr) {
      const auto gold = background_.gold->find(key.pair);
      if (gold != background_.gold->end()) {
        answers.gold_right.Add(gold->second == key.vote);
      }
    }
    if (!IsDecided(comparison)) return;
    const bool a_better = comparison.choice() == v1::A_BETTER;
    if (comparison.sides_known()) {
      answers.left.Add(a_better != comparison.shown_swapped());
    }
    if (traits.longer_is_better >= 0) {
      answers.longer.Add(traits.longer_is_better == 1);
    }
    if (item.pm_margin.has_value() && *item.pm_margin != 0) {
      answers.pm_agrees.Add((*item.pm_margin > 0) == a_better);
    }
    if (item.edit_margin.has_value() && *item.edit_margin != 0) {
      answers.edits_agree.Add(*item.edit_margin > 0);
    }
  }

  // Null if nobody is named.
  WorkerTally* TallyOf(const v1::Comparison& comparison,
                       const ComparisonKey& key) {
    if (key.worker == 0) return nullptr;
    WorkerTally& tally = tallies_[comparison.worker_id()];
    tally.evidence.worker_id = comparison.worker_id();
    by_hash_[key.worker] = &tally;
    return &tally;
  }

  void TakeVotes(const ComparisonKey& key, WorkerTally& tally) {
    if (key.vote == 0) return;
    const auto votes_of = [&key](const ComparisonIndex& index) {
      return index.VotesOn(key.pair).subspan(0, kMaxVotes);
    };
    for (const PairVote& vote : votes_of(*background_.index)) {
      Compare(key, vote, tally);
    }
    for (const PairVote& vote : votes_of(batch_)) {
      if (!Compare(key, vote, tally)) continue;
      // Both are of the batch: what it says of one it says of the other.
      WorkerTally& other = *by_hash_.at(vote.worker);
      other.evidence.others_agree.Add(vote.vote == key.vote);
      other.with[key.worker].Add(vote.vote == key.vote);
    }
  }

  // False if both votes are one worker's.
  bool Compare(const ComparisonKey& key, const PairVote& vote,
               WorkerTally& tally) {
    if (vote.worker == key.worker) return false;
    const bool agrees = vote.vote == key.vote;
    tally.evidence.others_agree.Add(agrees);
    tally.with[vote.worker].Add(agrees);
    evidence_.everybody.others_agree.Add(agrees);
    return true;
  }

  const BatchBackground& background_;
  ComparisonIndex batch_;
  const bool log_speaks_;
  LogProfile::Lengths usual_;
  BatchEvidence evidence_;
  std::map<PersonalDataKind, int64_t> kinds_;
  absl::flat_hash_set<uint64_t> edits_;
  std::map<std::string, WorkerTally> tallies_;
  absl::flat_hash_map<uint64_t, WorkerTally*> by_hash_;
};

}  // namespace

GoldAnswers MakeGoldAnswers(const std::vector<v1::Comparison>& right) {
  GoldAnswers gold;
  for (const v1::Comparison& comparison : right) {
    const ComparisonKey key = KeyOf(comparison);
    if (key.vote != 0) gold[key.pair] = key.vote;
  }
  return gold;
}

BatchEvidence MeasureBatch(const std::vector<BatchItem>& items,
                           const BatchBackground& background) {
  Measurer measurer(background, items.size());
  for (const BatchItem& item : items) measurer.Take(item);
  return std::move(measurer).Finish();
}

}  // namespace rlhf
