// Cuts a response that is being sampled into parts for its reader.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "actor/engine_request.h"
#include "rlhf/v1/generation.pb.h"

namespace rlhf {

// Put together, the parts are the whole response, whenever they were cut.
class ResponseChunker {
 public:
  // `stop_strings` are those of the request.
  explicit ResponseChunker(std::vector<std::string> stop_strings)
      : stop_strings_(std::move(stop_strings)) {}

  // Whether `result` has tokens that no part had.
  bool HasNews(const EngineResult& result) const {
    return static_cast<int64_t>(result.token_ids.size()) > num_tokens_;
  }

  // What is new since the last part. Of a response that is not finished only
  // text that nothing that follows can change; of one that is, all the rest and
  // the finish reason.
  v1::Response Next(const EngineResult& result);

 private:
  std::vector<std::string> stop_strings_;
  // What the parts so far hold.
  int64_t num_tokens_ = 0;
  size_t num_bytes_ = 0;
};

// Adds `part` at the end of `whole`.
void AppendPart(const v1::Response& part, v1::Response& whole);

}  // namespace rlhf
