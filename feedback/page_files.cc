#include "feedback/page_files.h"

namespace rlhf {

// In the file that page/embed.cmake makes of the page.
extern const char kIndexHtml[];
extern const char kPageCss[];
extern const char kPageJs[];
extern const char kIconSvg[];
extern const char kLoginHtml[];
extern const char kLoginJs[];

const PageFile* FindPageFile(absl::string_view path) {
  static const PageFile kFiles[] = {
      {"/", "text/html; charset=utf-8", kIndexHtml},
      {"/page.css", "text/css; charset=utf-8", kPageCss},
      {"/page.js", "text/javascript; charset=utf-8", kPageJs},
      {"/icon.svg", "image/svg+xml", kIconSvg},
      {"/login", "text/html; charset=utf-8", kLoginHtml},
      {"/login.js", "text/javascript; charset=utf-8", kLoginJs},
  };
  for (const PageFile& file : kFiles) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

}  // namespace rlhf
