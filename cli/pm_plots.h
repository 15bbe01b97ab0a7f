// Pictures of a run's preference models: how the reward went under each, and
// whether they know what they know.
#pragma once

#include <string>
#include <vector>

#include "cli/svg_plot.h"
#include "core/base/json.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

// Where another PM takes over, by update: "PM v2".
std::vector<PlotMark> PmMarks(const std::vector<v1::UpdateReport>& updates);

// Anchored reward by update, that of every member apart where the PM has
// several, with a mark where another PM takes over.
Plot RewardPlot(const std::vector<v1::UpdateReport>& updates);

// Anchored reward against the square root of the KL to the reference, in which
// it is about a line for much of a run (Bai et al. 2022, §4.3): the updates
// under each PM version in a colour of their own, with their least-squares
// line. Updates of which one is not a number are left out.
Plot SqrtKlPlot(const std::vector<v1::UpdateReport>& updates);

// The share of pairs that a PM is right about, by how sure it is, beside the
// line on which both are the same (Bai et al. 2022, Fig. 9). `held_out` is what
// a PM's card says under that name.
Plot CalibrationPlot(const std::string& title, const Json& held_out);

// The accuracy on every slice, with its interval, beside the whole.
Plot SlicePlot(const std::string& title, const Json& held_out);

// How often workers agree with each other on the same pairs, and the PM with
// them, all together and one by one, beside what Bai et al. 2022 found between
// researchers and crowdworkers (Fig. 10). At most 20 workers, those with the
// most comparisons.
Plot AgreementPlot(const std::string& title, const Json& held_out);

// A histogram of the scores in each tranche, as shares of its responses.
Plot ScorePlot(const std::string& title, const Json& held_out);

// The mean score of each tranche above the first, in Elo and as a win rate (Bai
// et al. 2022, eq. 2.1).
Plot TranchePlot(const std::string& title, const Json& held_out);

}  // namespace rlhf
