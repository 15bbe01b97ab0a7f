// Tokens that are recognised in the text before BPE: <|im_end|> and its like.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rlhf {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;
  // Only where no word character stands directly before or after it.
  bool single_word = false;
  // Takes the white space before or after it with it.
  bool strip_left = false;
  bool strip_right = false;
  // Looked for after normalization of the text, else before.
  bool normalized = false;
};

// Cuts text at added tokens, exactly as Hugging Face's tokenizers does.
// Const methods may run at once.
class AddedTokens {
 public:
  struct Piece {
    absl::string_view text;
    int32_t id = -1;  // -1: ordinary text
  };

  // `tokens` are UTF-8 and not empty.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  // The pieces of valid UTF-8 `text`, in order, none of them empty. Of tokens
  // that begin at the same place the longest counts.
  std::vector<Piece> Cut(absl::string_view text) const;

 private:
  const AddedToken* LongestAt(absl::string_view text) const;

  // By first byte, longest first.
  std::array<std::vector<AddedToken>, 256> by_first_byte_;
};

}  // namespace rlhf
