#include "feedback/batch/common_words.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_split.h"

namespace rlhf {
namespace {

struct Profile {
  const char* code;
  const char* words;
};

// Articles, prepositions, pronouns, conjunctions and auxiliaries: what any text
// of a few sentences has, whatever it is about.
constexpr Profile kProfiles[] = {
    {"en",
     "the of and to in is that it for was with as on are be this have you not "
     "but they his from at by i my what how do can your would will if so who "
     "we me there he she or an about when which just some don't it's i'm does "
     "did been why should could them their has because no were our up out"},
    {"de",
     "der die das und ist nicht ein eine zu den mit von für auf ich du sie es "
     "wie was dem des im auch als an bei nach aus wenn dass wir man kann sind "
     "haben hat wird oder aber nur noch mir mein einen einem einer ihr er so "
     "war werden über vor zum zur kein bitte warum welche"},
    {"fr",
     "le la les de des et est un une que qui dans pour pas sur avec je vous il "
     "elle nous ce se au aux du en plus ne mais comme ou où sont être avoir "
     "cette ces mon ma son sa leur par quel quelle comment pourquoi c'est "
     "très"},
    {"es",
     "el la los las de que y en un una es por con para no se su lo como más "
     "pero sus le ya o este sí porque esta entre cuando muy sin sobre también "
     "me hasta hay donde quien desde todo nos mi qué cómo del al está puede"},
    {"it",
     "il lo la gli le di che è e un una per non con del della sono nel si come "
     "ma più anche mi da questo questa ho ha al alla dei delle perché cosa chi "
     "quando essere molto tutto loro suo sua ci io hanno"},
    {"pt",
     "o os as de que e do da em um uma para com não por mais dos das se na no "
     "como mas foi ao ele ela são você eu isso este esta seu sua ou quando "
     "muito nos já também só pelo pela até porque meu minha está ser"},
    {"nl",
     "de het een en van is dat op te in voor met niet zijn aan er ook als bij "
     "maar om je ik hij ze dit die wat naar heeft hebben wordt uit nog wel kan "
     "door over hoe waarom deze mijn geen"},
    {"pl",
     "i w na z do się nie że to jest o jak co po tak za od czy ale dla przez "
     "są być mam jestem który która które oraz tego jego ich przy może ja ty"},
    {"sv",
     "och i att det som en på är av för med till den har de inte om ett jag du "
     "han hon var men så kan ska vad hur när från eller min mitt vi ni dig mig "
     "varför också"},
    {"tr",
     "bir ve bu için ile ne da de çok daha gibi ama ben sen o mi mı var yok "
     "olarak olan nasıl değil en her kadar sonra ya biz siz nedir neden"},
    {"id",
     "yang dan di untuk dengan ini itu dari tidak adalah dalam akan pada ke "
     "saya kamu anda bisa juga atau ada oleh seperti karena apa bagaimana "
     "mereka kita sudah lebih"},
    {"vi",
     "là và của có không được một cho trong tôi bạn với những các này đó khi "
     "thì như để người về làm thế nào gì ra đã sẽ nhưng cũng"},
};

struct Table {
  std::vector<std::string> codes;
  absl::flat_hash_map<std::string, uint32_t> languages;
};

const Table& CommonWords() {
  static const Table* const kTable = [] {
    auto* const table = new Table;
    for (const Profile& profile : kProfiles) {
      const uint32_t bit = uint32_t{1} << table->codes.size();
      table->codes.push_back(profile.code);
      for (const absl::string_view word : absl::StrSplit(profile.words, ' ')) {
        table->languages[std::string(word)] |= bit;
      }
    }
    return table;
  }();
  return *kTable;
}

}  // namespace

const std::vector<std::string>& CommonWordLanguages() {
  return CommonWords().codes;
}

uint32_t LanguagesOfWord(absl::string_view word) {
  const auto& languages = CommonWords().languages;
  const auto found = languages.find(word);
  return found == languages.end() ? 0 : found->second;
}

}  // namespace rlhf
