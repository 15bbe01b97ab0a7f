// Colours of a plot but those of its series. A page that is dark may put others
// in their place (cli/report/page.cc).
#pragma once

namespace rlhf {

inline constexpr char kPlotPaper[] = "white";
inline constexpr char kPlotInk[] = "#1f2933";
inline constexpr char kPlotGrey[] = "#52606d";
inline constexpr char kPlotLight[] = "#e1e6eb";

}  // namespace rlhf
