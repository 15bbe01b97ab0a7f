#include "trainer/preference/worker_model.h"

#include <cmath>
#include <numeric>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::SizeIs;

// Answers of a worker with these traits to random pairs; the margins are told
// `scale` times too large.
class Crowd {
 public:
  void Add(const std::string& worker, double temperature, double left_bias,
           int count, double scale = 1) {
    std::normal_distribution<double> normal(0, 1.5);
    std::uniform_real_distribution<double> uniform;
    for (int i = 0; i < count; ++i) {
      // The left response's margin over the right one.
      const double margin = normal(random_);
      const bool left = uniform(random_) <
                        1 / (1 + std::exp(-temperature * margin - left_bias));
      answers_.push_back({.worker = worker,
                          .margin = scale * (left ? margin : -margin),
                          .chosen_side = left ? 1 : -1});
    }
  }

  // Choices of what the PM finds worse, by 1.
  void AddWrong(const std::string& worker, int count) {
    for (int i = 0; i < count; ++i) {
      answers_.push_back({.worker = worker, .margin = -1});
    }
  }

  WorkerModel Fit() const { return FitWorkers(answers_); }

 private:
  std::mt19937_64 random_{5};
  std::vector<ScoredAnswer> answers_;
};

// Of 4,000 answers with margins of 1.5, the temperature's standard error is
// about 0.035 and the bias's 0.04; the prior pulls less than that.
TEST(FitWorkersTest, RecoversPlantedTraits) {
  Crowd crowd;
  crowd.Add("typical", 1, 0, 4000);
  crowd.Add("typical too", 1, 0, 4000);
  crowd.Add("typical, three", 1, 0, 4000);
  crowd.Add("keen", 1.6, 0, 4000);
  crowd.Add("vague", 0.5, 0, 4000);
  crowd.Add("left", 1, 0.8, 4000);
  crowd.Add("right", 0.8, -1.2, 4000);
  const WorkerModel model = crowd.Fit();
  EXPECT_NEAR(model.at("typical").temperature, 1, 0.15);
  EXPECT_NEAR(model.at("keen").temperature, 1.6, 0.2);
  EXPECT_NEAR(model.at("vague").temperature, 0.5, 0.15);
  EXPECT_NEAR(model.at("typical").left_bias, 0, 0.15);
  EXPECT_NEAR(model.at("left").left_bias, 0.8, 0.2);
  EXPECT_NEAR(model.at("right").left_bias, -1.2, 0.2);
  EXPECT_EQ(model.at("left").num_answers, 4000);
}

TEST(FitWorkersTest, WhoClicksAtRandomOrSaysTheOppositeIsFoundOut) {
  Crowd crowd;
  for (int i = 0; i < 6; ++i) crowd.Add(absl::StrCat("honest", i), 1, 0, 200);
  crowd.Add("random", 0, 0, 200);
  crowd.Add("always left", 0, 6, 200);
  crowd.Add("liar", -1, 0, 200);
  const WorkerModel model = crowd.Fit();
  EXPECT_LT(std::abs(model.at("random").temperature), 0.35);
  EXPECT_LT(std::abs(model.at("always left").temperature), 0.6);
  EXPECT_GT(model.at("always left").left_bias, 1);
  EXPECT_LT(model.at("liar").temperature, -0.4);
  for (int i = 0; i < 6; ++i) {
    EXPECT_GT(model.at(absl::StrCat("honest", i)).temperature, 0.6);
  }
}

// Of three wrong answers with margins of 1 and the prior's 1 +- 0.5 the most
// probable temperature has 3 sigmoid(t) = (1 - t) / 0.25: t = 0.53. The side is
// not known and says nothing.
TEST(FitWorkersTest, FewAnswersSayLittle) {
  Crowd crowd;
  for (int i = 0; i < 5; ++i) crowd.Add(absl::StrCat("many", i), 1, 0, 2000);
  crowd.AddWrong("three", 3);
  const WorkerTraits traits = crowd.Fit().at("three");
  EXPECT_NEAR(traits.temperature, 0.53, 0.06);
  EXPECT_NEAR(traits.left_bias, 0, 0.15);
  EXPECT_EQ(traits.num_answers, 3);
}

// A PM that is ten times too sure of itself changes no worker.
TEST(FitWorkersTest, TheScaleOfTheScoresIsFound) {
  Crowd honest, sure;
  for (Crowd* crowd : {&honest, &sure}) {
    const double scale = crowd == &sure ? 10 : 1;
    crowd->Add("a", 1, 0, 600, scale);
    crowd->Add("b", 1, 0, 600, scale);
    crowd->Add("c", 0.4, 0.5, 600, scale);
  }
  const WorkerModel one = honest.Fit(), ten = sure.Fit();
  for (const char* worker : {"a", "b", "c"}) {
    EXPECT_NEAR(one.at(worker).temperature, ten.at(worker).temperature, 0.01);
    EXPECT_NEAR(one.at(worker).left_bias, ten.at(worker).left_bias, 0.01);
  }
}

