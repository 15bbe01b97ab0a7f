#include "core/telemetry/http_reply.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "core/base/check.h"
#include "core/base/log.h"

namespace rlhf {
namespace {

// A response that is sent piece by piece. The library's thread has it, but for
// the time that its connection is suspended, when the lane has it.
struct Pieces {
  // The one that is being sent.
  std::string piece;
  size_t num_sent = 0;
  bool is_over = false;
  bool is_broken = false;
  std::function<absl::StatusOr<std::string>()> next;
  WorkLane* lane = nullptr;
  MHD_Connection* connection = nullptr;
};

void MakeNext(Pieces& pieces) {
  absl::StatusOr<std::string> next = pieces.next();
  if (!next.ok()) {
    RLHF_LOG(WARNING) << "a response is broken off: " << next.status();
    pieces.is_broken = true;
    return;
  }
  pieces.is_over = next->empty();
  pieces.piece = *std::move(next);
  pieces.num_sent = 0;
}

void MakeNextInLane(Pieces& pieces) {
  MHD_suspend_connection(pieces.connection);
  const bool is_taken = pieces.lane->AddNext([&pieces] {
    if (pieces.lane->is_closed()) {
      pieces.is_broken = true;
    } else {
      MakeNext(pieces);
    }
    MHD_resume_connection(pieces.connection);
  });
  if (is_taken) return;
  pieces.is_broken = true;
  MHD_resume_connection(pieces.connection);
}

// Called by the library whenever the client takes more; 0 while the next piece
// is made, and then again.
ssize_t FillFromPieces(void* of, uint64_t /*position*/, char* buffer,
                       size_t max) {
  auto& pieces = *static_cast<Pieces*>(of);
  if (pieces.is_broken) return MHD_CONTENT_READER_END_WITH_ERROR;
  if (pieces.is_over) return MHD_CONTENT_READER_END_OF_STREAM;
  if (pieces.num_sent == pieces.piece.size()) {
    MakeNextInLane(pieces);
    return 0;
  }
  const size_t num = std::min(max, pieces.piece.size() - pieces.num_sent);
  std::memcpy(buffer, pieces.piece.data() + pieces.num_sent, num);
  pieces.num_sent += num;
  return static_cast<ssize_t>(num);
}

void DeletePieces(void* pieces) { delete static_cast<Pieces*>(pieces); }

MHD_Response* MakeReply(MHD_Connection* connection,
                        const HttpResponse& response, WorkLane* lane) {
  if (response.rest == nullptr) {
    return MHD_create_response_from_buffer(
        response.body.size(), const_cast<char*>(response.body.data()),
        MHD_RESPMEM_MUST_COPY);
  }
  RLHF_CHECK(lane != nullptr) << "a response with a rest belongs in a lane";
  constexpr size_t kBlockBytes = 64 * 1024;
  auto pieces = std::make_unique<Pieces>(Pieces{.piece = response.body,
                                                .next = response.rest,
                                                .lane = lane,
                                                .connection = connection});
  MHD_Response* const reply = MHD_create_response_from_callback(
      MHD_SIZE_UNKNOWN, kBlockBytes, &FillFromPieces, pieces.get(),
      &DeletePieces);
  if (reply != nullptr) pieces.release();
  return reply;
}

}  // namespace

MHD_Result SendReply(MHD_Connection* connection, const HttpResponse& response,
                     WorkLane* lane) {
  MHD_Response* const reply = MakeReply(connection, response, lane);
  if (reply == nullptr) return MHD_NO;
  if (!response.content_type.empty()) {
    MHD_add_response_header(reply, "Content-Type",
                            response.content_type.c_str());
  }
  for (const auto& [name, value] : response.headers) {
    MHD_add_response_header(reply, name.c_str(), value.c_str());
  }
  const MHD_Result result = MHD_queue_response(
      connection, static_cast<unsigned>(response.status), reply);
  MHD_destroy_response(reply);
  return result;
}

}  // namespace rlhf
