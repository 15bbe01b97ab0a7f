#include "core/comm/communicator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <latch>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/telemetry/listen_socket.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/ranks.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

constexpr absl::Duration kPlenty = absl::Seconds(30);

// Bytes that differ from place to place, so that a shifted copy is noticed.
std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<char>(i * 31 + i / 7);
  return bytes;
}

TEST(CommunicatorTest, SumsOverRanks) {
  OnTwoRanks(kPlenty, [](Communicator& communicator) {
    EXPECT_EQ(communicator.world_size(), 2);
    const at::Tensor a = at::full({3}, communicator.rank() + 1.0);
    const at::Tensor b = at::full({1}, 10.0 * communicator.rank());
    ASSERT_OK(communicator.AllReduceSum({a, b}));
    // 1 + 2 and 0 + 10.
    EXPECT_EQ(a[2].item<float>(), 3);
    EXPECT_EQ(b[0].item<float>(), 10);
  });
}

// Whether anything listens at that address of this machine.
bool Answers(const std::string& host, int port) {
  sockaddr_in address = {.sin_family = AF_INET,
                         .sin_port = htons(static_cast<uint16_t>(port))};
  EXPECT_EQ(::inet_pton(AF_INET, host.c_str(), &address.sin_addr), 1);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool answers = ::connect(fd, reinterpret_cast<sockaddr*>(&address),
                                 sizeof(address)) == 0;
  ::close(fd);
  return answers;
}

TEST(CommunicatorTest, RanksMeetAtTheMastersAddressAndAtNoOther) {
  const int port = FreePorts(1)[0];
  std::latch met(2);
  std::vector<std::jthread> ranks;
  for (int rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&, rank] {
      C10dOptions options = TwoRanks(rank, port, kPlenty);
      options.master_address = "127.0.1.1";
      const auto communicator = MakeC10dCommunicator(options);
      met.arrive_and_wait();
      ASSERT_OK(communicator);
      if (rank == 0) {
        EXPECT_TRUE(Answers("127.0.1.1", port));
        EXPECT_FALSE(Answers("127.0.0.1", port));
      }
      // Rank 0 holds the store until both are here.
      ASSERT_OK((*communicator)->AllReduceSum({at::zeros({1})}));
    });
  }
}

TEST(CommunicatorTest, APortThatIsTakenIsNamed) {
  ASSERT_OK_AND_ASSIGN(const ListenSocket taken, Listen("127.0.0.1:0"));
  const absl::Cleanup close = [&] { ::close(taken.fd); };
  EXPECT_THAT(MakeC10dCommunicator(TwoRanks(0, taken.port, absl::Seconds(5))),
              StatusIs(StatusCode::kUnavailable,
                       AllOf(HasSubstr("rank 0 of 2 could not join the others"),
                             HasSubstr(absl::StrCat("127.0.0.1:", taken.port,
                                                    " is already in use")))));
}

TEST(CommunicatorTest, BroadcastTakesRankZerosNumbers) {
  OnTwoRanks(kPlenty, [](Communicator& communicator) {
    const at::Tensor a = at::full({5}, communicator.rank() + 7.0);
    ASSERT_OK(communicator.Broadcast(a));
    EXPECT_EQ(a[4].item<float>(), 7);
  });
}

TEST(CommunicatorTest, BroadcastsBytesOfAnyLengthOverAnyLength) {
  OnTwoRanks(kPlenty, [](Communicator& communicator) {
    // Empty, one byte, a few, and some megabytes that are no power of two.
    for (const size_t size : {0, 1, 13, 0, 5'000'011}) {
      const std::string expected = Pattern(size);
      std::string bytes = communicator.rank() == 0 ? expected : "of rank one";
      ASSERT_OK(communicator.BroadcastBytes(bytes));
      EXPECT_TRUE(bytes == expected) << size << " became " << bytes.size();
    }
  });
}