TEST(FitWorkersTest, ScoresThatSayNothingAccuseNobody) {
  Crowd crowd;
  crowd.Add("a", -1, 0, 300);
  crowd.Add("b", -1, 0, 300);
  for (const auto& [worker, traits] : crowd.Fit()) {
    EXPECT_EQ(traits.temperature, 1);
    EXPECT_EQ(traits.left_bias, 0);
    EXPECT_EQ(traits.num_answers, 300);
  }
  EXPECT_THAT(FitWorkers({}), SizeIs(0));
  EXPECT_THAT(FitWorkers(std::vector<ScoredAnswer>(2, {.worker = "a"})),
              SizeIs(1));
}

PmExample JudgedBy(const std::string& worker, int64_t seq = 0,
                   int chosen_side = 0) {
  PmExample example;
  example.worker = worker;
  example.seq = seq;
  example.chosen_side = chosen_side;
  return example;
}

TEST(ApplyWorkerModelTest, GivesTraitsAndLeavesOutWhoSaysNothing) {
  const WorkerModel model = {{"ann", {.temperature = 1.5, .left_bias = 0.3}},
                             {"liar", {.temperature = -0.2}}};
  const std::vector<PmExample> examples =
      ApplyWorkerModel(model, {JudgedBy("ann", 1, -1), JudgedBy("liar", 2, 1),
                               JudgedBy("new", 3, 1), JudgedBy("ann", 4, 0)});
  ASSERT_THAT(examples, SizeIs(3));
  EXPECT_EQ(examples[0].temperature, 1.5);
  EXPECT_EQ(examples[0].offset, -0.3);
  EXPECT_EQ(examples[1].seq, 3);
  EXPECT_EQ(examples[1].temperature, 1);
  EXPECT_EQ(examples[1].offset, 0);
  EXPECT_EQ(examples[2].offset, 0);
}

std::vector<PmExample> Shares(
    const std::vector<std::pair<std::string, int>>& counts) {
  std::vector<PmExample> examples;
  for (const auto& [worker, count] : counts) {
    for (int i = 0; i < count; ++i) examples.push_back(JudgedBy(worker));
  }
  return examples;
}

std::map<std::string, double> WeightsOf(
    const std::vector<PmExample>& examples) {
  std::map<std::string, double> weights;
  for (const PmExample& example : examples) {
    weights[example.worker] += example.loss_weight * example.temperature;
  }
  return weights;
}

TEST(CapWorkerSharesTest, NoWorkerWeighsMoreThanTheShareOfAll) {
  for (const double share : {0.5, 0.3, 0.26}) {
    std::vector<PmExample> examples =
        Shares({{"a", 80}, {"b", 40}, {"c", 10}, {"d", 10}, {"", 7}});
    examples[0].temperature = 3;
    CapWorkerShares(share, examples);
    const std::map<std::string, double> weights = WeightsOf(examples);
    double total = 0;
    for (const auto& [worker, weight] : weights) total += weight;
    for (const auto& [worker, weight] : weights) {
      EXPECT_LE(weight, share * total + 1e-9) << worker << " at " << share;
    }
    EXPECT_NEAR(weights.at("a"), share * total, 1e-9);
    EXPECT_EQ(weights.at(""), 7);
    EXPECT_EQ(weights.at("d"), 10);
  }
}

TEST(CapWorkerSharesTest, TooFewWorkersWeighAlike) {
  std::vector<PmExample> examples = Shares({{"a", 30}, {"b", 10}});
  CapWorkerShares(0.2, examples);
  EXPECT_NEAR(WeightsOf(examples).at("a"), 10, 1e-9);
  EXPECT_EQ(WeightsOf(examples).at("b"), 10);
}

TEST(CapWorkerSharesTest, WithoutALimitNothingChanges) {
  std::vector<PmExample> examples = Shares({{"a", 30}, {"b", 1}});
  CapWorkerShares(1, examples);
  for (const PmExample& example : examples) {
    EXPECT_EQ(example.loss_weight, 1);
  }
}

TEST(WorkerModelTest, ACardNamesNoWorker) {
  const Json json =
      ToJson(WorkerModel{{"ann", {.temperature = 0.5, .num_answers = 3}},
                         {"bob", {.temperature = 1.5, .num_answers = 7}}},
             "secret");
  ASSERT_THAT(json, SizeIs(2));
  EXPECT_EQ(json[0]["worker"], HiddenWorker("bob", "secret"));
  EXPECT_NE(HiddenWorker("bob", "secret"), HiddenWorker("bob", "another"));
  EXPECT_EQ(json[0]["temperature"], 1.5);
  EXPECT_EQ(json[1]["num_answers"], 3);
  EXPECT_EQ(DumpJson(json).find("ann"), std::string::npos);
}

}  // namespace
}  // namespace rlhf
