#include "trainer/pm_training.h"

#include "core/base/check.h"
#include "core/base/proto_json.h"

namespace rlhf {

Json ToJson(const PmTraining& training) {
  const absl::StatusOr<Json> preference =
      ParseJson(ProtoToJsonLine(training.preference));
  RLHF_CHECK(preference.ok()) << preference.status();
  return {{"preference", *preference}, {"started_from", training.started_from}};
}

std::optional<PmTraining> TrainingOf(const Json& card) {
  const auto entry = card.find("training");
  if (entry == card.end() || !entry->contains("preference") ||
      !entry->contains("started_from") ||
      !(*entry)["started_from"].is_number_integer()) {
    return std::nullopt;
  }
  PmTraining training;
  if (!JsonToProto(DumpJson((*entry)["preference"]), &training.preference)
           .ok()) {
    return std::nullopt;
  }
  training.started_from = (*entry)["started_from"].get<int64_t>();
  return training;
}

}  // namespace rlhf
