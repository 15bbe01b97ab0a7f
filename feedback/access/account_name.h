// What an account may be called. Names are shown to requesters and admins, who
// must see that two of them differ.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace rlhf {

// Of a new account. InvalidArgument, with the character that is wrong, unless
// the name is as CheckKeptAccountName wants it and every character of it can be
// seen: no control or format characters (those of right-to-left text too), no
// spaces but the usual one, and none that Unicode lets a program leave out.
absl::Status CheckAccountName(const std::string& name);

// Of one that there is: an account that was made under an older rule goes on.
// InvalidArgument unless it is 1 to 40 bytes of UTF-8 without ASCII control
// characters and outer spaces.
absl::Status CheckKeptAccountName(const std::string& name);

}  // namespace rlhf
