#include "feedback/webhook_signature.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "feedback/access/secrets.h"

namespace rlhf {
namespace {

constexpr size_t kMinSecretBytes = 16;

std::string KeyOf(absl::string_view secret) {
  const absl::string_view encoded = absl::StripPrefix(secret, "whsec_");
  std::string key;
  if (absl::Base64Unescape(encoded, &key)) return key;
  return std::string(secret);
}

// Whether one of the signatures of the header is the right one.
bool IsSigned(const SignedHeaders& headers, absl::string_view timestamp,
              absl::string_view body, const std::string& key) {
  const std::string wanted = absl::StrCat(
      "v1,", absl::Base64Escape(HmacSha256(
                 key, absl::StrCat(headers.id, ".", timestamp, ".", body))));
  bool found = false;
  for (const absl::string_view one : absl::StrSplit(headers.signature, ' ')) {
    found = EqualSecrets(one, wanted) || found;
  }
  return found;
}

}  // namespace

absl::StatusOr<std::string> ReadWebhookSecret(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::string secret(absl::StripAsciiWhitespace(text));
  if (secret.size() < kMinSecretBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": the secret has ", secret.size(), " characters; at least ",
        kMinSecretBytes, " are wanted, as `openssl rand -base64 32` gives"));
  }
  return secret;
}

absl::Status CheckIsFresh(absl::Time time, absl::Time now) {
  const absl::Duration age = now - time;
  if (absl::AbsDuration(age) <= kWebhookTolerance) return absl::OkStatus();
  return absl::UnauthenticatedError(absl::StrCat(
      "the webhook is of ", absl::FormatTime(time, absl::UTCTimeZone()),
      ", more than 5 minutes from now"));
}

absl::Status VerifySignature(const SignedHeaders& headers,
                             absl::string_view body, absl::string_view secret,
                             absl::string_view other_timestamp,
                             absl::Time now) {
  if (headers.id.empty() || headers.timestamp.empty() ||
      headers.signature.empty()) {
    return absl::UnauthenticatedError(
        "webhook-id, webhook-timestamp and webhook-signature are wanted");
  }
  const std::string key = KeyOf(secret);
  absl::string_view timestamp = headers.timestamp;
  bool is_signed = IsSigned(headers, timestamp, body, key);
  if (!is_signed && !other_timestamp.empty()) {
    timestamp = other_timestamp;
    is_signed = IsSigned(headers, timestamp, body, key);
  }
  if (!is_signed) {
    return absl::UnauthenticatedError(
        "no signature of the webhook is right for our secret");
  }
  int64_t seconds = 0;
  if (!absl::SimpleAtoi(timestamp, &seconds)) {
    return absl::UnauthenticatedError("webhook-timestamp is no number");
  }
  return CheckIsFresh(absl::FromUnixSeconds(seconds), now);
}

void ReplayGuard::Forget(absl::Time now) {
  while (!order_.empty() &&
         (order_.size() > kCapacity ||
          order_.front().first < now - 2 * kWebhookTolerance)) {
    ids_.erase(order_.front().second);
    order_.pop_front();
  }
}

bool ReplayGuard::WasTaken(const std::string& id, absl::Time now) {
  MutexLock lock(&mutex_);
  Forget(now);
  return ids_.contains(id);
}

void ReplayGuard::SetTaken(const std::string& id, absl::Time now) {
  MutexLock lock(&mutex_);
  if (ids_.insert(id).second) order_.emplace_back(now, id);
  Forget(now);
}

}  // namespace rlhf
