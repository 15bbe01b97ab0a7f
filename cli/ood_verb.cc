// ood: whether prompts are unlike those that a model was made for (Bai et al.
// 2022, §5.4 and B.9).
#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/jsonl.h"
#include "cli/ood_detector.h"
#include "cli/verbs.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/nn/activations.h"
#include "core/nn/model_directory.h"
#include "core/text/chat_format.h"
#include "core/text/prompt_set.h"
#include "core/text/tokenizer.h"
#include "trainer/parameter_hash.h"
#include "trainer/preference/ood.h"

namespace rlhf {
namespace {

constexpr int64_t kMaxTokens = 8192;

// A model of either head, and what turns dialogues into its tokens.
struct Reader {
  std::unique_ptr<Tokenizer> tokenizer;
  ChatFormat format;
  Transformer model;
};

absl::StatusOr<std::string> Needed(const Flags& flags,
                                   const std::string& name) {
  if (!flags.String(name).empty()) return flags.String(name);
  return absl::InvalidArgumentError(absl::StrCat("--", name, " is needed"));
}

absl::StatusOr<Reader> LoadReader(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const std::string directory, Needed(flags, "model"));
  RLHF_ASSIGN_OR_RETURN(Transformer model, LoadModel(directory));
  RLHF_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer,
                        Tokenizer::Load(directory));
  RLHF_ASSIGN_OR_RETURN(const ChatFormat format, ChatFormat::Load(directory));
  return Reader{.tokenizer = std::move(tokenizer),
                .format = format,
                .model = std::move(model)};
}

// A prompt up to where the response begins, or a dialogue with its response.
absl::StatusOr<std::vector<int32_t>> Encode(const Json& json,
                                            const Reader& reader) {
  RLHF_ASSIGN_OR_RETURN(const v1::Prompt prompt, ParsePrompt(json));
  std::string text;
  if (json.contains("response")) {
    RLHF_ASSIGN_OR_RETURN(const std::string response,
                          GetString(json, "response"));
    RLHF_ASSIGN_OR_RETURN(
        text, reader.format.RenderScored(prompt.messages(), response));
  } else {
    RLHF_ASSIGN_OR_RETURN(text, reader.format.Render(prompt.messages(), true));
  }
  std::vector<int32_t> ids = reader.tokenizer->Encode(text);
  const int64_t limit = reader.model.config().max_positions;
  if (!ids.empty() && static_cast<int64_t>(ids.size()) <= limit) return ids;
  return absl::InvalidArgumentError(
      absl::StrCat("the dialogue has ", ids.size(),
                   " tokens; the model takes 1 to ", limit));
}

absl::StatusOr<ActivationRows> Embed(
    const std::vector<std::vector<int32_t>>& sequences, const Reader& reader,
    int64_t layer) {
  RLHF_ASSIGN_OR_RETURN(
      at::Tensor hidden_SD,
      LastTokenActivations(reader.model, sequences, layer, kMaxTokens));
  hidden_SD = hidden_SD.contiguous();
  const float* data = hidden_SD.const_data_ptr<float>();
  return ActivationRows{
      .dimension = static_cast<size_t>(reader.model.config().hidden_size),
      .values = {data, data + hidden_SD.numel()}};
}

struct EmbeddedFile {
  std::vector<Json> lines;
  ActivationRows rows;
};

absl::StatusOr<EmbeddedFile> EmbedLines(const std::string& path,
                                        const Reader& reader, int64_t layer) {
  EmbeddedFile file;
  std::vector<std::vector<int32_t>> sequences;
  RLHF_RETURN_IF_ERROR(ForEachLine(path, [&](const Json& json) {
    auto ids = Encode(json, reader);
    if (ids.ok()) {
      sequences.push_back(*std::move(ids));
      file.lines.push_back(json);
    }
    return ids.status();
  }));
  if (sequences.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": no prompts; wanted lines like {\"prompt\": \"…\"}"));
  }
  std::cerr << "reading the " << sequences.size() << " dialogues of " << path
            << "\n";
  RLHF_ASSIGN_OR_RETURN(file.rows, Embed(sequences, reader, layer));
  return file;
}

