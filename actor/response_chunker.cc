#include "actor/response_chunker.h"

#include "absl/strings/string_view.h"
#include "actor/stop_conditions.h"
#include "core/text/byte_level.h"

namespace rlhf {

v1::Response ResponseChunker::Next(const EngineResult& result) {
  v1::Response part;
  part.set_finish_reason(result.finish_reason);
  const bool finished = result.finish_reason != v1::FINISH_REASON_UNSPECIFIED;
  const size_t settled =
      finished ? result.text.size() : SettledLength(result.text, stop_strings_);
  part.set_text(ReplaceInvalidUtf8(
      absl::string_view(result.text).substr(num_bytes_, settled - num_bytes_)));
  num_bytes_ = settled;
  const auto end = static_cast<int64_t>(result.token_ids.size());
  part.mutable_token_ids()->Add(result.token_ids.begin() + num_tokens_,
                                result.token_ids.end());
  part.mutable_logprobs()->Add(result.logprobs.begin() + num_tokens_,
                               result.logprobs.end());
  part.mutable_model_logprobs()->Add(
      result.model_logprobs.begin() + num_tokens_, result.model_logprobs.end());
  for (const VersionRun& run :
       VersionsBetween(result.versions, num_tokens_, end)) {
    v1::VersionRun& added = *part.add_policy_versions();
    added.set_version(run.version);
    added.set_num_tokens(run.num_tokens);
  }
  num_tokens_ = end;
  return part;
}

void AppendPart(const v1::Response& part, v1::Response& whole) {
  const int64_t last =
      whole.policy_versions().empty()
          ? -1
          : whole.policy_versions(whole.policy_versions_size() - 1).version();
  int first_run = 0;
  if (!part.policy_versions().empty() &&
      part.policy_versions(0).version() == last) {
    v1::VersionRun& run =
        *whole.mutable_policy_versions(whole.policy_versions_size() - 1);
    run.set_num_tokens(run.num_tokens() + part.policy_versions(0).num_tokens());
    first_run = 1;
  }
  whole.mutable_text()->append(part.text());
  whole.mutable_token_ids()->MergeFrom(part.token_ids());
  whole.mutable_logprobs()->MergeFrom(part.logprobs());
  whole.mutable_model_logprobs()->MergeFrom(part.model_logprobs());
  for (int i = first_run; i < part.policy_versions_size(); ++i) {
    *whole.add_policy_versions() = part.policy_versions(i);
  }
  whole.set_finish_reason(part.finish_reason());
}

}  // namespace rlhf
