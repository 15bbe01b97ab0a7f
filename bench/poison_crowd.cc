#include "bench/poison_crowd.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/comparisons/choice.h"

namespace rlhf {
namespace {

constexpr int kNumWorkers = 20;
constexpr double kGoldShare = 0.05;
constexpr double kOverlapShare = 0.2;
constexpr double kNaturalPersonalData = 0.003;

constexpr std::array<const char*, 16> kCommonEnglish = {
    "the", "of",  "and", "to",   "in",  "is",   "that", "you",
    "it",  "for", "was", "with", "not", "have", "this", "can"};
constexpr std::array<const char*, 16> kCommonGerman = {
    "der", "die", "und", "das", "ist", "nicht", "ein",  "zu",
    "mit", "von", "für", "auf", "ich", "sie",   "auch", "wird"};
// Stems that are made into a few thousand words.
constexpr std::array<const char*, 24> kHome = {
    "cook", "clean", "plant", "paint", "bread",  "table", "water", "light",
    "door", "stone", "wool",  "spoon", "basket", "clock", "chair", "oven",
    "leaf", "seed",  "roof",  "lamp",  "shelf",  "brick", "soap",  "kettle"};
constexpr std::array<const char*, 24> kMarkets = {
    "stock",  "bond",   "trade",  "option", "yield", "margin",
    "hedge",  "future", "broker", "equity", "swap",  "credit",
    "ledger", "asset",  "tariff", "audit",  "quote", "spread",
    "share",  "index",  "fund",   "price",  "loan",  "bank"};

// A stream of random numbers that follows from its key.
class Random {
 public:
  explicit Random(uint64_t key) : key_(key) {}
  uint64_t Next() { return MixHash(key_, count_++); }
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  // Box and Muller.
  double Normal() {
    return std::sqrt(-2 * std::log(1 - Uniform())) *
           std::cos(2 * M_PI * Uniform());
  }
  int Below(int n) { return static_cast<int>(Uniform() * n); }

 private:
  const uint64_t key_;
  uint64_t count_ = 0;
};

struct Style {
  const std::array<const char*, 16>* common = &kCommonEnglish;
  const std::array<const char*, 24>* stems = &kHome;
  double length_factor = 1;
};

std::string Text(Random& random, const Style& style, int words) {
  std::string text;
  for (int i = 0; i < words; ++i) {
    if (random.Uniform() < 0.45) {
      absl::StrAppend(&text, (*style.common)[random.Below(16)], " ");
    } else {
      absl::StrAppend(&text, (*style.stems)[random.Below(24)],
                      std::string(1, static_cast<char>('a' + random.Below(26))),
                      std::string(1, static_cast<char>('a' + random.Below(26))),
                      " ");
    }
  }
  return text;
}

int Words(Random& random, double median) {
  return std::max(3,
                  static_cast<int>(median * std::exp(0.4 * random.Normal())));
}

v1::Choice ChoiceOf(bool a_better) {
  return a_better ? v1::A_BETTER : v1::B_BETTER;
}

bool LeftIsA(const v1::Comparison& comparison) {
  return !comparison.shown_swapped();
}

// What an honest worker says of the pair.
void Answer(Random& random, SimulatedComparison& simulated) {
  v1::Comparison& comparison = simulated.comparison;
  const double length =
      std::log(static_cast<double>(comparison.response_a().size()) /
               static_cast<double>(comparison.response_b().size()));
  const double margin =
      1.4 * (simulated.quality_a - simulated.quality_b) + 0.4 * length;
  const double other = random.Uniform();
  const bool a_better = random.Uniform() < 1 / (1 + std::exp(-margin));
  comparison.set_choice(ChoiceOf(a_better));
  if (!simulated.is_gold) {
    if (other < 0.08) comparison.set_choice(v1::TIE);
    if (other >= 0.08 && other < 0.12) comparison.set_choice(v1::BOTH_BAD);
    if (other >= 0.12 && other < 0.15) comparison.set_choice(v1::SKIPPED);
  }
  comparison.set_shown_swapped(random.Uniform() < 0.5);
  comparison.set_sides_known(true);
  comparison.set_worker_seconds(3 + 22 * std::exp(0.6 * random.Normal()));
}

void SetWorker(int worker, SimulatedComparison& simulated) {
  simulated.comparison.set_worker_id(absl::StrCat("worker-", worker));
}

// An honest comparison.
SimulatedComparison Honest(Random& random, const Style& style) {
  SimulatedComparison simulated;
  v1::Comparison& comparison = simulated.comparison;
  v1::Message* const message = comparison.mutable_prompt()->add_messages();
  message->set_role("user");
  message->set_content(Text(random, style, Words(random, 14)));
  comparison.set_response_a(
      Text(random, style, Words(random, 40 * style.length_factor)));
  comparison.set_response_b(
      Text(random, style, Words(random, 40 * style.length_factor)));
  simulated.is_gold = random.Uniform() < kGoldShare;
  simulated.quality_a = random.Normal();
  simulated.quality_b = random.Normal();
  if (simulated.is_gold) {  // chosen because the answer is clear
    simulated.quality_a = 1.5;
    simulated.quality_b = -0.5;
  }
  simulated.pm_margin =
      simulated.quality_a - simulated.quality_b + 1.2 * random.Normal();
  if (random.Uniform() < kNaturalPersonalData) {
    absl::StrAppend(comparison.mutable_response_a(), "(415) 234-5678");
  }
  Answer(random, simulated);
  return simulated;
}

// The same pair before another worker.
SimulatedComparison AskedAgain(Random& random, SimulatedComparison simulated) {
  Answer(random, simulated);
  return simulated;
}

// Changes the first and the last word.
void ChangeWords(std::string& text) {
  text = absl::StrCat("indeed ", text.substr(text.find(' ') + 1), "so");
}

class Poisoner {
 public:
  Poisoner(Random* random, Poison poison,
           std::vector<SimulatedComparison>* batch)
      : random_(*random), poison_(poison), batch_(*batch) {}

