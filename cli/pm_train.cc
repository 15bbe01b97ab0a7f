#include "cli/pm_train.h"

#include <ATen/Parallel.h>
#include <ATen/ops/tensor.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/human_format.h"
#include "cli/local_ranks.h"
#include "cli/pm_eval.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/comparisons/parse_comparisons.h"
#include "core/launch/launch_environment.h"
#include "core/nn/device.h"
#include "core/nn/model_directory.h"
#include "core/registry/model_registry.h"
#include "trainer/pm_data.h"
#include "trainer/pm_models.h"
#include "trainer/preference/pair_scores.h"
#include "trainer/preference/pm_measurement.h"
#include "trainer/rank_agreement.h"
#include "trainer/rank_group.h"

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

absl::StatusOr<at::Device> DeviceOf(const Flags& flags,
                                    const LocalRank& local) {
  return FindDevice("--device", flags.String("device"), local);
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

// What is trained, and on what: the same on every rank.
struct Task {
  PmData data;
  Transformer model;
  PmTrainerOptions options;
};

absl::StatusOr<Task> LoadTask(const Flags& flags,
                              const std::vector<std::string>& files) {
  const std::string& from = flags.String("model");
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                        Tokenizer::Load(from));
  RLHF_ASSIGN_OR_RETURN(const ChatFormat format, ChatFormat::Load(from));
  RLHF_ASSIGN_OR_RETURN(const std::vector<v1::Comparison> comparisons,
                        ReadAll(files, flags.Int("limit")));
  PmData data = MakePmData(comparisons, *tokenizer, format, ConfigOf(flags));
  if (data.training.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        absl::StrJoin(files, ", "), ": none of ", comparisons.size(),
        " comparisons can be trained on (", data.held_out.size(), " held out, ",
        data.num_too_long, " too long, ", data.num_unusable,
        " not in the model's chat format, the rest undecided)"));
  }
  RLHF_ASSIGN_OR_RETURN(Transformer model,
                        LoadStartModel(from, flags.Int("layers"), *tokenizer));
  return Task{std::move(data), std::move(model), OptionsOf(flags)};
}

// Of all that decides the training but the model.
uint64_t HashOf(const Task& task) {
  const PmTrainerOptions& options = task.options;
  uint64_t hash = Xxh3(absl::StrCat(
      options.num_epochs, " ", options.batch_size, " ", options.learning_rate,
      " ", options.head_learning_rate, " ", options.seed));
  for (const PmExample& example : task.data.training) {
    hash = MixHash(
        hash, Xxh3(absl::StrCat(example.loss_weight, " ", example.temperature,
                                " ", example.offset)));
    for (const std::vector<int32_t>* ids :
         {&example.chosen, &example.rejected}) {
      hash = MixHash(hash, Xxh3(absl::string_view(
                               reinterpret_cast<const char*>(ids->data()),
                               ids->size() * sizeof(int32_t))));
    }
  }
  return hash;
}

