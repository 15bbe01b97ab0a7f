#include "feedback/access/access_control.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "feedback/access/login_api.h"
#include "feedback/access/secrets.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

constexpr char kPassword[] = "a long password";

class AccessControlTest : public testing::Test {
 protected:
  AccessControlTest() { Open(); }

  void Open(const AccessControl::Limits& limits = {}) {
    v1::AccessConfig config;
    config.set_require_login(true);
    config.set_session_hours(8);
    config.set_public_origin(origin_);
    auto access = AccessControl::Open(config, folder_.path(), &clock_, limits);
    EXPECT_OK(access);
    access_ = *std::move(access);
  }

  absl::StatusOr<Caller> Join(const std::string& name, Role role) {
    const auto made =
        MakeInvitation(access_->accounts(), role, name, 1, clock_.Now());
    EXPECT_OK(made);
    const std::string token =
        made->path.substr(std::string("/join?token=").size(), 64);
    return access_->Join(token, name, kPassword);
  }

  Caller WithCookie(const std::string& session_id) {
    return Identify({.headers = {{"cookie", "__Host-rlhf=" + session_id}}});
  }
  // Of somebody who has shown nothing, and what a header says of the address.
  Caller FromAddress(const std::string& peer, const std::string& real_ip) {
    return Identify(
        {.headers = {{"x-real-ip", real_ip}, {"x-forwarded-for", real_ip}},
         .peer = peer});
  }
  Caller WithToken(const std::string& token) {
    return Identify({.headers = {{"authorization", "Bearer " + token}}});
  }
  Caller Identify(const HttpRequest& request) {
    const auto caller = access_->Identify(request);
    EXPECT_OK(caller);
    return *caller;
  }

  const TempDir folder_;
  FakeClock clock_;
  std::string origin_ = "https://label.example.org";
  std::unique_ptr<AccessControl> access_;
};

TEST_F(AccessControlTest, InvitedPersonIsKnownByTheSessionUntilLogout) {
  ASSERT_OK_AND_ASSIGN(const Caller joined, Join("ada", Role::kRequester));
  const Caller caller = WithCookie(joined.session_id);
  EXPECT_EQ(caller.proof, Caller::Proof::kSession);
  EXPECT_EQ(caller.name, "ada");
  EXPECT_EQ(caller.role, Role::kRequester);
  EXPECT_EQ(caller.csrf_token, joined.csrf_token);
  access_->LogOut(caller);
  EXPECT_FALSE(WithCookie(joined.session_id).is_known());
  EXPECT_FALSE(WithCookie("").is_known());
}

TEST_F(AccessControlTest, PasswordOpensASessionAndNoOtherDoes) {
  ASSERT_OK(Join("ada", Role::kWorker));
  ASSERT_OK_AND_ASSIGN(const Caller caller, access_->LogIn("ada", kPassword));
  EXPECT_TRUE(WithCookie(caller.session_id).is_known());
  const auto is_refused =
      StatusIs(StatusCode::kUnauthenticated, HasSubstr("no such name with"));
  EXPECT_THAT(access_->LogIn("ada", "another password"), is_refused);
  EXPECT_THAT(access_->LogIn("bob", kPassword), is_refused);
  EXPECT_THAT(access_->LogIn("", ""), is_refused);
}

TEST_F(AccessControlTest, SessionEndsAfterAQuarterUnusedAndInAnyCaseInTheEnd) {
  ASSERT_OK_AND_ASSIGN(const Caller idle, Join("ada", Role::kWorker));
  ASSERT_OK_AND_ASSIGN(const Caller busy, Join("bob", Role::kWorker));
  for (int hour = 1; hour < 8; ++hour) {
    clock_.Advance(absl::Hours(1));
    EXPECT_TRUE(WithCookie(busy.session_id).is_known()) << hour;
  }
  EXPECT_FALSE(WithCookie(idle.session_id).is_known());
  clock_.Advance(absl::Hours(1));
  EXPECT_FALSE(WithCookie(busy.session_id).is_known());
}

