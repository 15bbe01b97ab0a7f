#include "core/comparisons/judgement_key.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "core/base/hash.h"

namespace rlhf {
namespace {

// Lengths keep the parts apart.
void AddPart(absl::string_view part, std::string& parts) {
  absl::StrAppend(&parts, part.size(), ":", part);
}

}  // namespace

void SetJudgementKey(const JudgementPlace& place, v1::Comparison& comparison) {
  if (place.record.empty() || place.person.empty()) return;
  std::string parts;
  for (const absl::string_view part :
       {place.tool, place.record, place.person}) {
    AddPart(part, parts);
  }
  const auto [first, second] =
      std::minmax(comparison.response_a(), comparison.response_b());
  AddPart(first, parts);
  AddPart(second, parts);
  for (const v1::Message& message : comparison.prompt().messages()) {
    AddPart(message.role(), parts);
    AddPart(message.content(), parts);
  }
  comparison.set_judgement_key(Sha256Hex(parts).substr(0, 32));
}

int64_t JudgedUnixMs(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return 0;
  absl::Time time;
  const bool read = absl::ParseTime(absl::RFC3339_full,
                                    found->get<std::string>(), &time, nullptr);
  return read ? std::max<int64_t>(0, absl::ToUnixMillis(time)) : 0;
}

}  // namespace rlhf
