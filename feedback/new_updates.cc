#include "feedback/new_updates.h"

#include "core/base/log.h"
#include "core/base/proto_json.h"

namespace rlhf {

std::vector<v1::UpdateReport> NewUpdates::Read() {
  std::vector<v1::UpdateReport> updates;
  for (const std::string& line : tail_.NewLines()) {
    ++num_lines_;
    const absl::Status parsed = JsonToProto(line, &updates.emplace_back());
    if (parsed.ok()) continue;
    updates.pop_back();
    RLHF_LOG(WARNING) << path_ << ":" << num_lines_
                      << " is left out: " << parsed.message();
  }
  return updates;
}

}  // namespace rlhf
