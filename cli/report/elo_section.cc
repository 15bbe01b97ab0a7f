#include "absl/strings/str_cat.h"
#include "cli/report/sections.h"

namespace rlhf {

ReportSection EloSection(const ReportData& data) {
  ReportSection section = {"elo", "Elo", ""};
  if (!data.people.ok() || !data.people->elo.ok()) {
    const absl::Status& why =
        data.people.ok() ? data.people->elo.status() : data.people.status();
    section.html = Missing(absl::StrCat("Elo: ", why.message(), "."));
    return section;
  }
  const EloReport& elo = *data.people->elo;
  Plot plot = ToPlot(elo);
  plot.title = "Elo of the policies, by people";
  section.html = Figures(
      {Figure(plot,
              "Above the oldest version that was compared, with 95 % "
              "intervals. Versions that the games cannot place are left out."),
       Preformatted(ToTable(elo))});
  return section;
}

}  // namespace rlhf
