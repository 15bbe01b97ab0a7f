#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "cli/pm_plots.h"
#include "cli/report/sections.h"

namespace rlhf {
namespace {

using Updates = std::vector<v1::UpdateReport>;

struct Curve {
  const char* name;
  double (v1::UpdateReport::*value)() const;
};

// Lines over the updates, with a mark at each PM.
Plot CurvePlot(const char* title, const char* y_title, const Updates& updates,
               const std::vector<Curve>& curves) {
  Plot plot = {.title = title, .x_title = "update", .y_title = y_title};
  plot.marks = PmMarks(updates);
  for (const Curve& curve : curves) {
    PlotSeries series = {.name = curves.size() == 1 ? "" : curve.name,
                         .kind = PlotSeries::Kind::kLine};
    for (const v1::UpdateReport& update : updates) {
      series.points.push_back(
          {static_cast<double>(update.update()), (update.*curve.value)()});
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

std::string Curves(const Updates& updates) {
  using U = v1::UpdateReport;
  return Figures(
      {Figure(RewardPlot(updates),
              "Mean score of a batch, in deviations of the run's first batch "
              "under the same PM, so that PMs can be compared."),
       Figure(SqrtKlPlot(updates),
              "One point an update. The paper finds a line for much of a run; "
              "each PM has its own, fitted by least squares."),
       Figure(CurvePlot("KL per token", "nats per token", updates,
                        {{"", &U::kl_k1_nats_per_token}}),
              "Distance from the initial policy, mean over the tokens of a "
              "batch (k1 estimate)."),
       Figure(CurvePlot("KL per answer", "nats per answer", updates,
                        {{"k1", &U::kl_k1_nats_per_sequence},
                         {"k3", &U::kl_k3_nats_per_sequence}}),
              "The same summed over an answer, by two estimates: k1 is "
              "unbiased, k3 is never below 0."),
       Figure(CurvePlot("Length of answers", "tokens", updates,
                        {{"", &U::response_tokens_mean}}),
              "Mean tokens of an answer. A PM that likes length shows here "
              "first."),
       Figure(CurvePlot("Answers that came to an end", "share", updates,
                        {{"", &U::finished_share}}),
              "The others were cut off at sampling.max_new_tokens.")});
}

std::string GoldText(const ReportData& data) {
  if (!data.report.has_gold()) {
    return Missing(data.config.evaluation().num_prompts() == 0
                       ? "Gold evaluation: none is asked for "
                         "(evaluation.num_prompts is 0)."
                       : "Gold evaluation: not made yet; it follows the last "
                         "update.");
  }
  const v1::GoldEvaluation& gold = data.report.gold();
  return Paragraph(absl::StrFormat(
      "The gold judge, which neither PM nor policy ever sees, prefers policy "
      "v%d to the initial one in %.1f %% of %d prompts not trained on (95 %% "
      "interval %.1f to %.1f; %d won, %d tied, %d lost). Mean gold score %.3f, "
      "initially %.3f.",
      gold.final_policy_version(), 100 * gold.win_rate(), gold.num_prompts(),
      100 * gold.win_rate_low(), 100 * gold.win_rate_high(), gold.wins(),
      gold.ties(), gold.losses(), gold.gold_mean_final(),
      gold.gold_mean_initial()));
}

}  // namespace

ReportSection PolicySection(const ReportData& data) {
  const Updates updates(data.report.updates().begin(),
                        data.report.updates().end());
  return {"policy", "The policy",
          (updates.empty() ? Missing("Curves: no update is finished yet.")
                           : Curves(updates)) +
              GoldText(data)};
}

}  // namespace rlhf
