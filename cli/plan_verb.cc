// plan: what a run would take of each learner rank.
#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/config_flag.h"
#include "cli/human_format.h"
#include "cli/plan_input.h"
#include "cli/verbs.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "trainer/parallel/plan.h"
#include "trainer/parallel/rates.h"

namespace rlhf {
namespace {

struct Rates {
  double flops_per_s = 0;
  double link_bytes_per_s = 0;
  bool gemm_measured = false, link_measured = false;
};

struct Plan {
  std::string name;
  PlanMemory memory;
  PlanTraffic traffic;
  double compute_s = 0, communication_s = 0;
};

absl::StatusOr<Rates> FindRates(const Flags& flags, at::ScalarType dtype) {
  Rates rates = {.flops_per_s = 1e9 * flags.Double("gemm-gflops"),
                 .link_bytes_per_s = 1e9 * flags.Double("link-gbps")};
  if (rates.flops_per_s < 0 || rates.link_bytes_per_s < 0) {
    return absl::InvalidArgumentError("a rate is below 0");
  }
  if (rates.flops_per_s == 0) {
    rates.flops_per_s = MeasureGemm(dtype);
    rates.gemm_measured = true;
  }
  if (rates.link_bytes_per_s == 0) {
    RLHF_ASSIGN_OR_RETURN(rates.link_bytes_per_s, MeasureLink());
    rates.link_measured = true;
  }
  return rates;
}

absl::StatusOr<PlanInput> InputOf(const v1::RunConfig& config,
                                  const Flags& flags) {
  const int64_t ranks = flags.Int("ranks");
  if (ranks < 1 || ranks > 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("--ranks is ", ranks, ", wanted 1 to 1024"));
  }
  const int64_t prompt_tokens = flags.Int("prompt-tokens");
  if (prompt_tokens < 1) {
    return absl::InvalidArgumentError("--prompt-tokens is below 1");
  }
  return PlanInputOf(config, ranks, prompt_tokens, flags.String("shape"));
}

Plan MakePlan(const PlanInput& input, const Rates& rates) {
  Plan plan = {.name = input.lora_rank > 0 ? "LORA"
                       : input.sharded     ? "SHARDED"
                                           : "REPLICATED",
               .memory = PlannedMemory(input),
               .traffic = PlannedTraffic(input)};
  plan.compute_s = PlannedFlops(input) / rates.flops_per_s;
  plan.communication_s =
      static_cast<double>(plan.traffic.total()) / rates.link_bytes_per_s;
  return plan;
}

Json ToJson(const Plan& plan) {
  const PlanMemory& m = plan.memory;
  const PlanTraffic& t = plan.traffic;
  return {{"sharding", plan.name},
          {"memory_bytes",
           {{"weights", m.weights},
            {"gradients", m.gradients},
            {"optimizer", m.optimizer},
            {"working_copy", m.working_copy},
            {"passing_through", m.passing_through},
            {"reference", m.reference},
            {"activations", m.activations},
            {"publishing", m.publishing},
            {"total", m.total()}}},
          {"sent_bytes",
           {{"all_gather", t.all_gather},
            {"reduce_scatter", t.reduce_scatter},
            {"all_reduce", t.all_reduce},
            {"publish_gather", t.publish_gather},
            {"total", t.total()}}},
          {"compute_seconds", plan.compute_s},
          {"communication_seconds", plan.communication_s}};
}

// Replicated ranks beside sharded ones or, where the configuration has
// adapters, adapters beside whole weights.
std::array<Plan, 2> MakePlans(const PlanInput& input, const Rates& rates) {
  PlanInput other = input;
  other.lora_rank = 0;
  other.sharded = input.lora_rank == 0;
  return {MakePlan(input, rates), MakePlan(other, rates)};
}

void PrintRow(const std::string& name, const std::string& a,
              const std::string& b) {
  std::cout << absl::StrFormat("  %-34s %14s %14s\n", name, a, b);
}

void PrintBytes(const std::string& name, int64_t a, int64_t b) {
  if (a != 0 || b != 0) PrintRow(name, HumanBytes(a), HumanBytes(b));
}

void PrintTable(const std::array<Plan, 2>& plans) {
  const PlanMemory &m = plans[0].memory, &n = plans[1].memory;
  PrintRow("", plans[0].name, plans[1].name);
  std::cout << "memory of rank 0\n";
  PrintBytes("weights, float32", m.weights, n.weights);
  PrintBytes("gradients", m.gradients, n.gradients);
  PrintBytes("AdamW moments", m.optimizer, n.optimizer);
  PrintBytes("working copy and its gradients", m.working_copy, n.working_copy);
  PrintBytes("weights, gradients in passing", m.passing_through,
             n.passing_through);
  PrintBytes("reference", m.reference, n.reference);
  PrintBytes("activations", m.activations, n.activations);
  PrintBytes("publishing (rank 0 only)", m.publishing, n.publishing);
  PrintBytes("all", m.total(), n.total());
  const PlanTraffic &t = plans[0].traffic, &u = plans[1].traffic;
  std::cout << "sent by a rank in an update\n";
  PrintBytes("all-gather of weights", t.all_gather, u.all_gather);
  PrintBytes("reduce-scatter of gradients", t.reduce_scatter, u.reduce_scatter);
  PrintBytes("all-reduce of gradients", t.all_reduce, u.all_reduce);
  PrintBytes("gather to publish", t.publish_gather, u.publish_gather);
  PrintRow("all", HumanBytes(t.total()), HumanBytes(u.total()));
  const auto seconds = [](double s) { return absl::StrFormat("%.3g s", s); };
  std::cout << "time of an update, rollouts not counted\n";
  PrintRow("computing", seconds(plans[0].compute_s),
           seconds(plans[1].compute_s));
  PrintRow("sending", seconds(plans[0].communication_s),
           seconds(plans[1].communication_s));
  PrintRow("both, one after the other",
           seconds(plans[0].compute_s + plans[0].communication_s),
           seconds(plans[1].compute_s + plans[1].communication_s));
}

std::string DescribeRates(const Rates& rates) {
  return absl::StrFormat(
      "matrix products %.1f GFLOP/s (%s), link %.2f GB/s (%s)",
      rates.flops_per_s / 1e9,
      rates.gemm_measured ? "measured here, now" : "given",
      rates.link_bytes_per_s / 1e9,
      rates.link_measured ? "measured over this machine's loopback, now"
                          : "given");
}

}  // namespace

