// The likeliest meaning of a misspelt word.
#pragma once

#include <string>
#include <vector>

namespace rlhf {

// The entry of `known` that `word` was most likely meant to be; empty if none
// is near. Of equally near ones, the first.
std::string NearestWord(const std::string& word,
                        const std::vector<std::string>& known);

}  // namespace rlhf