TEST(CommunicatorTest, OneRankAloneKeepsItsBytes) {
  SingleCommunicator alone;
  std::string bytes = "mine";
  ASSERT_OK(alone.BroadcastBytes(bytes));
  EXPECT_EQ(bytes, "mine");
}

TEST(CommunicatorTest, AnAllReduceThatOneRankNeverMakesIsNamed) {
  std::latch done(2);
  OnTwoRanks(absl::Milliseconds(700), [&](Communicator& communicator) {
    if (communicator.rank() == 0) {
      const at::Tensor a = at::full({3}, 1.0);
      communicator.Describe("gradients of update 12, policy version 11");
      EXPECT_THAT(
          communicator.AllReduceSum({a}),
          StatusIs(StatusCode::kDeadlineExceeded,
                   AllOf(HasSubstr("gradients of update 12, policy version 11: "
                                   "all-reduce on rank 0 of 2"),
                         HasSubstr("700ms"))));
    }
    // The other one is there, and stays, but makes no call.
    done.arrive_and_wait();
  });
}

TEST(CommunicatorTest, ARankThatIsGoneEndsACallAndNotTheProcess) {
  ::signal(SIGPIPE, SIG_DFL);
  OnTwoRanks(kPlenty, [&](Communicator& communicator) {
    if (communicator.rank() == 1) return;
    const at::Tensor a = at::full({1 << 20}, 1.0);
    absl::Status status;
    for (int i = 0; i < 100 && status.ok(); ++i) {
      status = communicator.AllReduceSum({a});
    }
    EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
  });
  struct sigaction present = {};
  ::sigaction(SIGPIPE, nullptr, &present);
  EXPECT_EQ(present.sa_handler, SIG_IGN);
}

TEST(CommunicatorTest, ABroadcastThatRankZeroNeverMakesIsNamed) {
  std::latch done(2);
  OnTwoRanks(absl::Milliseconds(700), [&](Communicator& communicator) {
    if (communicator.rank() == 1) {
      std::string bytes;
      EXPECT_THAT(communicator.BroadcastBytes(bytes),
                  StatusIs(StatusCode::kDeadlineExceeded,
                           HasSubstr("broadcast on rank 1 of 2")));
    }
    done.arrive_and_wait();
  });
}

TEST(CommunicatorTest, ARankThatJoinsAloneIsToldWhereItWaited) {
  const int port = FreePorts(1)[0];
  EXPECT_THAT(
      MakeC10dCommunicator(TwoRanks(0, port, absl::Milliseconds(300))).status(),
      StatusIs(StatusCode::kUnavailable,
               AllOf(HasSubstr("rank 0 of 2 could not join the others"),
                     HasSubstr(absl::StrCat("127.0.0.1:", port)))));
}

// The share that rank `rank` begins with: rank + 1, and its place's number.
at::Tensor Share(int rank, int64_t size) {
  return at::arange(static_cast<float>(size)) + 1000.0 * (rank + 1);
}

// Fills in the shares of others, which an all-gather promises.
void TestAllGather(Communicator& communicator) {
  constexpr int64_t kShare = 5;
  const at::Tensor flat = at::zeros({communicator.world_size() * kShare});
  flat.narrow(0, communicator.rank() * kShare, kShare)
      .copy_(Share(communicator.rank(), kShare));
  ASSERT_OK(communicator.StartAllGather(flat, "numbers")->Wait());
  for (int rank = 0; rank < communicator.world_size(); ++rank) {
    EXPECT_TRUE(
        at::equal(flat.narrow(0, rank * kShare, kShare), Share(rank, kShare)));
  }
}

void TestReduceScatter(Communicator& communicator) {
  constexpr int64_t kShare = 3;
  const int ranks = communicator.world_size();
  const at::Tensor flat = at::arange(static_cast<float>(ranks * kShare)) +
                          static_cast<double>(communicator.rank());
  ASSERT_OK(communicator.StartReduceScatterSum(flat, "numbers")->Wait());
  // Place i holds i + rank on each rank: N i + 0 + 1 + ….
  for (int64_t k = 0; k < kShare; ++k) {
    const int64_t place = communicator.rank() * kShare + k;
    EXPECT_EQ(flat[place].item<float>(),
              static_cast<float>(ranks * place + ranks * (ranks - 1) / 2));
  }
}

