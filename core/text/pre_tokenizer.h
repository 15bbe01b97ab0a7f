// Cuts text into the words that BPE works on, as tokenizer.json's
// "pre_tokenizer" says.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/json.h"

namespace rlhf {

// Const methods may run at once.
class PreTokenizer {
 public:
  // Understands Digits, Split with a Regex pattern, and at the end ByteLevel,
  // in a Sequence or alone.
  //
  // Errors: Unimplemented for another kind or option, or a pattern that may
  // mean something else to PCRE2; InvalidArgument for a malformed one.
  static absl::StatusOr<std::unique_ptr<PreTokenizer>> Create(const Json& json);
  ~PreTokenizer();

  // Appends the pieces of valid UTF-8 `text` to `words`, in order; together
  // they are the text (with a space before it if the tokenizer adds one).
  // The views point into `text` or into `storage`.
  void Split(absl::string_view text, std::string& storage,
             std::vector<absl::string_view>& words) const;

 private:
  class Step;
  PreTokenizer();
  absl::Status Add(const Json& json);
  absl::Status AddByteLevel(const Json& json);
  absl::Status AddSplit(const Json& json);
  absl::Status AddStep(absl::string_view pattern);

  std::vector<std::unique_ptr<Step>> steps_;
  bool add_prefix_space_ = false;
  bool ends_in_bytes_ = false;
};

}  // namespace rlhf
