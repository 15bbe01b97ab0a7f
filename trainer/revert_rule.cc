#include "trainer/revert_rule.h"

#include <google/protobuf/descriptor.h>

#include <cmath>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/config/field_checks.h"

namespace rlhf {

using google::protobuf::FieldDescriptor;

absl::StatusOr<RevertRule> RevertRule::Parse(const std::string& text) {
  const std::vector<std::string> words =
      absl::StrSplit(text, ' ', absl::SkipEmpty());
  double limit = 0;
  if (words.size() != 3 || (words[1] != ">" && words[1] != "<") ||
      !absl::SimpleAtod(words[2], &limit) || !std::isfinite(limit)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text,
                     "\" is no rule; wanted METRIC > LIMIT or METRIC < LIMIT, "
                     "such as kl_k1_nats_per_token > 0.5"));
  }
  const auto& type = *v1::UpdateReport::descriptor();
  const FieldDescriptor* const metric = type.FindFieldByName(words[0]);
  if (metric == nullptr) {
    return absl::InvalidArgumentError(UnknownField(type, words[0]));
  }
  if (metric->is_repeated() ||
      metric->cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", words[0],
        "\" cannot be watched: wanted a number that UpdateReport has as a "
        "double, such as kl_k1_nats_per_token or reward_anchored_mean"));
  }
  return RevertRule(metric, words[1] == ">", limit);
}

std::string RevertRule::Judge(const v1::UpdateReport& report) const {
  if (!report.left_out().empty()) return "";
  const double value = report.GetReflection()->GetDouble(report, metric_);
  const bool well = above_ ? value <= limit_ : value >= limit_;
  if (well) return "";
  return absl::StrCat(metric_->name(), " of update ", report.update(), " is ",
                      value, ", ", above_ ? "above " : "below ", limit_);
}

}  // namespace rlhf