TEST(CommunicatorTest, GathersSharesAndScattersSums) {
  for (const int ranks : {1, 4}) {
    OnRanks(ranks, kPlenty, [](Communicator& communicator) {
      TestAllGather(communicator);
      TestReduceScatter(communicator);
    });
  }
}

TEST(CommunicatorTest, TransfersUnderWayAtOnceDoNotMix) {
  OnRanks(3, kPlenty, [](Communicator& communicator) {
    std::vector<at::Tensor> tensors;
    std::vector<std::unique_ptr<Transfer>> transfers;
    for (int i = 0; i < 8; ++i) {
      tensors.push_back(at::full({300'000}, 1.0 * i + communicator.rank()));
      transfers.push_back(
          i % 2 == 0
              ? communicator.StartReduceScatterSum(tensors.back(), "even")
              : communicator.StartAllReduceSum(tensors.back(), "odd"));
    }
    for (int i = 7; i >= 0; --i) {
      ASSERT_OK(transfers[i]->Wait());
      EXPECT_EQ(tensors[i][100'000 * communicator.rank()].item<float>(),
                3 * i + 0 + 1 + 2);
    }
  });
}

// Bytes that this process wrote, to sockets too; 0 where the kernel hides it.
uint64_t WrittenBytes() {
  std::ifstream io("/proc/self/io");
  std::string name;
  uint64_t value = 0;
  while (io >> name >> value) {
    if (name == "wchar:") return value;
  }
  return 0;
}

TEST(CommunicatorTest, CountsTheBytesThatTheKernelSees) {
  constexpr int kRanks = 4;
  std::atomic<uint64_t> counted = 0;
  std::latch joined(kRanks), done(kRanks);
  std::atomic<uint64_t> before = 0, after = 0;
  OnRanks(kRanks, kPlenty, [&](Communicator& communicator) {
    const at::Tensor flat = at::full({1 << 20}, 1.0);
    joined.arrive_and_wait();
    if (communicator.rank() == 0) before = WrittenBytes();
    // Nobody goes on before the number is read.
    ASSERT_OK(communicator.Broadcast(at::zeros({1})));
    ASSERT_OK(communicator.StartAllGather(flat, "a")->Wait());
    ASSERT_OK(communicator.StartReduceScatterSum(flat, "b")->Wait());
    ASSERT_OK(communicator.StartAllReduceSum(flat, "c")->Wait());
    const SentBytes& sent = communicator.sent_bytes();
    const uint64_t share = (uint64_t{4} << 20) / kRanks;
    EXPECT_EQ(sent.all_gather, share * (kRanks - 1));
    EXPECT_EQ(sent.reduce_scatter, share * (kRanks - 1));
    EXPECT_EQ(sent.all_reduce, 2 * share * (kRanks - 1));
    counted += sent.all_gather + sent.reduce_scatter + sent.all_reduce;
    done.arrive_and_wait();
    if (communicator.rank() == 0) after = WrittenBytes();
  });
  const auto seen = static_cast<double>(after - before);
  if (seen == 0) GTEST_SKIP() << "no /proc/self/io";
  EXPECT_NEAR(seen / static_cast<double>(counted), 1, 0.01);
}

TEST(CommunicatorTest, AGatherThatOneRankNeverMakesIsNamed) {
  std::latch done(2);
  OnTwoRanks(absl::Milliseconds(700), [&](Communicator& communicator) {
    if (communicator.rank() == 1) {
      EXPECT_THAT(
          communicator.StartAllGather(at::zeros({4}), "layer 3 of policy")
              ->Wait(),
          StatusIs(
              StatusCode::kDeadlineExceeded,
              HasSubstr("all-gather of layer 3 of policy on rank 1 of 2")));
    }
    done.arrive_and_wait();
  });
}

}  // namespace
}  // namespace rlhf
