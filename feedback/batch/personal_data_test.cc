#include "feedback/batch/personal_data.h"

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

// What is found, as "kind=text; …".
std::string Found(const std::string& text) {
  return absl::StrJoin(FindPersonalData(text), "; ",
                       [&](std::string* out, const PersonalDatum& datum) {
                         out->append(PersonalDataName(datum.kind));
                         out->append("=");
                         out->append(text.substr(datum.begin, datum.size));
                       });
}

TEST(PersonalDataTest, FindsEmailAddresses) {
  EXPECT_EQ(Found("Write to ada.lovelace+x@mail.example.org."),
            "e-mail address=ada.lovelace+x@mail.example.org");
  EXPECT_EQ(Found("(bob@example.com)"), "e-mail address=bob@example.com");
  for (const char* const none :
       {"@you", "a@b", "me @ home.org", "v@1.2", "@", "x@.com", "a@b.c"}) {
    EXPECT_EQ(Found(none), "") << none;
  }
}

TEST(PersonalDataTest, FindsPhoneNumbers) {
  EXPECT_EQ(Found("call (415) 234-5678 now"), "phone number=(415) 234-5678");
  EXPECT_EQ(Found("415-234-5678"), "phone number=415-234-5678");
  EXPECT_EQ(Found("1-415-234-5678,"), "phone number=1-415-234-5678");
  EXPECT_EQ(Found("+49 30 1234567."), "phone number=+49 30 1234567");
  EXPECT_EQ(Found("+1 (415) 234-5678"), "phone number=+1 (415) 234-5678");
}

TEST(PersonalDataTest, TollFreeNumbersAndPlainNumbersAreNobodys) {
  for (const char* const none :
       {"1-800-273-8255", "(888) 234-5678", "+1 800 273 8255", "4152345678",
        "in 2019-2020", "1+1", "(1990)", "2 + 30 = 32", "pages 100-200-3000",
        "3.14159265", "+1000000"}) {
    EXPECT_EQ(Found(none), "") << none;
  }
}

TEST(PersonalDataTest, FindsCardsByTheirCheckDigit) {
  EXPECT_EQ(Found("my card 4111 1111 1111 1111, exp 12/30"),
            "card number=4111 1111 1111 1111");
  EXPECT_EQ(Found("5500-0000-0000-0004"), "card number=5500-0000-0000-0004");
  EXPECT_EQ(Found("378282246310005"), "card number=378282246310005");
  for (const char* const none :
       {"4111 1111 1111 1112", "1234567890123456", "4444 4444 4444 4444",
        "40 41 42 43 44 45 46 47"}) {
    EXPECT_EQ(Found(none), "") << none;
  }
}

TEST(PersonalDataTest, DigitsOfALongerNumberAreNoCard) {
  for (const char* const none :
       {"0.4111111111111111", "x = -12.378282246310005;",
        "4111111111111111.5"}) {
    EXPECT_EQ(Found(none), "") << none;
  }
  EXPECT_EQ(Found("It is 4111111111111111."), "card number=4111111111111111");
  EXPECT_EQ(Found("card.4111111111111111,"), "card number=4111111111111111");
  EXPECT_EQ(Found("7,4111111111111111,123"), "card number=4111111111111111");
}

TEST(PersonalDataTest, FindsIbansByLengthAndChecksum) {
  EXPECT_EQ(Found("IBAN DE89 3704 0044 0532 0130 00 please"),
            "IBAN=DE89 3704 0044 0532 0130 00");
  EXPECT_EQ(Found("GB29NWBK60161331926819"), "IBAN=GB29NWBK60161331926819");
  for (const char* const none :
       {"DE89 3704 0044 0532 0130 01", "US89370400440532013000", "DE"}) {
    EXPECT_EQ(Found(none), "") << none;
  }
}

TEST(PersonalDataTest, FindsAddressesOfMachinesThatAreInTheInternet) {
  EXPECT_EQ(Found("ping 93.184.216.34!"), "IP address=93.184.216.34");
  EXPECT_EQ(Found("2606:2800:220:1:248:1893:25c8:1946"),
            "IP address=2606:2800:220:1:248:1893:25c8:1946");
  for (const char* const none :
       {"127.0.0.1", "192.168.1.1", "10.0.0.1", "203.0.113.7", "2001:db8::1",
        "at 12:30:45", "version 1.2.3", "1.2.3.4.5", "300.1.1.1", "add::ed"}) {
    EXPECT_EQ(Found(none), "") << none;
  }
}

TEST(PersonalDataTest, FindsIssuedSocialSecurityNumbers) {
  EXPECT_EQ(Found("SSN: 536-22-1234."),
            "US social security number=536-22-1234");
  for (const char* const none :
       {"000-22-1234", "666-22-1234", "912-22-1234", "536-00-1234",
        "536-22-0000", "1536-22-1234", "536-22-1234-5"}) {
    EXPECT_EQ(Found(none), "") << none;
  }
}

TEST(PersonalDataTest, FindsSeveralInOneText) {
  EXPECT_EQ(Found("a@b.org or +49 30 1234567"),
            "e-mail address=a@b.org; phone number=+49 30 1234567");
}

TEST(PersonalDataTest, HostileTextIsReadInLinearTime) {
  EXPECT_EQ(Found(std::string(200'000, '@')), "");
  EXPECT_EQ(Found(std::string(200'000, '(')), "");
  EXPECT_EQ(FindPersonalData(std::string(200'000, '1')).size(), 0u);
  EXPECT_EQ(Found("\xff\x00@\x80"), "");
}

}  // namespace
}  // namespace rlhf
