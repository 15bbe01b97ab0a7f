// TensorBoard's event files: scalars and text by step.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rlhf/v1/tensorboard.pb.h"

namespace rlhf {

// Adds a point of the curve `tag`; a "/" in it makes groups.
void AddScalar(absl::string_view tag, double value,
               v1::tensorboard::Summary& summary);

// Adds a text, which readers show as Markdown.
void AddText(absl::string_view tag, absl::string_view markdown,
             v1::tensorboard::Summary& summary);

// "events.out.tfevents.SECONDS.HOST.PID": behind all of `names` in their order,
// which is the order that readers take, even if the clock was set back.
std::string NextEventFileName(const std::vector<std::string>& names,
                              int64_t unix_seconds, absl::string_view host,
                              int64_t pid);

// What one start of a process writes. Not thread-safe.
class EventFile {
 public:
  // Makes a new file in `directory`, which is made too. With it readers forget
  // what older files there say of `first_step` and later ones, which are to be
  // done again. Errors: as ErrnoStatus.
  static absl::StatusOr<EventFile> Create(const std::string& directory,
                                          int64_t first_step, absl::Time now);

  // Adds all of `summary`, or nothing, as of `step`. Errors: as ErrnoStatus.
  absl::Status Write(int64_t step, absl::Time now,
                     v1::tensorboard::Summary summary);

 private:
  explicit EventFile(std::string path) : path_(std::move(path)) {}

  absl::Status Append(const v1::tensorboard::Event& event);

  std::string path_;
};

}  // namespace rlhf
