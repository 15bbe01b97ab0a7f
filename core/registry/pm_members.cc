#include "core/registry/pm_members.h"

#include <cmath>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr char kKey[] = "pm_members";

absl::StatusOr<PmMember> MemberOf(const Json& json) {
  if (!json.is_object() || !json.contains("weight") ||
      !json["weight"].is_number()) {
    return absl::InvalidArgumentError(
        "pm_members: an entry is no object with a number \"weight\"");
  }
  PmMember member;
  RLHF_ASSIGN_OR_RETURN(member.name, GetString(json, "name"));
  RLHF_ASSIGN_OR_RETURN(member.folder, GetString(json, "folder"));
  RLHF_ASSIGN_OR_RETURN(member.objective, GetString(json, "objective"));
  member.weight = json["weight"].get<double>();
  if (absl::StartsWith(member.folder, "/") ||
      absl::StrContains(member.folder, "..")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "pm_members: folder \"", member.folder, "\" leaves the version's"));
  }
  return member;
}

// `weight` times the mean of the rows at `column`, less the penalty on their
// deviation: less whatever the sign of the weight.
double LowerBound(const std::vector<const std::vector<float>*>& rows,
                  size_t column, double weight, double penalty) {
  const auto count = static_cast<double>(rows.size());
  double mean = 0, variance = 0;
  for (const auto* row : rows) mean += (*row)[column] / count;
  for (const auto* row : rows) {
    const double distance = (*row)[column] - mean;
    variance += distance * distance / count;
  }
  return weight * mean - std::abs(weight) * penalty * std::sqrt(variance);
}

}  // namespace

std::string MemberFolder(const std::string& directory, const PmMember& member) {
  return member.folder.empty() ? directory
                               : absl::StrCat(directory, "/", member.folder);
}

Json ToJson(const PmMembers& members) {
  Json list = Json::array();
  for (const PmMember& member : members.members) {
    list.push_back({{"name", member.name},
                    {"folder", member.folder},
                    {"objective", member.objective},
                    {"weight", member.weight}});
  }
  return {{"members", std::move(list)},
          {"ensemble_penalty", members.ensemble_penalty}};
}

absl::StatusOr<PmMembers> PmMembersOf(const Json& card) {
  const auto it = card.find(kKey);
  if (it == card.end()) return PmMembers();
  if (!it->is_object() || !it->contains("members") ||
      !(*it)["members"].is_array() || (*it)["members"].empty() ||
      !it->contains("ensemble_penalty") ||
      !(*it)["ensemble_penalty"].is_number()) {
    return absl::InvalidArgumentError(
        "pm_members: wanted {\"members\": [...], \"ensemble_penalty\": n}");
  }
  PmMembers result = {.members = {}};
  result.ensemble_penalty = (*it)["ensemble_penalty"].get<double>();
  for (const Json& entry : (*it)["members"]) {
    RLHF_ASSIGN_OR_RETURN(result.members.emplace_back(), MemberOf(entry));
  }
  std::set<std::string> names, folders;
  for (const PmMember& member : result.members) {
    if (!names.insert(member.name).second ||
        !folders.insert(member.folder).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("pm_members: two members named \"", member.name,
                       "\" or in folder \"", member.folder, "\""));
    }
  }
  if (!result.members[0].folder.empty() ||
      result.members[0].objective.empty()) {
    return absl::InvalidArgumentError(
        "pm_members: the first member must reward and have no folder");
  }
  return result;
}

std::vector<float> CombineScores(
    const PmMembers& members, const std::vector<std::vector<float>>& score_MS) {
  RLHF_CHECK(score_MS.size() == members.members.size() && !score_MS.empty());
  // By objective: its weight and its members' rows.
  std::map<std::string,
           std::pair<double, std::vector<const std::vector<float>*>>>
      objectives;
  for (size_t m = 0; m < score_MS.size(); ++m) {
    const PmMember& member = members.members[m];
    if (member.objective.empty()) continue;
    auto& [weight, rows] = objectives[member.objective];
    weight = member.weight;
    rows.push_back(&score_MS[m]);
  }
  std::vector<float> combined;
  for (size_t s = 0; s < score_MS[0].size(); ++s) {
    double sum = 0;
    for (const auto& [name, objective] : objectives) {
      sum += LowerBound(objective.second, s, objective.first,
                        members.ensemble_penalty);
    }
    combined.push_back(static_cast<float>(sum));
  }
  return combined;
}

}  // namespace rlhf
