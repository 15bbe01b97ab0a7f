// Requests to the feedback service: feedback/http_api.h and batch_api.h, over a
// store in memory. The input is some requests with a line "===" between them,
// each a line "METHOD PATH?NAME=VALUE&…", headers, an empty line and the body.
// Where a body says $TASK stands the task that was given out last.
#include <memory>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "feedback/batch_api.h"
#include "feedback/http_api.h"
#include "feedback/requester_api.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/simulator/memory_table.h"

namespace rlhf {
namespace {

constexpr size_t kMostRequests = 16;

HttpRequest ParseRequest(absl::string_view text) {
  HttpRequest request;
  request.peer = "127.0.0.1";
  absl::string_view line = TakePart("\n", text);
  request.method = std::string(TakePart(" ", line));
  request.path = std::string(TakePart("?", line));
  while (!line.empty()) {
    absl::string_view argument = TakePart("&", line);
    const std::string name(TakePart("=", argument));
    request.query[name] = std::string(argument);
  }
  request.headers["host"] = "127.0.0.1:8080";
  while (!text.empty() && text[0] != '\n') {
    absl::string_view value = TakePart("\n", text);
    const std::string name = absl::AsciiStrToLower(TakePart(":", value));
    request.headers[name] = std::string(absl::StripAsciiWhitespace(value));
  }
  if (!text.empty()) text.remove_prefix(1);
  request.body = std::string(text);
  return request;
}

// The service, as it is after its start with a few tasks.
class Service {
 public:
  Service() {
    for (int i = 0; i < 3; ++i) {
      v1::Prompt prompt;
      v1::Message& message = *prompt.add_messages();
      message.set_role("user");
      message.set_content(absl::StrCat("How many legs have ", i, " spiders?"));
      desk_.Add({MakeTask(prompt, {"Eight.", 3}, {"Six.", 3}, i)});
    }
    batch_api_.AddTo(api_);
  }

  HttpResponse Handle(HttpRequest request) {
    request.body = absl::StrReplaceAll(request.body, {{"$TASK", task_}});
    HttpResponse response = api_.Handle(request);
    if (request.path == "/api/task" && response.status == 200) {
      task_ = ParseJson(response.body)->at("task_id").get<std::string>();
    }
    return response;
  }

 private:
  FakeClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  MemoryDisk disk_;
  const std::unique_ptr<PreferenceStore> store_ = *PreferenceStore::OpenTable(
      std::make_unique<MemoryTable>(&disk_,
                                    [] { return MemoryTable::Fate::kMade; }),
      &clock_, &metrics_);
  AnswerDesk desk_{TaskScheduler::Options(), store_.get(), &clock_, &metrics_};
  BatchDesk batches_{BatchDesk::Options(),
                     store_.get(),
                     [this](const std::vector<v1::Comparison>& comparisons) {
                       return desk_.Import(comparisons);
                     },
                     nullptr,
                     &clock_,
                     &metrics_};
  BatchApi batch_api_{&batches_, &clock_, "a secret of nobody"};
  RequesterApi requester_{RequesterApi::Options{.run_directory = "/nowhere"},
                          store_.get(), &clock_};
  HttpApi api_{&desk_,    store_.get(), &registry_,
               &metrics_, nullptr,      &requester_};
  std::string task_;
};

void CheckResponse(const HttpRequest& request, const HttpResponse& response) {
  // What http_api.h says; never 500, which is a fault of ours.
  static const std::set<int> kStatuses = {200, 202, 204, 303, 400,
                                          401, 403, 404, 405, 409,
                                          410, 413, 415, 429, 503};
  RLHF_CHECK(kStatuses.contains(response.status))
      << request.method << " " << request.path << ": " << response.status << " "
      << response.body;
  const bool is_error = response.status >= 400;
  if (absl::StartsWith(response.content_type, "application/json")) {
    const auto json = ParseJson(absl::StripAsciiWhitespace(response.body));
    RLHF_CHECK(json.ok()) << json.status() << " " << response.body;
    if (is_error) RLHF_CHECK(!json->at("error").get<std::string>().empty());
  } else {
    RLHF_CHECK(!is_error) << response.content_type << " " << response.body;
  }
  for (int pieces = 0; response.rest != nullptr && pieces < 100; ++pieces) {
    const auto piece = response.rest();
    RLHF_CHECK(piece.ok()) << piece.status();
    if (piece->empty()) break;
  }
}

RLHF_FUZZ_TARGET(http_api) {
  Service service;
  for (size_t i = 0; i < kMostRequests && !input.empty(); ++i) {
    const HttpRequest request = ParseRequest(TakePart("\n===\n", input));
    CheckResponse(request, service.Handle(request));
  }
}

}  // namespace
}  // namespace rlhf
