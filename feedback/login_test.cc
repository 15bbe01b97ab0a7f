// People and programs at a real server that asks for a login.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/telemetry/http_test_client.h"
#include "core/telemetry/metrics_server.h"
#include "feedback/access/secrets.h"
#include "feedback/batch_api.h"
#include "feedback/http_api.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

constexpr char kJson[] = "Content-Type: application/json";

// One browser: keeps the cookie and sends what a page would.
class Browser {
 public:
  explicit Browser(int port)
      : client_(port), origin_(absl::StrCat("http://127.0.0.1:", port)) {}

  HttpTestReply Get(const std::string& path) {
    return client_.Get(path, Lines());
  }
  HttpTestReply Post(const std::string& path, const Json& body) {
    std::vector<std::string> lines = Lines();
    lines.push_back(kJson);
    const HttpTestReply reply = client_.Post(path, DumpJson(body), lines);
    const auto cookie = reply.headers.find("set-cookie");
    if (cookie != reply.headers.end()) {
      cookie_ = cookie->second.substr(0, cookie->second.find(';'));
      csrf_ = ParseJson(reply.body)->value("csrf_token", "");
    }
    return reply;
  }
  void ForgetCsrf() { csrf_.clear(); }

 private:
  std::vector<std::string> Lines() const {
    return {"Origin: " + origin_, "Cookie: " + cookie_,
            "X-CSRF-Token: " + csrf_};
  }

  const HttpTestClient client_;
  const std::string origin_;
  std::string cookie_;
  std::string csrf_;
};

class LoginTest : public testing::Test {
 protected:
  LoginTest() {
    auto store =
        PreferenceStore::Open(dir_ / "comparisons.db", &clock_, &metrics_);
    EXPECT_OK(store);
    store_ = *std::move(store);
    desk_ = std::make_unique<AnswerDesk>(TaskScheduler::Options(), store_.get(),
                                         &clock_, &metrics_);
    batches_ = std::make_unique<BatchDesk>(
        BatchDesk::Options(), store_.get(),
        [this](const std::vector<v1::Comparison>& comparisons) {
          return desk_->Import(comparisons);
        },
        nullptr, &clock_, &metrics_);
    batch_api_ = std::make_unique<BatchApi>(batches_.get(), &clock_,
                                            "0123456789abcdef!");
    Start({});
  }

  void Start(const AccessControl::Limits& limits) {
    server_.reset();
    v1::AccessConfig config;
    config.set_require_login(true);
    auto access = AccessControl::Open(config, dir_.path(), &clock_, limits);
    EXPECT_OK(access);
    access_ = *std::move(access);
    api_ = std::make_unique<HttpApi>(desk_.get(), store_.get(), &registry_,
                                     &metrics_, access_.get());
    batch_api_->AddTo(*api_);
    auto server = HttpServer::Start(
        "127.0.0.1:0",
        [this](const HttpRequest& request) { return api_->Handle(request); },
        HttpApi::Limits(),
        [this](const HttpRequest& request) {
          return api_->RefuseUnread(request);
        });
    EXPECT_OK(server);
    server_ = *std::move(server);
  }

  std::string Invite(Role role, const std::string& name = "") {
    const auto made =
        MakeInvitation(access_->accounts(), role, name, 1, clock_.Now());
    EXPECT_OK(made);
    return made->path.substr(std::string("/join?token=").size(), 64);
  }

  Browser Join(const std::string& name, Role role) {
    Browser browser(server_->port());
    const HttpTestReply reply =
        browser.Post("/api/join", {{"token", Invite(role)},
                                   {"name", name},
                                   {"password", "a long password"}});
    EXPECT_EQ(reply.status, 200) << reply.body;
    return browser;
  }

  void AddTask(int number) {
    v1::Prompt prompt;
    v1::Message* const message = prompt.add_messages();
    message->set_role("user");
    message->set_content("How many legs has a spider?");
    desk_->Add({MakeTask(prompt, {"Eight.", 3}, {"Six.", 3}, number)});
  }

