// A feedback service with an actor that says what it is told, for the tests of
// its pages:
//
//   page_server RUNS_DIR SCENARIO.json PORT
//
// The scenario is {"prompts": [as ReadPrompts], "answers": {LAST MESSAGE:
// [ONE, OTHER]}, "max_comparisons", "lease_seconds", "ready_tasks"}; prompts
// are served in their order, and where there is no answer one is made up.
// Prints "port N" when it serves, and ends when its input does.

#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/text/prompt_set.h"
#include "feedback/feedback_server.h"
#include "grpcpp/server_builder.h"
#include "rlhf/v1/generation.grpc.pb.h"

namespace rlhf {
namespace {

class ToldActor final : public v1::Generation::Service {
 public:
  explicit ToldActor(Json answers) : answers_(std::move(answers)) {}

  grpc::Status Generate(grpc::ServerContext*,
                        const v1::GenerateRequest* request,
                        v1::GenerateResponse* response) override {
    for (const v1::Prompt& prompt : request->prompts()) {
      const std::string last = prompt.messages().rbegin()->content();
      v1::PromptResponses* const result = response->add_results();
      if (answers_.contains(last)) {
        for (const Json& answer : answers_[last]) {
          result->add_responses()->set_text(answer.get<std::string>());
        }
        continue;
      }
      for (const char* which : {"One", "Another"}) {
        result->add_responses()->set_text(
            absl::StrCat(which, " answer to: ", last));
      }
    }
    response->set_policy_version(7);
    return grpc::Status::OK;
  }

 private:
  const Json answers_;
};

std::vector<v1::Prompt> PromptsOf(const Json& scenario) {
  std::vector<v1::Prompt> prompts;
  for (const Json& json : scenario.at("prompts")) {
    auto prompt = ParsePrompt(json);
    RLHF_CHECK(prompt.ok()) << prompt.status();
    prompts.push_back(*std::move(prompt));
  }
  return prompts;
}

v1::RunConfig ConfigOf(const Json& scenario, const std::string& runs_dir,
                       const std::string& port, int actor_port) {
  v1::RunConfig config;
  config.set_name("page");
  config.set_runs_dir(runs_dir);
  config.mutable_actor()->set_address(absl::StrCat("127.0.0.1:", actor_port));
  v1::FeedbackConfig* const feedback = config.mutable_feedback();
  feedback->set_address("127.0.0.1:0");
  feedback->set_http_address(absl::StrCat("127.0.0.1:", port));
  feedback->set_max_comparisons(scenario.value("max_comparisons", 0));
  feedback->set_lease_seconds(scenario.value("lease_seconds", 600));
  feedback->set_ready_tasks(scenario.value("ready_tasks", 4));
  feedback->set_price_per_answer(0.12);
  return config;
}

void Serve(const std::string& runs_dir, const std::string& scenario_path,
           const std::string& port) {
  const auto text = ReadFile(scenario_path);
  RLHF_CHECK(text.ok()) << text.status();
  const auto scenario = ParseJson(*text);
  RLHF_CHECK(scenario.ok()) << scenario.status();
  ToldActor actor(scenario->value("answers", Json::object()));
  int actor_port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &actor_port);
  builder.RegisterService(&actor);
  const std::unique_ptr<grpc::Server> actor_server = builder.BuildAndStart();
  const auto server = FeedbackServer::Start(
      ConfigOf(*scenario, runs_dir, port, actor_port), PromptsOf(*scenario));
  RLHF_CHECK(server.ok()) << server.status();
  std::cout << "port " << (*server)->http_port() << std::endl;
  std::cin.ignore(1'000'000, EOF);
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: page_server RUNS_DIR SCENARIO.json PORT\n";
    return 2;
  }
  rlhf::Serve(argv[1], argv[2], argv[3]);
  return 0;
}
