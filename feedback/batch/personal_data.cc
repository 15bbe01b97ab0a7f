#include "feedback/batch/personal_data.h"

#include <arpa/inet.h>

#include <cstdint>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "feedback/batch/number_formats.h"

namespace rlhf {
namespace {

// Longest e-mail address that is looked at (RFC 5321: 64 + 1 + 255).
constexpr size_t kMaxLocalPart = 64;
constexpr size_t kMaxDomain = 255;

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<uint8_t>(c)); }
bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<uint8_t>(c)); }
bool IsUpper(char c) { return absl::ascii_isupper(static_cast<uint8_t>(c)); }
bool IsIn(char c, absl::string_view set) { return absl::StrContains(set, c); }

// The character at `i`; a space outside of the text.
char At(absl::string_view text, size_t i) {
  return i < text.size() ? text[i] : ' ';
}
bool BeginsWord(absl::string_view text, size_t i) {
  return i == 0 || !IsAlnum(text[i - 1]);
}

// Each scanner returns how many bytes from `begin` on are of its kind; 0: none.

// Called at "@"; sets `begin` to where the address begins.
size_t EmailAround(absl::string_view text, size_t at, size_t& begin) {
  begin = at;
  while (begin > 0 && at - begin < kMaxLocalPart &&
         (IsAlnum(text[begin - 1]) || IsIn(text[begin - 1], "._%+-"))) {
    --begin;
  }
  while (begin < at && IsIn(text[begin], "._%+-")) ++begin;
  size_t end = at + 1;
  while (end < text.size() && end - at <= kMaxDomain &&
         (IsAlnum(text[end]) || IsIn(text[end], ".-"))) {
    ++end;
  }
  while (end > at + 1 && IsIn(text[end - 1], ".-")) --end;
  const absl::string_view domain = text.substr(at + 1, end - at - 1);
  const size_t dot = domain.rfind('.');
  if (begin == at || dot == absl::string_view::npos || dot == 0) return 0;
  const absl::string_view top = domain.substr(dot + 1);
  for (const char c : top) {
    if (IsDigit(c) || c == '-') return 0;
  }
  return top.size() >= 2 ? end - begin : 0;
}

// Digits in groups, with at most one of `separators` between two of them.
struct Digits {
  std::string digits;
  std::vector<size_t> groups;  // their lengths
  size_t size = 0;
};
Digits ReadDigits(absl::string_view text, size_t begin,
                  absl::string_view separators, size_t most) {
  Digits read;
  size_t i = begin;
  size_t group = 0;
  while (i < text.size() && read.digits.size() < most) {
    if (IsDigit(text[i])) {
      read.digits.push_back(text[i++]);
      ++group;
      continue;
    }
    if (group == 0 || !IsIn(text[i], separators) || !IsDigit(At(text, i + 1))) {
      break;
    }
    read.groups.push_back(group);
    group = 0;
    ++i;
  }
  if (group > 0) read.groups.push_back(group);
  read.size = i - begin;
  return read;
}

// Whether the digits from `begin` to `end` have others before them or behind,
// with "." between: 0.8474337369372327 is no card. A comma may stand between
// the fields of a line.
bool IsPartOfLongerNumber(absl::string_view text, size_t begin, size_t end) {
  const bool before =
      begin >= 2 && text[begin - 1] == '.' && IsDigit(text[begin - 2]);
  return before || IsDigit(At(text, end)) ||
         (At(text, end) == '.' && IsDigit(At(text, end + 1)));
}

size_t CardAt(absl::string_view text, size_t begin) {
  if (!IsIn(text[begin], "3456") && text[begin] != '2') return 0;
  const Digits read = ReadDigits(text, begin, " -", 20);
  const size_t count = read.digits.size();
  // Groups of one or two digits are lists of numbers.
  for (const size_t group : read.groups) {
    if (group < 3) return 0;
  }
  if (IsPartOfLongerNumber(text, begin, begin + read.size)) return 0;
  const bool same =
      read.digits.find_first_not_of(read.digits[0]) == std::string::npos;
  return count >= 13 && count <= 19 && !same && IsLuhnValid(read.digits)
             ? read.size
             : 0;
}

