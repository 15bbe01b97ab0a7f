// What tests of verbs share.
#pragma once

#include <string>
#include <vector>

#include "cli/flags.h"
#include "cli/verb.h"
#include "core/base/check.h"

namespace rlhf {

// The flags of the verb `name`, as the command line has them.
inline const std::vector<FlagSpec>& FlagsOf(const std::string& name) {
  for (const Verb& verb : AllVerbs()) {
    if (verb.name == name) return verb.flags;
  }
  RLHF_CHECK(false) << name << " is no verb";
  return AllVerbs().front().flags;
}

}  // namespace rlhf
