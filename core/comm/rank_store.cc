#include "core/comm/rank_store.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "core/base/status_macros.h"
#include "core/comm/local_address.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {
namespace {

// Left to itself, the store would listen on every interface of this machine.
absl::StatusOr<int> ListenForStore(const C10dOptions& options) {
  RLHF_ASSIGN_OR_RETURN(
      const std::string own,
      LocalAddressKnownAs(options.master_address, options.timeout));
  RLHF_ASSIGN_OR_RETURN(const ListenSocket socket,
                        Listen(WithPort(own, options.master_port)));
  return socket.fd;
}

}  // namespace

absl::StatusOr<c10::intrusive_ptr<c10d::Store>> MakeRankStore(
    const C10dOptions& options) {
  c10d::TCPStoreOptions store_options;
  store_options.port = static_cast<uint16_t>(options.master_port);
  store_options.isServer = options.rank == 0 && !options.agent_store;
  store_options.numWorkers = options.world_size;
  store_options.timeout = absl::ToChronoMilliseconds(options.timeout);
  if (store_options.isServer) {
    // The store's from now on.
    RLHF_ASSIGN_OR_RETURN(store_options.masterListenFd,
                          ListenForStore(options));
  }
  return c10::make_intrusive<c10d::PrefixStore>(
      options.store_prefix, c10::make_intrusive<c10d::TCPStore>(
                                options.master_address, store_options));
}

}  // namespace rlhf
