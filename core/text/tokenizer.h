// Byte-level BPE tokenizers of Hugging Face directories (tokenizer.json).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/base/json.h"
#include "core/text/added_tokens.h"
#include "core/text/bpe.h"
#include "core/text/pre_tokenizer.h"

namespace rlhf {

// Const methods may run at once.
class Tokenizer {
 public:
  // Reads tokenizer.json and tokenizer_config.json of `directory`.
  //
  // Errors (all name the file):
  //   NotFound         no tokenizer.json
  //   InvalidArgument  malformed
  //   Unimplemented    a component that we do not know: it would silently give
  //                    other tokens
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(
      const std::string& directory);

  // The tokens of `text`, special tokens in it recognised and none added: what
  // `tokenizer(text, add_special_tokens=False)` gives. Invalid UTF-8 is read
  // as U+FFFD.
  std::vector<int32_t> Encode(absl::string_view text) const;

  // The text of `ids`. Bytes that are no UTF-8 become U+FFFD; ids outside the
  // vocabulary are left out.
  std::string Decode(absl::Span<const int32_t> ids,
                     bool skip_special_tokens) const;

  // What Decode takes from one token without special ones: bytes, which need
  // not be whole characters.
  absl::string_view TextBytes(int32_t id) const;

  // One more than the largest id.
  int vocab_size() const { return static_cast<int>(tokens_.size()); }

  std::optional<int32_t> TokenToId(absl::string_view token) const;

  // tokenizer_config.json's "eos_token".
  std::optional<int32_t> eos_id() const { return eos_id_; }

 private:
  struct Token {
    std::string bytes;
    bool special = false;
  };
  Tokenizer() = default;
  absl::Status LoadFile(const Json& file);
  absl::Status LoadModel(const Json& model);
  absl::Status LoadVocabulary(const Json& vocabulary);
  absl::Status LoadMerges(const Json& merges);
  absl::Status LoadAddedTokens(const Json& list);
  absl::StatusOr<AddedToken> ParseAddedToken(const Json& json) const;
  absl::Status LoadNormalizer(const Json& json);
  absl::Status LoadConfig(const Json& config);
  void EncodeWords(absl::string_view text, std::vector<int32_t>& ids) const;

  std::vector<Token> tokens_;  // by id
  absl::flat_hash_map<std::string, int32_t> id_of_;
  std::unique_ptr<BpeMerges> merges_;
  // With "ignore_merges": words, as bytes, that are tokens whatever the merges.
  absl::flat_hash_map<std::string, int32_t> whole_words_;
  std::unique_ptr<PreTokenizer> pre_tokenizer_;
  bool normalize_nfc_ = false;
  std::unique_ptr<AddedTokens> added_before_normalization_;
  std::unique_ptr<AddedTokens> added_after_normalization_;
  std::optional<int32_t> eos_id_;
};

}  // namespace rlhf
