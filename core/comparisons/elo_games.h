// Which comparisons are games of two policies, for Elo.
#pragma once

#include "core/comparisons/choice.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

enum class GameKind {
  // One of two known versions won.
  kDecided,
  // Two known versions played, and nobody won.
  kUndecided,
  // Both answers are of one version.
  kOneVersion,
  // A version is not known: imported.
  kUnknownVersion,
  // It was taken back, or is extra.
  kDoesNotCount,
};

inline GameKind GameKindOf(const v1::Comparison& comparison) {
  const int64_t a = comparison.policy_version_a();
  const int64_t b = comparison.policy_version_b();
  if (!Counts(comparison)) return GameKind::kDoesNotCount;
  if (a < 0 || b < 0) return GameKind::kUnknownVersion;
  if (a == b) return GameKind::kOneVersion;
  return IsDecided(comparison) ? GameKind::kDecided : GameKind::kUndecided;
}

}  // namespace rlhf