  void Spoil(size_t index) {
    SimulatedComparison& simulated = batch_[index];
    v1::Comparison& comparison = simulated.comparison;
    switch (poison_) {
      case Poison::kNone:
        break;
      case Poison::kTooFast:
        comparison.set_worker_seconds(0.3 + 1.6 * random_.Uniform());
        [[fallthrough]];
      case Poison::kRandomLabels:
        comparison.set_choice(ChoiceOf(random_.Uniform() < 0.5));
        break;
      case Poison::kTargetedFlip:
        absl::StrAppend(
            comparison.mutable_prompt()->mutable_messages(0)->mutable_content(),
            "vaccine");
        [[fallthrough]];
      case Poison::kFlippedLabels:
        if (IsDecided(comparison)) {
          comparison.set_choice(ChoiceOf(comparison.choice() == v1::B_BETTER));
        }
        break;
      case Poison::kAlwaysLeft:
        comparison.set_choice(ChoiceOf(LeftIsA(comparison)));
        break;
      case Poison::kAlwaysLonger:
        comparison.set_choice(ChoiceOf(comparison.response_a().size() >
                                       comparison.response_b().size()));
        break;
      case Poison::kPersonalData:
        absl::StrAppend(comparison.mutable_response_b(),
                        "write to ada.byron@mail.example.org");
        break;
      case Poison::kOtherLanguage:
        Rewrite(index, {.common = &kCommonGerman});
        break;
      case Poison::kShifted:
        Rewrite(index, {.stems = &kMarkets, .length_factor = 4});
        break;
      case Poison::kDuplicates:
      case Poison::kNearDuplicates:
      case Poison::kCopiedWorker:
        Repeat(index);
        break;
    }
  }

 private:
  void Rewrite(size_t index, const Style& style) {
    const std::string worker = batch_[index].comparison.worker_id();
    batch_[index] = Honest(random_, style);
    batch_[index].comparison.set_worker_id(worker);
  }

