// The way that the policy has come: how far each of its versions is from the
// initial policy, and which PM brought it there. What people compare is drawn
// across it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>

#include "absl/types/span.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

// Bands are one unit of sqrt(KL) wide, so that they begin at 0, 1, 4, 9, … nats
// a response: what a PM prefers grows linearly in sqrt(KL) (Bai et al. 2022,
// §4.3), and one step is about as much of a difference to people anywhere. Runs
// stay below 100 nats as a rule (§4.1): all from there on is the last band.
inline constexpr int kLastKlBand = 10;

// The band of a KL in nats a response; estimates below 0 are in the first.
int KlBand(double kl_nats);

struct PolicyPlace {
  int kl_band = 0;
  // That rewarded the update which made the version: its iteration of the loop.
  // 0: none did.
  int64_t pm_version = 0;

  auto operator<=>(const PolicyPlace&) const = default;
};

// Thread-compatible.
class PolicyPath {
 public:
  // An update, in the order of metrics.jsonl; one that was made again after a
  // crash counts as it was made last.
  void Saw(const v1::UpdateReport& report);

  // Where a version stands. The KL of version v is what update v + 1 measured
  // on the responses of its batch; the initial policy's is 0, also where the
  // policy began again from it. If a version's is not known, because that
  // update is not made yet or was left out, it is the last that is known of an
  // earlier version, which is an update or a few away: so where there is no
  // report at all, every version stands at the beginning. The same holds for
  // the PM.
  PolicyPlace Of(int64_t version) const;

 private:
  // By version.
  std::map<int64_t, int> kl_bands_ = {{0, 0}};
  std::map<int64_t, int64_t> pms_ = {{0, 0}};
};

// The index of one of `places` (not empty), as `key` picks it: every band that
// has any is as likely as every other, in it every PM, and then every one.
size_t DrawAcross(absl::Span<const PolicyPlace> places, uint64_t key);

}  // namespace rlhf
