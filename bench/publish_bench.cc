// One process of bench/publish_bench.py, in a network namespace of its own.
//
//   publish_bench learner SOCKET HOST MEGABYTES
//
// packs bfloat16 weights of so many bytes and publishes one version for each
// line of its input; prints when each was published.
//
//   publish_bench receiver SOCKET HOST
//
// receives every version over TCP, as an actor on another machine does, from
// the learner at HOST or another receiver; prints when each was whole.
//
// gRPC goes over the file SOCKET, which all namespaces see, as this version's
// gRPC leaves no machine. Times are seconds of the clock that all share.
#include <ATen/ops/full.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "actor/weight_stream.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/comm/weight_version.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "trainer/weights_service.h"

namespace rlhf {
namespace {

double Seconds() {
  return absl::ToDoubleSeconds(MonotonicNow() - absl::UnixEpoch());
}

void Print(const char* what, int64_t version) {
  std::printf("%s %lld %.6f\n", what, static_cast<long long>(version),
              Seconds());
  std::fflush(stdout);
}

void Learn(const std::string& socket, const std::string& host,
           int64_t megabytes) {
  WeightsService weights;
  const absl::Status listening = weights.Listen(host, {});
  RLHF_CHECK(listening.ok()) << listening;
  const auto server =
      grpc::ServerBuilder()
          .AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials())
          .RegisterService(&weights)
          .BuildAndStart();
  RLHF_CHECK(server != nullptr) << "gRPC cannot listen at " << socket;
  // 32 tensors, as float32 masters.
  const int64_t numbers = megabytes * 1'000'000 / 2 / 32;
  NamedTensors tensors;
  for (int i = 0; i < 32; ++i) {
    tensors.push_back({absl::StrCat("weight", i),
                       at::full({numbers}, 0.5f + static_cast<float>(i))});
  }
  Print("ready", 0);
  std::string line;
  for (int64_t version = 1; std::getline(std::cin, line); ++version) {
    auto packed = PackWeights(version, tensors, {.dtype = at::kBFloat16});
    RLHF_CHECK(packed.ok()) << packed.status();
    Print("published", version);
    weights.Publish(*std::move(packed));
  }
  weights.Stop();
  server->Shutdown();
}

// Ends when the learner does.
void Receive(const std::string& socket, const std::string& host) {
  prometheus::Registry registry;
  ActorMetrics metrics(registry);
  const auto stub = v1::Weights::NewStub(grpc::CreateChannel(
      "unix:" + socket, grpc::InsecureChannelCredentials()));
  WeightStream stream(stub.get(), {.learner_host = host}, &metrics);
  Print("ready", 0);
  int64_t newest = 0;
  while (true) {
    v1::GetManifestRequest request;
    request.set_newer_than(newest);
    request.set_wait_ms(1000);
    v1::WeightManifest manifest;
    const auto context = ContextWithDeadline(absl::Seconds(5));
    const grpc::Status got =
        stub->GetManifest(context.get(), request, &manifest);
    if (!got.ok() && newest > 0) return;
    if (!got.ok() || manifest.version() <= newest) continue;
    auto version = WeightVersion::Create(manifest);
    RLHF_CHECK(version.ok()) << version.status();
    const auto whole =
        stream.Receive(*std::move(version), absl::Seconds(60), {});
    RLHF_CHECK(whole.ok()) << whole.status();
    newest = manifest.version();
    Print("whole", newest);
  }
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) {
  const std::string role = argc > 3 ? argv[1] : "";
  int64_t megabytes = 0;
  if (role == "learner" && argc == 5 && absl::SimpleAtoi(argv[4], &megabytes) &&
      megabytes > 0) {
    rlhf::Learn(argv[2], argv[3], megabytes);
  } else if (role == "receiver" && argc == 4) {
    rlhf::Receive(argv[2], argv[3]);
  } else {
    std::cerr << "usage: publish_bench learner SOCKET HOST MEGABYTES | "
                 "receiver SOCKET HOST\n";
    return 2;
  }
  return 0;
}
