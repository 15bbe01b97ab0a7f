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
        {"max-new-tokens", Kind::kInt, "128", "most tokens in a response", 1,
         1 << 20},
        {"temperature", Kind::kDouble, "1", "0 is greedy", 0, 10},
        {"seed", Kind::kInt, "1", "decides every draw", 0},
        {"batch", Kind::kInt, "32", "sequences decoded at once", 1, 4096},
        {"dtype", Kind::kString, "float32", "of the weights: or bfloat16"}},
       GenerateVerb},
      {"score",
       "{\"prompt\",\"response\"} or {\"chosen\",\"rejected\"} lines to scores",
       "--model DIR",
       {kModel, kInput},
       ScoreVerb},
      {"pm",
       "a run's PMs: which serve and why, promote, roll back; or measure one",
       "list | history | promote VERSION | rollback | eval FILE",
       {kConfig,
        kSet,
        kModel,
        {"by", Kind::kString, "", "who promotes or rolls back"},
        {"reason", Kind::kString, "", "why"},
        {"json", Kind::kBool, "false", "machine-readable"}},
       PmVerb},
      {"eval",
       "gold: final against initial policy on held-out prompts",
       "gold --config C",
       {kConfig, kSet},
       EvalVerb},
      {"plan",
       "memory, traffic and time of each learner rank, by arithmetic",
       "CONFIG --ranks N [--shape 70B] [--json]",
       {kSet,
        {"ranks", Kind::kInt, "1", "learner ranks, 1 to 1024"},
        {"shape", Kind::kString, "",
         "135M, 360M, 1.7B, 7B, 13B or 70B instead of the run's model"},
        {"gemm-gflops", Kind::kDouble, "0",
         "GFLOP/s of a rank's matrix products; 0 measures this machine's"},
        {"link-gbps", Kind::kDouble, "0",
         "gigabytes a second that a rank sends; 0 measures loopback"},
        {"prompt-tokens", Kind::kInt, "64", "tokens of a prompt"},
        {"json", Kind::kBool, "false", "machine-readable"}},
       PlanVerb},
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
