#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/report/sections.h"
#include "trainer/text_samples.h"

namespace rlhf {
namespace {

// Characters of a prompt and of an answer.
constexpr size_t kMostPrompt = 600;
constexpr size_t kMostAnswer = 1200;

std::string FinishOf(const v1::Rollout& rollout) {
  return rollout.finish_reason() == v1::FINISH_REASON_STOP ? "came to its end"
                                                           : "was cut off";
}

std::string Turn(const std::string& who, const std::string& text, size_t most) {
  return absl::StrCat("<div class=\"turn\">", Label(who), Quote(text, most),
                      "</div>\n");
}

std::string Sample(const UpdateSample& sample) {
  const v1::Rollout& rollout = sample.rollout;
  return absl::StrCat(
      "<article>", Subheading(absl::StrCat("Update ", sample.update)),
      Turn("prompt", DialogueText(rollout.prompt()), kMostPrompt),
      Turn(absl::StrCat("policy v", rollout.policy_version()),
           rollout.response_text(), kMostAnswer),
      Paragraph(absl::StrFormat("PM v%d gave it %+.3f; it %s.",
                                rollout.pm().version(), rollout.reward(),
                                FinishOf(rollout))),
      "</article>\n");
}

std::string Samples(const ReportData& data) {
  if (!data.samples.ok()) {
    return Missing(absl::StrCat("Answers: ", data.samples.status().message()));
  }
  if (data.samples->empty()) {
    return Missing("Answers: there is no journal of an update.");
  }
  std::string html = Paragraph(
      "From each of a few updates the answer whose reward is the median of its "
      "batch: nobody chose it.");
  absl::StrAppend(&html, "<div class=\"figures\">\n");
  for (const UpdateSample& sample : *data.samples) {
    absl::StrAppend(&html, Sample(sample));
  }
  return absl::StrCat(html, "</div>\n");
}

// The older policy's answer stands first.
std::string Pair(const v1::Comparison& comparison) {
  const bool a_is_older =
      comparison.policy_version_a() < comparison.policy_version_b();
  const bool a_won = comparison.choice() == v1::A_BETTER;
  const std::string a =
      Turn(absl::StrCat("policy v", comparison.policy_version_a(),
                        a_won ? ", preferred" : ""),
           comparison.response_a(), kMostAnswer);
  const std::string b =
      Turn(absl::StrCat("policy v", comparison.policy_version_b(),
                        a_won ? "" : ", preferred"),
           comparison.response_b(), kMostAnswer);
  return absl::StrCat(
      "<article>",
      Turn("prompt", DialogueText(comparison.prompt()), kMostPrompt),
      a_is_older ? a : b, a_is_older ? b : a, "</article>\n");
}

std::string Pairs(const ReportData& data) {
  if (!data.people.ok() || data.people->furthest.empty()) {
    return Missing(
        "One prompt, two policies: no comparison of two versions is decided.");
  }
  std::string html =
      Subheading("One prompt, two policies") +
      Paragraph("Decided comparisons of the versions that lie furthest apart.");
  absl::StrAppend(&html, "<div class=\"figures\">\n");
  for (const v1::Comparison& comparison : data.people->furthest) {
    absl::StrAppend(&html, Pair(comparison));
  }
  return absl::StrCat(html, "</div>\n");
}

}  // namespace

ReportSection SampleSection(const ReportData& data) {
  return {"answers", "Answers over time", Samples(data) + Pairs(data)};
}

}  // namespace rlhf
