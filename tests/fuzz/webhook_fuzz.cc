// Payloads of labelling tools, and who signed them: feedback/webhook_payloads.h
// and webhook_signature.h. The input is three headers, a line each, and the
// body.
#include "absl/time/time.h"
#include "core/base/check.h"
#include "core/comparisons/parse_comparisons.h"
#include "feedback/webhook_payloads.h"
#include "feedback/webhook_signature.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

void Read(const absl::StatusOr<WebhookRecord>& record, absl::Time now) {
  CheckExplained(record.status(), {absl::StatusCode::kInvalidArgument});
  if (!record.ok()) return;
  CheckExplained(CheckIsFresh(record->time, now));
  if (!record->line.has_value()) return;
  // One line, so one record.
  RLHF_CHECK(record->line->find('\n') == std::string::npos);
  const ReadableComparisons readable =
      ParseReadable(*record->line, "webhook.jsonl");
  RLHF_CHECK(readable.num_records == 1) << *record->line;
}

RLHF_FUZZ_TARGET(webhook) {
  const absl::Time now = absl::FromUnixSeconds(1'790'000'000);
  const SignedHeaders headers{.id = TakePart("\n", input),
                              .timestamp = TakePart("\n", input),
                              .signature = TakePart("\n", input)};
  const absl::Status status =
      VerifySignature(headers, input, "a secret of nobody", "", now);
  RLHF_CHECK(!status.ok()) << "signed without the secret";
  CheckExplained(status, {absl::StatusCode::kUnauthenticated});
  Read(ReadArgillaEvent(input), now);
  Read(ReadLabelStudioEvent(input), now);
}

}  // namespace
}  // namespace rlhf
