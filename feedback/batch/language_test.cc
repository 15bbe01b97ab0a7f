#include "feedback/batch/language.h"

#include "feedback/batch/common_words.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

struct Case {
  const char* text;
  const char* language;
};

TEST(LanguageTest, TellsTheLanguagesOfLatinScriptApart) {
  for (const Case& one : {
           Case{"What is the best way to learn how to cook at home?", "en"},
           Case{"Wie kann ich lernen, wie man zu Hause kocht, und was ist "
                "dabei nicht zu vergessen?",
                "de"},
           Case{"Comment est-ce que je peux apprendre la cuisine dans les "
                "meilleures conditions pour une famille ?",
                "fr"},
           Case{"¿Cómo puedo aprender a cocinar en la casa con los niños y "
                "sin mucho dinero?",
                "es"},
           Case{"Come posso imparare a cucinare con il forno che ho nella "
                "casa, e non solo per me?",
                "it"},
           Case{"Como eu posso aprender a cozinhar em uma casa que não é "
                "minha, com mais pessoas?",
                "pt"},
           Case{"Hoe kan ik het beste leren koken en wat heb je daar voor "
                "nodig in een keuken?",
                "nl"},
           Case{"Jak się nauczyć gotować w domu i co jest do tego potrzebne, "
                "czy to nie jest trudne?",
                "pl"},
           Case{"Hur kan jag lära mig att laga mat, och vad är det som inte "
                "går för mig?",
                "sv"},
           Case{"Evde yemek yapmak için ne yapmam gerek, çok zor bir iş mi ve "
                "nasıl olur?",
                "tr"},
           Case{"Bagaimana saya bisa belajar memasak di rumah dengan bahan "
                "yang ada?",
                "id"},
           Case{"Làm thế nào để tôi có thể học nấu ăn với những người khác "
                "trong nhà?",
                "vi"},
       }) {
    EXPECT_EQ(DetectLanguage(one.text), one.language) << one.text;
  }
}

TEST(LanguageTest, TellsScriptsApart) {
  EXPECT_EQ(DetectLanguage("Как научиться готовить дома?"), "Cyrl");
  EXPECT_EQ(DetectLanguage("كيف أتعلم الطبخ في المنزل؟"), "Arab");
  EXPECT_EQ(DetectLanguage("怎样学做饭"), "zh");
  EXPECT_EQ(DetectLanguage("家で料理を学ぶには"), "ja");
  EXPECT_EQ(DetectLanguage("집에서 요리하는 법"), "ko");
  EXPECT_EQ(DetectLanguage("Πώς μαθαίνω;"), "el");
  EXPECT_EQ(DetectLanguage("איך לומדים לבשל"), "he");
  EXPECT_EQ(DetectLanguage("วิธีทำอาหาร"), "th");
  EXPECT_EQ(DetectLanguage("खाना कैसे बनाएं"), "Deva");
}

TEST(LanguageTest, SaysUnknownWhereTheTextDoesNotTell) {
  for (const char* const text :
       {"", "2+2?", "Paris", "Berlin, Madrid, Roma", "int main() { return 0; }",
        "\xff\xfe", "привет hello привет hello"}) {
    EXPECT_EQ(DetectLanguage(text), kUnknownLanguage) << text;
  }
}

TEST(LanguageTest, ForeignNamesAndAWordOfAnotherLanguageDoNotConfuseIt) {
  EXPECT_EQ(DetectLanguage("What does the word Schadenfreude mean, and why do "
                           "people say c'est la vie in English?"),
            "en");
}

TEST(LanguageTest, CapitalsAreLetters) {
  EXPECT_EQ(DetectLanguage("WAS IST DAS UND WIE KANN ICH ES ÜBER NACHT LERNEN"),
            "de");
}

TEST(LanguageTest, AWordMayBelongToSeveralLanguages) {
  EXPECT_EQ(LanguagesOfWord("the"), 1u);
  EXPECT_GT(__builtin_popcount(LanguagesOfWord("de")), 3);
  EXPECT_EQ(LanguagesOfWord("zebra"), 0u);
}

}  // namespace
}  // namespace rlhf
