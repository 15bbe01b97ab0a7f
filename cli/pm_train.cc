#include "cli/pm_train.h"

#include <ATen/Parallel.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/human_format.h"
#include "cli/pm_eval.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/comparisons/parse_comparisons.h"
#include "core/nn/model_directory.h"
#include "core/registry/model_registry.h"
#include "trainer/pm_data.h"
#include "trainer/pm_models.h"
#include "trainer/preference/pair_scores.h"
#include "trainer/preference/pm_measurement.h"

namespace rlhf {
namespace {

constexpr int64_t kMicroBatchTokens = 4096;

v1::PreferenceConfig ConfigOf(const Flags& flags) {
  v1::PreferenceConfig config;
  config.set_num_layers(static_cast<int32_t>(flags.Int("layers")));
  config.set_max_tokens(static_cast<int32_t>(flags.Int("max-tokens")));
  config.set_held_out_share(flags.Double("held-out-share"));
  config.set_min_strength(static_cast<int32_t>(flags.Int("min-strength")));
  return config;
}

PmTrainerOptions OptionsOf(const Flags& flags) {
  return {.num_epochs = static_cast<int>(flags.Int("epochs")),
          .batch_size = static_cast<int>(flags.Int("batch-size")),
          .learning_rate = flags.Double("learning-rate"),
          .head_learning_rate = flags.Double("head-learning-rate"),
          .seed = static_cast<uint64_t>(flags.Int("seed"))};
}

absl::StatusOr<std::vector<v1::Comparison>> ReadAll(
    const std::vector<std::string>& files, int64_t limit) {
  std::vector<v1::Comparison> comparisons;
  for (const std::string& path : files) {
    RLHF_ASSIGN_OR_RETURN(ParsedComparisons parsed, ReadComparisons(path));
    if (!parsed.refused.empty()) {
      std::cerr << path << ": " << parsed.refused.size()
                << " lines are no preference, the first at line "
                << parsed.refused[0].line << ": " << parsed.refused[0].reason
                << "\n";
    }
    comparisons.insert(comparisons.end(), parsed.comparisons.begin(),
                       parsed.comparisons.end());
  }
  if (limit > 0 && static_cast<int64_t>(comparisons.size()) > limit) {
    comparisons.resize(static_cast<size_t>(limit));
  }
  return comparisons;
}

// A line that is written over on a terminal, else one for every tenth.
class ProgressLine {
 public:
  void Show(double share) {
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    const int tenth = static_cast<int>(share * 10);
    if (!terminal && tenth == shown_) return;
    shown_ = tenth;
    const double seconds = stopwatch_.seconds();
    std::cerr << absl::StrFormat("%straining %3.0f %%, %s left%s",
                                 terminal ? "\r" : "", 100 * share,
                                 HumanSeconds(seconds / share - seconds),
                                 terminal && share < 1 ? "   " : "\n");
  }

