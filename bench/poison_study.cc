// How often the batch gate sees poison, and how often it sees some where none
// is.
//
//     poison_study [BATCHES] [SIZE] [PART]
//
// Batches of simulated comparisons (poison_crowd.h) of 12 kinds of poison at 1,
// 5 and 30 %, by few workers and spread over all, and as many clean ones, are
// measured against a log of 5,000 clean comparisons and judged with the default
// limits. A batch counts as seen if it is not accepted. With PART it drips in:
// so many comparisons at a time, one small batch after the other from the same
// place (BatchMemory), and it counts as seen if one of them is not accepted.
// Kinds run at once, as many as there are cores. Prints a table on stderr and
// JSON on stdout.
#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "bench/poison_crowd.h"
#include "bench/study_rounds.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "feedback/batch/batch_gate.h"
#include "feedback/batch/drip_window.h"

namespace rlhf {
namespace {

constexpr int kLogSize = 5000;
// Comparisons of a batch that the PM is asked about (batch_desk.cc).
constexpr size_t kPmSample = 200;

struct Log {
  ComparisonIndex index;
  LogProfile profile;

  void Add(const v1::Comparison& comparison) {
    const ComparisonKey key = KeyOf(comparison);
    index.Add(key, NearKeyOf(comparison, key.pair));
    profile.Add(TraitsOf(comparison));
  }
};

void FillLog(Log& log) {
  const SimulatedBatch past =
      SimulateBatch(7, kLogSize, Poison::kNone, 0, Spread::kAllWorkers);
  for (const SimulatedComparison& simulated : past.comparisons) {
    log.Add(simulated.comparison);
  }
}

BatchEvidence Measure(absl::Span<const SimulatedComparison> comparisons,
                      const GoldAnswers& gold, const Log& log) {
  std::vector<BatchItem> items;
  const size_t step = std::max<size_t>(1, comparisons.size() / kPmSample);
  for (size_t i = 0; i < comparisons.size(); ++i) {
    items.push_back({.comparison = &comparisons[i].comparison});
    if (i % step == 0) items.back().pm_margin = comparisons[i].pm_margin;
  }
  BatchEvidence evidence = MeasureBatch(
      items, {.index = &log.index, .profile = &log.profile, .gold = &gold});
  evidence.malformed.total = evidence.num_comparisons;
  return evidence;
}

// Of the first part that is not accepted, or of the last. `log` is a copy: what
// is accepted goes into it.
BatchVerdict JudgeInParts(const SimulatedBatch& batch, size_t part, Log log) {
  const BatchLimits limits;
  DripWindow window;
  BatchVerdict verdict;
  for (size_t first = 0; first < batch.comparisons.size(); first += part) {
    const auto some =
        absl::MakeConstSpan(batch.comparisons).subspan(first, part);
    const BatchEvidence evidence = Measure(some, batch.gold, log);
    const bool is_small = IsSmallBatch(evidence, limits);
    verdict = is_small
                  ? JudgeSmallBatch(evidence, window.SumWith(evidence), limits)
                  : JudgeBatch(evidence, limits);
    if (verdict.kind != BatchVerdictKind::kAccepted) break;
    if (is_small) window.Add({.evidence = evidence}, limits.min_size);
    for (const SimulatedComparison& simulated : some) {
      // Gold answers are never stored.
      if (!simulated.is_gold) log.Add(simulated.comparison);
    }
  }
  return verdict;
}

BatchVerdict Judge(const SimulatedBatch& batch, size_t part, const Log& log) {
  if (part < batch.comparisons.size()) return JudgeInParts(batch, part, log);
  return JudgeBatch(Measure(batch.comparisons, batch.gold, log));
}

struct Outcome {
  int batches = 0;
  int seen = 0;
  // Batches in which each check failed.
  std::map<std::string, int> by_check;

