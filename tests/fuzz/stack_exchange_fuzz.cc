// Posts.xml of a Stack Exchange dump, and the HTML in it:
// core/comparisons/stack_exchange.h and html_text.h.
#include <sstream>

#include "core/base/check.h"
#include "core/comparisons/html_text.h"
#include "core/comparisons/parse_comparisons.h"
#include "core/comparisons/stack_exchange.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

RLHF_FUZZ_TARGET(stack_exchange) {
  // A block, an item or a break adds a few characters to a tag of as many.
  RLHF_CHECK(HtmlToText(input).size() <= 4 * input.size() + 16);
  RLHF_CHECK(DecodeEntities(input).size() <= 2 * input.size());
  for (const bool binarise : {false, true}) {
    std::istringstream posts{std::string(input)};
    std::ostringstream pairs;
    const auto counts =
        ConvertStackExchange(posts, {.binarise = binarise}, pairs);
    CheckExplained(counts.status(), {absl::StatusCode::kInvalidArgument});
    if (!counts.ok() || counts->num_pairs == 0) continue;
    const auto read = ParseComparisons(pairs.str(), "pairs.jsonl");
    RLHF_CHECK(read.ok()) << read.status();
    const auto num_lines =
        static_cast<size_t>(counts->num_pairs * (binarise ? 2 : 1));
    RLHF_CHECK(read->comparisons.size() + read->refused.size() == num_lines);
  }
}

}  // namespace
}  // namespace rlhf
