#include "core/text/added_tokens.h"

#include <utf8proc.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "core/text/unicode_tables.h"

namespace rlhf {
namespace {

struct Character {
  int32_t code_point = -1;
  size_t size = 0;
};

Character FirstOf(absl::string_view text) {
  utf8proc_int32_t code_point = -1;
  const auto size =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                       static_cast<utf8proc_ssize_t>(text.size()), &code_point);
  return {code_point, size > 0 ? static_cast<size_t>(size) : 0};
}

Character LastOf(absl::string_view text) {
  if (text.empty()) return {};
  size_t begin = text.size() - 1;
  while (begin > 0 &&
         (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) {
    --begin;
  }
  return FirstOf(text.substr(begin));
}

size_t SpaceAtStart(absl::string_view text) {
  size_t size = 0;
  while (size < text.size()) {
    const Character next = FirstOf(text.substr(size));
    if (!IsWhiteSpace(next.code_point)) break;
    size += next.size;
  }
  return size;
}

size_t SpaceAtEnd(absl::string_view text) {
  size_t size = 0;
  while (size < text.size()) {
    const Character last = LastOf(text.substr(0, text.size() - size));
    if (!IsWhiteSpace(last.code_point)) break;
    size += last.size;
  }
  return size;
}

bool InsideWord(absl::string_view before, absl::string_view after) {
  return IsWordCharacter(LastOf(before).code_point) ||
         IsWordCharacter(FirstOf(after).code_point);
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) {
  for (AddedToken& token : tokens) {
    by_first_byte_[static_cast<unsigned char>(token.content[0])].push_back(
        std::move(token));
  }
  // Of equal contents (two may become one by normalization), special first.
  for (auto& bucket : by_first_byte_) {
    std::stable_sort(bucket.begin(), bucket.end(),
                     [](const AddedToken& a, const AddedToken& b) {
                       return a.content.size() != b.content.size()
                                  ? a.content.size() > b.content.size()
                                  : a.special && !b.special;
                     });
  }
}

const AddedToken* AddedTokens::LongestAt(absl::string_view text) const {
  for (const AddedToken& token :
       by_first_byte_[static_cast<unsigned char>(text[0])]) {
    if (absl::StartsWith(text, token.content)) return &token;
  }
  return nullptr;
}

std::vector<AddedTokens::Piece> AddedTokens::Cut(absl::string_view text) const {
  std::vector<Piece> pieces;
  size_t done = 0, position = 0;
  while (position < text.size()) {
    const AddedToken* token = LongestAt(text.substr(position));
    if (token == nullptr) {
      ++position;
      continue;
    }
    size_t begin = position, end = position + token->content.size();
    // The search goes on behind the token itself, whether or not it counts
    // and whatever space it takes: so it is in the reference.
    position = end;
    if (token->single_word &&
        InsideWord(text.substr(0, begin), text.substr(end))) {
      continue;
    }
    if (token->strip_left) {
      begin = std::max(done, begin - SpaceAtEnd(text.substr(0, begin)));
    }
    if (token->strip_right) end += SpaceAtStart(text.substr(end));
    if (done < begin) pieces.push_back({text.substr(done, begin - done)});
    pieces.push_back({text.substr(begin, end - begin), token->id});
    done = end;
  }
  if (done < text.size()) pieces.push_back({text.substr(done)});
  return pieces;
}

}  // namespace rlhf
