#include "feedback/access/accounts.h"

#include "absl/strings/str_cat.h"
#include "feedback/access/account_name.h"
#include "feedback/access/secrets.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

Invitation For(const std::string& secret, Role role,
               const std::string& name = "") {
  return {.secret_hash = SecretHash(secret),
          .role = role,
          .name = name,
          .expires = kNow + absl::Hours(1)};
}

TEST(AccountsTest, InvitationMakesOneAccountOfItsRoleOnce) {
  Accounts accounts;
  ASSERT_OK(accounts.Invite(For("s", Role::kRequester), kNow));
  ASSERT_OK(accounts.Join("s", "ada", "hash", kNow));
  ASSERT_NE(accounts.Find("ada"), nullptr);
  EXPECT_EQ(accounts.Find("ada")->role, Role::kRequester);
  EXPECT_EQ(accounts.Find("ada")->password_hash, "hash");
  EXPECT_THAT(accounts.Join("s", "bob", "hash", kNow),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("was used")));
  EXPECT_EQ(accounts.Find("bob"), nullptr);
}

TEST(AccountsTest, InvitationEndsWhenItExpires) {
  Accounts accounts;
  ASSERT_OK(accounts.Invite(For("s", Role::kWorker), kNow));
  EXPECT_OK(accounts.CheckInvitation("s", "ada",
                                     kNow + absl::Hours(1) - absl::Seconds(1)));
  EXPECT_THAT(accounts.Join("s", "ada", "hash", kNow + absl::Hours(1)),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("expired")));
  EXPECT_THAT(accounts.CheckInvitation("", "ada", kNow),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("never was")));
}

TEST(AccountsTest, TakenNamesAreNotGivenTwice) {
  Accounts accounts;
  ASSERT_OK(accounts.Invite(For("s", Role::kWorker), kNow));
  ASSERT_OK(accounts.Join("s", "ada", "hash", kNow));
  ASSERT_OK(accounts.Invite(For("t", Role::kAdmin), kNow));
  EXPECT_THAT(accounts.Join("t", "ada", "other", kNow),
              StatusIs(StatusCode::kAlreadyExists, HasSubstr("is taken")));
  EXPECT_EQ(accounts.Find("ada")->password_hash, "hash");
}

TEST(AccountsTest, NameThatLooksLikeAnothersIsNotGiven) {
  Accounts accounts;
  ASSERT_OK(accounts.Invite(For("s", Role::kWorker), kNow));
  ASSERT_OK(accounts.Join("s", "ada", "hash", kNow));
  ASSERT_OK(accounts.Invite(For("t", Role::kWorker), kNow));
  for (const char* like : {"Ada", "ＡＤＡ", "аԁа"}) {
    EXPECT_THAT(accounts.Join("t", like, "hash", kNow),
                StatusIs(StatusCode::kAlreadyExists,
                         HasSubstr("looks like one that is taken: choose")))
        << like;
    const auto is_refused =
        StatusIs(StatusCode::kAlreadyExists, HasSubstr("looks like \"ada\""));
    EXPECT_THAT(accounts.Invite(For("u", Role::kWorker, like), kNow),
                is_refused);
    EXPECT_THAT(accounts.SetToken(like, Role::kWorker, "hash"), is_refused);
  }
  EXPECT_EQ(accounts.accounts().size(), 1u);
  ASSERT_OK(accounts.Invite(For("v", Role::kWorker, "ada"), kNow))
      << "the same name is the same person";
  EXPECT_OK(accounts.Join("v", "ada", "new", kNow));
  EXPECT_OK(accounts.Join("t", "ada b", "hash", kNow));
}

TEST(AccountsTest, NameThatLooksLikeAnInvitedOnesIsNotGivenMeanwhile) {
  Accounts accounts;
  ASSERT_OK(accounts.Invite(For("s", Role::kWorker, "bob"), kNow));
  EXPECT_THAT(accounts.Invite(For("t", Role::kWorker, "Bob"), kNow),
              StatusIs(StatusCode::kAlreadyExists, HasSubstr("\"bob\"")));
  EXPECT_OK(accounts.Invite(For("t", Role::kWorker, "bob"), kNow));
  ASSERT_OK(accounts.Invite(For("u", Role::kWorker), kNow));
  EXPECT_THAT(accounts.Join("u", "BOB", "hash", kNow),
              StatusIs(StatusCode::kAlreadyExists, HasSubstr("is taken")));
  EXPECT_OK(accounts.Join("s", "bob", "hash", kNow));
}

