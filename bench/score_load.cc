// The clients of bench/scoring_bench.py: they load a reward server over gRPC,
// or another's over HTTP.
//
//   score_load
//
// Each line of input asks for one thing:
//
//   {"do": "encode", "model": DIR, "dialogues": FILE, "ids": FILE}
//     writes the tokens that a PM of that tokenizer reads, tells their numbers
//   {"do": "score", "dialogues": FILE, "address": HOST:PORT, "clients": 64,
//    "per_call": 1, "calls": 128}
//     that many calls of so many dialogues each, in order and from the first
//     again after the last
//   {"do": "score", "ids": FILE, "port": PORT, "clients": 64, "calls": 128}
//     the same over HTTP, one dialogue a call: {"ids": […]} for {"score": …}
//   {"do": "swap", …, "registry": DIR, "swaps": 100}
//     as score over gRPC, as long as so many promotions take
//   {"do": "score", …, "seconds": 10}
//     calls until the time is over
//   {"do": "promote", "registry": DIR, "address": …, "version": 2}
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/http_post.h"
#include "bench/line_json.h"
#include "bench/load_clients.h"
#include "bench/pm_swapper.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "core/text/chat_format.h"
#include "core/text/tokenizer.h"
#include "rlhf/v1/reward.grpc.pb.h"

namespace rlhf {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(600);
constexpr absl::Duration kSwapTimeout = absl::Seconds(60);

using Call = std::function<absl::StatusOr<Scored>(int client, int64_t number)>;

absl::StatusOr<Json> ReadJsonFile(const Json& request, const char* key) {
  RLHF_ASSIGN_OR_RETURN(const std::string path, GetString(request, key));
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseJson(text);
}

absl::StatusOr<std::vector<v1::ScoredDialogue>> ReadDialogues(
    const Json& request) {
  RLHF_ASSIGN_OR_RETURN(const Json list, ReadJsonFile(request, "dialogues"));
  std::vector<v1::ScoredDialogue> dialogues;
  for (const Json& entry : list) {
    v1::ScoredDialogue& dialogue = dialogues.emplace_back();
    for (const Json& message : entry.at("messages")) {
      v1::Message& added = *dialogue.add_prompt();
      added.set_role(message.at("role").get<std::string>());
      added.set_content(message.at("content").get<std::string>());
    }
    dialogue.set_response(entry.at("response").get<std::string>());
  }
  if (dialogues.empty()) return absl::InvalidArgumentError("no dialogue");
  return dialogues;
}

absl::StatusOr<Json> Encode(const Json& request) {
  RLHF_ASSIGN_OR_RETURN(const std::string model, GetString(request, "model"));
  RLHF_ASSIGN_OR_RETURN(const std::string ids_path, GetString(request, "ids"));
  RLHF_ASSIGN_OR_RETURN(const auto dialogues, ReadDialogues(request));
  RLHF_ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Load(model));
  RLHF_ASSIGN_OR_RETURN(const ChatFormat format, ChatFormat::Load(model));
  Json all = Json::array(), lengths = Json::array();
  for (const v1::ScoredDialogue& dialogue : dialogues) {
    RLHF_ASSIGN_OR_RETURN(
        const std::string text,
        format.RenderScored(dialogue.prompt(), dialogue.response()));
    const std::vector<int32_t> ids = tokenizer->Encode(text);
    lengths.push_back(ids.size());
    all.push_back(ids);
  }
  RLHF_RETURN_IF_ERROR(WriteFileAtomically(ids_path, DumpJson(all)));
  return Json{{"lengths", lengths}};
}

// Each client has a connection of its own, as each actor has.
absl::StatusOr<Call> GrpcCall(const Json& request) {
  RLHF_ASSIGN_OR_RETURN(const std::string address,
                        GetString(request, "address"));
  RLHF_ASSIGN_OR_RETURN(const auto dialogues, ReadDialogues(request));
  const auto per_call = request.value("per_call", int64_t{1});
  auto stubs =
      std::make_shared<std::vector<std::unique_ptr<v1::Reward::Stub>>>();
  for (int i = 0; i < request.at("clients").get<int>(); ++i) {
    const auto channel = MakeChannel(address);
    if (!channel->WaitForConnected(std::chrono::system_clock::now() +
                                   std::chrono::seconds(10))) {
      return absl::UnavailableError(
          absl::StrCat("no reward server answers at ", address));
    }
    stubs->push_back(v1::Reward::NewStub(channel));
  }
  return Call([stubs, dialogues, per_call](
                  int client, int64_t number) -> absl::StatusOr<Scored> {
    v1::ScoreRequest score;
    for (int64_t i = number * per_call; i < (number + 1) * per_call; ++i) {
      *score.add_dialogues() =
          dialogues[static_cast<size_t>(i) % dialogues.size()];
    }
    v1::ScoreResponse response;
    const auto context = ContextWithDeadline(kTimeout);
    RLHF_RETURN_IF_ERROR(
        FromGrpcStatus((*stubs)[static_cast<size_t>(client)]->Score(
            context.get(), score, &response)));
    return Scored{{response.scores().begin(), response.scores().end()},
                  response.pm().version()};
  });
}