TEST_F(AccessControlTest, ClockThatIsSetNeitherEndsSessionsNorGivesRequests) {
  Open({.login_name = {.capacity = 1, .per_second = 1.0 / 60}});
  ASSERT_OK_AND_ASSIGN(const Caller ada, Join("ada", Role::kWorker));
  const Caller nobody = {.limit_key = "somewhere"};
  EXPECT_EQ(access_->TakeLogin("ada", nobody), absl::ZeroDuration());
  for (const absl::Duration day : {absl::Hours(24), absl::Hours(-48)}) {
    clock_.Jump(day);
    EXPECT_TRUE(WithCookie(ada.session_id).is_known()) << day;
    EXPECT_GT(access_->TakeLogin("ada", nobody), absl::Seconds(59)) << day;
  }
  clock_.Advance(absl::Hours(8));
  EXPECT_FALSE(WithCookie(ada.session_id).is_known());
}

TEST_F(AccessControlTest, DisablingEndsSessionsAndLoginsAtOnce) {
  ASSERT_OK_AND_ASSIGN(const Caller caller, Join("ada", Role::kAdmin));
  // Another process does it.
  AccountFile verb(folder_.path());
  ASSERT_OK(
      verb.Update([](Accounts& accounts) { return accounts.Disable("ada"); }));
  EXPECT_FALSE(WithCookie(caller.session_id).is_known());
  EXPECT_THAT(access_->LogIn("ada", kPassword),
              StatusIs(StatusCode::kUnauthenticated, HasSubstr("")));
}

TEST_F(AccessControlTest, EachLoginHasASessionOfItsOwnThatNobodyChose) {
  ASSERT_OK(Join("ada", Role::kWorker));
  const std::string planted(64, 'a');
  EXPECT_FALSE(WithCookie(planted).is_known());
  ASSERT_OK_AND_ASSIGN(const Caller first, access_->LogIn("ada", kPassword));
  ASSERT_OK_AND_ASSIGN(const Caller second, access_->LogIn("ada", kPassword));
  EXPECT_FALSE(WithCookie(planted).is_known());
  EXPECT_NE(first.session_id, second.session_id);
  EXPECT_NE(first.csrf_token, second.csrf_token);
}

TEST_F(AccessControlTest, NewPasswordEndsTheOldSessions) {
  ASSERT_OK_AND_ASSIGN(const Caller old, Join("ada", Role::kWorker));
  ASSERT_OK_AND_ASSIGN(const Caller fresh, Join("ada", Role::kWorker));
  EXPECT_FALSE(WithCookie(old.session_id).is_known());
  EXPECT_TRUE(WithCookie(fresh.session_id).is_known());
}

TEST_F(AccessControlTest, ProgramIsKnownByItsTokenAndTheOperatorByTheFolder) {
  ASSERT_OK(access_->accounts().Update([](Accounts& accounts) {
    return accounts.SetToken("importer", Role::kRequester, SecretHash("t"));
  }));
  EXPECT_EQ(WithToken("t").name, "importer");
  EXPECT_EQ(WithToken("t").role, Role::kRequester);
  EXPECT_FALSE(WithToken("u").is_known());
  EXPECT_FALSE(WithToken("").is_known());
  ASSERT_OK_AND_ASSIGN(const std::string token,
                       ReadFile(AccessFiles(folder_.path()).operator_token()));
  EXPECT_EQ(WithToken(token.substr(0, 64)).role, Role::kAdmin);
}

TEST_F(AccessControlTest, PseudonymStaysAcrossRestartsAndTellsNoName) {
  ASSERT_OK_AND_ASSIGN(const Caller ada, Join("ada", Role::kWorker));
  ASSERT_OK_AND_ASSIGN(const Caller bob, Join("bob", Role::kWorker));
  EXPECT_EQ(ada.worker_id.size(), 18u);
  EXPECT_TRUE(absl::StartsWith(ada.worker_id, "w-"));
  EXPECT_NE(ada.worker_id, bob.worker_id);
  ASSERT_OK_AND_ASSIGN(const std::string key,
                       ReadFile(AccessFiles(folder_.path()).pseudonym_key()));
  EXPECT_EQ(ada.worker_id,
            "w-" + HmacSha256Hex(key.substr(0, 64), "ada").substr(0, 16));
  Open();
  EXPECT_EQ(access_->LogIn("ada", kPassword)->worker_id, ada.worker_id);

  // Another run's key gives other pseudonyms.
  const TempDir other;
  v1::AccessConfig config;
  config.set_require_login(true);
  ASSERT_OK_AND_ASSIGN(const auto access,
                       AccessControl::Open(config, other.path(), &clock_));
  EXPECT_NE(access->pseudonym("ada"), ada.worker_id);
}

