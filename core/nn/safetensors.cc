#include "core/nn/safetensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/nn/torch_call.h"

namespace rlhf {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100 << 20;

struct Entry {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

// A file mapped for reading. What is written to its memory stays there.
class MappedFile {
 public:
  static absl::StatusOr<MappedFile> Open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ErrnoStatus(errno, "open", path);
    const absl::Cleanup close_fd = [fd] { ::close(fd); };
    struct stat info = {};
    if (::fstat(fd, &info) != 0) return ErrnoStatus(errno, "stat", path);
    const auto size = static_cast<size_t>(info.st_size);
    void* data = nullptr;
    if (size > 0) {
      data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
      if (data == MAP_FAILED) return ErrnoStatus(errno, "map", path);
    }
    return MappedFile(static_cast<char*>(data), size);
  }
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }
  absl::string_view bytes() const { return {data_, size_}; }
  char* data() const { return data_; }

  // Lets the kernel have the pages that lie in this range alone, which nobody
  // will look at again.
  void Forget(const char* from, size_t size) const {
    static const auto kPage = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto address = reinterpret_cast<uintptr_t>(from);
    const uintptr_t begin = (address + kPage - 1) / kPage * kPage;
    const uintptr_t end = (address + size) / kPage * kPage;
    if (begin >= end) return;
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }

 private:
  MappedFile(char* data, size_t size) : data_(data), size_(size) {}
  char* data_;
  size_t size_;
};

absl::Status Malformed(const std::string& path, absl::string_view problem) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": not a valid safetensors file: ", problem));
}

// Files that people leave in the place of weights, and what to do about them.
absl::Status RefuseImpostors(const std::string& path, absl::string_view bytes) {
  if (absl::StartsWith(bytes, "version https://git-lfs")) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        ": this is a Git LFS pointer, not the weights; run `git lfs "
        "pull` in the model's repository"));
  }
  const bool is_zip = absl::StartsWith(bytes, "PK\x03\x04");
  const bool is_pickle =
      bytes.size() > 2 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5;
  // A safetensors file may begin with any length byte, but then its ninth byte
  // opens a JSON object.
  if (is_zip || (is_pickle && (bytes.size() < 9 || bytes[8] != '{'))) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        ": this is a pickle (a PyTorch checkpoint), which can run code "
        "when loaded; convert it with save_pretrained(..., "
        "safe_serialization=True)"));
  }
  return absl::OkStatus();
}

std::optional<at::ScalarType> ParseDtype(const std::string& name) {
  if (name == "F32") return at::kFloat;
  if (name == "F16") return at::kHalf;
  if (name == "BF16") return at::kBFloat16;
  return std::nullopt;
}

absl::StatusOr<Entry> ParseEntry(const std::string& path,
                                 const std::string& name, const Json& json) {
  Entry entry{.name = name};
  const auto offsets = json.find("data_offsets");
  const auto shape = json.find("shape");
  const auto dtype = json.find("dtype");
  if (!json.is_object() || offsets == json.end() || shape == json.end() ||
      dtype == json.end() || !offsets->is_array() || offsets->size() != 2 ||
      !offsets->at(0).is_number_unsigned() ||
      !offsets->at(1).is_number_unsigned() || !shape->is_array() ||
      !dtype->is_string()) {
    return Malformed(path, absl::StrCat("tensor \"", name,
                                        "\" lacks dtype, shape or offsets"));
  }
  const auto type = ParseDtype(dtype->get<std::string>());
  if (!type.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": tensor \"", name, "\" has dtype ",
                     dtype->get<std::string>(), "; wanted F32, F16 or BF16"));
  }
  entry.dtype = *type;
  entry.begin = offsets->at(0).get<uint64_t>();
  entry.end = offsets->at(1).get<uint64_t>();
  uint64_t num_bytes = c10::elementSize(entry.dtype);
  bool is_empty = false;
  for (const Json& dimension : *shape) {
    if (!dimension.is_number_unsigned() ||
        dimension.get<uint64_t>() > (uint64_t{1} << 40) ||
        (dimension.get<uint64_t>() > 0 &&
         num_bytes > (uint64_t{1} << 60) / dimension.get<uint64_t>())) {
      return Malformed(path, absl::StrCat("shape of \"", name, "\""));
    }
    entry.shape.push_back(dimension.get<int64_t>());
    // LibTorch multiplies the dimensions of an empty tensor, too.
    if (entry.shape.back() == 0) {
      is_empty = true;
    } else {
      num_bytes *= dimension.get<uint64_t>();
    }
  }
  if (is_empty) num_bytes = 0;
  if (entry.end < entry.begin || entry.end - entry.begin != num_bytes) {
    return Malformed(path, absl::StrCat("tensor \"", name, "\" spans ",
                                        entry.end - entry.begin,
                                        " bytes, its shape needs ", num_bytes));
  }
  return entry;
}