  TempDir dir_;
  RealClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  std::unique_ptr<PreferenceStore> store_;
  std::unique_ptr<AnswerDesk> desk_;
  std::unique_ptr<BatchDesk> batches_;
  std::unique_ptr<BatchApi> batch_api_;
  std::unique_ptr<AccessControl> access_;
  std::unique_ptr<HttpApi> api_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(LoginTest, InvitationLinkThenPasswordThenLogout) {
  Browser ada(server_->port());
  EXPECT_THAT(ada.Get("/join?token=x").body, HasSubstr("login.js"));
  EXPECT_EQ(ada.Get("/").headers.at("location"), "/login");
  const std::string token = Invite(Role::kWorker, "ada");
  Json join = {{"token", token}, {"name", "ada"}, {"password", "short"}};
  EXPECT_EQ(ada.Post("/api/join", join).status, 400);
  join["password"] = "a long password";
  EXPECT_EQ(ada.Post("/api/join", join).status, 200);
  EXPECT_EQ(ada.Get("/").status, 200);
  EXPECT_EQ(ada.Post("/api/join", join).status, 403) << "used up";
  EXPECT_EQ(ada.Post("/api/logout", Json::object()).status, 200);
  EXPECT_EQ(ada.Get("/api/stats").status, 401);

  const Json wrong = {{"name", "ada"}, {"password", "another password"}};
  EXPECT_EQ(ada.Post("/api/login", wrong).status, 401);
  const Json right = {{"name", "ada"}, {"password", "a long password"}};
  const HttpTestReply in = ada.Post("/api/login", right);
  EXPECT_EQ(in.status, 200);
  EXPECT_THAT(in.headers.at("set-cookie"), HasSubstr("HttpOnly"));
  const Json session = *ParseJson(ada.Get("/api/session").body);
  EXPECT_EQ(session["name"], "ada");
  EXPECT_EQ(session["role"], "worker");
  EXPECT_EQ(session["csrf_token"].get<std::string>().size(), 64u);
}

TEST_F(LoginTest, AnswersAreStoredByThePseudonymWhateverTheRequestSays) {
  Browser ada = Join("ada lovelace", Role::kWorker);
  AddTask(0);
  const HttpTestReply task =
      ada.Post("/api/task", {{"worker_id", "somebody else"}});
  ASSERT_EQ(task.status, 200) << task.body;
  const HttpTestReply saved = ada.Post(
      "/api/comparison", {{"task_id", ParseJson(task.body)->at("task_id")},
                          {"comparison_id", "c1"},
                          {"choice", "tie"}});
  ASSERT_EQ(saved.status, 200) << saved.body;
  ASSERT_OK_AND_ASSIGN(const auto log, store_->Read(1, 1));
  EXPECT_EQ(log.at(0).worker_id(), access_->pseudonym("ada lovelace"));
  EXPECT_EQ(ParseJson(ada.Get("/api/stats?worker_id=other").body)
                ->at("worker_comparisons"),
            1);
  ASSERT_OK_AND_ASSIGN(const std::string database,
                       ReadFile(dir_ / "comparisons.db"));
  EXPECT_FALSE(absl::StrContains(database, "lovelace"));
}

TEST_F(LoginTest, NobodyAnswersTheTaskOfAnother) {
  Browser ada = Join("ada", Role::kWorker);
  Browser bob = Join("bob", Role::kWorker);
  AddTask(0);
  const HttpTestReply task = ada.Post("/api/task", Json::object());
  EXPECT_EQ(bob.Post("/api/comparison",
                     {{"task_id", ParseJson(task.body)->at("task_id")},
                      {"worker_id", access_->pseudonym("ada")},
                      {"comparison_id", "c1"},
                      {"choice", "tie"}})
                .status,
            403);
}

TEST_F(LoginTest, PostWithoutTheCsrfTokenDoesNothing) {
  Browser ada = Join("ada", Role::kWorker);
  ada.ForgetCsrf();
  const HttpTestReply reply = ada.Post("/api/logout", Json::object());
  EXPECT_EQ(reply.status, 403);
  EXPECT_THAT(reply.body, HasSubstr("X-CSRF-Token"));
  EXPECT_EQ(ada.Get("/api/stats").status, 200);
}

TEST_F(LoginTest, ProgramImportsWithATokenOfARequesterOnly) {
  const HttpTestClient client(server_->port());
  for (const Role role : {Role::kWorker, Role::kRequester}) {
    ASSERT_OK(access_->accounts().Update([&](Accounts& accounts) {
      return accounts.SetToken(std::string(RoleName(role)), role,
                               SecretHash(RoleName(role)));
    }));
    const HttpTestReply reply =
        client.Post("/api/import",
                    "{\"prompt\": \"2?\", \"chosen\": \"4\", "
                    "\"rejected\": \"5\"}\n",
                    {"Content-Type: application/x-ndjson",
                     absl::StrCat("Authorization: Bearer ", RoleName(role))});
    EXPECT_EQ(reply.status, role == Role::kWorker ? 403 : 200) << reply.body;
  }
  EXPECT_EQ(store_->GetStats().num_comparisons, 1);
}

TEST_F(LoginTest, WebhookNeedsNoAccountAndASecretOfItsOwn) {
  const HttpTestClient client(server_->port());
  const std::string event = R"({"action": "PROJECT_UPDATED"})";
  for (const char* const secret : {"0123456789abcdef!", "0123456789abcdef?"}) {
    const HttpTestReply reply =
        client.Post("/api/webhook/label-studio", event,
                    {"Content-Type: application/json",
                     absl::StrCat("X-Webhook-Secret: ", secret)});
    EXPECT_EQ(reply.status, absl::EndsWith(secret, "!") ? 200 : 401)
        << reply.body;
  }
}

TEST_F(LoginTest, BatchIsReleasedByTheSessionsAccount) {
  Browser ada = Join("ada", Role::kRequester);
  ASSERT_OK_AND_ASSIGN(
      const v1::BatchReport waits,
      batches_->Import({.text = "{\"prompt\": \"Who?\", \"chosen\": "
                                "\"ada@example.org\", \"rejected\": \"no\"}\n",
                        .name = "f"}));
  const std::string path = absl::StrCat("/api/batches/", waits.batch_id());
  EXPECT_EQ(ada.Get(path).status, 200);
  const HttpTestReply reply = ada.Post(
      path + "/release", {{"by", "somebody else"}, {"reason", "hers"}});
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(batches_->Get(waits.batch_id())->decision().by(), "ada");
}

TEST_F(LoginTest, PauseBearsTheNameOfTheSessionsAccount) {
  Browser ada = Join("ada", Role::kRequester);
  EXPECT_EQ(
      ada.Post("/api/workers/pause", {{"worker_id", "w"}, {"paused", true}})
          .status,
      404);
  Join("max", Role::kWorker);
  // Who has not begun yet is known by the account.
  const HttpTestReply reply =
      ada.Post("/api/workers/pause", {{"worker_id", access_->pseudonym("max")},
                                      {"paused", true},
                                      {"by", "somebody else"},
                                      {"reason", "careless"}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  ASSERT_EQ(desk_->Workers().size(), 1u);
  EXPECT_EQ(desk_->Workers()[0].paused_by, "ada");
}

TEST_F(LoginTest, AdminInvitesListsAndDisables) {
  Browser root = Join("root", Role::kAdmin);
  const HttpTestReply made =
      root.Post("/api/invitations", {{"role", "worker"}, {"name", "Zoë 1"}});
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string path = ParseJson(made.body)->at("path");
  EXPECT_THAT(path, HasSubstr("&name=Zo%C3%AB%201"));
  Browser zoe(server_->port());
  EXPECT_EQ(
      zoe.Post("/api/join",
               {{"token", path.substr(std::string("/join?token=").size(), 64)},
                {"name", "Zoë 1"},
                {"password", "a long password"}})
          .status,
      200);
  const Json accounts = *ParseJson(root.Get("/api/accounts").body);
  ASSERT_EQ(accounts["accounts"].size(), 2u);
  EXPECT_EQ(accounts["accounts"][0]["name"], "Zoë 1");
  EXPECT_EQ(accounts["accounts"][0]["worker_id"], access_->pseudonym("Zoë 1"));
  EXPECT_EQ(accounts["open_invitations"], 0);
  EXPECT_EQ(
      root.Post("/api/accounts/Zo%C3%AB%201/disable", Json::object()).status,
      200);
  EXPECT_EQ(zoe.Get("/api/stats").status, 401);
  EXPECT_EQ(root.Post("/api/accounts/none/disable", Json::object()).status,
            404);
  for (const Json& bad :
       {Json{{"role", "boss"}}, Json{{"role", "worker"}, {"hours", 0}},
        Json{{"role", "worker"}, {"hours", "x"}}, Json{{"name", "x"}}}) {
    EXPECT_EQ(root.Post("/api/invitations", bad).status, 400) << bad;
  }
}

TEST_F(LoginTest, TooManyRequestsAre429WithATimeToWait) {
  AccessControl::Limits limits;
  limits.address = {.capacity = 3, .per_second = 0.01};
  limits.login_name = {.capacity = 1, .per_second = 0.01};
  Start(limits);
  Browser guesser(server_->port());
  const Json guess = {{"name", "ada"}, {"password", "a guess of it"}};
  EXPECT_EQ(guesser.Post("/api/login", guess).status, 401);
  const HttpTestReply slowed = guesser.Post("/api/login", guess);
  EXPECT_EQ(slowed.status, 429);
  // A hundred seconds for one try, less what the last one took.
  int wait = 0;
  ASSERT_TRUE(absl::SimpleAtoi(slowed.headers.at("retry-after"), &wait));
  EXPECT_GT(wait, 50);
  EXPECT_LE(wait, 100);
  EXPECT_EQ(guesser.Get("/nothing").status, 404);
  EXPECT_EQ(guesser.Get("/login").status, 429);
  const std::string metrics = MetricsResponse(registry_).body;
  for (const char* count : {"not_logged_in\"} 1\n", "too_many\"} 2\n"}) {
    EXPECT_THAT(metrics, HasSubstr(absl::StrCat(
                             "rlhf_http_refusals_total{reason=\"", count)));
  }
}

TEST_F(LoginTest, HeadersAndBodiesBeyondTheLimitsAreRefused) {
  const HttpTestClient client(server_->port());
  EXPECT_EQ(
      client.Get("/login", {"X-Long: " + std::string(40'000, 'a')}).status,
      431);
  EXPECT_EQ(client.Post("/api/login", std::string(5'000, ' ')).status, 413);
}

TEST_F(LoginTest, WhoMayNotSendABodyIsToldBeforeItIsRead) {
  const HttpTestClient client(server_->port());
  ASSERT_OK(access_->accounts().Update([&](Accounts& accounts) {
    return accounts.SetToken("bot", Role::kWorker, SecretHash("t"));
  }));
  // The rest of the file never comes.
  std::vector<std::string> headers = {"Content-Type: application/x-ndjson",
                                      "Content-Length: 16000000"};
  EXPECT_EQ(client.Post("/api/import", "{", headers).status, 401);
  headers.push_back("Authorization: Bearer t");
  EXPECT_EQ(client.Post("/api/import", "{", headers).status, 403);
  EXPECT_EQ(client.Post("/api/else", "{", headers).status, 413);
  headers[1] = "Content-Length: 4000";
  EXPECT_EQ(client.Post("/api/else", "{", headers).status, 404);
}

TEST_F(LoginTest, StrangersWhoSendBodiesUseTheirRequestsUpToo) {
  AccessControl::Limits limits;
  limits.address = {.capacity = 2, .per_second = 0.01};
  Start(limits);
  const HttpTestClient client(server_->port());
  EXPECT_EQ(client.Post("/api/import", "{}").status, 401);
  EXPECT_EQ(client.Post("/api/import", "{}").status, 401);
  EXPECT_EQ(client.Post("/api/import", "{}").status, 429);
}

TEST_F(LoginTest, DamagedAccountsAre503WithoutAWordOfWhereTheyAre) {
  Browser ada = Join("ada", Role::kAdmin);
  ASSERT_OK(WriteFileAtomically(access_->accounts().path(), "?"));
  const HttpTestReply reply = ada.Get("/api/stats");
  EXPECT_EQ(reply.status, 503);
  EXPECT_FALSE(absl::StrContains(reply.body, dir_.path()));
}

TEST_F(LoginTest, PageOfTheLoginNeedsNothingFromOutsideAndNeverWritesHtml) {
  const HttpTestClient client(server_->port());
  const std::string html = client.Get("/login").body;
  const std::string script = client.Get("/login.js").body;
  EXPECT_THAT(html, HasSubstr("/page.css"));
  EXPECT_FALSE(absl::StrContains(html, "http:"));
  EXPECT_FALSE(absl::StrContains(html, "https:"));
  EXPECT_FALSE(absl::StrContains(html, "style="));
  EXPECT_FALSE(absl::StrContains(script, "innerHTML"));
  EXPECT_FALSE(absl::StrContains(script, "insertAdjacentHTML"));
}

}  // namespace
}  // namespace rlhf