TEST_F(AccessControlTest, NothingOnDiskHoldsAPasswordOrASessionInTheClear) {
  ASSERT_OK_AND_ASSIGN(const Caller caller, Join("ada", Role::kWorker));
  for (const std::string& name : ListDirectory(folder_.path())) {
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(folder_ / name));
    EXPECT_FALSE(absl::StrContains(text, kPassword)) << name;
    EXPECT_FALSE(absl::StrContains(text, caller.session_id)) << name;
    EXPECT_FALSE(absl::StrContains(text, caller.csrf_token)) << name;
  }
}

TEST_F(AccessControlTest, GuessingIsSlowedByNameAndByAddress) {
  AccessControl::Limits limits;
  limits.login_name = {.capacity = 2, .per_second = 0.1};
  limits.login_address = {.capacity = 4, .per_second = 0.1};
  Open(limits);
  const auto from = [](const std::string& address) {
    Caller caller;
    caller.limit_key = address;
    return caller;
  };
  const absl::Duration now = absl::ZeroDuration();
  EXPECT_EQ(access_->TakeLogin("ada", from("a")), now);
  EXPECT_EQ(access_->TakeLogin("ada", from("a")), now);
  EXPECT_EQ(access_->TakeLogin("ada", from("b")), absl::Seconds(10))
      << "one name, whoever asks";
  EXPECT_EQ(access_->TakeLogin("bob", from("a")), now);
  EXPECT_EQ(access_->TakeLogin("cleo", from("a")), now);
  EXPECT_GT(access_->TakeLogin("dan", from("a")), now)
      << "one address, whatever it asks";
  EXPECT_EQ(access_->TakeLogin("dan", from("c")), now);
  access_->ForgiveLogin("dan", from("a"));
  EXPECT_EQ(access_->TakeLogin("dan", from("a")), now);
}

TEST_F(AccessControlTest, EachSessionAndEachAddressHasItsRate) {
  AccessControl::Limits limits;
  limits.session = {.capacity = 2, .per_second = 1};
  limits.address = {.capacity = 1, .per_second = 1};
  Open(limits);
  ASSERT_OK_AND_ASSIGN(const Caller ada, Join("ada", Role::kWorker));
  ASSERT_OK_AND_ASSIGN(const Caller bob, Join("bob", Role::kWorker));
  const absl::Duration now = absl::ZeroDuration();
  EXPECT_EQ(access_->TakeRequest(ada), now);
  EXPECT_EQ(access_->TakeRequest(ada), now);
  EXPECT_EQ(access_->TakeRequest(ada), absl::Seconds(1));
  EXPECT_EQ(access_->TakeRequest(bob), now);
  const Caller first = FromAddress("127.0.0.1", "192.0.2.1");
  const Caller second = FromAddress("127.0.0.1", "192.0.2.2");
  EXPECT_EQ(access_->TakeRequest(first), now);
  EXPECT_GT(access_->TakeRequest(first), now);
  EXPECT_EQ(access_->TakeRequest(second), now);
}

TEST_F(AccessControlTest, OnlyAProxyOfThisMachineSaysWhoItsClientIs) {
  const std::string first = FromAddress("127.0.0.1", "192.0.2.1").limit_key;
  EXPECT_NE(FromAddress("127.0.0.1", "192.0.2.2").limit_key, first);
  EXPECT_EQ(FromAddress("::1", "192.0.2.1").limit_key, first);
  EXPECT_EQ(FromAddress("192.0.2.9", "192.0.2.1").limit_key, "192.0.2.9");
  // Without a proxy nobody is believed.
  origin_ = "";
  Open();
  EXPECT_EQ(FromAddress("127.0.0.1", "192.0.2.1").limit_key, "127.0.0.1");
  EXPECT_EQ(FromAddress("192.0.2.9", "192.0.2.1").limit_key, "192.0.2.9");
}