absl::StatusOr<ActivationRows> EmbedFile(const std::string& path,
                                         const Reader& reader, int64_t layer) {
  RLHF_ASSIGN_OR_RETURN(EmbeddedFile file, EmbedLines(path, reader, layer));
  return std::move(file.rows);
}

// The smallest distance that at most `share` of `scores` are beyond.
double ThresholdOf(const std::vector<OodScore>& scores, double share) {
  std::vector<double> distances;
  for (const OodScore& score : scores) distances.push_back(score.relative);
  std::sort(distances.begin(), distances.end());
  const auto beyond =
      static_cast<size_t>(share * static_cast<double>(distances.size()));
  return distances[distances.size() - 1 - beyond];
}

std::pair<double, double> MeanAndDeviation(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / count;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (count - 1))};
}

Json ToJson(const Auroc& auroc) {
  return {{"auroc", auroc.value},
          {"auroc_95", {auroc.interval.low, auroc.interval.high}}};
}

absl::Status PrintJson(const OodEvaluation& found, int64_t shots) {
  const auto [mean, deviation] = MeanAndDeviation(found.exposed);
  return PrintLine({{"mahalanobis", ToJson(found.mahalanobis)},
                    {"simplified_relative_mahalanobis", ToJson(found.relative)},
                    {"exposure",
                     {{"shots", shots},
                      {"auroc_by_draw", found.exposed},
                      {"auroc_mean", mean},
                      {"auroc_standard_deviation", deviation}}}});
}

void PrintTable(const OodEvaluation& found, int64_t shots) {
  const auto row = [](const std::string& name, const Auroc& auroc) {
    return absl::StrFormat("%-32s %.3f [%.3f, %.3f]\n", name, auroc.value,
                           auroc.interval.low, auroc.interval.high);
  };
  const auto [mean, deviation] = MeanAndDeviation(found.exposed);
  std::cout << absl::StrFormat("%-32s %s\n", "", "AUROC, 95 % interval")
            << row("Mahalanobis", found.mahalanobis)
            << row("simplified relative Mahalanobis", found.relative)
            << absl::StrFormat("%-32s %.3f ± %.3f (s.d. of %d draws)\n",
                               absl::StrCat("exposure, ", shots, " shots"),
                               mean, deviation, found.exposed.size());
}

absl::Status PrintFit(const OodDetector& detector, const std::string& path,
                      bool json) {
  const GaussianFit& fit = detector.fit;
  if (json) {
    return PrintLine({{"num_rows", fit.num_rows()},
                      {"layer", detector.layer},
                      {"dimension", fit.dimension()},
                      {"shrinkage", fit.shrinkage()}});
  }
  std::cout << absl::StrFormat(
      "fitted on %d dialogues after layer %d: dimension %d, shrinkage %.4f; "
      "wrote %s\n",
      fit.num_rows(), detector.layer, fit.dimension(), fit.shrinkage(), path);
  return absl::OkStatus();
}

absl::Status Fit(const Flags& flags, const std::string& prompts) {
  RLHF_ASSIGN_OR_RETURN(const std::string out, Needed(flags, "out"));
  RLHF_ASSIGN_OR_RETURN(const Reader reader, LoadReader(flags));
  RLHF_ASSIGN_OR_RETURN(
      const int64_t layer,
      ResolveLayer(flags.Int("layer"), reader.model.config().num_layers));
  RLHF_ASSIGN_OR_RETURN(ActivationRows rows, EmbedFile(prompts, reader, layer));
  absl::StatusOr<GaussianFit> fit = GaussianFit::Fit(rows);
  if (!fit.ok()) {
    return WithContext(fit.status(), absl::StrCat(prompts, ", layer ", layer));
  }
  const OodDetector detector{
      .layer = layer,
      .model_hash = ParameterHash(reader.model.parameters()),
      .fit = *std::move(fit),
      .ordinary = std::move(rows)};
  RLHF_RETURN_IF_ERROR(WriteOodDetector(out, detector));
  return PrintFit(detector, out, flags.Bool("json"));
}

