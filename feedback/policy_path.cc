#include "feedback/policy_path.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "core/base/check.h"
#include "core/base/hash.h"

namespace rlhf {
namespace {

// The last that is known at `version` or before.
template <typename T>
T LastKnown(const std::map<int64_t, T>& by_version, int64_t version) {
  const auto after = by_version.upper_bound(std::max<int64_t>(version, 0));
  return std::prev(after)->second;
}

// Any of the entries of a map, one as likely as the other.
template <typename Map>
const typename Map::mapped_type& AnyOf(const Map& map, uint64_t key) {
  return std::next(map.begin(), static_cast<int64_t>(key % map.size()))->second;
}

}  // namespace

int KlBand(double kl_nats) {
  if (!(kl_nats > 0)) return 0;
  return static_cast<int>(
      std::min(std::sqrt(kl_nats), static_cast<double>(kLastKlBand)));
}

void PolicyPath::Saw(const v1::UpdateReport& report) {
  const int64_t version = report.update();
  if (version < 1) return;
  if (report.policy_restarted()) {
    // It is the initial policy again.
    kl_bands_[version] = 0;
    pms_[version] = 0;
  }
  if (!report.left_out().empty()) return;
  pms_[version] = report.pm().version();
  const double kl = report.kl_k1_nats_per_sequence();
  if (std::isfinite(kl)) kl_bands_[version - 1] = KlBand(kl);
}

PolicyPlace PolicyPath::Of(int64_t version) const {
  return {.kl_band = LastKnown(kl_bands_, version),
          .pm_version = LastKnown(pms_, version)};
}

size_t DrawAcross(absl::Span<const PolicyPlace> places, uint64_t key) {
  RLHF_CHECK(!places.empty());
  std::map<int, std::map<int64_t, std::vector<size_t>>> by_band;
  for (size_t i = 0; i < places.size(); ++i) {
    by_band[places[i].kl_band][places[i].pm_version].push_back(i);
  }
  const auto& by_pm = AnyOf(by_band, MixHash(key, 0));
  const std::vector<size_t>& here = AnyOf(by_pm, MixHash(key, 1));
  return here[MixHash(key, 2) % here.size()];
}

}  // namespace rlhf
