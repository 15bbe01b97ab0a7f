// Plain text from HTML, as people wrote it on Stack Exchange.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace rlhf {

// `text` with character references replaced: &#10; &#x1F600; &amp; and the
// named ones of HTML that prose uses. Others, and a "&" that begins none, stay
// as they are. A number that is no Unicode character gives U+FFFD.
std::string DecodeEntities(absl::string_view text);

// The text of `html` without tags and comments. Paragraphs, lists, quotations,
// headings and code blocks stand apart by an empty line, list items begin a
// line with "- ", <br> breaks the line. White space is kept inside <pre>;
// elsewhere runs of it are one space. What code says stays, without marks
// around it. A
// "<" that begins no tag is text. Takes time linear in the size of `html`,
// which may be anything.
std::string HtmlToText(absl::string_view html);

}  // namespace rlhf
