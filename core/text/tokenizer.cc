#include "core/text/tokenizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/text/byte_level.h"

namespace rlhf {
namespace {

constexpr size_t kMaxFileBytes = 64 << 20;
constexpr int32_t kMaxVocab = 1 << 22;

absl::StatusOr<Json> ReadJson(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  if (text.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError("more than 64 MiB");
  }
  return ParseJson(text);
}

std::string ToNfc(absl::string_view text) {
  utf8proc_uint8_t* result = nullptr;
  const auto size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &result,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (size < 0) return std::string(text);
  std::string normalized(reinterpret_cast<const char*>(result),
                         static_cast<size_t>(size));
  std::free(result);
  return normalized;
}

// A merge as "left right" or ["left", "right"].
std::optional<std::pair<std::string, std::string>> ParseMerge(
    const Json& merge) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
      merge[1].is_string()) {
    return std::pair(merge[0].get<std::string>(), merge[1].get<std::string>());
  }
  if (!merge.is_string()) return std::nullopt;
  const auto text = merge.get<std::string>();
  const size_t space = text.find(' ');
  if (space == std::string::npos) return std::nullopt;
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

bool IsWordByte(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(
    const std::string& directory) {
  const std::string path = directory + "/tokenizer.json";
  absl::StatusOr<Json> json = ReadJson(path);
  if (!json.ok()) {
    return json.status().code() == absl::StatusCode::kNotFound
               ? json.status()
               : WithContext(json.status(), path);
  }
  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer());
  absl::Status status = [&]() -> absl::Status {
    if (!json->is_object() || !json->contains("model")) {
      return absl::InvalidArgumentError("\"model\" is missing");
    }
    RLHF_RETURN_IF_ERROR(tokenizer->LoadModel(json->at("model")));
    RLHF_RETURN_IF_ERROR(
        tokenizer->LoadNormalizer(json->value("normalizer", Json(nullptr))));
    RLHF_ASSIGN_OR_RETURN(
        tokenizer->pre_tokenizer_,
        PreTokenizer::Create(json->value("pre_tokenizer", Json(nullptr))));
    return tokenizer->LoadAddedTokens(
        json->value("added_tokens", Json::array()));
  }();
  if (!status.ok()) return WithContext(status, path);
  const absl::StatusOr<Json> config =
      ReadJson(directory + "/tokenizer_config.json");
  if (config.ok()) tokenizer->LoadConfig(*config);
  return tokenizer;
}

absl::Status Tokenizer::LoadModel(const Json& model) {
  if (model.value("type", "BPE") != "BPE" || !model.contains("vocab") ||
      !model.at("vocab").is_object() || !model.contains("merges") ||
      !model.at("merges").is_array()) {
    return absl::UnimplementedError(
        absl::StrCat("model \"", model.value("type", "?"),
                     "\" is not byte-level BPE with a vocabulary and merges"));
  }
  if (model.value("byte_fallback", false)) {
    return absl::UnimplementedError("BPE with byte_fallback is not known");
  }
  ignore_merges_ = model.value("ignore_merges", false);
  for (const auto& [token, id] : model.at("vocab").items()) {
    if (!id.is_number_unsigned() || id.get<int64_t>() >= kMaxVocab) {
      return absl::InvalidArgumentError(absl::StrCat(
          "vocabulary id of \"", token, "\" is not a small number"));
    }
    const auto number = id.get<int32_t>();
    id_of_[token] = number;
    if (number >= vocab_size()) tokens_.resize(number + 1);
    tokens_[number].bytes = BytesOfToken(token).value_or(token);
  }
  // Vocabularies leave out bytes that no UTF-8 text holds (0xC0, 0xF5, …), and
  // sometimes rare ones; like Hugging Face we then leave the byte out too.
  std::vector<int32_t> byte_ids;
  for (const std::string& character : ByteAlphabet()) {
    byte_ids.push_back(TokenToId(character).value_or(-1));
  }
  if (byte_ids['a'] < 0 || byte_ids[' '] < 0) {
    return absl::UnimplementedError(
        "the vocabulary lacks single bytes: this is not byte-level BPE");
  }
  merges_ = std::make_unique<BpeMerges>(std::move(byte_ids));
  for (const Json& merge : model.at("merges")) {
    const auto pair = ParseMerge(merge);
    if (!pair.has_value()) {
      return absl::InvalidArgumentError("a merge is not a pair of tokens");
    }
    const auto left = TokenToId(pair->first), right = TokenToId(pair->second);
    const auto merged = TokenToId(pair->first + pair->second);
    if (!left.has_value() || !right.has_value() || !merged.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("merge \"", pair->first, " ", pair->second,
                       "\" speaks of tokens that are not in the vocabulary"));
    }
    merges_->Add(*left, *right, *merged);
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::LoadNormalizer(const Json& json) {
  if (json.is_null()) return absl::OkStatus();
  RLHF_ASSIGN_OR_RETURN(const std::string type, GetString(json, "type"));
  if (type == "Sequence") {
    for (const Json& part : json.value("normalizers", Json::array())) {
      RLHF_RETURN_IF_ERROR(LoadNormalizer(part));
    }
    return absl::OkStatus();
  }
  if (type != "NFC") {
    return absl::UnimplementedError(
        absl::StrCat("normalizer \"", type, "\" is not known; known is NFC"));
  }
  normalize_nfc_ = true;
  return absl::OkStatus();
}

absl::Status Tokenizer::LoadAddedTokens(const Json& list) {
  for (const Json& json : list) {
    RLHF_ASSIGN_OR_RETURN(const std::string content,
                          GetString(json, "content"));
    if (content.empty() || !json.contains("id") ||
        !json.at("id").is_number_unsigned() ||
        json.at("id").get<int64_t>() >= kMaxVocab) {
      return absl::InvalidArgumentError("an added token has no content or id");
    }
    const auto id = json.at("id").get<int32_t>();
    if (id >= vocab_size()) tokens_.resize(id + 1);
    tokens_[id] = {.bytes = content, .special = json.value("special", false)};
    id_of_[content] = id;
    added_[static_cast<unsigned char>(content[0])].push_back(
        {.content = content,
         .id = id,
         .single_word = json.value("single_word", false),
         .strip_left = json.value("lstrip", false),
         .strip_right = json.value("rstrip", false)});
  }
  for (auto& bucket : added_) {
    std::stable_sort(bucket.begin(), bucket.end(),
                     [](const AddedToken& a, const AddedToken& b) {
                       return a.content.size() > b.content.size();
                     });
  }
  return absl::OkStatus();
}

void Tokenizer::LoadConfig(const Json& config) {
  const auto it = config.find("eos_token");
  if (it == config.end()) return;
  if (it->is_string()) eos_id_ = TokenToId(it->get<std::string>());
  // Older files hold the whole AddedToken.
  if (it->is_object()) eos_id_ = TokenToId(it->value("content", ""));
}

std::optional<int32_t> Tokenizer::TokenToId(absl::string_view token) const {
  const auto it = id_of_.find(std::string(token));
  if (it == id_of_.end()) return std::nullopt;
  return it->second;
}

const Tokenizer::AddedToken* Tokenizer::AddedAt(absl::string_view text,
                                                size_t position) const {
  const absl::string_view rest = text.substr(position);
  for (const AddedToken& token : added_[static_cast<unsigned char>(rest[0])]) {
    if (!absl::StartsWith(rest, token.content)) continue;
    const size_t end = position + token.content.size();
    const bool inside_word = (position > 0 && IsWordByte(text[position - 1])) ||
                             (end < text.size() && IsWordByte(text[end]));
    if (!token.single_word || !inside_word) return &token;
  }
  return nullptr;
}

std::vector<int32_t> Tokenizer::Encode(absl::string_view text) const {
  const std::string valid = ReplaceInvalidUtf8(text);
  text = valid;
  std::vector<int32_t> ids;
  size_t begin = 0, position = 0;
  while (position < text.size()) {
    const AddedToken* token = AddedAt(text, position);
    if (token == nullptr) {
      ++position;
      continue;
    }
    absl::string_view before = text.substr(begin, position - begin);
    if (token->strip_left) before = absl::StripTrailingAsciiWhitespace(before);
    EncodeOrdinary(before, ids);
    ids.push_back(token->id);
    position += token->content.size();
    while (token->strip_right && position < text.size() &&
           absl::ascii_isspace(static_cast<unsigned char>(text[position]))) {
      ++position;
    }
    begin = position;
  }
  EncodeOrdinary(text.substr(begin), ids);
  return ids;
}

void Tokenizer::EncodeOrdinary(absl::string_view text,
                               std::vector<int32_t>& ids) const {
  if (text.empty()) return;
  std::string normalized, storage;
  if (normalize_nfc_) {
    normalized = ToNfc(text);
    text = normalized;
  }
  std::vector<absl::string_view> words;
  pre_tokenizer_->Split(text, storage, words);
  for (const absl::string_view word : words) {
    if (ignore_merges_) {
      std::string token;
      for (const char c : word) {
        absl::StrAppend(&token, ByteAlphabet()[static_cast<unsigned char>(c)]);
      }
      if (const auto id = TokenToId(token); id.has_value()) {
        ids.push_back(*id);
        continue;
      }
    }
    merges_->Encode(word, ids);
  }
}

std::string Tokenizer::Decode(absl::Span<const int32_t> ids,
                              bool skip_special_tokens) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab_size()) continue;
    if (skip_special_tokens && tokens_[id].special) continue;
    absl::StrAppend(&bytes, tokens_[id].bytes);
  }
  return ReplaceInvalidUtf8(bytes);
}

}  // namespace rlhf