TEST(AccountsTest, AccountsThatLookAlikeFromBeforeGoOn) {
  std::string text = R"({"accounts": [)";
  for (const char* name : {"ada", "Ada"}) {
    absl::StrAppend(&text, name == std::string("ada") ? "" : ", ",
                    R"({"name": ")", name,
                    R"(", "role": "worker", "password_hash": "h", )"
                    R"("token_hash": "", "version": 1, "disabled": false})");
  }
  ASSERT_OK_AND_ASSIGN(Accounts old,
                       Accounts::FromJson(text + R"(], "invitations": []})"));
  ASSERT_OK(old.Invite(For("s", Role::kWorker, "Ada"), kNow));
  EXPECT_OK(old.Join("s", "Ada", "new", kNow));
}

TEST(AccountsTest, InvitationByNameIsForThatNameAndGivesANewPassword) {
  Accounts accounts;
  ASSERT_OK(accounts.Invite(For("s", Role::kWorker, "ada"), kNow));
  EXPECT_THAT(accounts.Join("s", "bob", "hash", kNow),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("for \"ada\"")));
  ASSERT_OK(accounts.Join("s", "ada", "hash", kNow));
  ASSERT_OK(accounts.Disable("ada"));
  const int64_t version = accounts.Find("ada")->version;

  EXPECT_THAT(accounts.Invite(For("t", Role::kAdmin, "ada"), kNow),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("account as worker, not admin")));
  ASSERT_OK(accounts.Invite(For("t", Role::kWorker, "ada"), kNow));
  ASSERT_OK(accounts.Join("t", "ada", "new", kNow));
  EXPECT_EQ(accounts.Find("ada")->password_hash, "new");
  EXPECT_FALSE(accounts.Find("ada")->disabled);
  EXPECT_GT(accounts.Find("ada")->version, version);
}

TEST(AccountsTest, ADisabledAccountComesBackByANewInvitationAlone) {
  Accounts accounts;
  for (const char* const secret : {"s", "t", "u"}) {
    ASSERT_OK(accounts.Invite(For(secret, Role::kWorker, "ada"), kNow));
  }
  ASSERT_OK(accounts.Join("s", "ada", "hash", kNow));
  EXPECT_THAT(accounts.Join("t", "ada", "other", kNow),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("was used")));
  ASSERT_OK(accounts.Invite(For("v", Role::kWorker, "ada"), kNow));
  ASSERT_OK(accounts.Disable("ada"));
  EXPECT_THAT(accounts.Join("v", "ada", "other", kNow),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("was used")));
  EXPECT_TRUE(accounts.Find("ada")->disabled);
}

TEST(AccountsTest, ADisabledProgramsTokenDoesNotComeBackByAnInvitation) {
  Accounts accounts;
  ASSERT_OK(accounts.SetToken("importer", Role::kRequester, SecretHash("t")));
  ASSERT_OK(accounts.Disable("importer"));
  ASSERT_OK(accounts.Invite(For("s", Role::kRequester, "importer"), kNow));
  ASSERT_OK(accounts.Join("s", "importer", "hash", kNow));
  EXPECT_EQ(accounts.ByToken("t"), nullptr);
}

TEST(AccountsTest, TokenFindsItsProgramAndANewOneReplacesIt) {
  Accounts accounts;
  ASSERT_OK(accounts.SetToken("importer", Role::kRequester, SecretHash("t")));
  ASSERT_NE(accounts.ByToken("t"), nullptr);
  EXPECT_EQ(accounts.ByToken("t")->name, "importer");
  ASSERT_OK(accounts.SetToken("importer", Role::kRequester, SecretHash("u")));
  EXPECT_EQ(accounts.ByToken("t"), nullptr);
  EXPECT_NE(accounts.ByToken("u"), nullptr);
  EXPECT_THAT(accounts.SetToken("importer", Role::kAdmin, SecretHash("v")),
              StatusIs(StatusCode::kAlreadyExists, HasSubstr("another role")));

  ASSERT_OK(accounts.Invite(For("s", Role::kWorker), kNow));
  ASSERT_OK(accounts.Join("s", "ada", "hash", kNow));
  EXPECT_EQ(accounts.ByToken(""), nullptr);
  EXPECT_THAT(accounts.SetToken("ada", Role::kWorker, SecretHash("v")),
              StatusIs(StatusCode::kAlreadyExists, HasSubstr("a person's")));
}

