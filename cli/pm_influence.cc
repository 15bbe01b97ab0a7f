#include "cli/pm_influence.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/comparison_log.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/comparisons/parse_comparisons.h"
#include "core/config/run_config.h"
#include "core/nn/device.h"
#include "core/registry/model_registry.h"
#include "reward_server/pm_slots.h"
#include "trainer/pm_data.h"
#include "trainer/pm_plan.h"
#include "trainer/pm_training.h"
#include "trainer/preference/influence.h"
#include "trainer/preference/worker_model.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

constexpr int64_t kMicroBatchTokens = 4096;

struct Row {
  int64_t seq = 0;
  std::string worker;
  std::string source;
  PairInfluence influence;
};

struct Found {
  std::vector<Row> rows;
  int64_t num_held_out = 0;
  // By the card; else by today's configuration.
  bool training_is_known = false;
};

// What a PM with this card could have learned from, as `preference` has it: in
// tokens, as it was trained. Of the log a page of text is in memory at a time.
absl::StatusOr<PmData> ReadPmDataOf(const v1::RunConfig& config,
                                    const v1::PreferenceConfig& preference,
                                    const Json& card, const LoadedPm& pm) {
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<const ComparisonLog> log,
                        ComparisonLog::Open(config));
  const std::optional<v1::PmReport> report = ReportOf(card);
  const int64_t last_seq =
      report.has_value() && report->data().last_seq() > 0
          ? std::min(report->data().last_seq(), log->num_comparisons())
          : log->num_comparisons();
  PmData data;
  const auto add = [&](const v1::Comparison& comparison) {
    AddToPmData(comparison, *pm.tokenizer, pm.format, preference, data);
    return absl::OkStatus();
  };
  RLHF_RETURN_IF_ERROR(log->ForEach(last_seq, add));
  for (const std::string& path : preference.data()) {
    RLHF_ASSIGN_OR_RETURN(const ParsedComparisons parsed,
                          ReadComparisons(path));
    for (const v1::Comparison& comparison : parsed.comparisons) {
      RLHF_RETURN_IF_ERROR(add(comparison));
    }
  }
  return data;
}

// Workers' traits as the card has them, under the names that `examples` have.
// Errors: as ModelRegistry::Secret.
absl::StatusOr<WorkerModel> WorkersOf(const Json& card,
                                      const ModelRegistry& registry,
                                      const std::vector<PmExample>& examples) {
  std::map<std::string, WorkerTraits> hidden;
  for (const Json& one : card.value("worker_model", Json::array())) {
    hidden[one.value("worker", "")] = {
        .temperature = one.value("temperature", 1.0),
        .left_bias = one.value("left_bias", 0.0),
        .num_answers = one.value("num_answers", int64_t{0})};
  }
  WorkerModel model;
  if (hidden.empty()) return model;
  RLHF_ASSIGN_OR_RETURN(const std::string secret,
                        registry.Secret(kHiddenWorkers));
  for (const PmExample& example : examples) {
    const auto it = hidden.find(HiddenWorker(example.worker, secret));
    if (it != hidden.end()) model[example.worker] = it->second;
  }
  return model;
}

// One row for each pair; copies (preference.sources) stand side by side.
std::vector<Row> RowsOf(const std::vector<PmExample>& examples,
                        const std::vector<PairInfluence>& influences) {
  std::vector<Row> rows;
  for (size_t i = 0; i < examples.size(); ++i) {
    const PmExample& example = examples[i];
    if (i > 0 && example.seq == examples[i - 1].seq &&
        example.chosen == examples[i - 1].chosen &&
        example.rejected == examples[i - 1].rejected && example.seq > 0) {
      rows.back().influence.score += influences[i].score;
      continue;
    }
    rows.push_back(
        {example.seq, example.worker, example.source, influences[i]});
  }
  return rows;
}

absl::StatusOr<Found> Find(const v1::RunConfig& config, int64_t version) {
  RLHF_ASSIGN_OR_RETURN(
      const at::Device device,
      FindDevice("preference.device", config.preference().device()));
  const ModelRegistry registry(
      absl::StrCat(RunDirectory(config), "/registry/pm"));
  RLHF_ASSIGN_OR_RETURN(const Json card, registry.Card(version));
  RLHF_ASSIGN_OR_RETURN(const std::shared_ptr<const LoadedPm> pm,
                        LoadPm(registry.Directory(version), v1::ModelVersion(),
                               at::kFloat, device));
  const std::optional<PmTraining> trained = TrainingOf(card);
  const v1::PreferenceConfig& preference =
      trained.has_value() ? trained->preference : config.preference();
  RLHF_ASSIGN_OR_RETURN(const PmData data,
                        ReadPmDataOf(config, preference, card, *pm));
  RLHF_ASSIGN_OR_RETURN(const WorkerModel workers,
                        WorkersOf(card, registry, data.training));
  const std::vector<PmExample> training =
      PlanMembers(preference, ApplyWorkerModel(workers, data.training),
                  config.seed())
          .front()
          .training;
  if (training.empty() || data.held_out.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(training.size(), " pairs are trained on and ",
                     data.held_out.size(), " held out; influence needs both"));
  }
  RLHF_ASSIGN_OR_RETURN(const std::vector<PairInfluence> influences,
                        InfluenceOnHeldOut(pm->model(), training, data.held_out,
                                           kMicroBatchTokens));
  return Found{.rows = RowsOf(training, influences),
               .num_held_out = static_cast<int64_t>(data.held_out.size()),
               .training_is_known = trained.has_value()};
}

