#include "core/text/tokenizer.h"

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/text/byte_level.h"
#include "core/text/json_options.h"
#include "core/text/nfc.h"

namespace rlhf {
namespace {

constexpr size_t kMaxFileBytes = 64 << 20;
constexpr uint64_t kMaxVocab = 1 << 22;

// Errors name the file.
absl::StatusOr<Json> ReadJson(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  if (text.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", text.size(), " bytes; at most 64 MiB are read"));
  }
  absl::StatusOr<Json> json = ParseJson(text);
  if (!json.ok()) return WithContext(json.status(), path);
  if (!json->is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a JSON object"));
  }
  return json;
}

// The object `key` of `object`; null if it is absent or null.
absl::StatusOr<Json> GetObject(const Json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return Json(nullptr);
  if (!it->is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key, "\" is not an object"));
  }
  return *it;
}

absl::StatusOr<int32_t> ParseId(const Json& id, absl::string_view token) {
  if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMaxVocab) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the id of \"", token, "\" is not a number below ", kMaxVocab));
  }
  return id.get<int32_t>();
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

// Options of BPE that byte-level tokenizers leave off.
absl::Status CheckModelOptions(const Json& model) {
  for (const char* key : {"dropout", "continuing_subword_prefix",
                          "end_of_word_suffix", "byte_fallback"}) {
    const Json value = model.value(key, Json(nullptr));
    if (value.is_null() || value == Json("") || value == Json(0.0) ||
        value == Json(false)) {
      continue;
    }
    return absl::UnimplementedError(
        absl::StrCat("BPE with \"", key, "\" is not known"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(
    const std::string& directory) {
  const std::string path = directory + "/tokenizer.json";
  RLHF_ASSIGN_OR_RETURN(const Json file, ReadJson(path));
  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer());
  RLHF_RETURN_IF_ERROR(WithContext(tokenizer->LoadFile(file), path));
  const std::string config_path = directory + "/tokenizer_config.json";
  if (!FileExists(config_path)) return tokenizer;
  RLHF_ASSIGN_OR_RETURN(const Json config, ReadJson(config_path));
  RLHF_RETURN_IF_ERROR(WithContext(tokenizer->LoadConfig(config), config_path));
  return tokenizer;
}

absl::Status Tokenizer::LoadFile(const Json& file) {
  RLHF_ASSIGN_OR_RETURN(const Json model, GetObject(file, "model"));
  if (model.is_null()) {
    return absl::InvalidArgumentError("\"model\" is missing");
  }
  RLHF_RETURN_IF_ERROR(LoadModel(model));
  RLHF_ASSIGN_OR_RETURN(const Json normalizer, GetObject(file, "normalizer"));
  RLHF_RETURN_IF_ERROR(LoadNormalizer(normalizer));
  RLHF_ASSIGN_OR_RETURN(const Json pre_tokenizer,
                        GetObject(file, "pre_tokenizer"));
  RLHF_ASSIGN_OR_RETURN(pre_tokenizer_, PreTokenizer::Create(pre_tokenizer));
  RLHF_ASSIGN_OR_RETURN(const Json decoder, GetObject(file, "decoder"));
  if (decoder.is_null() || decoder.value("type", Json()) != Json("ByteLevel")) {
    return absl::UnimplementedError("the decoder is not ByteLevel");
  }
  RLHF_ASSIGN_OR_RETURN(const Json added,
                        GetListOr(file, "added_tokens", Json::array()));
  return LoadAddedTokens(added);
}

absl::Status Tokenizer::LoadModel(const Json& model) {
  const Json type = model.value("type", Json("BPE"));
  if (type != Json("BPE")) {
    return absl::UnimplementedError(
        absl::StrCat("model ", type.dump(), " is not known; known is BPE"));
  }
  RLHF_RETURN_IF_ERROR(CheckModelOptions(model));
  RLHF_ASSIGN_OR_RETURN(const Json vocabulary, GetObject(model, "vocab"));
  RLHF_ASSIGN_OR_RETURN(const Json merges,
                        GetListOr(model, "merges", Json(nullptr)));
  if (vocabulary.is_null() || merges.is_null()) {
    return absl::InvalidArgumentError("BPE without \"vocab\" or \"merges\"");
  }
  RLHF_RETURN_IF_ERROR(LoadVocabulary(vocabulary));
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
  if (model.contains("unk_token") && !model.at("unk_token").is_null() &&
      absl::c_linear_search(byte_ids, -1)) {
    return absl::UnimplementedError(
        "BPE with \"unk_token\" and without a token for each byte");
  }
  merges_ = std::make_unique<BpeMerges>(std::move(byte_ids));
  RLHF_RETURN_IF_ERROR(LoadMerges(merges));
  RLHF_ASSIGN_OR_RETURN(const bool ignore_merges,
                        GetBoolOr(model, "ignore_merges", false));
  if (!ignore_merges) return absl::OkStatus();
  for (const auto& [token, id] : id_of_) {
    const auto bytes = BytesOfToken(token);
    if (bytes.has_value()) whole_words_[*bytes] = id;
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::LoadVocabulary(const Json& vocabulary) {
  for (const auto& [token, number] : vocabulary.items()) {
    RLHF_ASSIGN_OR_RETURN(const int32_t id, ParseId(number, token));
    id_of_[token] = id;
    if (id >= vocab_size()) tokens_.resize(id + 1);
    tokens_[id].bytes = BytesOfToken(token).value_or(token);
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::LoadMerges(const Json& merges) {
  for (const Json& merge : merges) {
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
    RLHF_ASSIGN_OR_RETURN(const Json parts,
                          GetListOr(json, "normalizers", Json::array()));
    for (const Json& part : parts) RLHF_RETURN_IF_ERROR(LoadNormalizer(part));
    return absl::OkStatus();
  }
  if (type != "NFC") {
    return absl::UnimplementedError(
        absl::StrCat("normalizer \"", type, "\" is not known; known is NFC"));
  }
  normalize_nfc_ = true;
  return absl::OkStatus();
}

absl::StatusOr<AddedToken> Tokenizer::ParseAddedToken(const Json& json) const {
  AddedToken token;
  RLHF_ASSIGN_OR_RETURN(token.content, GetString(json, "content"));
  if (token.content.empty()) {
    return absl::InvalidArgumentError("an added token is empty");
  }
  RLHF_ASSIGN_OR_RETURN(
      token.id, ParseId(json.value("id", Json(nullptr)), token.content));
  // Hugging Face numbers added tokens itself, whatever the file says.
  const int32_t expected = TokenToId(token.content).value_or(vocab_size());
  if (token.id != expected) {
    return absl::InvalidArgumentError(
        absl::StrCat("added token \"", token.content, "\" has id ", token.id,
                     " where its place is ", expected));
  }
  RLHF_ASSIGN_OR_RETURN(token.special, GetBoolOr(json, "special", false));
  RLHF_ASSIGN_OR_RETURN(token.single_word,
                        GetBoolOr(json, "single_word", false));
  RLHF_ASSIGN_OR_RETURN(token.strip_left, GetBoolOr(json, "lstrip", false));
  RLHF_ASSIGN_OR_RETURN(token.strip_right, GetBoolOr(json, "rstrip", false));
  RLHF_ASSIGN_OR_RETURN(token.normalized,
                        GetBoolOr(json, "normalized", !token.special));
  return token;
}

absl::Status Tokenizer::LoadAddedTokens(const Json& list) {
  std::vector<AddedToken> before, after;
  for (const Json& json : list) {
    RLHF_ASSIGN_OR_RETURN(AddedToken token, ParseAddedToken(json));
    if (token.id >= vocab_size()) tokens_.resize(token.id + 1);
    tokens_[token.id] = {
        .bytes = BytesOfToken(token.content).value_or(token.content),
        .special = token.special};
    id_of_[token.content] = token.id;
    if (token.normalized && normalize_nfc_) {
      token.content = ToNfc(token.content);
    }
    (token.normalized ? after : before).push_back(std::move(token));
  }
  added_before_normalization_ =
      std::make_unique<AddedTokens>(std::move(before));
  added_after_normalization_ = std::make_unique<AddedTokens>(std::move(after));
  return absl::OkStatus();
}

absl::Status Tokenizer::LoadConfig(const Json& config) {
  if (!config.is_object()) {
    return absl::InvalidArgumentError("not a JSON object");
  }
  Json eos = config.value("eos_token", Json(nullptr));
  // Older files hold the whole added token.
  if (eos.is_object()) eos = eos.value("content", Json(nullptr));
  if (eos.is_null()) return absl::OkStatus();
  if (eos.is_string()) eos_id_ = TokenToId(eos.get<std::string>());
  if (!eos_id_.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"eos_token\" is ", eos.dump(), ", which is no token"));
  }
  return absl::OkStatus();
}

std::optional<int32_t> Tokenizer::TokenToId(absl::string_view token) const {
  const auto it = id_of_.find(token);
  if (it == id_of_.end()) return std::nullopt;
  return it->second;
}

std::vector<int32_t> Tokenizer::Encode(absl::string_view text) const {
  const std::string valid = ReplaceInvalidUtf8(text);
  std::vector<int32_t> ids;
  for (const auto& piece : added_before_normalization_->Cut(valid)) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    const std::string normalized =
        normalize_nfc_ ? ToNfc(piece.text) : std::string(piece.text);
    for (const auto& part : added_after_normalization_->Cut(normalized)) {
      if (part.id >= 0) {
        ids.push_back(part.id);
      } else {
        EncodeWords(part.text, ids);
      }
    }
  }
  return ids;
}

void Tokenizer::EncodeWords(absl::string_view text,
                            std::vector<int32_t>& ids) const {
  std::string storage;
  std::vector<absl::string_view> words;
  pre_tokenizer_->Split(text, storage, words);
  for (const absl::string_view word : words) {
    const auto whole = whole_words_.find(word);
    if (whole != whole_words_.end()) {
      ids.push_back(whole->second);
    } else {
      merges_->Encode(word, ids);
    }
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

absl::string_view Tokenizer::TextBytes(int32_t id) const {
  if (id < 0 || id >= vocab_size() || tokens_[id].special) return "";
  return tokens_[id].bytes;
}

}  // namespace rlhf
