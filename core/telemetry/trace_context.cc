#include "core/telemetry/trace_context.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/hash.h"

namespace rlhf {
namespace {

// Of version 00; later ones may go on behind another "-".
constexpr size_t kLength = 2 + 1 + 32 + 1 + 16 + 1 + 2;

bool IsHex(absl::string_view text, size_t num_digits) {
  return text.size() == num_digits &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool IsId(absl::string_view text, size_t num_digits) {
  return IsHex(text, num_digits) &&
         text.find_first_not_of('0') != absl::string_view::npos;
}

std::string Hex(uint64_t number) {
  return absl::StrCat(absl::Hex(number, absl::kZeroPad16));
}

// 0 is no identifier.
std::string IdOf(absl::string_view what) {
  return Hex(std::max<uint64_t>(1, Xxh3(what)));
}

}  // namespace

std::string ToTraceparent(const TraceContext& context) {
  return absl::StrCat("00-", context.trace_id, "-", context.span_id, "-01");
}

std::optional<TraceContext> ParseTraceparent(absl::string_view header) {
  const std::vector<absl::string_view> parts =
      absl::StrSplit(header.substr(0, kLength), '-');
  if (parts.size() != 4 || !IsHex(parts[0], 2) || parts[0] == "ff" ||
      !IsId(parts[1], 32) || !IsId(parts[2], 16) || !IsHex(parts[3], 2)) {
    return std::nullopt;
  }
  if (header.size() > kLength && (parts[0] == "00" || header[kLength] != '-')) {
    return std::nullopt;
  }
  // Only the last bit of the flags has a meaning: the caller records.
  const char flag = parts[3][1];
  const int digit = flag <= '9' ? flag - '0' : flag - 'a' + 10;
  if (digit % 2 == 0) return std::nullopt;
  return TraceContext{.trace_id = std::string(parts[1]),
                      .span_id = std::string(parts[2])};
}

TraceContext TraceOf(absl::string_view what, int attempt) {
  return {
      .trace_id = absl::StrCat(IdOf(absl::StrCat("trace ", what)),
                               IdOf(absl::StrCat("trace's other half ", what))),
      .span_id = IdOf(absl::StrCat("attempt ", attempt, " at ", what))};
}

TraceContext NewSpanIn(const TraceContext& parent) {
  thread_local std::mt19937_64 random((std::random_device())());
  return {.trace_id = parent.trace_id,
          .span_id = Hex(std::max<uint64_t>(1, random()))};
}

}  // namespace rlhf
