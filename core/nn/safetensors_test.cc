#include "core/nn/safetensors.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>

#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A file with `header` and `num_bytes` of zeros after it.
std::string FileWith(const std::string& header, size_t num_bytes) {
  const uint64_t length = header.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return absl::StrCat(file, header, std::string(num_bytes, '\0'));
}

class SafetensorsTest : public testing::Test {
 protected:
  absl::StatusOr<NamedTensors> Read(const std::string& contents) {
    EXPECT_OK(WriteFileAtomically(path_, contents));
    return ReadSafetensors(path_);
  }
  TempDir folder_;
  const std::string path_ = folder_ / "model.safetensors";
};

TEST_F(SafetensorsTest, WhatIsWrittenIsReadBack) {
  const at::Tensor a = at::arange(6, at::kFloat).view({2, 3});
  const at::Tensor scalar = at::full({}, 2.5, at::kFloat);
  ASSERT_OK(WriteSafetensors(path_, {{"a", a}, {"s", scalar}}));

  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors, ReadSafetensors(path_));

  ASSERT_EQ(tensors.size(), 2);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_TRUE(at::equal(tensors[0].tensor, a));
  EXPECT_TRUE(at::equal(tensors[1].tensor, scalar));
}

TEST_F(SafetensorsTest, RefusesAGitLfsPointerAndSaysWhatToDo) {
  EXPECT_THAT(
      Read("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("Git LFS pointer"), HasSubstr("git lfs pull"),
                     HasSubstr(path_))));
}

TEST_F(SafetensorsTest, RefusesAPickleAndSaysHowToConvert) {
  for (const char* magic : {"PK\x03\x04 zip archive of a checkpoint",
                            "\x80\x02}q\x00X\x05\x00\x00\x00"}) {
    EXPECT_THAT(Read(magic), StatusIs(absl::StatusCode::kInvalidArgument,
                                      AllOf(HasSubstr("pickle"),
                                            HasSubstr("save_pretrained"))));
  }
}

TEST_F(SafetensorsTest, RefusesATruncatedFile) {
  ASSERT_OK(WriteSafetensors(path_, {{"a", at::arange(100, at::kFloat)}}));
  ASSERT_OK_AND_ASSIGN(const std::string whole, ReadFile(path_));
  for (const size_t size :
       {size_t{0}, size_t{7}, size_t{60}, whole.size() - 1}) {
    EXPECT_THAT(Read(whole.substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("not a valid safetensors file"),
                               HasSubstr(path_))))
        << size;
  }
}

struct BadHeader {
  const char* header;
  size_t num_bytes;
  const char* message;
};

TEST_F(SafetensorsTest, RefusesHeadersThatLie) {
  const BadHeader cases[] = {
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
       "spans 4 bytes, its shape needs 8"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8,
       "gap or overlap"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
           "b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "gap or overlap"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8,
       "the file has 8"},
      {R"({"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", 8,
       "has dtype I64"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4,
       "shape of"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,16],"data_offsets":[0,4]}})",
       4, "shape of"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}})", 8, "spans"},
      {R"({"a":{"shape":[1]}})", 4, "lacks dtype"},
      {R"({"a":1,"a":2})", 0, "duplicate key"},
      {R"([1])", 0, "no object"},
      {R"({"a")", 0, "JSON"},
  };
  for (const BadHeader& bad : cases) {
    EXPECT_THAT(
        Read(FileWith(bad.header, bad.num_bytes)),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)))
        << bad.header;
  }
}

TEST_F(SafetensorsTest, RefusesAnAbsurdHeaderLengthWithoutAllocating) {
  std::string file = FileWith("{}", 0);
  const uint64_t absurd = uint64_t{1} << 62;
  std::memcpy(file.data(), &absurd, sizeof(absurd));
  EXPECT_THAT(Read(file), StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr("truncated")));
}

TEST_F(SafetensorsTest, RefusesValuesThatAreNotFinite) {
  ASSERT_OK(WriteSafetensors(
      path_,
      {{"bad", at::full({3}, std::numeric_limits<float>::quiet_NaN())}}));
  EXPECT_THAT(ReadSafetensors(path_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"bad\""), HasSubstr("not finite"))));
}

TEST_F(SafetensorsTest, AMissingFileIsNotFound) {
  EXPECT_THAT(ReadSafetensors(path_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(path_)));
}

}  // namespace
}  // namespace rlhf
