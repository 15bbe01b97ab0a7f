// What tests of servers share.
#pragma once

#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>
#include <vector>

#include "core/rpc/channel.h"

namespace rlhf {

struct RawReply {
  grpc::Status status;
  std::string bytes;
};

// Calls any method by its path ("/grpc.health.v1.Health/Check") with an empty
// message, for which no generated code is needed.
inline RawReply CallByPath(const std::shared_ptr<grpc::Channel>& channel,
                           const std::string& path) {
  grpc::GenericStub stub(channel);
  const auto context = ContextWithDeadline(absl::Seconds(10));
  context->set_wait_for_ready(true);
  grpc::CompletionQueue queue;
  const grpc::Slice nothing("");
  const auto call = stub.PrepareUnaryCall(
      context.get(), path, grpc::ByteBuffer(&nothing, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer reply;
  RawReply result;
  call->Finish(&reply, &result.status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  std::vector<grpc::Slice> slices;
  if (!result.status.ok() || !reply.Dump(&slices).ok()) return result;
  for (const grpc::Slice& slice : slices) {
    result.bytes.append(reinterpret_cast<const char*>(slice.begin()),
                        slice.size());
  }
  return result;
}

}  // namespace rlhf