  void Add(const BatchVerdict& verdict) {
    ++batches;
    seen += verdict.kind == BatchVerdictKind::kAccepted ? 0 : 1;
    for (const BatchFinding& finding : verdict.findings) {
      if (!finding.passed) ++by_check[finding.check];
    }
  }
  void Add(const Outcome& more) {
    batches += more.batches;
    seen += more.seen;
    for (const auto& [check, count] : more.by_check) by_check[check] += count;
  }
  Json ToJson() const {
    return {{"batches", batches}, {"seen", seen}, {"by_check", by_check}};
  }
};

// What is put into some batches.
struct Cell {
  Poison poison = Poison::kNone;
  Spread spread = Spread::kAllWorkers;
  double rate = 0;
  int batches = 0;
  uint64_t first_seed = 1000;
  Outcome outcome;
};

const char* By(Spread spread) {
  return spread == Spread::kFewWorkers ? "few workers" : "all workers";
}

std::string Checks(const Outcome& outcome) {
  std::string text;
  for (const auto& [check, count] : outcome.by_check) {
    text += absl::StrFormat("%s%s %d", text.empty() ? "" : ", ", check, count);
  }
  return text;
}

// How large batches are, and in how large parts they come.
struct Sizes {
  int batch = 1000;
  int part = 1000;
};

void Study(const Log& log, const Sizes& sizes, Cell& cell) {
  const uint64_t key =
      MixHash(static_cast<uint64_t>(cell.poison),
              static_cast<uint64_t>(1000 * cell.rate) +
                  (cell.spread == Spread::kFewWorkers ? 0 : 5));
  for (int i = 0; i < cell.batches; ++i) {
    const uint64_t seed =
        MixHash(key, static_cast<uint64_t>(i) + cell.first_seed);
    const SimulatedBatch batch =
        SimulateBatch(seed, sizes.batch, cell.poison, cell.rate, cell.spread);
    cell.outcome.Add(Judge(batch, static_cast<size_t>(sizes.part), log));
  }
  std::cerr << absl::StrFormat("%-25s %-12s %3.0f %%  %3d of %d  %s\n",
                               PoisonName(cell.poison), By(cell.spread),
                               100 * cell.rate, cell.outcome.seen, cell.batches,
                               Checks(cell.outcome));
}

// Four clean cells first, then every kind of poison.
constexpr int kCleanCells = 4;

std::vector<Cell> Cells(int batches) {
  std::vector<Cell> cells;
  for (int i = 0; i < kCleanCells; ++i) {
    cells.push_back({.batches = batches,
                     .first_seed = 1000 + static_cast<uint64_t>(i) *
                                              static_cast<uint64_t>(batches)});
  }
  for (int kind = 1; kind <= kNumPoisons; ++kind) {
    for (const Spread spread : {Spread::kFewWorkers, Spread::kAllWorkers}) {
      for (const double rate : {0.01, 0.05, 0.3}) {
        cells.push_back({.poison = static_cast<Poison>(kind),
                         .spread = spread,
                         .rate = rate,
                         .batches = batches});
      }
    }
  }
  return cells;
}

int Main(int argc, char** argv) {
  const int batches = argc > 1 ? std::stoi(argv[1]) : 50;
  Sizes sizes;
  if (argc > 2) sizes.batch = std::stoi(argv[2]);
  sizes.part = argc > 3 ? std::stoi(argv[3]) : sizes.batch;
  if (sizes.part < 1 || sizes.part > sizes.batch) {
    std::cerr << "PART is " << sizes.part << "; wanted 1 to SIZE, which is "
              << sizes.batch << "\n";
    return 1;
  }
  Log log;
  FillLog(log);
  std::vector<Cell> cells = Cells(batches);
  RunRounds(static_cast<int>(cells.size()), [&](int number) {
    Study(log, sizes, cells[static_cast<size_t>(number)]);
  });
  Outcome clean;
  Json rows = Json::array();
  for (const Cell& cell : cells) {
    if (cell.poison == Poison::kNone) {
      clean.Add(cell.outcome);
      continue;
    }
    Json row = cell.outcome.ToJson();
    row["poison"] = PoisonName(cell.poison);
    row["by"] = By(cell.spread);
    row["rate"] = cell.rate;
    rows.push_back(std::move(row));
  }
  std::cout << DumpJson({{"size", sizes.batch},
                         {"part", sizes.part},
                         {"log", kLogSize},
                         {"clean", clean.ToJson()},
                         {"rows", rows}})
            << "\n";
  return 0;
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) { return rlhf::Main(argc, argv); }