absl::Status PlanVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromArgument(flags));
  RLHF_ASSIGN_OR_RETURN(const PlanInput input, InputOf(config, flags));
  RLHF_ASSIGN_OR_RETURN(
      const Rates rates,
      FindRates(flags, input.dtype_bytes == 2 ? at::kBFloat16 : at::kFloat));
  const std::array<Plan, 2> plans = MakePlans(input, rates);
  const UpdateWork& work = input.work;
  if (flags.Bool("json")) {
    std::cout << DumpJson(
                     {{"ranks", input.ranks},
                      {"parameters", BlocksOf(input.policy, false).total()},
                      {"gemm_flops_per_s", rates.flops_per_s},
                      {"gemm_measured", rates.gemm_measured},
                      {"link_bytes_per_s", rates.link_bytes_per_s},
                      {"link_measured", rates.link_measured},
                      {"plans", {ToJson(plans[0]), ToJson(plans[1])}}})
              << "\n";
    return absl::OkStatus();
  }
  std::cout << absl::StrFormat(
      "%.4g parameters on %d ranks, %s; %d rollouts of %d + %d tokens a rank, "
      "%d steps of %d passes\n%s\n",
      static_cast<double>(BlocksOf(input.policy, false).total()), input.ranks,
      input.dtype_bytes == 2 ? "bfloat16" : "float32", work.rollouts,
      work.prompt_tokens, work.response_tokens, work.steps,
      work.passes_per_step, DescribeRates(rates));
  PrintTable(plans);
  return absl::OkStatus();
}

}  // namespace rlhf
