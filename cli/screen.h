// Drawing on a terminal.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rlhf {

// Whether stdout is a terminal on which lines may be drawn again: NO_COLOR is
// not set.
bool CanDrawInPlace();

// Of the terminal at stdout; 80 x 24 where that is not known.
struct ScreenSize {
  int columns = 80;
  int rows = 24;
};
ScreenSize TerminalSize();

// The first `width` code points, control characters made spaces.
std::string FitColumns(absl::string_view text, int width);

// Lines that take the place of those drawn before. Not thread-safe.
class InPlaceLines {
 public:
  // Writes to stdout. Every line fits the terminal's width.
  void Draw(const std::vector<std::string>& lines);
  // What was drawn stays; the next lines are drawn below.
  void Leave() { lines_shown_ = 0; }

 private:
  // On the terminal, above the cursor.
  int lines_shown_ = 0;
};

}  // namespace rlhf
