#include "cli/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rlhf {
namespace {

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

}  // namespace

bool CanDrawInPlace() {
  return ::isatty(STDOUT_FILENO) == 1 && ::getenv("NO_COLOR") == nullptr;
}

ScreenSize TerminalSize() {
  winsize size = {};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 ||
      size.ws_row == 0) {
    return {};
  }
  return {.columns = size.ws_col, .rows = size.ws_row};
}

std::string FitColumns(absl::string_view text, int width) {
  std::string fitted;
  int columns = 0;
  for (const char c : text) {
    if (!IsContinuation(c) && ++columns > width) break;
    fitted.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  return fitted;
}

void InPlaceLines::Draw(const std::vector<std::string>& lines) {
  std::string text;
  if (lines_shown_ > 0) absl::StrAppendFormat(&text, "\x1b[%dA", lines_shown_);
  // \x1b[K and \x1b[J clear what is left of a longer line, or of more lines.
  for (const std::string& line : lines) {
    absl::StrAppend(&text, "\r", line, "\x1b[K\n");
  }
  absl::StrAppend(&text, "\x1b[J");
  lines_shown_ = static_cast<int>(lines.size());
  ::fputs(text.c_str(), stdout);
  ::fflush(stdout);
}

}  // namespace rlhf
