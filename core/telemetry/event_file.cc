#include "core/telemetry/event_file.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/base/write_all.h"
#include "core/telemetry/record_frame.h"

namespace rlhf {
namespace {

constexpr char kPrefix[] = "events.out.tfevents.";
// Of the seconds in a file's name, so that names sort as numbers do.
constexpr size_t kDigits = 10;

v1::tensorboard::Event EventOf(int64_t step, absl::Time now) {
  v1::tensorboard::Event event;
  event.set_step(step);
  event.set_wall_time(absl::ToDoubleSeconds(now - absl::UnixEpoch()));
  return event;
}

}  // namespace

void AddScalar(absl::string_view tag, double value,
               v1::tensorboard::Summary& summary) {
  v1::tensorboard::Summary::Value& added = *summary.add_value();
  added.set_tag(std::string(tag));
  added.set_simple_value(static_cast<float>(value));
}

void AddText(absl::string_view tag, absl::string_view markdown,
             v1::tensorboard::Summary& summary) {
  v1::tensorboard::Summary::Value& added = *summary.add_value();
  added.set_tag(std::string(tag));
  v1::tensorboard::SummaryMetadata& metadata = *added.mutable_metadata();
  metadata.mutable_plugin_data()->set_plugin_name("text");
  metadata.set_data_class(v1::tensorboard::DATA_CLASS_TENSOR);
  v1::tensorboard::TensorProto& tensor = *added.mutable_tensor();
  tensor.set_dtype(v1::tensorboard::DT_STRING);
  tensor.mutable_tensor_shape()->add_dim()->set_size(1);
  tensor.add_string_val(std::string(markdown));
}

std::string NextEventFileName(const std::vector<std::string>& names,
                              int64_t unix_seconds, absl::string_view host,
                              int64_t pid) {
  for (const std::string& name : names) {
    int64_t seconds = 0;
    if (absl::StartsWith(name, kPrefix) &&
        absl::SimpleAtoi(name.substr(sizeof(kPrefix) - 1, kDigits), &seconds)) {
      unix_seconds = std::max(unix_seconds, seconds + 1);
    }
  }
  return absl::StrCat(kPrefix, absl::StrFormat("%0*d", kDigits, unix_seconds),
                      ".", host, ".", pid);
}

absl::StatusOr<EventFile> EventFile::Create(const std::string& directory,
                                            int64_t first_step,
                                            absl::Time now) {
  RLHF_RETURN_IF_ERROR(MakeDirectories(directory));
  char host[256] = "";
  (void)::gethostname(host, sizeof(host) - 1);
  EventFile file(absl::StrCat(
      directory, "/",
      NextEventFileName(ListDirectory(directory), absl::ToUnixSeconds(now),
                        host, ::getpid())));
  v1::tensorboard::Event version = EventOf(0, now);
  version.set_file_version("brain.Event:2");
  RLHF_RETURN_IF_ERROR(file.Append(version));
  v1::tensorboard::Event start = EventOf(first_step, now);
  start.mutable_session_log()->set_status(v1::tensorboard::SessionLog::START);
  RLHF_RETURN_IF_ERROR(file.Append(start));
  return file;
}

absl::Status EventFile::Write(int64_t step, absl::Time now,
                              v1::tensorboard::Summary summary) {
  v1::tensorboard::Event event = EventOf(step, now);
  *event.mutable_summary() = std::move(summary);
  return Append(event);
}

absl::Status EventFile::Append(const v1::tensorboard::Event& event) {
  return AppendWhole(path_, FrameRecord(event.SerializeAsString()));
}

}  // namespace rlhf
