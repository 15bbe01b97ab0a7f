#include "core/text/scripts.h"

#include <algorithm>
#include <iterator>

namespace rlhf {
namespace {

struct Block {
  char32_t first;
  char32_t last;
  Script script;
};

// In order.
constexpr Block kBlocks[] = {
    {U'A', U'Z', Script::kLatin},          {U'a', U'z', Script::kLatin},
    {0x00C0, 0x00D6, Script::kLatin},      {0x00D8, 0x00F6, Script::kLatin},
    {0x00F8, 0x024F, Script::kLatin},      {0x0370, 0x03FF, Script::kGreek},
    {0x0400, 0x052F, Script::kCyrillic},   {0x0590, 0x05FF, Script::kHebrew},
    {0x0600, 0x06FF, Script::kArabic},     {0x0750, 0x077F, Script::kArabic},
    {0x0900, 0x097F, Script::kDevanagari}, {0x0980, 0x09FF, Script::kBengali},
    {0x0B80, 0x0BFF, Script::kTamil},      {0x0E00, 0x0E7F, Script::kThai},
    {0x1100, 0x11FF, Script::kHangul},     {0x1E00, 0x1EFF, Script::kLatin},
    {0x1F00, 0x1FFF, Script::kGreek},      {0x3040, 0x30FF, Script::kKana},
    {0x31F0, 0x31FF, Script::kKana},       {0x3400, 0x4DBF, Script::kHan},
    {0x4E00, 0x9FFF, Script::kHan},        {0xAC00, 0xD7AF, Script::kHangul},
    {0xF900, 0xFAFF, Script::kHan},        {0xFB50, 0xFDFF, Script::kArabic},
    {0xFE70, 0xFEFC, Script::kArabic},     {0x20000, 0x3FFFF, Script::kHan},
};

}  // namespace

Script ScriptOf(char32_t code_point) {
  const Block* const block = std::lower_bound(
      std::begin(kBlocks), std::end(kBlocks), code_point,
      [](const Block& b, char32_t value) { return b.last < value; });
  if (block == std::end(kBlocks) || code_point < block->first) {
    return Script::kOther;
  }
  return block->script;
}

}  // namespace rlhf