absl::StatusOr<std::vector<Entry>> ParseHeader(const std::string& path,
                                               absl::string_view bytes,
                                               uint64_t& data_begin) {
  RLHF_RETURN_IF_ERROR(RefuseImpostors(path, bytes));
  if (bytes.size() < 10) return Malformed(path, "shorter than its header");
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > kMaxHeaderBytes || length > bytes.size() - 8) {
    return Malformed(path, absl::StrCat("its header claims ", length,
                                        " bytes; the file is truncated or "
                                        "something else"));
  }
  absl::StatusOr<Json> header = ParseJson(bytes.substr(8, length));
  if (!header.ok()) return Malformed(path, header.status().message());
  if (!header->is_object()) return Malformed(path, "header is no object");
  std::vector<Entry> entries;
  for (const auto& [name, json] : header->items()) {
    if (name == "__metadata__") continue;
    RLHF_ASSIGN_OR_RETURN(entries.emplace_back(), ParseEntry(path, name, json));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position) {
      return Malformed(path, absl::StrCat("gap or overlap before tensor \"",
                                          entry.name, "\""));
    }
    position = entry.end;
  }
  data_begin = 8 + length;
  if (position != bytes.size() - data_begin) {
    return Malformed(
        path, absl::StrCat("tensors take ", position, " bytes, the file has ",
                           bytes.size() - data_begin,
                           "; it is truncated or damaged"));
  }
  return entries;
}

// The tensor where it lies in the file, if it is float32 and lies so that
// processors can read it; else a copy.
at::Tensor ReadTensor(const std::shared_ptr<const MappedFile>& file,
                      const Entry& entry, uint64_t data_begin) {
  char* const data = file->data() + data_begin + entry.begin;
  const auto options = at::TensorOptions(entry.dtype);
  if (entry.dtype == at::kFloat &&
      reinterpret_cast<uintptr_t>(data) % alignof(float) == 0) {
    const size_t size = entry.end - entry.begin;
    return at::from_blob(
        data, entry.shape,
        [file, data, size](void*) { file->Forget(data, size); }, options);
  }
  const at::Tensor raw = at::empty(entry.shape, options);
  std::memcpy(raw.data_ptr(), data, entry.end - entry.begin);
  return raw.to(at::kFloat);
}

}  // namespace

absl::StatusOr<NamedTensors> ReadSafetensors(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  const auto file = std::make_shared<const MappedFile>(std::move(mapped));
  uint64_t data_begin = 0;
  RLHF_ASSIGN_OR_RETURN(const std::vector<Entry> entries,
                        ParseHeader(path, file->bytes(), data_begin));
  return TorchCall("read weights", [&]() -> absl::StatusOr<NamedTensors> {
    NamedTensors tensors;
    for (const Entry& entry : entries) {
      at::Tensor tensor = ReadTensor(file, entry, data_begin);
      if (!at::isfinite(tensor).all().item<bool>()) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, ": tensor \"", entry.name,
                         "\" holds values that are not finite"));
      }
      tensors.push_back({entry.name, std::move(tensor)});
    }
    return tensors;
  });
}

absl::Status WriteSafetensors(const std::string& path,
                              const NamedTensors& tensors) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  std::vector<at::Tensor> data;
  uint64_t position = 0;
  RLHF_RETURN_IF_ERROR(TorchCall("write weights", [&] {
    for (const NamedTensor& entry : tensors) {
      data.push_back(
          entry.tensor.detach().to(at::kCPU, at::kFloat).contiguous());
      const uint64_t end = position + data.back().nbytes();
      header[entry.name] = {{"dtype", "F32"},
                            {"shape", data.back().sizes().vec()},
                            {"data_offsets", {position, end}}};
      position = end;
    }
  }));
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return ErrnoStatus(errno, "create", path);
  const uint64_t length = text.size();
  bool ok = std::fwrite(&length, sizeof(length), 1, file) == 1 &&
            std::fwrite(text.data(), 1, length, file) == length;
  for (const at::Tensor& tensor : data) {
    ok = ok && (tensor.nbytes() == 0 ||
                std::fwrite(tensor.data_ptr(), 1, tensor.nbytes(), file) ==
                    tensor.nbytes());
  }
  const int write_error = errno;
  const bool closed = std::fclose(file) == 0;
  if (!ok) return ErrnoStatus(write_error, "write", path);
  if (!closed) return ErrnoStatus(errno, "write", path);
  return absl::OkStatus();
}

}  // namespace rlhf
