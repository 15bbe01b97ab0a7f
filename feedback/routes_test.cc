#include "feedback/routes.h"

#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "feedback/batch_api.h"
#include "feedback/http_api.h"
#include "feedback/open_api.h"
#include "feedback/page_files.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

constexpr char kOrigin[] = "https://label.example.org";
constexpr char kHost[] = "label.example.org";

// A path that the route stands for.
std::string ExamplePath(const Route& route) {
  std::string path = route.path;
  const size_t open = path.find("{id}");
  if (open == std::string::npos) return path;
  const bool is_page = !absl::StartsWith(path, "/api/");
  return path.replace(open, 4,
                      !is_page                       ? "nobody"
                      : absl::EndsWith(path, ".svg") ? "icon"
                                                     : "page");
}

enum class Sender { kNobody, kWorker, kRequester, kAdmin };
enum class Forgery { kNone, kNoToken, kWrongToken, kNoOrigin, kForeignOrigin };

constexpr Sender kSenders[] = {Sender::kNobody, Sender::kWorker,
                               Sender::kRequester, Sender::kAdmin};
constexpr Forgery kForgeries[] = {Forgery::kNone, Forgery::kNoToken,
                                  Forgery::kWrongToken, Forgery::kNoOrigin,
                                  Forgery::kForeignOrigin};

class RoutesTest : public testing::Test {
 protected:
  RoutesTest() {
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
    batch_api_ = std::make_unique<BatchApi>(batches_.get(), &clock_, "");
    v1::AccessConfig config;
    config.set_require_login(true);
    config.set_public_origin(kOrigin);
    AccessControl::Limits limits;
    for (auto* one : {&limits.session, &limits.program, &limits.address}) {
      one->capacity = 1e9;
    }
    auto access = AccessControl::Open(config, dir_.path(), &clock_, limits);
    EXPECT_OK(access);
    access_ = *std::move(access);
    EXPECT_OK(access_->accounts().Update([](Accounts& accounts) {
      for (const Role role : {Role::kWorker, Role::kRequester, Role::kAdmin}) {
        EXPECT_OK(accounts.SetToken(std::string(RoleName(role)), role, "x"));
      }
      return absl::OkStatus();
    }));
    requester_ = std::make_unique<RequesterApi>(
        RequesterApi::Options{.run_directory = dir_.path()}, store_.get(),
        &clock_);
    api_ =
        std::make_unique<HttpApi>(desk_.get(), store_.get(), &registry_,
                                  &metrics_, access_.get(), requester_.get());
    batch_api_->AddTo(*api_);
  }