absl::StatusOr<Call> HttpCall(const Json& request) {
  RLHF_ASSIGN_OR_RETURN(const Json ids, ReadJsonFile(request, "ids"));
  std::vector<std::string> bodies;
  for (const Json& row : ids) bodies.push_back(DumpJson({{"ids", row}}));
  if (bodies.empty()) return absl::InvalidArgumentError("no dialogue");
  const int port = request.at("port").get<int>();
  return Call([bodies, port](int, int64_t number) -> absl::StatusOr<Scored> {
    RLHF_ASSIGN_OR_RETURN(
        const std::string body,
        PostJson(port, bodies[static_cast<size_t>(number) % bodies.size()],
                 kTimeout));
    RLHF_ASSIGN_OR_RETURN(const Json reply, ParseJson(body));
    return Scored{{reply.at("score").get<float>()}};
  });
}

// Scores and versions stand in the order of the calls.
Json Summarize(const LoadResult& load) {
  std::vector<double> milliseconds;
  Json scores = Json::array(), versions = Json::array();
  int64_t failed = 0;
  std::string error;
  for (const LoadCall& call : load.calls) {
    milliseconds.push_back(1000 * call.seconds);
    if (!call.answer.ok()) {
      ++failed;
      error = std::string(call.answer.status().message());
      scores.push_back(nullptr);
      versions.push_back(nullptr);
      continue;
    }
    scores.push_back(call.answer->scores);
    versions.push_back(call.answer->pm_version);
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  return {{"seconds", load.seconds},
          {"calls", load.calls.size()},
          {"failed", failed},
          {"first_error", error},
          {"p50_ms", Quantile(milliseconds, 0.5)},
          {"p99_ms", Quantile(milliseconds, 0.99)},
          {"scores", scores},
          {"versions", versions}};
}

absl::StatusOr<Json> Score(const Json& request) {
  RLHF_ASSIGN_OR_RETURN(const Call call, request.contains("port")
                                             ? HttpCall(request)
                                             : GrpcCall(request));
  const Stopwatch watch;
  const double seconds = request.value("seconds", 0.0);
  const auto calls = request.value("calls", int64_t{0});
  return Summarize(RunClients(
      request.at("clients").get<int>(),
      [&](int64_t number) {
        return seconds > 0 ? watch.seconds() < seconds : number < calls;
      },
      call));
}

absl::StatusOr<Json> Swap(const Json& request) {
  RLHF_ASSIGN_OR_RETURN(const std::string registry,
                        GetString(request, "registry"));
  RLHF_ASSIGN_OR_RETURN(const std::string address,
                        GetString(request, "address"));
  RLHF_ASSIGN_OR_RETURN(const Call call, GrpcCall(request));
  const int swaps = request.at("swaps").get<int>();
  std::atomic<bool> over = false;
  absl::Status swapped;
  LoadResult load;
  {
    const std::jthread swapping([&] {
      swapped = PmSwapper(registry, address).SwapAround(swaps, kSwapTimeout);
      over = true;
    });
    load = RunClients(
        request.at("clients").get<int>(), [&](int64_t) { return !over; }, call);
  }
  RLHF_RETURN_IF_ERROR(swapped);
  Json summary = Summarize(load);
  summary["swaps"] = swaps;
  return summary;
}

absl::StatusOr<Json> Promote(const Json& request) {
  RLHF_ASSIGN_OR_RETURN(const std::string registry,
                        GetString(request, "registry"));
  RLHF_ASSIGN_OR_RETURN(const std::string address,
                        GetString(request, "address"));
  RLHF_RETURN_IF_ERROR(
      PmSwapper(registry, address)
          .SwapTo(request.at("version").get<int64_t>(), kSwapTimeout));
  return Json::object();
}

absl::StatusOr<Json> Do(const Json& request) {
  RLHF_ASSIGN_OR_RETURN(const std::string what, GetString(request, "do"));
  if (what == "encode") return Encode(request);
  if (what == "score") return Score(request);
  if (what == "swap") return Swap(request);
  if (what == "promote") return Promote(request);
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", what, "\" is asked for; wanted encode, score, swap or promote"));
}

}  // namespace
}  // namespace rlhf

int main() {
  rlhf::PrepareRpc();
  rlhf::ServeLines(rlhf::Do);
  return 0;
}
