#include "feedback/imported_origin.h"

#include "feedback/batch/comparison_key.h"

namespace rlhf {

void MakeImported(const std::string& source, v1::Comparison& comparison) {
  // Who is not named is called as the source is.
  if (!HasWorker(comparison)) comparison.set_worker_id(source);
  comparison.set_source(source);
  comparison.set_policy_version_a(-1);
  comparison.set_policy_version_b(-1);
  comparison.clear_pm_version();
}

void MakeImportedAs(const v1::Comparison& stored, v1::Comparison& comparison) {
  if (!HasWorker(comparison) && !HasWorker(stored)) {
    comparison.set_worker_id(stored.worker_id());
  }
  comparison.set_source(stored.source());
  comparison.set_policy_version_a(stored.policy_version_a());
  comparison.set_policy_version_b(stored.policy_version_b());
  comparison.set_pm_version(stored.pm_version());
}

}  // namespace rlhf
