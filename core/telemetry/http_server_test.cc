#include "core/telemetry/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/telemetry/http_test_client.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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

TEST(HttpServerTest, HandlerSeesTheAddressOfThePeerWhateverTheRequestSays) {
  const auto server =
      HttpServer::Start("127.0.0.1:0", [](const HttpRequest& request) {
        return HttpResponse{.body = request.peer};
      });
  ASSERT_OK(server);
  EXPECT_EQ(
      HttpTestClient((*server)->port())
          .Get("/", {"X-Real-IP: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"})
          .body,
      "127.0.0.1");
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

// A client that may send what no library would.
class RawClient {
 public:
  explicit RawClient(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address),
                        sizeof(address)),
              0);
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool Send(const std::string& bytes) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }

  // Whether the server sends or ends the connection within `timeout`.
  bool WaitFor(absl::Duration timeout) const {
    pollfd wanted = {.fd = fd_, .events = POLLIN, .revents = 0};
    return ::poll(&wanted, 1,
                  static_cast<int>(absl::ToInt64Milliseconds(timeout))) > 0;
  }

  // What comes until the server ends the connection; without end, an error.
  std::string ReadToEnd() {
    std::string all;
    char piece[4096];
    while (WaitFor(absl::Seconds(10))) {
      const ssize_t size = ::recv(fd_, piece, sizeof(piece), 0);
      if (size <= 0) return all;
      all.append(piece, static_cast<size_t>(size));
    }
    ADD_FAILURE() << "no answer in 10 s, or the connection is left open";
    return all;
  }

 private:
  const int fd_;
};

std::string SendRaw(int port, const std::string& bytes) {
  RawClient client(port);
  EXPECT_TRUE(client.Send(bytes));
  return client.ReadToEnd();
}

