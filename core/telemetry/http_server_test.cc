#include "core/telemetry/http_server.h"

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/telemetry/http_test_client.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Answers with what it was asked.
HttpResponse Echo(const HttpRequest& request) {
  const auto name = request.query.find("name");
  return {
      .status = 202,
      .body = absl::StrCat(request.method, " ", request.path, " ",
                           name == request.query.end() ? "-" : name->second,
                           " ", request.header("x-test"), " ", request.body)};
}

std::unique_ptr<HttpServer> StartEcho(const HttpLimits& limits = {}) {
  auto server = HttpServer::Start("127.0.0.1:0", &Echo, limits);
  EXPECT_OK(server);
  return *std::move(server);
}

TEST(HttpServerTest, HandlerSeesMethodPathQueryHeadersAndBody) {
  const auto server = StartEcho();
  const HttpTestReply reply = HttpTestClient(server->port())
                                  .Post("/a?name=b%20c", "body", {"X-Test: t"});

  EXPECT_EQ(reply.status, 202);
  EXPECT_EQ(reply.body, "POST /a b c t body");
}

TEST(HttpServerTest, BodyAtTheLimitIsTakenAndOneByteMoreIsRefused) {
  HttpLimits limits;
  limits.max_body_bytes_of = [](const HttpRequest& request) -> size_t {
    return request.path == "/big" ? 20 : 10;
  };
  const auto server = StartEcho(limits);
  const HttpTestClient client(server->port());

  EXPECT_EQ(client.Post("/a", std::string(10, 'x')).status, 202);
  const HttpTestReply refused = client.Post("/a", std::string(11, 'x'));
  EXPECT_EQ(refused.status, 413);
  EXPECT_THAT(refused.body,
              AllOf(HasSubstr("11 bytes"), HasSubstr("at most 10")));
  EXPECT_EQ(client.Post("/big", std::string(20, 'x')).status, 202);
}

TEST(HttpServerTest, ChunkedBodyOverTheLimitIsCutOff) {
  HttpLimits limits;
  limits.max_body_bytes = 10;
  const auto server = StartEcho(limits);
  const HttpTestClient client(server->port());

  EXPECT_EQ(
      client.Post("/a", std::string(5000, 'x'), {"Transfer-Encoding: chunked"})
          .status,
      0);
}

TEST(HttpServerTest, WhatIsRefusedIsAnsweredBeforeItsBodyIsThere) {
  auto server = HttpServer::Start(
      "127.0.0.1:0", &Echo, {},
      [](const HttpRequest& request) -> std::optional<HttpResponse> {
        if (request.header("x-test") == "let me in") return std::nullopt;
        return HttpResponse{.status = 401, .body = "who are you?"};
      });
  ASSERT_OK(server);
  const HttpTestClient client((*server)->port());
  // The rest of the body never comes.
  const HttpTestReply refused =
      client.Post("/a", "begun", {"Content-Length: 200000"});
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.body, "who are you?");
  EXPECT_EQ(client.Post("/a", "body", {"X-Test: let me in"}).body,
            "POST /a - let me in body");
  EXPECT_EQ(client.Get("/a").status, 202) << "has no body to be spared";
}

// Handles "/slow" when it is told to.
class SlowServer {
 public:
  SlowServer() {
    HttpLimits limits;
    limits.num_threads = 1;
    limits.max_slow_waiting = 1;
    limits.is_slow = [](const HttpRequest& request) {
      return request.path == "/slow";
    };
    auto server = HttpServer::Start(
        "127.0.0.1:0",
        [this](const HttpRequest& request) {
          if (request.path == "/slow") {
            begun_.set_value();
            go_.get_future().wait();
          }
          return Echo(request);
        },
        limits);
    EXPECT_OK(server);
    server_ = *std::move(server);
  }

  std::future<HttpTestReply> AskSlowly() {
    return std::async(std::launch::async, [port = server_->port()] {
      return HttpTestClient(port).Post("/slow", "b");
    });
  }

  std::promise<void> begun_, go_;
  std::unique_ptr<HttpServer> server_;
};

TEST(HttpServerTest, ASlowRequestHoldsUpNobodyElse) {
  SlowServer slow;
  auto reply = slow.AskSlowly();
  slow.begun_.get_future().wait();
  EXPECT_EQ(HttpTestClient(slow.server_->port()).Post("/a", "x").status, 202);
  slow.go_.set_value();
  const HttpTestReply answered = reply.get();
  EXPECT_EQ(answered.status, 202);
  EXPECT_EQ(answered.body, "POST /slow -  b");
}

TEST(HttpServerTest, AServerThatStopsAnswersItsSlowRequestFirst) {
  SlowServer slow;
  auto reply = slow.AskSlowly();
  slow.begun_.get_future().wait();
  std::thread stop([&slow] { slow.server_.reset(); });
  slow.go_.set_value();
  stop.join();
  EXPECT_EQ(reply.get().status, 202);
}

TEST(HttpServerTest, AddressInUseNamesTheAddressAndWhatToDo) {
  const auto server = StartEcho();
  const std::string address = absl::StrCat("127.0.0.1:", server->port());

  EXPECT_THAT(HttpServer::Start(address, &Echo),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr(address), HasSubstr("already in use"),
                             HasSubstr("choose another port"))));
}

TEST(HttpServerTest, MalformedAddressesAreRefused) {
  for (const char* address :
       {"7180", ":7180", "127.0.0.1:x", "127.0.0.1:70000", "127.0.0.1:"}) {
    EXPECT_THAT(HttpServer::Start(address, &Echo),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(address), HasSubstr("host:port"))));
  }
}

TEST(HttpServerTest, RestFollowsTheBodyPieceByPiece) {
  const std::string long_piece(1'000'000, 'x');
  auto server = HttpServer::Start("127.0.0.1:0", [&](const HttpRequest&) {
    return HttpResponse{
        .body = "begin ",
        .rest = [&long_piece, n = 0]() mutable -> absl::StatusOr<std::string> {
          return ++n == 1 ? long_piece : n == 2 ? " end" : "";
        }};
  });
  ASSERT_OK(server);
  const HttpTestReply reply = HttpTestClient((*server)->port()).Get("/");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, absl::StrCat("begin ", long_piece, " end"));
}

// 10,000 MiB could not be held, nor are they made before they are taken.
TEST(HttpServerTest, RestIsMadeAsItIsTaken) {
  constexpr int kPieces = 10'000;
  std::atomic<int> num_made = 0;
  auto server = HttpServer::Start("127.0.0.1:0", [&](const HttpRequest&) {
    return HttpResponse{.rest = [&num_made]() -> absl::StatusOr<std::string> {
      return ++num_made > kPieces ? "" : std::string(1 << 20, 'x');
    }};
  });
  ASSERT_OK(server);
  EXPECT_EQ(HttpTestClient((*server)->port()).GetBytes("/", 3 << 20), 3 << 20);
  server->reset();
  // What the sockets' buffers hold beyond that is a few MiB.
  EXPECT_LT(num_made.load(), 200);
}

TEST(HttpServerTest, ErrorInTheRestIsNoEndOfIt) {
  auto server = HttpServer::Start("127.0.0.1:0", [](const HttpRequest&) {
    return HttpResponse{.body = "begin",
                        .rest = []() -> absl::StatusOr<std::string> {
                          return absl::UnavailableError("the disk is gone");
                        }};
  });
  ASSERT_OK(server);
  EXPECT_EQ(HttpTestClient((*server)->port()).Get("/").status, 0);
}

}  // namespace
}  // namespace rlhf