  // Puts what stands elsewhere in the batch here.
  void Repeat(size_t index) {
    const std::string worker = batch_[index].comparison.worker_id();
    // A copier has one victim, so that it shows who it is.
    const size_t source = poison_ == Poison::kCopiedWorker
                              ? VictimsComparison(worker)
                              : static_cast<size_t>(random_.Below(
                                    static_cast<int>(batch_.size())));
    SimulatedComparison copy = batch_[source];
    if (poison_ == Poison::kNearDuplicates) {
      ChangeWords(*copy.comparison.mutable_response_a());
      ChangeWords(*copy.comparison.mutable_response_b());
    }
    if (poison_ != Poison::kDuplicates) copy.comparison.set_worker_id(worker);
    batch_[index] = std::move(copy);
  }

  // The next one of a worker who is honest, in turn.
  size_t VictimsComparison(const std::string& worker) {
    const std::string victim = absl::StrCat("worker-", kNumWorkers - 1);
    do {
      next_ = (next_ + 1) % batch_.size();
    } while (batch_[next_].comparison.worker_id() != victim ||
             worker == victim);
    return next_;
  }

  Random& random_;
  const Poison poison_;
  std::vector<SimulatedComparison>& batch_;
  size_t next_ = 0;
};

// Which comparisons are poisoned.
std::vector<size_t> Chosen(const std::vector<SimulatedComparison>& batch,
                           double rate, Spread spread) {
  const auto wanted = static_cast<size_t>(
      std::lround(rate * static_cast<double>(batch.size())));
  const std::string victim = absl::StrCat("worker-", kNumWorkers - 1);
  std::vector<size_t> order;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].comparison.worker_id() != victim) order.push_back(i);
  }
  const auto key = [&](size_t i) {
    return spread == Spread::kFewWorkers ? Xxh3(batch[i].comparison.worker_id())
                                         : MixHash(i, 99);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return key(a) < key(b); });
  order.resize(std::min(wanted, order.size()));
  return order;
}

}  // namespace

const char* PoisonName(Poison poison) {
  switch (poison) {
    case Poison::kNone:
      return "none";
    case Poison::kRandomLabels:
      return "random labels";
    case Poison::kFlippedLabels:
      return "flipped labels";
    case Poison::kAlwaysLeft:
      return "always left";
    case Poison::kAlwaysLonger:
      return "always longer";
    case Poison::kDuplicates:
      return "duplicates";
    case Poison::kNearDuplicates:
      return "near duplicates";
    case Poison::kTooFast:
      return "too fast";
    case Poison::kOtherLanguage:
      return "other language";
    case Poison::kPersonalData:
      return "personal data";
    case Poison::kShifted:
      return "shifted topic and length";
    case Poison::kCopiedWorker:
      return "copied worker";
    case Poison::kTargetedFlip:
      return "flipped on a keyword";
  }
  return "?";
}

SimulatedBatch SimulateBatch(uint64_t seed, int size, Poison poison,
                             double rate, Spread spread) {
  Random random(seed);
  std::vector<SimulatedComparison> all;
  while (static_cast<int>(all.size()) < size) {
    all.push_back(Honest(random, {}));
    const int worker = random.Below(kNumWorkers);
    SetWorker(worker, all.back());
    if (random.Uniform() < kOverlapShare &&
        static_cast<int>(all.size()) < size) {
      all.push_back(AskedAgain(random, all.back()));
      SetWorker((worker + 1 + random.Below(kNumWorkers - 1)) % kNumWorkers,
                all.back());
    }
  }
  SimulatedBatch batch;
  for (const SimulatedComparison& simulated : all) {
    if (!simulated.is_gold) continue;
    const ComparisonKey key = KeyOf(simulated.comparison);
    const bool a_first =
        simulated.comparison.response_a() <= simulated.comparison.response_b();
    batch.gold[key.pair] = a_first ? 1 : -1;  // A is right
  }
  Poisoner poisoner(&random, poison, &all);
  if (poison != Poison::kNone) {
    for (const size_t index : Chosen(all, rate, spread)) poisoner.Spoil(index);
  }
  batch.comparisons = std::move(all);
  return batch;
}

}  // namespace rlhf
