#include "core/launch/launch_environment.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"

extern char** environ;

namespace rlhf {
namespace {

using Environment = std::map<std::string, std::string>;

constexpr const char* kRequired[] = {"RANK", "WORLD_SIZE", "MASTER_ADDR",
                                     "MASTER_PORT"};

const char* IsOrAre(const std::vector<std::string>& names) {
  return names.size() == 1 ? " is" : " are";
}

absl::StatusOr<int> Number(const Environment& environment, const char* name,
                           int low, int high) {
  const std::string& text = environment.at(name);
  int value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < low || value > high) {
    return absl::InvalidArgumentError(
        absl::StrCat("launch environment: ", name, "=\"", text,
                     "\"; wanted a number from ", low, " to ", high));
  }
  return value;
}

absl::StatusOr<int> NumberOr(const Environment& environment, const char* name,
                             int high, int fallback) {
  if (!environment.contains(name)) return fallback;
  return Number(environment, name, 0, high);
}

}  // namespace

std::string LaunchInfo::OneLine() const {
  if (launcher == "single") return "launch: single process";
  return absl::StrCat("launch: ", launcher, " rank ", rank, "/", world_size,
                      " master ", master_address, ":", master_port, " restart ",
                      restart_count);
}

absl::StatusOr<LaunchInfo> DetectLaunch(const Environment& environment) {
  std::vector<std::string> found, missing;
  for (const char* name : kRequired) {
    const auto it = environment.find(name);
    const bool is_set = it != environment.end() && !it->second.empty();
    (is_set ? found : missing).push_back(name);
  }
  if (found.empty()) return LaunchInfo();
  if (!missing.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "launch environment: ", absl::StrJoin(found, ", "), IsOrAre(found),
        " set, but ", absl::StrJoin(missing, ", "), IsOrAre(missing),
        " not; set all four (torchrun does) or none"));
  }
  LaunchInfo info;
  info.launcher = "torchrun";
  info.master_address = environment.at("MASTER_ADDR");
  constexpr int kMaxRanks = 1 << 20;
  RLHF_ASSIGN_OR_RETURN(info.world_size,
                        Number(environment, "WORLD_SIZE", 1, kMaxRanks));
  RLHF_ASSIGN_OR_RETURN(info.rank,
                        Number(environment, "RANK", 0, info.world_size - 1));
  RLHF_ASSIGN_OR_RETURN(info.master_port,
                        Number(environment, "MASTER_PORT", 1, 65535));
  RLHF_ASSIGN_OR_RETURN(info.local_rank, NumberOr(environment, "LOCAL_RANK",
                                                  info.world_size - 1, 0));
  RLHF_ASSIGN_OR_RETURN(
      info.local_world_size,
      NumberOr(environment, "LOCAL_WORLD_SIZE", info.world_size, 1));
  info.local_world_size = std::max(1, info.local_world_size);
  RLHF_ASSIGN_OR_RETURN(
      info.restart_count,
      NumberOr(environment, "TORCHELASTIC_RESTART_COUNT", kMaxRanks, 0));
  const auto agent = environment.find("TORCHELASTIC_USE_AGENT_STORE");
  info.agent_store = agent != environment.end() && agent->second == "True";
  return info;
}

std::map<std::string, std::string> ReadEnvironment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals == std::string::npos) continue;
    environment[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return environment;
}

}  // namespace rlhf
