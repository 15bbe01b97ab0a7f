// What tests of verbs share.
#pragma once

#include <string>
#include <vector>

#include "cli/flags.h"
#include "cli/verb.h"
#include "core/base/check.h"
#include "gtest/gtest.h"

namespace rlhf {

// The flags of the verb `name`, as the command line has them.
inline const std::vector<FlagSpec>& FlagsOf(const std::string& name) {
  for (const Verb& verb : AllVerbs()) {
    if (verb.name == name) return verb.flags;
  }
  RLHF_CHECK(false) << name << " is no verb";
  return AllVerbs().front().flags;
}

// `rlhf ARGS`: its exit code, and what it prints.
inline int RunCaptured(const std::vector<std::string>& args, std::string& out,
                       std::string& err) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = RunCommand(args);
  out = testing::internal::GetCapturedStdout();
  err = testing::internal::GetCapturedStderr();
  return code;
}

}  // namespace rlhf
