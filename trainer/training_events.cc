#include "trainer/training_events.h"

#include <google/protobuf/descriptor.h>

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/telemetry/event_file.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

using google::protobuf::FieldDescriptor;
using v1::tensorboard::Summary;

std::optional<double> NumberOf(const v1::UpdateReport& report,
                               const FieldDescriptor* field) {
  if (field->is_repeated()) return std::nullopt;
  const auto& reflection = *report.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(report, field);
    case FieldDescriptor::CPPTYPE_INT64:
      return static_cast<double>(reflection.GetInt64(report, field));
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetInt32(report, field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(report, field) ? 1 : 0;
    default:
      return std::nullopt;
  }
}

void AddOurs(const v1::UpdateReport& report, Summary& summary) {
  const bool left_out = !report.left_out().empty();
  const auto* const descriptor = v1::UpdateReport::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* const field = descriptor->field(i);
    // That is the step.
    if (field->number() == v1::UpdateReport::kUpdateFieldNumber) continue;
    const std::optional<double> value = NumberOf(report, field);
    if (!value.has_value() || (left_out && *value == 0)) continue;
    AddScalar(absl::StrCat("rlhf/", field->name()), *value, summary);
  }
  AddScalar("rlhf/pm_version", static_cast<double>(report.pm().version()),
            summary);
  for (const v1::MemberReport& member : report.members()) {
    const std::string tag = absl::StrCat("rlhf/", member.member(), "/");
    AddScalar(absl::StrCat(tag, "mean"), member.mean(), summary);
    AddScalar(absl::StrCat(tag, "anchored_mean"), member.anchored_mean(),
              summary);
  }
}

// The tags of trl/experimental/ppo/ppo_trainer.py.
void AddTrl(const v1::UpdateReport& report, Summary& summary) {
  const double rollouts = report.num_rollouts();
  const double score = report.reward_anchored_mean();
  const double kl = report.kl_k1_nats_per_sequence();
  const double non_score = -report.kl_coefficient() * kl;
  const auto add = [&](const char* tag, double value) {
    AddScalar(tag, value, summary);
  };
  add("objective/kl", kl);
  add("objective/entropy",
      report.entropy_nats_per_token() * report.response_tokens_mean());
  add("objective/non_score_reward", non_score);
  add("objective/rlhf_reward", score + non_score);
  add("objective/scores", score);
  add("policy/approxkl_avg", report.approx_kl_nats());
  add("policy/clipfrac_avg", report.clip_share());
  add("policy/entropy_avg", report.entropy_nats_per_token());
  add("loss/policy_avg", report.policy_loss());
  add("loss/value_avg", report.value_loss());
  add("val/clipfrac_avg", report.value_clip_share());
  add("val/ratio", report.ratio_mean());
  add("val/ratio_var", report.ratio_variance());
  add("val/num_eos_tokens", report.finished_share() * rollouts);
  add("lr", report.learning_rate());
  add("episode", static_cast<double>(report.update()) * rollouts);
  const double seconds = UpdateSeconds(report);
  if (seconds > 0) add("eps", rollouts / seconds);
}

// Indented, so that Markdown shows it as it is. For Markdown a carriage return
// begins a line too, which must not stand outside.
std::string Verbatim(const std::string& text) {
  return absl::StrCat("    ", absl::StrReplaceAll(text, {{"\r\n", "\n    "},
                                                         {"\r", "\n    "},
                                                         {"\n", "\n    "}}));
}

}  // namespace

Summary EventsOf(const v1::UpdateReport& report) {
  Summary summary;
  AddOurs(report, summary);
  if (report.left_out().empty()) AddTrl(report, summary);
  for (const v1::TextSample& sample : report.samples()) {
    AddText(absl::StrCat("samples/", sample.choice()),
            absl::StrCat("rollout ", sample.rollout_id(), ", reward ",
                         sample.reward(), "\n\n", Verbatim(sample.prompt()),
                         "\n\nresponse\n\n", Verbatim(sample.response())),
            summary);
  }
  return summary;
}

}  // namespace rlhf
