#include "trainer/refresh_plan.h"

namespace rlhf {

int64_t NextRefreshAt(const v1::PreferenceConfig& config, int64_t trained_on) {
  for (const int64_t at : config.refresh_at()) {
    if (at > trained_on) return at;
  }
  if (config.refresh_every() == 0) return 0;
  return trained_on + config.refresh_every();
}

}  // namespace rlhf
