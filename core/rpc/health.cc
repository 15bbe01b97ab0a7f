#include "core/rpc/health.h"

#include <grpcpp/generic/generic_stub.h>

#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"

namespace rlhf {

absl::StatusOr<bool> IsServing(const std::shared_ptr<grpc::Channel>& channel,
                               absl::Duration timeout) {
  // The health service's messages are not among Debian's headers: an empty
  // request asks for the whole server, and the bytes 08 01 (field 1 is 1) say
  // SERVING.
  const auto context = ContextWithDeadline(timeout);
  grpc::CompletionQueue queue;
  const grpc::ByteBuffer request(nullptr, 0);
  grpc::ByteBuffer response;
  grpc::Status status;
  const auto call = grpc::GenericStub(channel).PrepareUnaryCall(
      context.get(), "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) return FromGrpcStatus(status);
  grpc::Slice bytes;
  return response.DumpToSingleSlice(&bytes).ok() && bytes.size() == 2 &&
         bytes.begin()[0] == 0x08 && bytes.begin()[1] == 0x01;
}

}  // namespace rlhf
