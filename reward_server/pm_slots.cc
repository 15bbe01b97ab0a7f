#include "reward_server/pm_slots.h"

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/nn/device.h"
#include "core/nn/model_directory.h"

namespace rlhf {

namespace {

// The tokens that a dialogue states.
absl::StatusOr<std::vector<int32_t>> StatedTokens(
    const v1::ScoredDialogue& dialogue, int64_t vocab_size) {
  if (!dialogue.prompt().empty() || !dialogue.response().empty()) {
    return absl::InvalidArgumentError(
        "tokens beside a prompt or a response; wanted one or the other");
  }
  for (const int32_t id : dialogue.tokens()) {
    if (id < 0 || id >= vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat(
          "token id ", id, " is outside the vocabulary of ", vocab_size));
    }
  }
  return std::vector<int32_t>(dialogue.tokens().begin(),
                              dialogue.tokens().end());
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> LoadedPm::Encode(
    const v1::ScoredDialogue& dialogue) const {
  std::vector<int32_t> ids;
  if (dialogue.tokens().empty()) {
    RLHF_ASSIGN_OR_RETURN(
        const std::string text,
        format.RenderScored(dialogue.prompt(), dialogue.response()));
    ids = tokenizer->Encode(text);
  } else {
    RLHF_ASSIGN_OR_RETURN(ids,
                          StatedTokens(dialogue, model().config().vocab_size));
  }
  const int64_t limit = model().config().max_positions;
  if (static_cast<int64_t>(ids.size()) > limit) {
    return absl::InvalidArgumentError(
        absl::StrCat("a dialogue of ", ids.size(),
                     " tokens; the preference model takes ", limit));
  }
  return ids;
}

namespace {

absl::StatusOr<PmMembers> ReadMembers(const std::string& directory) {
  const std::string path = directory + "/card.json";
  // A PM that no registry published has one.
  if (!FileExists(path)) return PmMembers();
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const absl::StatusOr<Json> card = ParseJson(text);
  if (!card.ok()) return WithContext(card.status(), path);
  absl::StatusOr<PmMembers> members = PmMembersOf(*card);
  if (!members.ok()) return WithContext(members.status(), path);
  return members;
}

absl::StatusOr<Transformer> LoadMember(const std::string& directory,
                                       at::ScalarType dtype,
                                       at::Device device) {
  RLHF_ASSIGN_OR_RETURN(Transformer model, LoadModel(directory));
  if (model.config().head != ModelConfig::Head::kScore) {
    return absl::InvalidArgumentError(
        absl::StrCat(directory,
                     ": not a preference model (config.json names no "
                     "ForSequenceClassification architecture)"));
  }
  if (dtype != at::kFloat) model = model.Cast(dtype);
  RLHF_RETURN_IF_ERROR(MoveTo(device, model));
  return model;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LoadedPm>> LoadPm(
    const std::string& directory, const v1::ModelVersion& version,
    at::ScalarType dtype, at::Device device) {
  RLHF_ASSIGN_OR_RETURN(PmMembers members, ReadMembers(directory));
  std::vector<Transformer> models;
  for (const PmMember& member : members.members) {
    RLHF_ASSIGN_OR_RETURN(
        Transformer model,
        LoadMember(MemberFolder(directory, member), dtype, device));
    models.push_back(std::move(model));
  }
  RLHF_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer,
                        Tokenizer::Load(directory));
  RLHF_ASSIGN_OR_RETURN(std::string tokenizer_digest,
                        Sha256HexOfFile(directory + "/tokenizer.json"));
  RLHF_ASSIGN_OR_RETURN(const ChatFormat format, ChatFormat::Load(directory));
  return std::make_shared<const LoadedPm>(
      LoadedPm{.version = version,
               .tokenizer = std::move(tokenizer),
               .tokenizer_digest = std::move(tokenizer_digest),
               .format = format,
               .members = std::move(members),
               .models = std::move(models)});
}

std::shared_ptr<const LoadedPm> PmSlots::serving() const {
  MutexLock lock(&mutex_);
  return serving_;
}

absl::StatusOr<std::shared_ptr<const LoadedPm>> PmSlots::Get(
    int64_t version) const {
  MutexLock lock(&mutex_);
  if (serving_ == nullptr) {
    return absl::UnavailableError("no preference model is serving yet");
  }
  if (version == 0) return serving_;
  for (const auto& slot : {serving_, previous_, canary_}) {
    if (slot != nullptr && slot->version.version() == version) return slot;
  }
  return absl::NotFoundError(
      absl::StrCat("PM version ", version, " is neither serving (",
                   serving_->version.version(), ") nor previous (",
                   previous_ == nullptr ? 0 : previous_->version.version(),
                   ") nor the canary (",
                   canary_ == nullptr ? 0 : canary_->version.version(), ")"));
}

void PmSlots::Swap(std::shared_ptr<const LoadedPm> pm) {
  MutexLock lock(&mutex_);
  previous_ = std::move(serving_);
  serving_ = std::move(pm);
  ++num_swaps_;
  load_error_.clear();
}

void PmSlots::Begin(std::shared_ptr<const LoadedPm> serving,
                    std::shared_ptr<const LoadedPm> previous) {
  MutexLock lock(&mutex_);
  serving_ = std::move(serving);
  previous_ = std::move(previous);
  ++num_swaps_;
  load_error_.clear();
}

void PmSlots::SetCanary(std::shared_ptr<const LoadedPm> pm) {
  MutexLock lock(&mutex_);
  if (pm != canary_) canary_error_.clear();
  canary_ = std::move(pm);
}

bool PmSlots::NoteCanaryError(const LoadedPm& pm, const std::string& error) {
  MutexLock lock(&mutex_);
  if (canary_.get() != &pm || !canary_error_.empty()) return false;
  canary_error_ = error;
  return true;
}

void PmSlots::SetShadow(std::shared_ptr<const LoadedPm> pm) {
  MutexLock lock(&mutex_);
  shadow_ = std::move(pm);
}

std::shared_ptr<const LoadedPm> PmSlots::canary() const {
  MutexLock lock(&mutex_);
  return canary_;
}

std::shared_ptr<const LoadedPm> PmSlots::shadow() const {
  MutexLock lock(&mutex_);
  return shadow_;
}

void PmSlots::SetLoadError(const std::string& error) {
  MutexLock lock(&mutex_);
  load_error_ = error;
}

v1::RewardStatus PmSlots::Status() const {
  MutexLock lock(&mutex_);
  v1::RewardStatus status;
  if (serving_ != nullptr) {
    *status.mutable_serving() = serving_->version;
    status.set_tokenizer_digest(serving_->tokenizer_digest);
  }
  if (previous_ != nullptr) *status.mutable_previous() = previous_->version;
  if (canary_ != nullptr) *status.mutable_canary() = canary_->version;
  status.set_canary_error(canary_error_);
  if (shadow_ != nullptr) {
    *status.mutable_shadow()->mutable_pm() = shadow_->version;
  }
  status.set_num_swaps(num_swaps_);
  status.set_load_error(load_error_);
  return status;
}

}  // namespace rlhf
