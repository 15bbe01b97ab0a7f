#include "feedback/access/account_name.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

TEST(AccountNameTest, NamesOfManyScriptsAreTaken) {
  for (const char* name : {"ada", "Ada Lovelace", "José", "Łukasz", "李小龍",
                           "محمد", "अनिल", "O'Neil-2", "a.b@example.org"}) {
    EXPECT_OK(CheckAccountName(name)) << name;
  }
}

TEST(AccountNameTest, WhatNobodySeesIsRefusedAndNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"a\u202Eb", "U+202E"},      // the text after it is turned around
      {"ada\u200B", "U+200B"},     // of no width
      {"ada\u200D", "U+200D"},     // joins with nothing
      {"\uFEFFada", "U+FEFF"},     // byte order mark
      {"a\u2066b", "U+2066"},      // isolates
      {"a\u0085b", "U+0085"},      // control
      {"a\u00A0b", "U+00A0"},      // looks like a space
      {"a\u00ADb", "U+00AD"},      // seen at the end of a line only
      {"a\u2028b", "U+2028"},      // another line
      {"a\u3164", "U+3164"},       // a letter that is empty
      {"a\uFE0F", "U+FE0F"},       // variation
      {"a\U000E0041", "U+E0041"},  // tag
      {"a\u2800", "U+2800"},       // no dots
      {"a\uE000", "U+E000"},       // means what each font wants
  };
  for (const auto& [name, code_point] : cases) {
    EXPECT_THAT(CheckAccountName(name),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(code_point)));
    EXPECT_OK(CheckKeptAccountName(name)) << "an older account goes on";
  }
}

TEST(AccountNameTest, LettersOfTwoAlphabetsInOneNameAreRefused) {
  for (const char* name : {"аda", "adα", "Ωлег", "ａdа"}) {
    EXPECT_THAT(CheckAccountName(name),
                StatusIs(StatusCode::kInvalidArgument,
                         HasSubstr("write it in one of them")))
        << name;
    EXPECT_OK(CheckKeptAccountName(name)) << "an older account goes on";
  }
  for (const char* name : {"Олег", "Ωμέγα", "Zoë 李", "Олег-2"}) {
    EXPECT_OK(CheckAccountName(name)) << name;
  }
}

bool LookAlike(const std::string& a, const std::string& b) {
  return LookOfName(a).IsLike(LookOfName(b));
}

TEST(AccountNameTest, NamesThatPeopleMayMixUpLookAlike) {
  const std::pair<const char*, const char*> cases[] = {
      {"ada", "ADA"},         {"straße", "STRASSE"},
      {"ada", "ａｄａ"},       // full width
      {"José", "Jose\u0301"},  // an accent of its own
      {"ﬁona", "fiona"},       // a ligature
      {"ada\u200B", "ada"},    // as a name from before may be
      {"ada  b", "ada b"},     // shown with one space
      {"сосо", "coco"},        // all Cyrillic
      {"СОСО", "coco"},        // and capitals
      {"ΝΟΝΑ", "NONA"},        // all Greek
      {"Нина", "НИНА"},        // Cyrillic, by its own rule
      {"aIan", "alan"},        // a capital I
      {"worker1", "workerl"},  //
      {"B0B", "BOB"},         {"b0b", "bob"},
      {"r00t", "Root"},       {"adm1n", "admin"},
  };
  for (const auto& [a, b] : cases) {
    EXPECT_TRUE(LookAlike(a, b)) << a << " " << b;
    EXPECT_TRUE(LookAlike(b, a)) << a << " " << b;
    EXPECT_TRUE(LookAlike(a, a)) << a;
  }
}

TEST(AccountNameTest, NamesThatCanBeToldApartDoNotLookAlike) {
  const std::pair<const char*, const char*> cases[] = {
      {"ada", "adam"},  {"Elia", "Ella"},         {"Ian", "Lan"},
      {"José", "Jose"}, {"worker-1", "worker-2"}, {"worker-1", "worker-11"},
      {"Анна", "Anna"}, {"李小龍", "李小隆"}};
  for (const auto& [a, b] : cases)
    EXPECT_FALSE(LookAlike(a, b)) << a << " " << b;
}

TEST(AccountNameTest, ControlCharactersOuterSpacesAndLengthsAreRefused) {
  for (const std::string& name :
       {std::string(), std::string(41, 'a'), std::string("a\nb"),
        std::string(" a"), std::string("a "), std::string("a\xff")}) {
    EXPECT_FALSE(CheckKeptAccountName(name).ok()) << name;
    EXPECT_FALSE(CheckAccountName(name).ok()) << name;
  }
}

}  // namespace
}  // namespace rlhf