  HttpRequest Request(const Route& route, Sender sender, Forgery forgery) {
    HttpRequest request{.method = route.method,
                        .path = ExamplePath(route),
                        .headers = {{"host", kHost},
                                    {"origin", kOrigin},
                                    {"content-type", route.content_type}},
                        .body = "{}"};
    if (sender != Sender::kNobody) {
      const char* const name = sender == Sender::kWorker      ? "worker"
                               : sender == Sender::kRequester ? "requester"
                                                              : "admin";
      // A session of its own for each request: one of them is the logout.
      const Caller caller =
          access_->BeginSession(*(*access_->accounts().Get())->Find(name));
      request.headers["cookie"] = "__Host-rlhf=" + caller.session_id;
      request.headers["x-csrf-token"] = caller.csrf_token;
    }
    if (forgery == Forgery::kNoToken) request.headers.erase("x-csrf-token");
    if (forgery == Forgery::kWrongToken) {
      request.headers["x-csrf-token"] = std::string(64, '0');
    }
    if (forgery == Forgery::kNoOrigin) request.headers.erase("origin");
    if (forgery == Forgery::kForeignOrigin) {
      request.headers["origin"] = "https://evil.example";
    }
    return request;
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
  std::unique_ptr<RequesterApi> requester_;
  std::unique_ptr<HttpApi> api_;
};

// What docs/access.md promises; 0 where the request gets in to its handler.
int ExpectedRefusal(const Route& route, Sender sender, Forgery forgery) {
  const bool is_post = std::string(route.method) == "POST";
  if (is_post && forgery == Forgery::kForeignOrigin) return 403;
  if (route.who == Who::kAnyone) return 0;
  if (route.who == Who::kThisMachine) return 404;
  if (sender == Sender::kNobody) {
    return absl::StartsWith(route.path, "/api/") ? 401 : 303;
  }
  const Sender least = route.who == Who::kAdmin       ? Sender::kAdmin
                       : route.who == Who::kRequester ? Sender::kRequester
                                                      : Sender::kWorker;
  if (sender < least) return 403;
  if (is_post && forgery != Forgery::kNone) return 403;
  return 0;
}

TEST_F(RoutesTest, EveryRouteLetsInThoseThatItsRowNamesAndNobodyElse) {
  int num_requests = 0;
  for (const Route& route : AllRoutes()) {
    for (const Sender sender : kSenders) {
      for (const Forgery forgery : kForgeries) {
        const HttpResponse response =
            api_->Handle(Request(route, sender, forgery));
        const int refusal = ExpectedRefusal(route, sender, forgery);
        const std::string what = absl::StrCat(
            route.method, " ", route.path, " sender ", static_cast<int>(sender),
            " forgery ", static_cast<int>(forgery), ": ", response.body);
        ++num_requests;
        if (refusal != 0) {
          EXPECT_EQ(response.status, refusal) << what;
          continue;
        }
        // What the handler says of "{}" is its own affair, but for /api/login
        // and the like it is never what a refusal would be.
        EXPECT_NE(response.status, 401) << what;
        EXPECT_NE(response.status, 403) << what;
        EXPECT_NE(response.status, 303) << what;
        EXPECT_NE(response.status, 405) << what;
        EXPECT_LT(response.status, 500) << what;
      }
    }
  }
  EXPECT_EQ(num_requests, 4 * 5 * static_cast<int>(AllRoutes().size()));
}

TEST_F(RoutesTest, EveryAnswerOfEveryRouteForbidsFramesAndForeignContent) {
  for (const Route& route : AllRoutes()) {
    for (const Sender sender : kSenders) {
      const HttpResponse response =
          api_->Handle(Request(route, sender, Forgery::kNone));
      const std::map<std::string, std::string> headers(response.headers.begin(),
                                                       response.headers.end());
      const std::string what = absl::StrCat(route.method, " ", route.path);
      ASSERT_TRUE(headers.contains("Content-Security-Policy")) << what;
      EXPECT_THAT(headers.at("Content-Security-Policy"),
                  HasSubstr("frame-ancestors 'none'"))
          << what;
      EXPECT_EQ(headers.at("X-Frame-Options"), "DENY") << what;
      EXPECT_EQ(headers.at("X-Content-Type-Options"), "nosniff") << what;
      EXPECT_EQ(headers.at("Cache-Control"), "no-store") << what;
    }
  }
}

TEST_F(RoutesTest, EveryRowIsServedAndEveryFileOfThePageHasARow) {
  for (const Route& route : AllRoutes()) {
    EXPECT_TRUE(api_->Serves(route, ExamplePath(route))) << route.path;
  }
  for (const PageFile& file : AllPageFiles()) {
    EXPECT_NE(FindRoute("GET", file.path).route, nullptr) << file.path;
  }
  EXPECT_NE(FindRoute("GET", "/join").route, nullptr);
}

TEST_F(RoutesTest, NoMethodAndPathIsThereTwice) {
  std::set<std::string> seen;
  for (const Route& route : AllRoutes()) {
    EXPECT_TRUE(seen.insert(absl::StrCat(route.method, " ", route.path)).second)
        << route.path;
  }
}

TEST(SlowLanesTest, ExportsWebhooksAndLoginsNeverWaitForAnImport) {
  const auto import = SlowLaneOf("POST", "/api/import");
  ASSERT_TRUE(import.has_value());
  for (const auto& [method, path] :
       {std::pair("GET", "/api/export"), std::pair("GET", "/api/elo"),
        std::pair("GET", "/api/summary"), std::pair("GET", "/api/batches"),
        std::pair("POST", "/api/webhook/argilla"),
        std::pair("POST", "/api/webhook/label-studio"),
        std::pair("POST", "/api/login"), std::pair("POST", "/api/join"),
        std::pair("POST", "/api/accounts/ada/disable")}) {
    const auto lane = SlowLaneOf(method, path);
    ASSERT_TRUE(lane.has_value()) << path << " is done beside the server";
    EXPECT_NE(lane, import) << path;
    EXPECT_LT(*lane, SlowLanes().size()) << path;
  }
  EXPECT_NE(SlowLaneOf("GET", "/api/export"),
            SlowLaneOf("POST", "/api/webhook/argilla"));
  EXPECT_NE(SlowLaneOf("POST", "/api/login"),
            SlowLaneOf("POST", "/api/accounts/ada/disable"))
      << "strangers at the login hold up no admin";
  EXPECT_EQ(SlowLaneOf("POST", "/api/join"),
            SlowLaneOf("POST", "/api/accounts/ada/disable"))
      << "who waits for the accounts' file holds up no login";
  EXPECT_EQ(SlowLaneOf("HEAD", "/api/export"),
            SlowLaneOf("GET", "/api/export"));
  // Both wait for a small file.
  EXPECT_EQ(SlowLaneOf("POST", "/api/workers/pause"),
            SlowLaneOf("POST", "/api/accounts/ada/disable"));
  EXPECT_EQ(SlowLaneOf("POST", "/api/task"), std::nullopt);
  EXPECT_EQ(SlowLaneOf("GET", "/metrics"), std::nullopt);
  EXPECT_EQ(SlowLaneOf("GET", "/nowhere"), std::nullopt);
}

TEST(SlowLanesTest, EachIsBoundedAndOneThatWaitsLeavesAnother) {
  const auto saving = SlowLaneOf("POST", "/api/comparison");
  const std::vector<WorkLane::Options> lanes = SlowLanes();
  for (size_t i = 0; i < lanes.size(); ++i) {
    if (i == saving) continue;
    EXPECT_EQ(lanes[i].num_threads, 2);
    EXPECT_GE(lanes[i].max_waiting, 16u);
    EXPECT_LE(lanes[i].max_waiting, 64u);
  }
}

TEST(SlowLanesTest, AnswersAreSavedManyAtOnceAndEveryConnectionMayWait) {
  const auto saving = SlowLaneOf("POST", "/api/comparison");
  ASSERT_TRUE(saving.has_value());
  EXPECT_EQ(SlowLaneOf("POST", "/api/continue"), saving);
  const WorkLane::Options lane = SlowLanes().at(*saving);
  EXPECT_GE(lane.num_threads, 16) << "they share commits";
  EXPECT_GE(lane.max_waiting, HttpLimits().max_connections);
}

TEST_F(RoutesTest, MetricsAreForThisMachineOnly) {
  HttpRequest request{.method = "GET", .path = "/metrics"};
  request.headers["host"] = "127.0.0.1:7180";
  EXPECT_EQ(api_->Handle(request).status, 200);
  request.headers["host"] = kHost;
  EXPECT_EQ(api_->Handle(request).status, 404);
}

TEST_F(RoutesTest, WorkerAtTheRequestersPageIsToldByAPage) {
  const Route& page = *FindRoute("GET", "/requester").route;
  const HttpResponse told =
      api_->Handle(Request(page, Sender::kWorker, Forgery::kNone));
  EXPECT_EQ(told.status, 403);
  EXPECT_THAT(told.content_type, HasSubstr("text/html"));
  EXPECT_THAT(told.body, HasSubstr("/requester is for the role requester; "
                                   "yours is worker."));
  const Route& summary = *FindRoute("GET", "/api/summary").route;
  EXPECT_THAT(
      api_->Handle(Request(summary, Sender::kWorker, Forgery::kNone)).body,
      HasSubstr("{\"error\":"));
}

TEST_F(RoutesTest, DocumentShowsTheTable) {
  const char* root = std::getenv("RLHF_SOURCE_DIR");
  ASSERT_OK_AND_ASSIGN(
      const std::string document,
      ReadFile(absl::StrCat(root == nullptr ? "." : root, "/docs/access.md")));
  EXPECT_THAT(document, HasSubstr(RoutesAsMarkdown()))
      << "put this into docs/access.md:\n"
      << RoutesAsMarkdown();
}

TEST_F(RoutesTest, OpenApiDescribesEveryRouteOfTheApiAndNoOther) {
  ASSERT_OK_AND_ASSIGN(const Json document, ParseJson(OpenApiJson()));
  std::set<std::string> described;
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      described.insert(absl::StrCat(method == "get" ? "GET " : "POST ", path));
      EXPECT_EQ(operation.contains("requestBody"), method == "post") << path;
    }
  }
  std::set<std::string> routes;
  for (const Route& route : AllRoutes()) {
    if (!absl::StartsWith(route.path, "/api/")) continue;
    routes.insert(absl::StrCat(route.method, " ", route.path));
  }
  EXPECT_EQ(described, routes);
}

TEST(FindRouteTest, IdIsOnePartOfThePathAndNeverEmpty) {
  const RouteMatch match = FindRoute("POST", "/api/accounts/Zoë 1/disable");
  ASSERT_NE(match.route, nullptr);
  EXPECT_EQ(match.id, "Zoë 1");
  for (const char* path : {"/api/accounts//disable",
                           "/api/accounts/a/b/disable", "/api/accounts/disable",
                           "/api/accounts/a/disable/", "/api/accounts/a"}) {
    EXPECT_EQ(FindRoute("POST", path).route, nullptr) << path;
  }
}

TEST(FindRouteTest, OtherMethodsAreNamedAndHeadIsGet) {
  EXPECT_EQ(std::string(FindRoute("GET", "/api/task").other_method), "POST");
  EXPECT_EQ(FindRoute("DELETE", "/").route, nullptr);
  EXPECT_NE(FindRoute("HEAD", "/").route, nullptr);
  EXPECT_EQ(FindRoute("GET", "/etc/passwd").other_method, nullptr);
  EXPECT_EQ(FindRoute("GET", "/../x.js").route, nullptr);
}

}  // namespace
}  // namespace rlhf