// Ranks read files each for itself. Collective.
absl::Status CheckSameStart(Communicator& communicator, const Task& task) {
  communicator.Describe("comparison of what the ranks start from");
  NamedTensors all = {
      {"comparisons and options",
       at::tensor(std::vector<int64_t>{static_cast<int64_t>(HashOf(task))})}};
  all.insert(all.end(), task.model.parameters().begin(),
             task.model.parameters().end());
  return WithContext(CompareRanks(communicator, all),
                     "the ranks do not start from the same");
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

// All ranks together; returns what there is to tell of it.
absl::StatusOr<Json> Train(Task& task, Communicator& communicator) {
  ProgressLine progress;
  const Stopwatch stopwatch;
  RLHF_ASSIGN_OR_RETURN(const PmTrainingStats stats,
                        TrainPreferenceModel(
                            task.model, task.data.training, task.options,
                            [&](double share) {
                              if (communicator.rank() == 0)
                                progress.Show(share);
                              return !ShutdownRequested();
                            },
                            &communicator));
  Json result = Describe(task.data, stats, stopwatch.seconds());
  result["ranks"] = communicator.world_size();
  communicator.Describe("comparison of the trained models");
  RLHF_RETURN_IF_ERROR(WithContext(
      CompareRanks(communicator, task.model.parameters()),
      "the ranks did not come to the same model; nothing is written"));
  return result;
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

// Rank 0 alone: measures the model and makes its directory whole.
absl::Status Finish(const Flags& flags, const std::vector<std::string>& files,
                    const Task& task, Json& result) {
  RLHF_ASSIGN_OR_RETURN(AtomicDirectory folder,
                        AtomicDirectory::Create(flags.String("out")));
  const std::string& from = flags.String("model");
  RLHF_ASSIGN_OR_RETURN(
      const std::vector<MeasuredPair> pairs,
      ScorePairs(task.model, task.data.held_out, kMicroBatchTokens));
  PmMeasurement found = MeasurePm(pairs, kCalibrationBins);
  // The card is kept for ever; `rlhf pm eval` tells of each worker.
  found.agreement.workers.clear();
  result["held_out"] = ToJson(found);
  RLHF_RETURN_IF_ERROR(SaveModel(task.model, from, folder.temporary()));
  RLHF_ASSIGN_OR_RETURN(result["digest"], DirectoryDigest(folder.temporary()));
  result["trained_on"] = files;
  result["started_from"] = from;
  RLHF_RETURN_IF_ERROR(WriteFileAtomically(folder.temporary() + "/card.json",
                                           result.dump(2) + "\n"));
  RLHF_RETURN_IF_ERROR(folder.Commit());
  if (flags.Bool("json")) {
    std::cout << DumpJson(result) << "\n";
  } else {
    Print(result, flags.String("out"));
  }
  return absl::OkStatus();
}

// Rank 0's task. The folder that comes of it is made and removed again: that it
// can be made is known before the training, and nothing of it stays if this
// process ends in the middle.
absl::StatusOr<Task> LoadFirstTask(const Flags& flags,
                                   const std::vector<std::string>& files) {
  RLHF_RETURN_IF_ERROR(AtomicDirectory::Create(flags.String("out")).status());
  return LoadTask(flags, files);
}

// `task`: what was loaded already.
absl::Status TrainOnRank(const Flags& flags,
                         const std::vector<std::string>& files,
                         std::optional<Task> task, at::Device device,
                         Communicator& communicator) {
  const bool is_first = communicator.rank() == 0;
  if (!task.has_value()) {
    RLHF_ASSIGN_OR_RETURN(
        task, is_first ? LoadFirstTask(flags, files) : LoadTask(flags, files));
  }
  RLHF_RETURN_IF_ERROR(MoveTo(device, task->model));
  if (is_first && !flags.String("write-tokens").empty()) {
    RLHF_RETURN_IF_ERROR(
        WriteTokens(task->data, task->options, flags.String("write-tokens")));
  }
  RLHF_RETURN_IF_ERROR(CheckSameStart(communicator, *task));
  RLHF_ASSIGN_OR_RETURN(Json result, Train(*task, communicator));
  return is_first ? Finish(flags, files, *task, result) : absl::OkStatus();
}

absl::Status JoinAndTrain(const Flags& flags,
                          const std::vector<std::string>& files,
                          const LaunchInfo& launch,
                          std::optional<Task> task = {}) {
  at::set_num_threads(std::max(
      1, static_cast<int>(flags.Int("threads")) / launch.local_world_size));
  RankGroup::Options options =
      RankGroup::OptionsOf(v1::LearnerConfig(), "pm", "begin again");
  RLHF_ASSIGN_OR_RETURN(options.device,
                        DeviceOf(flags, {.rank = launch.local_rank,
                                         .count = launch.local_world_size}));
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<RankGroup> group,
                        RankGroup::Join(options, launch));
  return group->Leave(TrainOnRank(flags, files, std::move(task), options.device,
                                  group->communicator()));
}

}  // namespace

absl::Status TrainPm(const Flags& flags,
                     const std::vector<std::string>& files) {
  const std::string& out = flags.String("out");
  if (flags.String("model").empty() || out.empty()) {
    return absl::InvalidArgumentError("--model DIR and --out DIR are needed");
  }
  const int ranks = static_cast<int>(flags.Int("ranks"));
  RLHF_ASSIGN_OR_RETURN(const LaunchInfo launch,
                        DetectLaunch(ReadEnvironment()));
  if (ranks == 1 || ranks == launch.world_size) {
    return JoinAndTrain(flags, files, launch);
  }
  if (launch.world_size > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--ranks=", ranks, ", but a launcher has started ",
                     launch.world_size, " ranks; leave --ranks out"));
  }
  // A mistake in the input is told here, before other processes make it too.
  RLHF_RETURN_IF_ERROR(
      DeviceOf(flags, {.rank = ranks - 1, .count = ranks}).status());
  RLHF_ASSIGN_OR_RETURN(Task task, LoadFirstTask(flags, files));
  std::vector<std::string> args = flags.args();
  args.insert(args.begin(), "pm");
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<OtherRanks> others,
      OtherRanks::Start(args, ranks, static_cast<int>(flags.Int("threads")),
                        std::string(absl::StripSuffix(out, "/"))));
  return others->End(
      JoinAndTrain(flags, files, others->launch(), std::move(task)));
}

}  // namespace rlhf
