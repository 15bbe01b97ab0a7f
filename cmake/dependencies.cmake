# Third-party packages, all of them SYSTEM so that their headers raise no
# warning. Debian provides everything but LibTorch and the CUDA libraries,
# which `make setup` unpacks from pinned wheels into third_party/.

find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(absl REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(POSTGRES REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)

set(RLHF_TORCH_DIR ${PROJECT_SOURCE_DIR}/third_party/torch)
set(RLHF_NVIDIA_DIR ${PROJECT_SOURCE_DIR}/third_party/nvidia)
if(NOT EXISTS ${RLHF_TORCH_DIR}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch is not unpacked in third_party/: run `make setup`")
endif()

# LibTorch's CPU library needs two small CUDA runtime libraries to load, even
# where no GPU is present.
set(RLHF_RPATH ${RLHF_TORCH_DIR}/lib ${RLHF_NVIDIA_DIR}/cu13/lib)
add_library(rlhf_torch INTERFACE)
add_library(rlhf::torch ALIAS rlhf_torch)
target_include_directories(rlhf_torch SYSTEM INTERFACE
  ${RLHF_TORCH_DIR}/include
  ${RLHF_TORCH_DIR}/include/torch/csrc/api/include)
target_compile_definitions(rlhf_torch INTERFACE
  AT_PER_OPERATOR_HEADERS USE_DISTRIBUTED USE_C10D_GLOO)
target_link_libraries(rlhf_torch INTERFACE
  ${RLHF_TORCH_DIR}/lib/libtorch_cpu.so
  # The OpenMP that LibTorch runs on, for our own loops.
  ${RLHF_TORCH_DIR}/lib/libgomp.so.1
  ${RLHF_TORCH_DIR}/lib/libc10.so)
target_link_options(rlhf_torch INTERFACE
  -Wl,--allow-shlib-undefined
  -Wl,-rpath-link,${RLHF_TORCH_DIR}/lib)

# Headers and definitions of the CUDA path, for the few files that see it; the
# others compile to the same objects with and without it.
add_library(rlhf_cuda INTERFACE)
add_library(rlhf::cuda ALIAS rlhf_cuda)

if(RLHF_CUDA)
  if(NOT EXISTS ${RLHF_TORCH_DIR}/lib/libtorch_cuda.so OR
     NOT EXISTS ${RLHF_NVIDIA_DIR}/nccl/include/nccl.h)
    message(FATAL_ERROR "The CUDA libraries are not unpacked: run `make setup CUDA=1`")
  endif()
  target_include_directories(rlhf_cuda SYSTEM INTERFACE
    ${RLHF_NVIDIA_DIR}/cu13/include ${RLHF_NVIDIA_DIR}/nccl/include)
  target_compile_definitions(rlhf_cuda INTERFACE USE_C10D_NCCL RLHF_CUDA)
  # Nothing refers to libtorch_cuda by symbol: its operators register
  # themselves when the library is loaded, so it must stay linked. The other
  # CUDA libraries (cuBLAS, cuDNN, …) are needed only to run on a GPU.
  target_link_options(rlhf_torch INTERFACE -Wl,--no-as-needed)
  target_link_libraries(rlhf_torch INTERFACE
    ${RLHF_TORCH_DIR}/lib/libtorch_cuda.so
    ${RLHF_TORCH_DIR}/lib/libc10_cuda.so
    ${RLHF_NVIDIA_DIR}/nccl/lib/libnccl.so.2)
  list(APPEND RLHF_RPATH ${RLHF_NVIDIA_DIR}/nccl/lib)
endif()