TEST_F(AccessControlTest, NoNameAndNoAddressIsTriedMoreThanTenTimesInAMinute) {
  for (const bool is_name : {true, false}) {
    Open();
    int num_tried = 0;
    for (int second = 0; second < 60; ++second) {
      for (int i = 0; i < 20; ++i) {
        const std::string other = absl::StrCat(second, " ", i);
        const Caller caller = {.limit_key = is_name ? other : "192.0.2.1"};
        num_tried += access_->TakeLogin(is_name ? "ada" : other, caller) ==
                     absl::ZeroDuration();
      }
      clock_.Advance(absl::Seconds(1));
    }
    EXPECT_LE(num_tried, 10) << is_name;
    EXPECT_GT(num_tried, 5) << is_name;
  }
}

// The processor's time of this thread: other load does not disturb it.
absl::Duration ProcessorTime() {
  timespec now = {};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return absl::DurationFromTimespec(now);
}

TEST_F(AccessControlTest, TimeOfARefusalDoesNotTellWhetherThereIsAnAccount) {
  ASSERT_OK(Join("ada", Role::kWorker));
  ASSERT_OK(Join("off", Role::kWorker));
  ASSERT_OK(access_->accounts().Disable("off"));
  std::map<std::string, std::vector<absl::Duration>> times;
  // In turn, so that a slow moment meets all of them.
  for (int i = 0; i < 9; ++i) {
    for (const char* name : {"ada", "off", "nobody"}) {
      const absl::Duration before = ProcessorTime();
      EXPECT_THAT(access_->LogIn(name, "another password"),
                  StatusIs(StatusCode::kUnauthenticated,
                           HasSubstr("no such name with this password")));
      times[name].push_back(ProcessorTime() - before);
    }
  }
  for (auto& [name, all] : times) std::sort(all.begin(), all.end());
  const absl::Duration known = times["ada"][4];
  for (const char* name : {"off", "nobody"}) {
    EXPECT_GT(times[name][4], 0.75 * known) << name;
    EXPECT_LT(times[name][4], 1.25 * known) << name;
  }
}

TEST_F(AccessControlTest, DamagedAccountsLetNobodyIn) {
  ASSERT_OK_AND_ASSIGN(const Caller caller, Join("ada", Role::kAdmin));
  ASSERT_OK(WriteFileAtomically(access_->accounts().path(), "?"));
  EXPECT_THAT(
      access_->Identify(
          {.headers = {{"cookie", "__Host-rlhf=" + caller.session_id}}}),
      StatusIs(StatusCode::kDataLoss, HasSubstr("accounts.json")));
}

TEST(AccessControlOpenTest, WithoutALoginEverybodyHereIsARequester) {
  FakeClock clock;
  const TempDir folder;
  ASSERT_OK_AND_ASSIGN(const auto access,
                       AccessControl::Open({}, folder.path(), &clock));
  ASSERT_OK_AND_ASSIGN(const Caller caller, access->Identify({}));
  EXPECT_EQ(caller.proof, Caller::Proof::kNotAsked);
  EXPECT_EQ(caller.role, Role::kRequester);
  EXPECT_FALSE(caller.has_account());
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(access->TakeRequest(caller), absl::ZeroDuration());
  }
  EXPECT_TRUE(ListDirectory(folder.path()).empty());
}

TEST(AccessControlOpenTest, PublicPageNeedsAnHttpsOriginAndALogin) {
  FakeClock clock;
  const TempDir folder;
  v1::AccessConfig config;
  config.set_public_origin("https://label.example.org");
  EXPECT_THAT(AccessControl::Open(config, folder.path(), &clock),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("set feedback.access.require_login to true")));
  config.set_require_login(true);
  config.set_public_origin("http://label.example.org");
  EXPECT_THAT(AccessControl::Open(config, folder.path(), &clock),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("must be https://HOST")));
}

}  // namespace
}  // namespace rlhf
