#include "core/text/prompt_id.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/hash.h"

namespace rlhf {

std::string PromptId(const Messages& messages) {
  std::string bytes;
  for (const v1::Message& message : messages) {
    absl::StrAppend(&bytes, message.role().size(), ":", message.role(),
                    message.content().size(), ":", message.content());
  }
  return absl::StrFormat("%016x", Xxh3(bytes));
}

double HashFraction(absl::string_view id, absl::string_view salt) {
  return static_cast<double>(MixHash(Xxh3(id), Xxh3(salt)) >> 11) * 0x1.0p-53;
}

}  // namespace rlhf
