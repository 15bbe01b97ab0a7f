#include "cli/verbs.h"

#include "cli/verb.h"

namespace rlhf {
namespace {

using Kind = FlagSpec::Kind;

const FlagSpec kConfig = {"config", Kind::kString, "", "the run's .txtpb file"};
const FlagSpec kSet = {"set", Kind::kRepeated, "",
                       "override a field: --set ppo.num_updates=8"};
const FlagSpec kModel = {"model", Kind::kString, "",
                         "a Hugging Face model directory"};
const FlagSpec kInput = {"input", Kind::kString, "-",
                         "JSONL to read; - is standard input"};

std::vector<Verb> MakeVerbs() {
  return {
      {"up",
       "run the whole loop of one configuration on this machine",
       "CONFIG [--set FIELD=VALUE] [--plain]",
       {kSet, {"plain", Kind::kBool, "false", "plain lines, no live view"}},
       UpVerb},
      {"status",
       "what each role of a run says of itself",
       "CONFIG [--json]",
       {kSet, {"json", Kind::kBool, "false", "machine-readable"}},
       StatusVerb},
      {"learner",
       "role: PPO; rank and peers come from the environment",
       "--config C",
       {kConfig, kSet},
       LearnerVerb},
      {"actor",
       "role: generates rollouts and responses",
       "--config C",
       {kConfig, kSet},
       ActorVerb},
      {"reward-server",
       "role: scores dialogues with the serving PM",
       "--config C",
       {kConfig, kSet},
       RewardServerVerb},
      {"refresher",
       "role: trains, gates and promotes PMs",
       "--config C",
       {kConfig, kSet},
       RefresherVerb},
      {"feedback",
       "role: the preference store and its page; or import, export",
       "[import FILE | export FILE] --config C",
       {kConfig,
        kSet,
        {"format", Kind::kString, "rlhf", "of an export: rlhf or trl"}},
       FeedbackVerb},
      {"crowd",
       "simulated workers for a run's feedback service",
       "CONFIG [--gold-model DIR]",
       {kSet,
        {"gold-model", Kind::kString, "",
         "a PM that judges instead of the gold rule"}},
       CrowdVerb},
      {"tokenize",
       "{\"text\"} lines to {\"ids\"} lines",
       "--model DIR",
       {kModel, kInput},
       TokenizeVerb},
      {"generate",
       "{\"prompt\"}, {\"messages\"} or {\"ids\"} lines to responses",
       "--model DIR",
       {kModel,
        kInput,
        {"max-new-tokens", Kind::kInt, "128", "most tokens in a response"},
        {"temperature", Kind::kDouble, "1", "0 is greedy"},
        {"seed", Kind::kInt, "1", "decides every draw"},
        {"batch", Kind::kInt, "32", "sequences decoded at once"}},
       GenerateVerb},
      {"score",
       "{\"prompt\",\"response\"} or {\"chosen\",\"rejected\"} lines to scores",
       "--model DIR",
       {kModel, kInput},
       ScoreVerb},
      {"eval",
       "gold: final against initial policy on held-out prompts",
       "gold --config C",
       {kConfig, kSet},
       EvalVerb},
      {"replay",
       "make a run's updates again from its journals and compare, to the bit",
       "CONFIG [--from-checkpoint]",
       {kSet,
        {"from-checkpoint", Kind::kBool, "false",
         "begin at the oldest checkpoint kept"}},
       ReplayVerb},
      {"config",
       "show, check or diff run files",
       "show FILE | check FILE | diff OLD NEW",
       {kSet},
       ConfigVerb},
      {"version",
       "version of this build and of its libraries",
       "",
       {},
       VersionVerb},
  };
}

}  // namespace

const std::vector<Verb>& AllVerbs() {
  static const auto* const verbs = new std::vector<Verb>(MakeVerbs());
  return *verbs;
}

}  // namespace rlhf
