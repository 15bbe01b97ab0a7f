// accounts.json of the feedback service, and the names in it:
// feedback/access/accounts.h and account_name.h.
#include "core/base/check.h"
#include "feedback/access/account_name.h"
#include "feedback/access/accounts.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

RLHF_FUZZ_TARGET(accounts) {
  const std::string name(input.substr(0, 60));
  const absl::Status kept = CheckKeptAccountName(name);
  const absl::Status fresh = CheckAccountName(name);
  CheckExplained(kept, {absl::StatusCode::kInvalidArgument});
  CheckExplained(fresh, {absl::StatusCode::kInvalidArgument});
  RLHF_CHECK(kept.ok() || !fresh.ok()) << kept;
  if (kept.ok()) RLHF_CHECK(LookOfName(name).IsLike(LookOfName(name)));

  const auto accounts = Accounts::FromJson(input);
  CheckExplained(accounts.status(), {absl::StatusCode::kInvalidArgument});
  if (!accounts.ok()) return;
  const std::string text = accounts->ToJson();
  const auto again = Accounts::FromJson(text);
  RLHF_CHECK(again.ok()) << again.status() << " " << text;
  RLHF_CHECK(again->ToJson() == text) << text;
  RLHF_CHECK(accounts->ByToken("") == nullptr);
}

}  // namespace
}  // namespace rlhf