size_t SsnAt(absl::string_view text, size_t begin) {
  if (begin > 0 && IsIn(text[begin - 1], "-.")) return 0;
  const Digits read = ReadDigits(text, begin, "-", 12);
  if (read.groups != std::vector<size_t>{3, 2, 4}) return 0;
  if (At(text, begin + read.size) == '-') return 0;
  const absl::string_view digits = read.digits;
  const absl::string_view area = digits.substr(0, 3);
  const bool issued = area != "000" && area != "666" && area[0] != '9' &&
                      digits.substr(3, 2) != "00" && digits.substr(5) != "0000";
  return issued ? read.size : 0;
}

bool IsTollFree(absl::string_view area) {
  return area[0] == '8' && (area == "800" || area[1] == area[2]);
}

// Ten digits 3-3-4; "(555) 123-4567" has its area in brackets.
size_t NorthAmericanPhoneAt(absl::string_view text, size_t begin) {
  std::string plain;
  size_t i = begin;
  const bool bracket = text[i] == '(';
  if (bracket) {
    if (At(text, i + 4) != ')') return 0;
    plain = std::string(text.substr(i + 1, 3));
    i += 5;
    if (IsIn(At(text, i), " -")) ++i;
  }
  const Digits rest = ReadDigits(text, i, "-. ", 15);
  std::vector<size_t> groups = rest.groups;
  absl::StrAppend(&plain, rest.digits);
  if (bracket) {
    groups.insert(groups.begin(), 3);
  } else if (groups.size() == 4 && groups[0] == 1 && plain[0] == '1') {
    groups.erase(groups.begin());
    plain.erase(0, 1);
  }
  if (groups != std::vector<size_t>{3, 3, 4}) return 0;
  // Neither an area nor an exchange begins with 0 or 1.
  for (const char c : plain) {
    if (!IsDigit(c)) return 0;
  }
  if (plain[0] < '2' || plain[3] < '2') return 0;
  return IsTollFree(plain.substr(0, 3)) ? 0 : i - begin + rest.size;
}

// "+" and 8 to 15 digits (ITU-T E.164).
size_t InternationalPhoneAt(absl::string_view text, size_t begin) {
  size_t digits = 0;
  size_t i = begin + 1;
  size_t end = i;
  std::string plain;
  while (i < text.size() && digits <= 15) {
    if (IsDigit(text[i])) {
      ++digits;
      plain.push_back(text[i]);
      end = i + 1;
    } else if (!IsIn(text[i], " -.()/") || i - end >= 2) {
      break;
    }
    ++i;
  }
  if (digits < 8 || digits > 15 || plain[0] == '0') return 0;
  if (plain.size() == 11 && plain[0] == '1' && IsTollFree(plain.substr(1, 3))) {
    return 0;
  }
  return end - begin;
}

size_t IbanAt(absl::string_view text, size_t begin) {
  const size_t length = IbanLength(text.substr(begin, 2));
  if (length == 0) return 0;
  std::string iban;
  size_t i = begin;
  while (i < text.size() && iban.size() < length) {
    if (IsUpper(text[i]) || IsDigit(text[i])) {
      iban.push_back(text[i]);
    } else if (text[i] != ' ' || !IsAlnum(At(text, i + 1))) {
      break;
    }
    ++i;
  }
  const bool whole = iban.size() == length && !IsAlnum(At(text, i));
  return whole && IsDigit(iban[2]) && IsDigit(iban[3]) &&
                 IsIbanChecksumValid(iban)
             ? i - begin
             : 0;
}

bool IsPersonal(const in_addr& address) {
  const uint32_t ip = ntohl(address.s_addr);
  const auto within = [ip](uint32_t net, int bits) {
    return (ip >> (32 - bits)) == (net >> (32 - bits));
  };
  return !within(0x00000000, 8) && !within(0x0A000000, 8) &&
         !within(0x7F000000, 8) && !within(0xA9FE0000, 16) &&
         !within(0xAC100000, 12) && !within(0xC0000200, 24) &&
         !within(0xC0A80000, 16) && !within(0xC6336400, 24) &&
         !within(0xCB007100, 24) && ip < 0xE0000000;
}

