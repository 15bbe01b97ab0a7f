// What tests of permissions go through: every role and every method.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace rlhf {

inline constexpr const char* kEveryRole[] = {
    "learner", "actor", "reward-server", "refresher", "feedback", "operator"};

// "/rlhf.v1.SERVICE/METHOD" of every .proto file, as its text has them.
inline absl::StatusOr<std::vector<std::string>> EveryMethod() {
  const char* root = std::getenv("RLHF_SOURCE_DIR");
  static const std::regex word(R"(\n(?:service (\w+) \{|  rpc (\w+)\())");
  std::vector<std::string> methods;
  for (const auto& entry : std::filesystem::directory_iterator(
           absl::StrCat(root == nullptr ? "." : root, "/proto/rlhf/v1"))) {
    if (entry.path().extension() != ".proto") continue;
    RLHF_ASSIGN_OR_RETURN(const std::string text,
                          ReadFile(entry.path().string()));
    std::string service;
    for (std::sregex_iterator it(text.begin(), text.end(), word), end;
         it != end; ++it) {
      if ((*it)[1].matched) service = (*it)[1];
      if (!(*it)[2].matched) continue;
      methods.push_back(
          absl::StrCat("/rlhf.v1.", service, "/", (*it)[2].str()));
    }
  }
  std::sort(methods.begin(), methods.end());
  return methods;
}

}  // namespace rlhf
