// What an account may be called. Names are shown to requesters and admins, who
// must see that two of them differ.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace rlhf {

// Of a new account. InvalidArgument, with the character that is wrong, unless
// the name is as CheckKeptAccountName wants it and every character of it can be
// seen: no control or format characters (those of right-to-left text too), no
// spaces but the usual one, and none that Unicode lets a program leave out. Its
// letters may be of any script, but not of two of Latin, Greek and Cyrillic,
// which have letters that look the same.
absl::Status CheckAccountName(const std::string& name);

// Whether people may take one name for the other: they differ only in capitals,
// in forms that Unicode calls compatible (full width), in how many spaces stand
// in a row, or in Greek and Cyrillic letters that look like Latin ones and in
// I, l, 1 and O, 0; or in capitals and digits in the place of o and i. Of valid
// UTF-8. Equal names look alike, too.
class LookOfName {
 public:
  explicit LookOfName(const std::string& name);
  bool IsLike(const LookOfName& other) const {
    return folded_ == other.folded_ || seen_ == other.seen_;
  }

 private:
  std::string folded_;  // without the difference of capitals
  std::string seen_;    // with it
};

// Of one that there is: an account that was made under an older rule goes on.
// InvalidArgument unless it is 1 to 40 bytes of UTF-8 without ASCII control
// characters and outer spaces.
absl::Status CheckKeptAccountName(const std::string& name);

}  // namespace rlhf