bool IsPersonal(const in6_addr& address) {
  const uint8_t* const b = address.s6_addr;
  const bool global = (b[0] & 0xE0) == 0x20;  // 2000::/3
  const bool documentation =
      b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0D && b[3] == 0xB8;
  return global && !documentation;
}

size_t IpAddressAt(absl::string_view text, size_t begin) {
  if (begin > 0 && IsIn(text[begin - 1], ".:")) return 0;
  size_t end = begin;
  while (end < text.size() && end - begin < INET6_ADDRSTRLEN &&
         (absl::ascii_isxdigit(static_cast<uint8_t>(text[end])) ||
          IsIn(text[end], ".:"))) {
    ++end;
  }
  while (end > begin && IsIn(text[end - 1], ".:")) --end;
  if (IsAlnum(At(text, end))) return 0;
  const std::string token(text.substr(begin, end - begin));
  in_addr v4;
  in6_addr v6;
  const bool found =
      (inet_pton(AF_INET, token.c_str(), &v4) == 1 && IsPersonal(v4)) ||
      (inet_pton(AF_INET6, token.c_str(), &v6) == 1 && IsPersonal(v6));
  return found ? token.size() : 0;
}

// What begins at `i`, a place where a word begins.
PersonalDatum DatumAt(absl::string_view text, size_t i) {
  const char c = text[i];
  const auto found = [i](PersonalDataKind kind, size_t size) {
    return PersonalDatum{.kind = kind, .begin = i, .size = size};
  };
  if (c == '+') {
    return found(PersonalDataKind::kPhone, InternationalPhoneAt(text, i));
  }
  if (c == '(') {
    return found(PersonalDataKind::kPhone, NorthAmericanPhoneAt(text, i));
  }
  if (IsUpper(c)) {
    if (const size_t size = IbanAt(text, i); size > 0) {
      return found(PersonalDataKind::kIban, size);
    }
  }
  if (IsDigit(c)) {
    if (const size_t size = CardAt(text, i); size > 0) {
      return found(PersonalDataKind::kCard, size);
    }
    if (const size_t size = SsnAt(text, i); size > 0) {
      return found(PersonalDataKind::kSsn, size);
    }
    if (const size_t size = NorthAmericanPhoneAt(text, i); size > 0) {
      return found(PersonalDataKind::kPhone, size);
    }
  }
  if (absl::ascii_isxdigit(static_cast<uint8_t>(c))) {
    return found(PersonalDataKind::kIpAddress, IpAddressAt(text, i));
  }
  return {};
}

}  // namespace

const char* PersonalDataName(PersonalDataKind kind) {
  switch (kind) {
    case PersonalDataKind::kEmail:
      return "e-mail address";
    case PersonalDataKind::kPhone:
      return "phone number";
    case PersonalDataKind::kIban:
      return "IBAN";
    case PersonalDataKind::kCard:
      return "card number";
    case PersonalDataKind::kIpAddress:
      return "IP address";
    case PersonalDataKind::kSsn:
      return "US social security number";
  }
  return "?";
}

std::vector<PersonalDatum> FindPersonalData(absl::string_view text) {
  std::vector<PersonalDatum> found;
  size_t after = 0;  // the end of the last one
  size_t i = 0;
  while (i < text.size()) {
    PersonalDatum datum;
    if (text[i] == '@') {
      size_t begin = i;
      datum.size = EmailAround(text, i, begin);
      datum.begin = begin;
    } else if (IsIn(text[i], "+(") ||
               (IsAlnum(text[i]) && BeginsWord(text, i))) {
      datum = DatumAt(text, i);
    }
    if (datum.size > 0 && datum.begin >= after) {
      found.push_back(datum);
      after = datum.begin + datum.size;
      i = after;
    } else {
      ++i;
    }
  }
  return found;
}

}  // namespace rlhf