absl::Status Eval(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const std::string path, Needed(flags, "detector"));
  RLHF_ASSIGN_OR_RETURN(const std::string inside_path, Needed(flags, "inside"));
  RLHF_ASSIGN_OR_RETURN(const std::string outside_path,
                        Needed(flags, "outside"));
  RLHF_ASSIGN_OR_RETURN(const Reader reader, LoadReader(flags));
  RLHF_ASSIGN_OR_RETURN(const OodDetector detector,
                        ReadOodDetector(path, reader.model));
  RLHF_ASSIGN_OR_RETURN(const ActivationRows inside,
                        EmbedFile(inside_path, reader, detector.layer));
  RLHF_ASSIGN_OR_RETURN(const ActivationRows outside,
                        EmbedFile(outside_path, reader, detector.layer));
  const int64_t shots = flags.Int("shots");
  RLHF_ASSIGN_OR_RETURN(const OodEvaluation found,
                        EvaluateOodDetector(detector, inside, outside, shots));
  if (flags.Bool("json")) return PrintJson(found, shots);
  PrintTable(found, shots);
  return absl::OkStatus();
}

absl::Status Score(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const std::string path, Needed(flags, "detector"));
  RLHF_ASSIGN_OR_RETURN(const Reader reader, LoadReader(flags));
  RLHF_ASSIGN_OR_RETURN(const OodDetector detector,
                        ReadOodDetector(path, reader.model));
  const auto score = [&](const Json& json) -> absl::Status {
    RLHF_ASSIGN_OR_RETURN(std::vector<int32_t> ids, Encode(json, reader));
    RLHF_ASSIGN_OR_RETURN(const ActivationRows row,
                          Embed({std::move(ids)}, reader, detector.layer));
    RLHF_ASSIGN_OR_RETURN(const auto scores, detector.fit.Score(row));
    return PrintLine({{"mahalanobis", scores[0].mahalanobis},
                      {"simplified_relative_mahalanobis", scores[0].relative}});
  };
  return ForEachLine(flags.String("input"), score);
}

// Writes the dialogues of `path` that a run may take, and prints the others.
absl::Status Filter(const Flags& flags, const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string detector_path,
                        Needed(flags, "detector"));
  RLHF_ASSIGN_OR_RETURN(const std::string inside, Needed(flags, "inside"));
  RLHF_ASSIGN_OR_RETURN(const std::string out, Needed(flags, "out"));
  RLHF_ASSIGN_OR_RETURN(const Reader reader, LoadReader(flags));
  RLHF_ASSIGN_OR_RETURN(const OodDetector detector,
                        ReadOodDetector(detector_path, reader.model));
  RLHF_ASSIGN_OR_RETURN(const ActivationRows ordinary,
                        EmbedFile(inside, reader, detector.layer));
  RLHF_ASSIGN_OR_RETURN(const auto usual, detector.fit.Score(ordinary));
  const double threshold = ThresholdOf(usual, flags.Double("refuse-share"));
  RLHF_ASSIGN_OR_RETURN(EmbeddedFile file,
                        EmbedLines(path, reader, detector.layer));
  RLHF_ASSIGN_OR_RETURN(const auto scores, detector.fit.Score(file.rows));
  std::string kept;
  int64_t num_refused = 0;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    if (scores[i].relative <= threshold) {
      absl::StrAppend(&kept, DumpJson(file.lines[i]), "\n");
      continue;
    }
    ++num_refused;
    file.lines[i]["simplified_relative_mahalanobis"] = scores[i].relative;
    RLHF_RETURN_IF_ERROR(PrintLine(file.lines[i]));
  }
  RLHF_RETURN_IF_ERROR(WriteFileAtomically(out, kept));
  std::cerr << absl::StrFormat(
      "refused %d of %d dialogues, those beyond a simplified relative "
      "Mahalanobis distance of %.2f; the others are in %s\n",
      num_refused, file.lines.size(), threshold, out);
  return absl::OkStatus();
}

}  // namespace

absl::Status OodVerb(const Flags& flags) {
  const std::vector<std::string>& words = flags.positional();
  if (words.size() == 2 && words[0] == "fit") return Fit(flags, words[1]);
  if (words == std::vector<std::string>{"eval"}) return Eval(flags);
  if (words == std::vector<std::string>{"score"}) return Score(flags);
  if (words.size() == 2 && words[0] == "filter") return Filter(flags, words[1]);
  return absl::InvalidArgumentError(
      "wanted: fit FILE, eval, score, or filter FILE");
}

}  // namespace rlhf
