#include "trainer/gate_report.h"

#include <initializer_list>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace rlhf {

GateThresholds ThresholdsOf(const v1::GateConfig& config) {
  return {.min_accuracy = config.min_accuracy(),
          .max_accuracy_drop = config.max_accuracy_drop(),
          .significance = config.significance(),
          .min_slice_pairs = config.min_slice_pairs(),
          .max_slice_drop = config.max_slice_drop(),
          .max_calibration_error = config.max_calibration_error(),
          .max_length_bias = config.max_length_bias(),
          .min_rank_correlation = config.min_rank_correlation(),
          .min_agreement = config.min_agreement(),
          .max_score_offset = config.max_score_offset()};
}

void AddVerdict(const GateVerdict& verdict, v1::PmReport& report) {
  const auto without = [](absl::string_view text,
                          std::initializer_list<absl::string_view> prefixes) {
    for (const absl::string_view prefix : prefixes) {
      if (absl::ConsumePrefix(&text, prefix)) break;
    }
    return text;
  };
  const absl::string_view found =
      without(verdict.reason, {"passed: ", "refused: "});
  const std::string before(without(report.verdict(), {"promoted: "}));
  report.set_promoted(verdict.promote);
  // What refused it is what matters then.
  report.set_verdict(!verdict.promote ? absl::StrCat("refused: ", found)
                     : before.empty()
                         ? absl::StrCat("promoted: ", found)
                         : absl::StrCat("promoted: ", before, "; ", found));
  for (const GateFinding& finding : verdict.findings) {
    v1::GateCheck& check = *report.add_checks();
    check.set_name(finding.name);
    check.set_passed(finding.passed);
    check.set_detail(finding.detail);
  }
}

}  // namespace rlhf
