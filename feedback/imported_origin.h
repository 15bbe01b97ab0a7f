// Where an imported comparison is said to come from: what the service knows,
// not what the file claims.
#pragma once

#include <string>

#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Makes a comparison that is new to the log one of `source` ("import:FILE"), by
// unknown policies and under an unknown PM. A file's word does not count for,
// or against, our own workers, and does not say which of this run's models took
// part. Nor is what it calls its source kept: that is free text, and would stay
// when the comparison is retracted.
void MakeImported(const std::string& source, v1::Comparison& comparison);

// Says of a comparison that comes again what is said of it in the log, as it
// was imported from another file, or under the rules of another day.
void MakeImportedAs(const v1::Comparison& stored, v1::Comparison& comparison);

}  // namespace rlhf
