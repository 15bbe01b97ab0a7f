// LibTorch reports errors by throwing; this is where they become statuses.
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rlhf {

// A status on its way through LibTorch's autograd, which knows exceptions only.
class StatusError final : public std::exception {
 public:
  explicit StatusError(absl::Status status)
      : status_(std::move(status)), text_(status_.ToString()) {}
  const absl::Status& status() const { return status_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  const absl::Status status_;
  const std::string text_;
};

// Runs `function` and returns its value, or the exception it threw as a status:
// that of a StatusError, ResourceExhausted for lack of memory, else Internal.
// `what` names the step
// ("forward"). `function` may return a value, a Status, a StatusOr or nothing.
template <typename F>
auto TorchCall(absl::string_view what, F&& function) {
  using Result = std::invoke_result_t<F>;
  constexpr bool kIsVoid = std::is_void_v<Result>;
  constexpr bool kIsStatus = std::is_same_v<Result, absl::Status>;
  constexpr bool kIsStatusOr =
      !kIsVoid && !kIsStatus && std::is_constructible_v<Result, absl::Status>;
  using Returned = std::conditional_t<
      kIsVoid || kIsStatus, absl::Status,
      std::conditional_t<
          kIsStatusOr, Result,
          absl::StatusOr<std::conditional_t<kIsVoid, int, Result>>>>;
  try {
    if constexpr (kIsVoid) {
      std::forward<F>(function)();
      return Returned(absl::OkStatus());
    } else {
      return Returned(std::forward<F>(function)());
    }
  } catch (const StatusError& error) {
    return Returned(
        absl::Status(error.status().code(),
                     absl::StrCat(what, ": ", error.status().message())));
  } catch (const c10::OutOfMemoryError& error) {
    return Returned(absl::ResourceExhaustedError(
        absl::StrCat(what, ": ", error.what_without_backtrace())));
  } catch (const c10::Error& error) {
    const absl::string_view why = error.what_without_backtrace();
    // The CPU allocator has no type of its own for it.
    const bool no_memory = absl::StrContains(why, "can't allocate memory");
    return Returned(absl::Status(no_memory
                                     ? absl::StatusCode::kResourceExhausted
                                     : absl::StatusCode::kInternal,
                                 absl::StrCat(what, ": ", why)));
  } catch (const std::bad_alloc&) {
    return Returned(
        absl::ResourceExhaustedError(absl::StrCat(what, ": out of memory")));
  } catch (const std::exception& error) {
    return Returned(
        absl::InternalError(absl::StrCat(what, ": ", error.what())));
  }
}

}  // namespace rlhf
