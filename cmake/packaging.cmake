# What `cpack` puts into the .deb and into the tarball: the program, the LibTorch
# it was built with, and what people read. Both are relocatable: the program looks
# for LibTorch beside itself, in ../lib/rlhf. All other libraries are Debian's.

# Only the program is installed, so nothing else need be built for a package.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)

set(RLHF_LIBRARY_FOLDER lib/rlhf)
set_target_properties(rlhf PROPERTIES
  INSTALL_RPATH "$ORIGIN/../${RLHF_LIBRARY_FOLDER}")
install(TARGETS rlhf RUNTIME DESTINATION bin)

set(RLHF_BUNDLED
  ${RLHF_TORCH_DIR}/lib/libtorch_cpu.so
  ${RLHF_TORCH_DIR}/lib/libc10.so
  ${RLHF_TORCH_DIR}/lib/libgomp.so.1
  ${RLHF_NVIDIA_DIR}/cu13/lib/libcudart.so.13
  ${RLHF_NVIDIA_DIR}/cu13/lib/libcupti.so.13)
if(RLHF_CUDA)
  list(APPEND RLHF_BUNDLED
    ${RLHF_TORCH_DIR}/lib/libtorch_cuda.so
    ${RLHF_TORCH_DIR}/lib/libtorch_cuda_linalg.so
    ${RLHF_TORCH_DIR}/lib/libc10_cuda.so
    ${RLHF_TORCH_DIR}/lib/libtorch_nvshmem.so
    ${RLHF_NVIDIA_DIR}/nccl/lib/libnccl.so.2)
endif()
install(FILES ${RLHF_BUNDLED} DESTINATION ${RLHF_LIBRARY_FOLDER})

install(DIRECTORY examples DESTINATION share/rlhf)
install(DIRECTORY deploy DESTINATION share/rlhf USE_SOURCE_PERMISSIONS)
install(FILES deploy/systemd/rlhf@.service DESTINATION lib/systemd/system)
install(DIRECTORY docs/ DESTINATION share/doc/rlhf/docs)
install(FILES README.md CHANGELOG.md DESTINATION share/doc/rlhf)
install(FILES LICENSE DESTINATION share/doc/rlhf RENAME copyright)
# Of what is bundled.
install(DIRECTORY ${RLHF_TORCH_DIR}/licenses/
  DESTINATION share/doc/rlhf/licenses/torch OPTIONAL)
install(DIRECTORY ${RLHF_NVIDIA_DIR}/cu13/licenses/
  DESTINATION share/doc/rlhf/licenses/nvidia OPTIONAL)

set(CPACK_GENERATOR "DEB;TGZ")
set(CPACK_PACKAGE_NAME rlhf)
set(CPACK_PACKAGE_VENDOR "rlhf")
set(CPACK_PACKAGE_CONTACT "The rlhf authors <rlhf@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "iterated online RLHF")
set(CPACK_PACKAGE_DESCRIPTION
  "People compare answers of the live policy, a preference model learns from the\n comparisons, PPO moves the policy towards what it prefers.")
set(CPACK_STRIP_FILES ON)  # the program; LibTorch comes as it is
set(CPACK_THREADS 0)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# Which of Debian's packages the program needs, dpkg-shlibdeps finds out. What is
# in ../lib/rlhf is not Debian's.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS
  ${RLHF_TORCH_DIR}/lib ${RLHF_NVIDIA_DIR}/cu13/lib ${RLHF_NVIDIA_DIR}/nccl/lib)
include(CPack)
