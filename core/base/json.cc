#include "core/base/json.h"

#include <set>
#include <vector>

#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

constexpr int kMaxDepth = 64;

// Whether brackets outside of strings open deeper than allowed. Looked for
// before parsing, which would build all of it first.
bool IsTooDeep(absl::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

// Looks for a key that an object has twice, which the parser would take. Not
// its callback: with one, the library searches an object or array anew after
// each one within it.
class DuplicateKeys final : public nlohmann::json_sax<Json> {
 public:
  // "": there is none, or the text is no JSON.
  const std::string& duplicate() const { return duplicate_; }

  bool start_object(size_t) override {
    keys_.emplace_back();
    return true;
  }
  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    duplicate_ = absl::StrCat("duplicate key \"", name, "\"");
    return false;
  }
  bool end_object() override {
    keys_.pop_back();
    return true;
  }
  bool parse_error(size_t, const std::string&,
                   const nlohmann::detail::exception&) override {
    return false;
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_array(size_t) override { return true; }
  bool end_array() override { return true; }

 private:
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
  std::string duplicate_;
};

}  // namespace

absl::StatusOr<Json> ParseJson(absl::string_view text) {
  // For the library it is the end, and what follows was never there.
  if (const size_t nul = text.find('\0'); nul != text.npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "not valid JSON: a NUL byte after ", nul, " bytes; write \\u0000"));
  }
  if (IsTooDeep(text)) {
    return absl::InvalidArgumentError("more than 64 levels deep");
  }
  // The library reports errors by throwing; nothing escapes this function.
  try {
    DuplicateKeys keys;
    Json::sax_parse(text.begin(), text.end(), &keys);
    if (!keys.duplicate().empty()) {
      return absl::InvalidArgumentError(keys.duplicate());
    }
    return Json::parse(text.begin(), text.end());
  } catch (const Json::exception& error) {
    // The library puts its own name and a number in brackets before it.
    absl::string_view what = error.what();
    if (const size_t end = what.find("] ");
        what[0] == '[' && end != what.npos) {
      what.remove_prefix(end + 2);
    }
    // It quotes what it read last, whatever bytes these are: DumpJson makes
    // characters of them.
    const Json quoted = Json::parse(DumpJson(std::string(what)));
    return absl::InvalidArgumentError(
        absl::StrCat("not valid JSON: ", quoted.get<std::string>()));
  }
}

std::string DumpJson(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<std::string> GetString(const Json& object,
                                      absl::string_view key) {
  if (!object.is_object()) {
    return absl::InvalidArgumentError("not a JSON object");
  }
  const auto it = object.find(std::string(key));
  if (it == object.end()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", key, "\" is missing"));
  }
  if (!it->is_string()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key, "\" is not a string"));
  }
  return it->get<std::string>();
}

}  // namespace rlhf
