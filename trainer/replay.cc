#include "trainer/replay.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/comm/communicator.h"
#include "core/config/run_config.h"
#include "core/nn/device.h"
#include "trainer/batch_source.h"
#include "trainer/checkpoint/checkpoint_store.h"
#include "trainer/divergence.h"
#include "trainer/experience/rollout_broker.h"
#include "trainer/experience/rollout_journal.h"
#include "trainer/learner_models.h"
#include "trainer/learner_state.h"
#include "trainer/ppo_trainer.h"
#include "trainer/run_log.h"
#include "trainer/steering.h"

namespace rlhf {
namespace {

// Brings `trainer` to the oldest checkpoint; returns its update.
absl::StatusOr<int64_t> LoadOldest(const v1::RunConfig& config,
                                   PpoTrainer& trainer) {
  const std::string folder = RunDirectory(config) + "/checkpoints";
  const CheckpointStore store(folder, config.learner().checkpoints_kept());
  RLHF_ASSIGN_OR_RETURN(const std::optional<Checkpoint> oldest, store.Oldest());
  if (!oldest.has_value()) {
    return absl::NotFoundError(absl::StrCat(folder, ": no checkpoint there"));
  }
  RLHF_ASSIGN_OR_RETURN(const LearnerCut cut,
                        LoadLearner(oldest->directory, trainer));
  return cut.update;
}

// An update whose batch was set aside: the policy stays, or goes back.
absl::Status ReplayLeftOut(const v1::RunConfig& config, const LeftOut& left_out,
                           PpoTrainer& trainer) {
  if (!left_out.rolled_back_to.has_value()) return absl::OkStatus();
  const CheckpointStore store(RunDirectory(config) + "/checkpoints",
                              config.learner().checkpoints_kept());
  RLHF_ASSIGN_OR_RETURN(const std::optional<Checkpoint> checkpoint,
                        store.Newest(*left_out.rolled_back_to));
  if (!checkpoint.has_value() || checkpoint->step != *left_out.rolled_back_to) {
    return absl::NotFoundError(
        absl::StrCat("went back to the checkpoint of update ",
                     *left_out.rolled_back_to, ", which is not kept any more"));
  }
  return LoadLearner(checkpoint->directory, trainer).status();
}

absl::StatusOr<v1::UpdateReport> ReplayUpdate(const v1::RunConfig& config,
                                              const Batch& batch,
                                              Steering& steering,
                                              PpoTrainer& trainer) {
  const UpdateOrders orders = steering.For(batch.header.pm());
  RLHF_ASSIGN_OR_RETURN(const v1::UpdateReport report,
                        orders.restart ? RestartPolicy(config, batch, trainer)
                                       : MakeUpdate(batch, orders, trainer));
  steering.Saw(report);
  return report;
}

// As text; numbers have as many digits as tell them from every other.
std::string ValueOf(const v1::UpdateReport& report,
                    const google::protobuf::FieldDescriptor& field) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  std::string value;
  if (!field.is_repeated()) {
    printer.PrintFieldValueToString(report, &field, -1, &value);
    return value;
  }
  const int size = v1::UpdateReport::GetReflection()->FieldSize(report, &field);
  for (int i = 0; i < size; ++i) {
    std::string one;
    printer.PrintFieldValueToString(report, &field, i, &one);
    absl::StrAppend(&value, "[", one, "]");
  }
  return value;
}

}  // namespace

absl::Status Replay(
    const v1::RunConfig& config, const ReplayOptions& options,
    const std::function<absl::Status(const v1::UpdateReport&)>& on_update) {
  if (config.learner().num_ranks() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "learner.num_ranks: the run was made by ", config.learner().num_ranks(),
        " ranks; only a run of one can be replayed"));
  }
  RLHF_ASSIGN_OR_RETURN(
      const at::Device device,
      FindDevice("learner.device", config.learner().device()));
  RLHF_ASSIGN_OR_RETURN(PpoTrainer::Models models,
                        LoadLearnerModels(config, device));
  RLHF_ASSIGN_OR_RETURN(const PpoTrainer::Options trainer_options,
                        LoadTrainerOptions(config, device));
  SingleCommunicator alone;
  PpoTrainer trainer(std::move(models), trainer_options, &alone);
  Steering steering(config.ppo());
  int64_t done = 0;
  if (options.from_checkpoint) {
    RLHF_ASSIGN_OR_RETURN(done, LoadOldest(config, trainer));
  }
  RLHF_ASSIGN_OR_RETURN(const std::vector<v1::UpdateReport> made,
                        ReadUpdates(RunDirectory(config)));
  for (const v1::UpdateReport& report : made) {
    if (report.update() <= done) steering.Saw(report);
  }
  for (int64_t update = done + 1; update <= options.last_update; ++update) {
    RLHF_ASSIGN_OR_RETURN(const std::optional<LeftOut> left_out,
                          FindLeftOut(RunDirectory(config), update));
    if (left_out.has_value()) {
      RLHF_RETURN_IF_ERROR(
          WithContext(ReplayLeftOut(config, *left_out, trainer),
                      absl::StrCat("update ", update)));
      v1::UpdateReport report;
      *report.mutable_pm() = left_out->header.pm();
      report.set_left_out(left_out->reason);
      steering.Saw(report);
      continue;
    }
    const auto batch = ReadBatch(RunDirectory(config), update,
                                 config.ppo().rollouts_per_update());
    absl::Status status = batch.status();
    if (status.ok()) {
      const auto report = ReplayUpdate(config, *batch, steering, trainer);
      status = report.ok() ? on_update(*report) : report.status();
    }
    if (!status.ok()) {
      return WithContext(status, absl::StrCat("update ", update));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Batch> ReadBatch(const std::string& run_directory,
                                int64_t update, int64_t num_rollouts) {
  const std::string path = JournalPath(run_directory, update);
  RLHF_ASSIGN_OR_RETURN(JournalContents contents, RolloutJournal::Read(path));
  Batch batch{.header = std::move(contents.header),
              .rollouts = std::move(contents.rollouts)};
  std::sort(batch.rollouts.begin(), batch.rollouts.end(),
            [](const v1::Rollout& a, const v1::Rollout& b) {
              // From slot 1000 on, names are longer.
              return std::pair(a.rollout_id().size(), a.rollout_id()) <
                     std::pair(b.rollout_id().size(), b.rollout_id());
            });
  const auto count = static_cast<int64_t>(batch.rollouts.size());
  bool complete = batch.header.update() == update && count == num_rollouts;
  for (int64_t slot = 0; complete && slot < count; ++slot) {
    complete = batch.rollouts[static_cast<size_t>(slot)].rollout_id() ==
               RolloutId(update, slot);
  }
  if (!complete) {
    return absl::DataLossError(absl::StrCat(
        path, ": holds ", count, " rollouts of update ", batch.header.update(),
        "; wanted each of the ", num_rollouts, " of update ", update, " once"));
  }
  absl::Status status = CompleteRewards(batch);
  if (!status.ok()) return WithContext(status, path);
  return batch;
}

std::string FirstDifference(const v1::UpdateReport& recorded,
                            const v1::UpdateReport& replayed) {
  const auto* const descriptor = v1::UpdateReport::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* const field = descriptor->field(i);
    if (absl::EndsWith(field->name(), "_seconds")) continue;
    const std::string before = ValueOf(recorded, *field);
    const std::string now = ValueOf(replayed, *field);
    if (before == now) continue;
    return absl::StrCat(field->name(), " was ", before, ", now it is ", now);
  }
  return "";
}

}  // namespace rlhf