TEST(HttpServerTest, HeadersThatTwoReadersTakeDifferentlyAreRefused) {
  const auto server = StartEcho();
  for (const char* lines :
       {"Host: b\r\n", "Content-Length: 3\r\nContent-Length: 0\r\n",
        "Content-Length: 0\r\ncontent-length: 3\r\n",
        "Cookie: a=1\r\nCookie: a=2\r\n",
        "Authorization: a\r\nAuthorization: b\r\n",
        "Origin: http://a\r\nOrigin: http://b\r\n",
        "Content-Type: a/a\r\nContent-Type: b/b\r\n",
        "X-CSRF-Token: a\r\nX-CSRF-Token: b\r\n"}) {
    // The body never comes.
    const std::string reply =
        SendRaw(server->port(),
                absl::StrCat("POST /a HTTP/1.1\r\nHost: a\r\n", lines, "\r\n"));
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 400")) << lines;
    EXPECT_THAT(reply, HasSubstr("more than once")) << lines;
  }
  const std::string both =
      SendRaw(server->port(),
              "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
              "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\n");
  EXPECT_THAT(both, StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(both, HasSubstr("content-length and transfer-encoding"));
}

TEST(HttpServerTest, HeadersThatSayNothingOfTheRequestMayComeTwice) {
  const auto server = StartEcho();
  EXPECT_THAT(SendRaw(server->port(),
                      "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                      "Accept: a/a\r\nAccept: b/b\r\n\r\n"),
              StartsWith("HTTP/1.1 202"));
}

TEST(HttpServerTest, QueryOfManyArgumentsIsAnswered) {
  const auto server = StartEcho();
  const auto get = [&](const std::string& uri) {
    return SendRaw(server->port(), absl::StrCat("GET ", uri,
                                                " HTTP/1.1\r\nHost: a\r\n"
                                                "Connection: close\r\n\r\n"));
  };
  std::string query = "name=b";
  for (int i = 1; i < 100; ++i) query += "&a";
  EXPECT_THAT(get("/a?" + query), HasSubstr("GET /a b"));
  for (const int num_more : {1, 500, 3000, 14'000}) {
    std::string more = query;
    for (int i = 0; i < num_more; ++i) more += "&a";
    const std::string reply = get("/a?" + more);
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 414")) << num_more;
    EXPECT_THAT(reply, HasSubstr("more than 100 query arguments")) << num_more;
  }
  EXPECT_THAT(get("/" + std::string(9000, 'a')), StartsWith("HTTP/1.1 414"));
  EXPECT_EQ(HttpTestClient(server->port()).Get("/a").status, 202);
}

TEST(HttpServerTest, HeadersThatDripInAreBrokenOff) {
  HttpLimits limits;
  limits.header_timeout = absl::Milliseconds(500);
  const auto server = StartEcho(limits);
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("GET /a HTTP/1.1\r\nX-A: "));
  const absl::Time deadline = MonotonicNow() + absl::Seconds(10);
  bool is_open = true;
  while (is_open && MonotonicNow() < deadline) {
    is_open = !client.WaitFor(absl::Milliseconds(50)) && client.Send("a");
  }
  EXPECT_FALSE(is_open) << "held by a byte now and then";
}

TEST(HttpServerTest, ConnectionsWithoutHeadersMakeRoomForOthers) {
  HttpLimits limits;
  limits.num_threads = 1;
  limits.max_connections = 16;
  limits.header_timeout = absl::Hours(1);
  const auto server = StartEcho(limits);
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 40; ++i) {
    idle.push_back(std::make_unique<RawClient>(server->port()));
    idle.back()->Send("GET /a HT");
  }
  EXPECT_EQ(HttpTestClient(server->port()).Get("/a").status, 202);
}

// Opens once, for whoever waits.
class Gate {
 public:
  void Open() { open_.set_value(); }
  // False if it stays closed for 10 s.
  bool Wait() const {
    return opened_.wait_for(std::chrono::seconds(10)) ==
           std::future_status::ready;
  }

 private:
  std::promise<void> open_;
  const std::shared_future<void> opened_ = open_.get_future().share();
};

// "/slow…" and "/other…" have a lane each; all others are quick.
std::optional<size_t> LaneOfPath(const HttpRequest& request) {
  if (request.path.starts_with("/slow")) return 0;
  if (request.path.starts_with("/other")) return 1;
  return std::nullopt;
}

// Of one thread for all that is quick, and one for each of two lanes.
HttpLimits LimitsOfTwoLanes() {
  HttpLimits limits;
  limits.num_threads = 1;
  limits.lanes = {{.num_threads = 1, .max_waiting = 1},
                  {.num_threads = 1, .max_waiting = 1}};
  limits.lane_of = &LaneOfPath;
  return limits;
}

// Handles "/slow" when it is told to.
class SlowServer {
 public:
  explicit SlowServer(HttpRefusal refuse = nullptr) {
    auto server = HttpServer::Start(
        "127.0.0.1:0",
        [this](const HttpRequest& request) {
          if (request.path == "/slow") {
            if (++num_begun_ == 1) begun_.Open();
            EXPECT_TRUE(go_.Wait());
          }
          return Echo(request);
        },
        LimitsOfTwoLanes(), std::move(refuse));
    EXPECT_OK(server);
    server_ = *std::move(server);
  }

  std::future<HttpTestReply> AskSlowly() {
    return std::async(std::launch::async, [port = server_->port()] {
      return HttpTestClient(port).Post("/slow", "b");
    });
  }

  std::atomic<int> num_begun_ = 0;
  Gate begun_, go_;
  std::unique_ptr<HttpServer> server_;
};

TEST(HttpServerTest, ASlowRequestHoldsUpNobodyElse) {
  SlowServer slow;
  auto reply = slow.AskSlowly();
  ASSERT_TRUE(slow.begun_.Wait());
  EXPECT_EQ(HttpTestClient(slow.server_->port()).Post("/a", "x").status, 202);
  slow.go_.Open();
  const HttpTestReply answered = reply.get();
  EXPECT_EQ(answered.status, 202);
  EXPECT_EQ(answered.body, "POST /slow -  b");
}

TEST(HttpServerTest, ASlowRequestHoldsUpNoOtherLane) {
  SlowServer slow;
  auto reply = slow.AskSlowly();
  ASSERT_TRUE(slow.begun_.Wait());
  EXPECT_EQ(HttpTestClient(slow.server_->port()).Get("/other").status, 202);
  slow.go_.Open();
  EXPECT_EQ(reply.get().status, 202);
}

// A GET, without a body: strangers would keep others out of the lane.
TEST(HttpServerTest, WhatIsRefusedTakesNoPlaceInALane) {
  SlowServer slow([](const HttpRequest& request) {
    return request.method == "GET"
               ? std::optional<HttpResponse>({.status = 401})
               : std::nullopt;
  });
  auto first = slow.AskSlowly();
  ASSERT_TRUE(slow.begun_.Wait());
  const HttpTestClient client(slow.server_->port());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.Get("/slow").status, 401) << "while the lane is busy";
  }
  auto second = slow.AskSlowly();
  slow.go_.Open();
  EXPECT_EQ(first.get().status, 202);
  EXPECT_EQ(second.get().status, 202);
}

TEST(HttpServerTest, WhatAFullLaneDoesNotTakeIs503WithATimeToWait) {
  SlowServer slow;
  std::vector<std::future<HttpTestReply>> replies;
  replies.push_back(slow.AskSlowly());
  ASSERT_TRUE(slow.begun_.Wait());
  for (int i = 0; i < 3; ++i) replies.push_back(slow.AskSlowly());
  // One is being handled and one waits: the others have their answer now.
  int num_refused = 0;
  for (const absl::Time end = MonotonicNow() + absl::Seconds(10);
       num_refused < 2 && MonotonicNow() < end;) {
    num_refused = 0;
    for (const auto& reply : replies) {
      num_refused += reply.wait_for(std::chrono::milliseconds(10)) ==
                     std::future_status::ready;
    }
  }
  slow.go_.Open();
  num_refused = 0;
  for (auto& waiting : replies) {
    HttpTestReply reply = waiting.get();
    if (reply.status == 202) continue;
    ++num_refused;
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.headers["retry-after"], "5");
    EXPECT_THAT(reply.body, HasSubstr("try again"));
  }
  EXPECT_EQ(num_refused, 2);
}

