// Checksums and lengths of numbers that name people's accounts.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace rlhf {

// Whether `digits` (ASCII digits only) end with the right check digit (Luhn,
// ISO/IEC 7812-1).
bool IsLuhnValid(absl::string_view digits);

// The length of an IBAN of the country with these two capitals (ISO 13616
// registry); 0 if it has none.
size_t IbanLength(absl::string_view country);

// Whether `iban` (capitals and digits only, at least 5) has the right checksum
// (ISO 7064, mod 97-10).
bool IsIbanChecksumValid(absl::string_view iban);

}  // namespace rlhf
