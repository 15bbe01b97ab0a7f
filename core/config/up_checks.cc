#include "core/config/up_checks.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/config/address.h"
#include "core/config/cpu_list.h"
#include "core/config/tls_checks.h"

namespace rlhf {
namespace {

constexpr const char* kRoles[] = {"learner",   "actor",    "reward-server",
                                  "refresher", "feedback", "crowd"};

void CheckResources(const v1::RoleResources& resources,
                    const std::string& field,
                    std::vector<FieldProblem>& problems) {
  const std::string& role = resources.role();
  if (std::find(std::begin(kRoles), std::end(kRoles), role) ==
      std::end(kRoles)) {
    problems.push_back(
        {field + ".role", absl::StrCat("is \"", role, "\"; wanted one of ",
                                       absl::StrJoin(kRoles, ", "))});
  }
  const auto cpus = ParseCpuList(resources.cpus());
  if (!cpus.ok()) {
    problems.push_back({field + ".cpus", std::string(cpus.status().message())});
  }
}

}  // namespace

void CheckUp(const v1::RunConfig& config, std::vector<FieldProblem>& problems) {
  const v1::UpConfig& up = config.up();
  // An error of the list itself was told already.
  const auto addresses =
      SplitAddresses(config.reward_server().address(), HasTls(config));
  if (addresses.ok() &&
      static_cast<size_t>(up.num_reward_servers()) > addresses->size()) {
    problems.push_back(
        {"up.num_reward_servers",
         absl::StrCat("is ", up.num_reward_servers(),
                      "; wanted at most one for each of the ",
                      addresses->size(), " in reward_server.address")});
  }
  std::set<std::string> roles;
  for (int i = 0; i < up.resources_size(); ++i) {
    const std::string field = absl::StrCat("up.resources[", i, "]");
    CheckResources(up.resources(i), field, problems);
    if (roles.insert(up.resources(i).role()).second) continue;
    problems.push_back(
        {field + ".role",
         absl::StrCat("is \"", up.resources(i).role(),
                      "\", as is another's; wanted each role once")});
  }
}

}  // namespace rlhf
