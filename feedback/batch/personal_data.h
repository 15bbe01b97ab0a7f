// Finds personal data in texts by its form.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rlhf {

enum class PersonalDataKind {
  kEmail,
  // International (+49 30 1234567) or North American ((555) 123-4567), but no
  // toll-free number: those are nobody's own. A number without any separator
  // could be anything and is left alone.
  kPhone,
  // Of a country that has IBANs, with its length and a right checksum.
  kIban,
  // 13 to 19 digits that begin as payment cards do, with a right Luhn digit.
  kCard,
  // IPv4 and IPv6, but no loopback, private, link-local or documentation
  // address.
  kIpAddress,
  // US social security number, ddd-dd-dddd, of those that are issued.
  kSsn,
};

// "e-mail address", "phone number", …
const char* PersonalDataName(PersonalDataKind kind);

struct PersonalDatum {
  PersonalDataKind kind = PersonalDataKind::kEmail;
  // Where it stands, in bytes.
  size_t begin = 0;
  size_t size = 0;
};

// In order of their beginning, none within another. Linear in the length of
// the text: every scanner reads a bounded piece from each place.
std::vector<PersonalDatum> FindPersonalData(absl::string_view text);

}  // namespace rlhf