TEST(HttpServerTest, AServerThatStopsAnswersItsSlowRequestFirst) {
  SlowServer slow;
  auto reply = slow.AskSlowly();
  ASSERT_TRUE(slow.begun_.Wait());
  std::thread stop([&slow] { slow.server_.reset(); });
  slow.go_.Open();
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

// Serves "/slow" with `rest`, in a lane.
std::unique_ptr<HttpServer> StartWithRest(
    const std::string& body,
    std::function<absl::StatusOr<std::string>()> rest) {
  auto server = HttpServer::Start(
      "127.0.0.1:0",
      [=](const HttpRequest& request) {
        if (request.path != "/slow") return Echo(request);
        return HttpResponse{.body = body, .rest = rest};
      },
      LimitsOfTwoLanes());
  EXPECT_OK(server);
  return *std::move(server);
}

TEST(HttpServerTest, RestFollowsTheBodyPieceByPiece) {
  const std::string long_piece(1'000'000, 'x');
  const auto server = StartWithRest(
      "begin ", [&long_piece, n = 0]() mutable -> absl::StatusOr<std::string> {
        return ++n == 1 ? long_piece : n == 2 ? " end" : "";
      });
  const HttpTestReply reply = HttpTestClient(server->port()).Get("/slow");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, absl::StrCat("begin ", long_piece, " end"));
}

TEST(HttpServerTest, RestThatIsSlowHoldsUpNobodyElse) {
  Gate begun, go;
  const auto server = StartWithRest(
      "begin ", [&begun, &go, n = 0]() mutable -> absl::StatusOr<std::string> {
        if (++n > 1) return "";
        begun.Open();
        EXPECT_TRUE(go.Wait());
        return "end";
      });
  const HttpTestClient client(server->port());
  auto reply =
      std::async(std::launch::async, [&client] { return client.Get("/slow"); });
  ASSERT_TRUE(begun.Wait());
  // The server has one thread for these.
  EXPECT_EQ(client.Get("/a").status, 202);
  EXPECT_EQ(client.Get("/other").status, 202);
  go.Open();
  EXPECT_EQ(reply.get().body, "begin end");
}

// A client that reads nothing for a while has no thread of the lane meanwhile.
TEST(HttpServerTest, WhoTakesTheRestSlowlyHoldsUpNobodyInTheLane) {
  const auto server = StartWithRest("", []() -> absl::StatusOr<std::string> {
    return std::string(1 << 20, 'x');
  });
  RawClient idle(server->port());
  ASSERT_TRUE(idle.Send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"));
  ASSERT_TRUE(idle.WaitFor(absl::Seconds(10)));
  EXPECT_EQ(HttpTestClient(server->port()).GetBytes("/slow", 8 << 20), 8 << 20);
  EXPECT_EQ(HttpTestClient(server->port()).Get("/slow2").status, 202);
}

TEST(HttpServerTest, AServerThatStopsBreaksAnEndlessRestOff) {
  std::atomic<int> num_made = 0;
  auto server = StartWithRest("", [&num_made]() -> absl::StatusOr<std::string> {
    ++num_made;
    return std::string("x");
  });
  auto reply = std::async(std::launch::async, [port = server->port()] {
    return HttpTestClient(port).Get("/slow");
  });
  while (num_made < 10) std::this_thread::yield();
  const absl::Time before = MonotonicNow();
  server.reset();
  EXPECT_LT(MonotonicNow() - before, absl::Seconds(4));
  EXPECT_EQ(reply.get().status, 0) << "the client knows that it has not all";
}

// 10,000 MiB could not be held, nor are they made before they are taken.
TEST(HttpServerTest, RestIsMadeAsItIsTaken) {
  constexpr int kPieces = 10'000;
  std::atomic<int> num_made = 0;
  auto server = StartWithRest("", [&num_made]() -> absl::StatusOr<std::string> {
    return ++num_made > kPieces ? "" : std::string(1 << 20, 'x');
  });
  EXPECT_EQ(HttpTestClient(server->port()).GetBytes("/slow", 3 << 20), 3 << 20);
  server.reset();
  // What the sockets' buffers hold beyond that is a few MiB.
  EXPECT_LT(num_made.load(), 200);
}

TEST(HttpServerTest, ErrorInTheRestIsNoEndOfIt) {
  const auto server =
      StartWithRest("begin", []() -> absl::StatusOr<std::string> {
        return absl::UnavailableError("the disk is gone");
      });
  EXPECT_EQ(HttpTestClient(server->port()).Get("/slow").status, 0);
}

}  // namespace
}  // namespace rlhf
