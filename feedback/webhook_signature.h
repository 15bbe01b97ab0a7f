// Who sent a webhook, and that it was now and once.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"

namespace rlhf {

// What is older, or further ahead, is not taken.
inline constexpr absl::Duration kWebhookTolerance = absl::Minutes(5);

// The secret in the file `path`, without the white space around it; at least 16
// characters. Errors: as ReadFile; InvalidArgument for a shorter one.
absl::StatusOr<std::string> ReadWebhookSecret(const std::string& path);

// The headers of Standard Webhooks (standardwebhooks.com, version 1).
struct SignedHeaders {
  absl::string_view id;         // webhook-id
  absl::string_view timestamp;  // webhook-timestamp, seconds since 1970
  absl::string_view signature;  // webhook-signature, "v1,BASE64 v1,BASE64 …"
};

// Checks that `secret` signed "ID.TIMESTAMP.BODY" and that the timestamp is
// within kWebhookTolerance of `now`. The key is what the secret says in base64,
// after an optional "whsec_"; of a secret that is no base64, its bytes.
//
// `other_timestamp`, unless empty, is tried too: Argilla signs the time of the
// event, which its body tells, and sends that of the delivery.
//
// Errors: Unauthenticated that says what is missing or wrong.
absl::Status VerifySignature(const SignedHeaders& headers,
                             absl::string_view body, absl::string_view secret,
                             absl::string_view other_timestamp, absl::Time now);

// Unauthenticated if `time` is further from `now` than kWebhookTolerance.
absl::Status CheckIsFresh(absl::Time time, absl::Time now);

// Remembers what was taken, for twice kWebhookTolerance and at most kCapacity
// of them. Thread-safe.
class ReplayGuard {
 public:
  static constexpr size_t kCapacity = 100'000;

  bool WasTaken(const std::string& id, absl::Time now);
  void SetTaken(const std::string& id, absl::Time now);

 private:
  void Forget(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  absl::flat_hash_set<std::string> ids_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::pair<absl::Time, std::string>> order_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