// The first `top` in the order of `key`, least first.
template <typename Key>
std::vector<Row> First(std::vector<Row> rows, int64_t top, Key&& key) {
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const Row& a, const Row& b) { return key(a) < key(b); });
  rows.resize(std::min(rows.size(), static_cast<size_t>(top)));
  return rows;
}

Json ToJson(const std::vector<Row>& rows) {
  Json json = Json::array();
  for (const Row& row : rows) {
    json.push_back({{"seq", row.seq},
                    {"worker", row.worker},
                    {"source", row.source},
                    {"score", row.influence.score},
                    {"margin", row.influence.margin}});
  }
  return json;
}

// By worker, the most damaging first.
Json WorkersJson(const std::vector<Row>& rows) {
  struct Sum {
    double score = 0;
    int64_t num_pairs = 0, num_damaging = 0;
  };
  std::map<std::string, Sum> sums;
  for (const Row& row : rows) {
    Sum& sum = sums[row.worker];
    sum.score += row.influence.score;
    ++sum.num_pairs;
    sum.num_damaging += row.influence.score < 0 ? 1 : 0;
  }
  std::vector<std::pair<std::string, Sum>> sorted(sums.begin(), sums.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) {
                     return a.second.score < b.second.score;
                   });
  Json json = Json::array();
  for (const auto& [worker, sum] : sorted) {
    json.push_back({{"worker", worker},
                    {"num_pairs", sum.num_pairs},
                    {"num_damaging", sum.num_damaging},
                    {"score", sum.score}});
  }
  return json;
}

void PrintRows(const std::string& title, const Json& rows) {
  std::cout << absl::StrFormat("\n%-16s %6s  %-16s %-20s %11s %8s\n", title,
                               "seq", "worker", "source", "score", "margin");
  for (const Json& row : rows) {
    std::cout << absl::StrFormat(
        "%-16s %6d  %-16s %-20s %+11.5f %+8.3f\n", "", row.value("seq", 0),
        row.value("worker", ""), row.value("source", ""),
        row.value("score", 0.0), row.value("margin", 0.0));
  }
}

void Print(const Json& found) {
  std::cout << absl::StrFormat(
      "PM v%d: %d pairs trained on, %d held out\nscore: the gradients of the "
      "score head, of one pair's loss times of the held-out loss;\nbelow 0, "
      "the "
      "pair pulls the PM away from what is right on held-out comparisons\n",
      found.value("pm", 0), found.value("num_training", 0),
      found.value("num_held_out", 0));
  if (!found.value("training_is_known", false)) {
    std::cout << "its card does not say how it was trained: comparisons are "
                 "chosen by today's configuration\n";
  }
  PrintRows("most influential", found["influential"]);
  PrintRows("most damaging", found["damaging"]);
  std::cout << "\nworker            pairs  damaging  sum of scores\n";
  for (const Json& one : found["workers"]) {
    std::cout << absl::StrFormat(
        "%-16s %6d %9d %+14.5f\n", one.value("worker", ""),
        one.value("num_pairs", 0), one.value("num_damaging", 0),
        one.value("score", 0.0));
  }
}

}  // namespace

absl::Status ReportInfluence(const v1::RunConfig& config, int64_t version,
                             int64_t top, bool json) {
  RLHF_ASSIGN_OR_RETURN(Found found, Find(config, version));
  const Json influential = ToJson(First(found.rows, top, [](const Row& row) {
    return -std::abs(row.influence.score);
  }));
  std::vector<Row> harmful = found.rows;
  std::erase_if(harmful,
                [](const Row& row) { return row.influence.score >= 0; });
  const Json damaging =
      ToJson(First(std::move(harmful), top,
                   [](const Row& row) { return row.influence.score; }));
  const Json result = {{"pm", version},
                       {"num_training", found.rows.size()},
                       {"num_held_out", found.num_held_out},
                       {"training_is_known", found.training_is_known},
                       {"influential", influential},
                       {"damaging", damaging},
                       {"workers", WorkersJson(found.rows)}};
  if (json) {
    std::cout << DumpJson(result) << "\n";
  } else {
    Print(result);
  }
  return absl::OkStatus();
}

}  // namespace rlhf