TEST(AccountsTest, OnlyReadableNamesAreTaken) {
  EXPECT_OK(CheckAccountName("Zoë 李"));
  for (const char* bad : {"", " ada", "ada\n", "a\tb", "a\xff"}) {
    EXPECT_THAT(CheckAccountName(bad),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr("name")))
        << bad;
  }
  EXPECT_FALSE(CheckAccountName(std::string(41, 'a')).ok());
  EXPECT_OK(CheckAccountName(std::string(40, 'a')));
}

TEST(AccountsTest, JsonHoldsEverything) {
  Accounts accounts;
  ASSERT_OK(accounts.Invite(For("s", Role::kAdmin), kNow));
  ASSERT_OK(accounts.Join("s", "ada", "hash", kNow));
  ASSERT_OK(accounts.SetToken("importer", Role::kRequester, SecretHash("t")));
  ASSERT_OK(accounts.Invite(For("u", Role::kWorker, "bob"), kNow));
  ASSERT_OK(accounts.Disable("importer"));
  ASSERT_OK_AND_ASSIGN(const Accounts read,
                       Accounts::FromJson(accounts.ToJson()));
  EXPECT_EQ(read.ToJson(), accounts.ToJson());
  EXPECT_EQ(read.Find("ada")->role, Role::kAdmin);
  EXPECT_TRUE(read.Find("importer")->disabled);
  EXPECT_OK(read.CheckInvitation("u", "bob", kNow));
}

TEST(AccountsTest, JsonThatIsNoneSaysWhy) {
  EXPECT_THAT(Accounts::FromJson("{"), StatusIs(StatusCode::kInvalidArgument,
                                                HasSubstr("not valid JSON")));
  EXPECT_THAT(Accounts::FromJson("[]"), StatusIs(StatusCode::kInvalidArgument,
                                                 HasSubstr("no JSON object")));
  EXPECT_THAT(Accounts::FromJson("{}"), StatusIs(StatusCode::kInvalidArgument,
                                                 HasSubstr("\"accounts\"")));
  EXPECT_THAT(
      Accounts::FromJson(
          R"({"accounts": [{"name": "a", "role": "boss"}], "invitations": []})"),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("\"boss\"")));
}

TEST(AccountsTest, InvitationsAreBoundedAndExpiredOnesMakeRoom) {
  Accounts accounts;
  for (size_t i = 0; i < Accounts::kMaxInvitations; ++i) {
    ASSERT_OK(accounts.Invite(For(absl::StrCat(i), Role::kWorker), kNow));
  }
  EXPECT_THAT(accounts.Invite(For("more", Role::kWorker), kNow),
              StatusIs(StatusCode::kResourceExhausted,
                       HasSubstr("1000 open invitations")));
  Invitation later = For("more", Role::kWorker);
  later.expires = kNow + absl::Hours(3);
  EXPECT_OK(accounts.Invite(later, kNow + absl::Hours(2)));
  EXPECT_EQ(accounts.invitations().size(), 1u);
}

TEST(AccountsTest, NewNamesCanBeSeenAndOldOnesGoOn) {
  Accounts accounts;
  EXPECT_THAT(accounts.Invite(For("s", Role::kWorker, "ada\u200B"), kNow),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("U+200B")));
  ASSERT_OK(accounts.Invite(For("s", Role::kWorker), kNow));
  EXPECT_THAT(accounts.Join("s", "a\u202Eb", "hash", kNow),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("U+202E")));
  EXPECT_THAT(accounts.SetToken("a\u00A0b", Role::kWorker, "hash"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("U+00A0")));

  ASSERT_OK_AND_ASSIGN(
      Accounts old,
      Accounts::FromJson(
          "{\"accounts\": [{\"name\": \"ada\u200B\", \"role\": \"worker\", "
          "\"password_hash\": \"h\", \"token_hash\": \"\", \"version\": 1, "
          "\"disabled\": false}], \"invitations\": []}"));
  ASSERT_OK(old.Invite(For("s", Role::kWorker, "ada\u200B"), kNow));
  EXPECT_OK(old.Join("s", "ada\u200B", "new", kNow));
}

}  // namespace
}  // namespace rlhf