 private:
  const Stopwatch stopwatch_;
  int shown_ = 0;
};

absl::Status WriteTokens(const std::vector<PmExample>& examples,
                         const std::vector<size_t>& order,
                         const std::string& path) {
  std::string lines;
  for (const size_t i : order) {
    absl::StrAppend(&lines,
                    DumpJson({{"chosen_ids", examples[i].chosen},
                              {"rejected_ids", examples[i].rejected}}),
                    "\n");
  }
  return WriteFileAtomically(path, lines);
}

absl::Status WriteTokens(const PmData& data, const PmTrainerOptions& options,
                         const std::string& folder) {
  std::vector<size_t> as_they_are(data.held_out.size());
  std::iota(as_they_are.begin(), as_they_are.end(), size_t{0});
  RLHF_RETURN_IF_ERROR(MakeDirectories(folder));
  RLHF_RETURN_IF_ERROR(WriteTokens(
      data.training, TrainingOrder(data.training.size(), options, /*epoch=*/0),
      folder + "/train.jsonl"));
  return WriteTokens(data.held_out, as_they_are, folder + "/held_out.jsonl");
}

Json Describe(const PmData& data, const PmTrainingStats& stats,
              double seconds) {
  const auto num_pairs = static_cast<double>(data.training.size());
  return {{"num_train", data.training.size()},
          {"num_held_out", data.held_out.size()},
          {"num_too_long", data.num_too_long},
          {"num_unusable", data.num_unusable},
          {"train_seconds", seconds},
          {"pairs_per_second", num_pairs / seconds},
          {"seconds", stats.step_seconds},
          {"loss_first", stats.first_loss},
          {"loss_last", stats.last_loss}};
}

void Print(const Json& result, const std::string& out) {
  std::cout << absl::StrFormat(
      "trained on %d pairs in %s (%.2f pairs/s), loss %.3f to %.3f nats: "
      "%s\n\n",
      result.value("num_train", 0),
      HumanSeconds(result.value("train_seconds", 0.0)),
      result.value("pairs_per_second", 0.0), result.value("loss_first", 0.0),
      result.value("loss_last", 0.0), out);
  if (result.value("num_held_out", 0) > 0) PrintMeasurement(result["held_out"]);
}

}  // namespace

absl::Status TrainPm(const Flags& flags,
                     const std::vector<std::string>& files) {
  const std::string& from = flags.String("model");
  const std::string& out = flags.String("out");
  if (from.empty() || out.empty()) {
    return absl::InvalidArgumentError("--model DIR and --out DIR are needed");
  }
  at::set_num_threads(static_cast<int>(flags.Int("threads")));
  RLHF_ASSIGN_OR_RETURN(AtomicDirectory folder, AtomicDirectory::Create(out));
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                        Tokenizer::Load(from));
  RLHF_ASSIGN_OR_RETURN(const ChatFormat format, ChatFormat::Load(from));
  RLHF_ASSIGN_OR_RETURN(const std::vector<v1::Comparison> comparisons,
                        ReadAll(files, flags.Int("limit")));
  const PmData data =
      MakePmData(comparisons, *tokenizer, format, ConfigOf(flags));
  if (data.training.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        absl::StrJoin(files, ", "), ": none of ", comparisons.size(),
        " comparisons can be trained on (", data.held_out.size(), " held out, ",
        data.num_too_long, " too long, ", data.num_unusable,
        " not in the model's chat format, the rest undecided)"));
  }
  RLHF_ASSIGN_OR_RETURN(Transformer model,
                        LoadStartModel(from, flags.Int("layers"), *tokenizer));
  const PmTrainerOptions options = OptionsOf(flags);
  if (!flags.String("write-tokens").empty()) {
    RLHF_RETURN_IF_ERROR(
        WriteTokens(data, options, flags.String("write-tokens")));
  }
  ProgressLine progress;
  const Stopwatch stopwatch;
  RLHF_ASSIGN_OR_RETURN(
      const PmTrainingStats stats,
      TrainPreferenceModel(model, data.training, options, [&](double share) {
        progress.Show(share);
        return !ShutdownRequested();
      }));
  Json result = Describe(data, stats, stopwatch.seconds());
  RLHF_ASSIGN_OR_RETURN(const std::vector<MeasuredPair> pairs,
                        ScorePairs(model, data.held_out, kMicroBatchTokens));
  PmMeasurement found = MeasurePm(pairs, kCalibrationBins);
  HideWorkers(found.agreement);
  result["held_out"] = ToJson(found);
  RLHF_RETURN_IF_ERROR(SaveModel(model, from, folder.temporary()));
  RLHF_ASSIGN_OR_RETURN(result["digest"], DirectoryDigest(folder.temporary()));
  result["trained_on"] = files;
  result["started_from"] = from;
  RLHF_RETURN_IF_ERROR(WriteFileAtomically(folder.temporary() + "/card.json",
                                           result.dump(2) + "\n"));
  RLHF_RETURN_IF_ERROR(folder.Commit());
  if (flags.Bool("json")) {
    std::cout << DumpJson(result) << "\n";
  } else {
    Print(result, out);
  }
  return absl::OkStatus();
}

}  // namespace rlhf
