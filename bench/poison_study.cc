// How often the batch gate sees poison, and how often it sees some where none
// is.
//
//     poison_study [BATCHES] [SIZE]
//
// Batches of simulated comparisons (poison_crowd.h) of 12 kinds of poison at 1,
// 5 and 30 %, by few workers and spread over all, and as many clean ones, are
// measured against a log of 5,000 clean comparisons and judged with the default
// limits. A batch counts as seen if it is not accepted. Kinds run at once, as
// many as there are cores. Prints a table on stderr and JSON on stdout.
#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "bench/poison_crowd.h"
#include "bench/study_rounds.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "feedback/batch/batch_gate.h"

namespace rlhf {
namespace {

constexpr int kLogSize = 5000;
// Comparisons of a batch that the PM is asked about (batch_desk.cc).
constexpr size_t kPmSample = 200;

struct Log {
  ComparisonIndex index;
  LogProfile profile;
};

void FillLog(Log& log) {
  const SimulatedBatch past =
      SimulateBatch(7, kLogSize, Poison::kNone, 0, Spread::kAllWorkers);
  for (const SimulatedComparison& simulated : past.comparisons) {
    const ComparisonKey key = KeyOf(simulated.comparison);
    log.index.Add(key, NearKeyOf(simulated.comparison, key.pair));
    log.profile.Add(TraitsOf(simulated.comparison));
  }
}

BatchVerdict Judge(const SimulatedBatch& batch, const Log& log) {
  std::vector<BatchItem> items;
  const size_t step = std::max<size_t>(1, batch.comparisons.size() / kPmSample);
  for (size_t i = 0; i < batch.comparisons.size(); ++i) {
    items.push_back({.comparison = &batch.comparisons[i].comparison});
    if (i % step == 0) items.back().pm_margin = batch.comparisons[i].pm_margin;
  }
  BatchEvidence evidence = MeasureBatch(
      items,
      {.index = &log.index, .profile = &log.profile, .gold = &batch.gold});
  evidence.malformed.total = evidence.num_comparisons;
  return JudgeBatch(evidence);
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

void Study(const Log& log, int size, Cell& cell) {
  const uint64_t key =
      MixHash(static_cast<uint64_t>(cell.poison),
              static_cast<uint64_t>(1000 * cell.rate) +
                  (cell.spread == Spread::kFewWorkers ? 0 : 5));
  for (int i = 0; i < cell.batches; ++i) {
    const uint64_t seed =
        MixHash(key, static_cast<uint64_t>(i) + cell.first_seed);
    cell.outcome.Add(Judge(
        SimulateBatch(seed, size, cell.poison, cell.rate, cell.spread), log));
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
  const int size = argc > 2 ? std::stoi(argv[2]) : 1000;
  Log log;
  FillLog(log);
  std::vector<Cell> cells = Cells(batches);
  RunRounds(static_cast<int>(cells.size()), [&](int number) {
    Study(log, size, cells[static_cast<size_t>(number)]);
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
  std::cout << DumpJson({{"size", size},
                         {"log", kLogSize},
                         {"clean", clean.ToJson()},
                         {"rows", rows}})
            << "\n";
  return 0;
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) { return rlhf::Main(argc, argv); }
