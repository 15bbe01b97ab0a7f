// A fresh folder for one test, removed at its end.
#pragma once

#include <stdlib.h>

#include <string>

#include "core/base/check.h"
#include "core/base/file.h"

namespace rlhf {

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/rlhf-test-XXXXXX";
    RLHF_CHECK(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~TempDir() { RemoveAll(path_).IgnoreError(); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

}  // namespace rlhf
