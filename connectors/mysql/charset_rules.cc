#include "connectors/mysql/charset_rules.h"

#include <algorithm>
#include <iterator>

namespace tidelog::mysql {

namespace {

// What differs was found by asking every server for every code: all of them agree with each other.
// Where a server makes U+FFFD of a code, so do we: it is the server's own text.

constexpr Characters armscii8_instead[] = {
    {0xA1,
     u"\u2741\u00A7\u0589\u0029\u0028\u00BB\u00AB\u2014\u002E\u055D\u002C\u002D\u055F\u2026"
     u"\u055C\u055B\u055E\u0531\u0561\u0532\u0562\u0533\u0563\u0534\u0564\u0535\u0565\u0536"
     u"\u0566\u0537\u0567\u0538\u0568\u0539\u0569\u053A\u056A\u053B\u056B\u053C\u056C\u053D"
     u"\u056D\u053E\u056E\u053F\u056F\u0540\u0570\u0541\u0571\u0542\u0572\u0543\u0573\u0544"
     u"\u0574\u0545\u0575\u0546\u0576\u0547\u0577\u0548\u0578\u0549\u0579\u054A\u057A\u054B"
     u"\u057B\u054C\u057C\u054D\u057D\u054E\u057E\u054F\u057F\u0550\u0580\u0551\u0581\u0552"
     u"\u0582\u0553\u0583\u0554\u0584\u0555\u0585\u0556\u0586\u2019\u0027"},
};

constexpr Characters big5_instead[] = {
    {0xA145, u"\u2022"},
    {0xA14E, u"\uFF64"},
    {0xA15A, u"\uFFFD"},
    {0xA1C2, u"\u203E\uFFFD"},
    {0xA1C5, u"\uFFFD"},
    {0xA1E3, u"\u223C"},
    {0xA1F2, u"\u2641\u2609"},
    {0xA1FE, u"\uFFFD"},
    {0xA240, u"\uFFFD\uFF0F\uFF3C"},
    {0xA244, u"\u00A5"},
    {0xA246, u"\u00A2\u00A3"},
    {0xA2CC, u"\uFFFD"},
    {0xA2CE, u"\uFFFD"},
    {0xC6A1,
     u"\u30FE\u309D\u309E\u3005\u3041\u3042\u3043\u3044\u3045\u3046\u3047\u3048\u3049\u304A"
     u"\u304B\u304C\u304D\u304E\u304F\u3050\u3051\u3052\u3053\u3054\u3055\u3056\u3057\u3058"
     u"\u3059\u305A\u305B\u305C\u305D\u305E\u305F\u3060\u3061\u3062\u3063\u3064\u3065\u3066"
     u"\u3067\u3068\u3069\u306A\u306B\u306C\u306D\u306E\u306F\u3070\u3071\u3072\u3073\u3074"
     u"\u3075\u3076\u3077\u3078\u3079\u307A\u307B\u307C\u307D\u307E\u307F\u3080\u3081\u3082"
     u"\u3083\u3084\u3085\u3086\u3087\u3088\u3089\u308A\u308B\u308C\u308D\u308E\u308F\u3090"
     u"\u3091\u3092\u3093\u30A1\u30A2\u30A3\u30A4\u30A5\u30A6\u30A7"},
    {0xC740,
     u"\u30A8\u30A9\u30AA\u30AB\u30AC\u30AD\u30AE\u30AF\u30B0\u30B1\u30B2\u30B3\u30B4\u30B5"
     u"\u30B6\u30B7\u30B8\u30B9\u30BA\u30BB\u30BC\u30BD\u30BE\u30BF\u30C0\u30C1\u30C2\u30C3"
     u"\u30C4\u30C5\u30C6\u30C7\u30C8\u30C9\u30CA\u30CB\u30CC\u30CD\u30CE\u30CF\u30D0\u30D1"
     u"\u30D2\u30D3\u30D4\u30D5\u30D6\u30D7\u30D8\u30D9\u30DA\u30DB\u30DC\u30DD\u30DE\u30DF"
     u"\u30E0\u30E1\u30E2\u30E3\u30E4\u30E5\u30E6"},
    {0xC7A1,
     u"\u30E7\u30E8\u30E9\u30EA\u30EB\u30EC\u30ED\u30EE\u30EF\u30F0\u30F1\u30F2\u30F3\u30F4"
     u"\u30F5\u30F6\u0414\u0415\u0401\u0416\u0417\u0418\u0419\u041A\u041B\u041C\u0423\u0424"
     u"\u0425\u0426\u0427\u0428\u0429\u042A\u042B\u042C\u042D\u042E\u042F\u0430\u0431\u0432"
     u"\u0433\u0434\u0435\u0451\u0436\u0437\u0438\u0439\u043A\u043B\u043C\u043D\u043E\u043F"
     u"\u0440\u0441\u0442\u0443\u0444\u0445\u0446\u0447\u0448\u0449\u044A\u044B\u044C\u044D"
     u"\u044E\u044F\u2460\u2461\u2462\u2463\u2464\u2465\u2466\u2467\u2468\u2469\u2474\u2475"
     u"\u2476\u2477\u2478\u2479\u247A\u247B\u247C\u247D"},
};

constexpr Codes big5_refused[] = {
    {0xA3E1, 0xA3E1},
    {0xF9DD, 0xF9FE},
};

constexpr Codes cp1250_refused[] = {
    {0x81, 0x81}, {0x83, 0x83}, {0x88, 0x88}, {0x90, 0x90}, {0x98, 0x98},
};

constexpr Codes cp1251_refused[] = {
    {0x98, 0x98},
};

constexpr Characters cp1256_instead[] = {
    {0x80, u"\u20AC"},
};

constexpr Codes cp1256_refused[] = {
    {0x8A, 0x8A}, {0x8F, 0x8F}, {0x98, 0x98}, {0x9A, 0x9A}, {0x9F, 0x9F},
};

constexpr Codes cp1257_refused[] = {
    {0x81, 0x81}, {0x83, 0x83}, {0x88, 0x88}, {0x8A, 0x8A}, {0x8C, 0x8C},
    {0x90, 0x90}, {0x98, 0x98}, {0x9A, 0x9A}, {0x9C, 0x9C}, {0x9F, 0x9F},
};

constexpr Characters cp850_instead[] = {
    {0x1A, u"\u001A"},
    {0x1C, u"\u001C"},
    {0x7F, u"\u007F"},
};

constexpr Characters cp852_instead[] = {
    {0x1A, u"\u001A"},
    {0x1C, u"\u001C"},
    {0x7F, u"\u007F"},
    {0xAA, u"\u00AC"},
};

constexpr Characters cp866_instead[] = {
    {0x1A, u"\u001A"},
    {0x1C, u"\u001C"},
    {0x7F, u"\u007F"},
    {0xFC, u"\u207F\u00B2"},
};

constexpr Characters cp932_instead[] = {
    {0x1A, u"\u001A"},
    {0x1C, u"\u001C"},
    {0x7F, u"\u007F"},
};

constexpr Characters dec8_instead[] = {
    {0xA8, u"\u00A4"}, {0xD7, u"\u0152"}, {0xDD, u"\u0178"}, {0xF7, u"\u0153"}, {0xFD, u"\u00FF"},
};

constexpr Codes dec8_refused[] = {
    {0xA4, 0xA4}, {0xA6, 0xA6}, {0xAC, 0xAF}, {0xB4, 0xB4}, {0xB8, 0xB8},
    {0xBE, 0xBE}, {0xD0, 0xD0}, {0xDE, 0xDE}, {0xF0, 0xF0}, {0xFE, 0xFF},
};

constexpr Characters eucjpms_instead[] = {
    {0xA1BD, u"\u2015"},
    {0xA1C1, u"\uFF5E\u2225"},
    {0xA1DD, u"\uFF0D"},
    {0xADA1,
     u"\u2460\u2461\u2462\u2463\u2464\u2465\u2466\u2467\u2468\u2469\u246A\u246B\u246C\u246D"
     u"\u246E\u246F\u2470\u2471\u2472\u2473\u2160\u2161\u2162\u2163\u2164\u2165\u2166\u2167"
     u"\u2168\u2169"},
    {0xADC0,
     u"\u3349\u3314\u3322\u334D\u3318\u3327\u3303\u3336\u3351\u3357\u330D\u3326\u3323\u332B"
     u"\u334A\u333B\u339C\u339D\u339E\u338E\u338F\u33C4\u33A1"},
    {0xADDF,
     u"\u337B\u301D\u301F\u2116\u33CD\u2121\u32A4\u32A5\u32A6\u32A7\u32A8\u3231\u3232\u3239"
     u"\u337E\u337D\u337C\u2252\u2261\u222B\u222E\u2211\u221A\u22A5\u2220\u221F\u22BF\u2235"
     u"\u2229\u222A"},
    {0x8FA2C3, u"\uFFE4"},
    {0x8FF3F3, u"\u2170\u2171\u2172\u2173\u2174\u2175\u2176\u2177\u2178\u2179\u2160\u2161"},
    {0x8FF4A1,
     u"\u2162\u2163\u2164\u2165\u2166\u2167\u2168\u2169\uFF07\uFF02\u3231\u2116\u2121\u70BB"
     u"\u4EFC\u50F4\u51EC\u5307\u5324\uFA0E\u548A\u5759\uFA0F\uFA10\u589E\u5BEC\u5CF5\u5D53"
     u"\uFA11\u5FB7\u6085\u6120\u654E\u663B\u6665\uFA12\uF929\u6801\uFA13\uFA14\u6A6B\u6AE2"
     u"\u6DF8\u6DF2\u7028\uFA15\uFA16\u7501\u7682\u769E\uFA17\u7930\uFA18\uFA19\uFA1A\uFA1B"
     u"\u7AE7\uFA1C\uFA1D\u7DA0\u7DD6\uFA1E\u8362\uFA1F\u85B0\uFA20\uFA21\u8807\uFA22\u8B7F"
     u"\u8CF4\u8D76\uFA23\uFA24\uFA25\u90DE\uFA26\u9115\uFA27\uFA28\u9592\uF9DC\uFA29\u973B"
     u"\u974D\u9751\uFA2A\uFA2B\uFA2C\u999E\u9AD9\u9B72\uFA2D\u9ED1"},
};

constexpr Codes eucjpms_refused[] = {
    {0x8EE0, 0x8EE4},
    {0x8FF3A1, 0x8FF3B9},
};

constexpr Characters gb2312_instead[] = {
    {0xA3A7, u"\uFF07"},
};

constexpr Codes gb2312_refused[] = {
    {0xFEE0, 0xFEED},
    {0xFEEF, 0xFEF3},
    {0xFEF5, 0xFEFE},
};

constexpr Characters geostd8_instead[] = {
    {0x80, u"\u20AC"},
    {0x82, u"\u201A"},
    {0x84, u"\u201E\u2026\u2020\u2021"},
    {0x89, u"\u2030"},
    {0x8B, u"\u2039"},
    {0x91, u"\u2018\u2019\u201C\u201D\u2022\u2013\u2014"},
    {0x9B, u"\u203A"},
    {0xC0,
     u"\u10D0\u10D1\u10D2\u10D3\u10D4\u10D5\u10D6\u10F1\u10D7\u10D8\u10D9\u10DA\u10DB\u10DC"
     u"\u10F2\u10DD\u10DE\u10DF\u10E0\u10E1\u10E2\u10F3\u10E3\u10E4\u10E5\u10E6\u10E7\u10E8"
     u"\u10E9\u10EA\u10EB\u10EC\u10ED\u10EE\u10F4\u10EF\u10F0\u10F5"},
    {0xFD, u"\u2116"},
};

constexpr Codes geostd8_refused[] = {
    {0x81, 0x81}, {0x83, 0x83}, {0x88, 0x88}, {0x8A, 0x8A}, {0x8C, 0x90},
    {0x98, 0x9A}, {0x9C, 0x9F}, {0xE6, 0xFC}, {0xFE, 0xFF},
};

constexpr Characters greek_instead[] = {
    {0xA1, u"\u02BD\u02BC"},
};

constexpr Codes greek_refused[] = {
    {0xA4, 0xA5},
    {0xAA, 0xAA},
};

constexpr Characters hebrew_instead[] = {
    {0xAF, u"\u203E"},
};

constexpr Characters hp8_instead[] = {
    {0xA0, u"\u00A0"}, {0xA9, u"\u02CB"}, {0xAF, u"\u20A4\u00AF"},
    {0xB3, u"\u00B0"}, {0xF3, u"\u00B5"}, {0xF6, u"\u2014"},
};

constexpr Characters keybcs2_instead[] = {
    {0x1A, u"\u001A"},
    {0x1C, u"\u001C"},
    {0x7F, u"\u007F\u010C"},
    {0x83, u"\u010F"},
    {0x85, u"\u010E\u0164\u010D\u011B\u011A\u0139\u00CD\u013E\u013A"},
    {0x8F, u"\u00C1"},
    {0x91, u"\u017E\u017D"},
    {0x95, u"\u00D3\u016F\u00DA\u00FD"},
    {0x9B, u"\u0160\u013D\u00DD\u0158\u0165"},
    {0xA4, u"\u0148\u0147\u016E\u00D4\u0161\u0159\u0155\u0154"},
    {0xE6, u"\u00B5"},
};

constexpr Characters koi8u_instead[] = {
    {0x95, u"\u2022"},
};

constexpr Characters sjis_instead[] = {
    {0x1A, u"\u001A"},   {0x1C, u"\u001C"},   {0x5C, u"\u005C"},         {0x7E, u"\u007E\u007F"},
    {0x815C, u"\u2015"}, {0x815F, u"\u005C"}, {0x8191, u"\u00A2\u00A3"}, {0x81CA, u"\u00AC"},
};

constexpr Codes sjis_refused[] = {
    {0x8740, 0x875D}, {0x875F, 0x8775}, {0x877E, 0x877E}, {0x8780, 0x879C}, {0xED40, 0xED7E},
    {0xED80, 0xEDFC}, {0xEE40, 0xEE7E}, {0xEE80, 0xEEEC}, {0xEEEF, 0xEEFC}, {0xFA40, 0xFA7E},
    {0xFA80, 0xFAFC}, {0xFB40, 0xFB7E}, {0xFB80, 0xFBFC}, {0xFC40, 0xFC4B},
};

constexpr Characters swe7_instead[] = {
    {0x40, u"\u00C9"},
    {0x5B, u"\u00C4\u00D6\u00C5\u00DC"},
    {0x60, u"\u00E9"},
    {0x7B, u"\u00E4\u00F6\u00E5\u00FC"},
};

constexpr Codes swe7_refused[] = {
    {0x7F, 0x7F},
};

constexpr Characters tis620_instead[] = {
    {0xA0, u"\uFFFD"},
    {0xDB, u"\uFFFD\uFFFD\uFFFD\uFFFD"},
    {0xFC, u"\uFFFD\uFFFD\uFFFD\uFFFD"},
};

constexpr Characters ujis_instead[] = {
    {0xA1BD, u"\u2015"}, {0xA1C0, u"\u005C"},   {0xA1F1, u"\u00A2\u00A3"},
    {0xA2CC, u"\u00AC"}, {0x8FA2B7, u"\u007E"},
};

constexpr Codes ujis_refused[] = {
    {0x8EE0, 0x8EE4},     {0x8FF3A1, 0x8FF3B9}, {0x8FF4A1, 0x8FF4AC}, {0x8FF4AE, 0x8FF4C0},
    {0x8FF4C2, 0x8FF4C2}, {0x8FF4C4, 0x8FF4C9}, {0x8FF4CB, 0x8FF4D1}, {0x8FF4D3, 0x8FF4DC},
    {0x8FF4DE, 0x8FF4EF}, {0x8FF4F1, 0x8FF4F8},
};

constexpr CharsetRules rules[] = {
    {"armscii8", "ISO-8859-1", CharacterShape::one_byte, true, armscii8_instead, {}},
    {"ascii", "US-ASCII", CharacterShape::one_byte, true, {}, {}},
    {"big5", "windows-950", CharacterShape::two_bytes, false, big5_instead, big5_refused},
    {"cp1250", "windows-1250", CharacterShape::one_byte, true, {}, cp1250_refused},
    {"cp1251", "windows-1251", CharacterShape::one_byte, true, {}, cp1251_refused},
    {"cp1256", "ibm-1256", CharacterShape::one_byte, true, cp1256_instead, cp1256_refused},
    {"cp1257", "windows-1257", CharacterShape::one_byte, true, {}, cp1257_refused},
    {"cp850", "ibm-850", CharacterShape::one_byte, true, cp850_instead, {}},
    {"cp852", "ibm-852", CharacterShape::one_byte, true, cp852_instead, {}},
    {"cp866", "ibm-866", CharacterShape::one_byte, true, cp866_instead, {}},
    {"cp932", "windows-31j", CharacterShape::shift_jis, true, cp932_instead, {}},
    {"dec8", "ISO-8859-1", CharacterShape::one_byte, true, dec8_instead, dec8_refused},
    {"eucjpms", "ibm-954", CharacterShape::euc_jp, true, eucjpms_instead, eucjpms_refused},
    {"euckr", "windows-949", CharacterShape::two_bytes, false, {}, {}},
    {"gb18030", "GB18030", CharacterShape::gb18030, true, {}, {}},
    {"gb2312", "GB2312", CharacterShape::two_bytes, false, gb2312_instead, gb2312_refused},
    {"gbk", "GBK", CharacterShape::two_bytes, false, {}, {}},
    {"geostd8", "ISO-8859-1", CharacterShape::one_byte, true, geostd8_instead, geostd8_refused},
    {"greek", "ISO-8859-7", CharacterShape::one_byte, true, greek_instead, greek_refused},
    {"hebrew", "ISO-8859-8", CharacterShape::one_byte, true, hebrew_instead, {}},
    {"hp8", "hp-roman8", CharacterShape::one_byte, true, hp8_instead, {}},
    {"keybcs2", "ibm-437", CharacterShape::one_byte, true, keybcs2_instead, {}},
    {"koi8r", "KOI8-R", CharacterShape::one_byte, true, {}, {}},
    {"koi8u", "KOI8-U", CharacterShape::one_byte, true, koi8u_instead, {}},
    {"latin1", "windows-1252", CharacterShape::one_byte, true, {}, {}},
    {"latin2", "ISO-8859-2", CharacterShape::one_byte, true, {}, {}},
    {"latin5", "ISO-8859-9", CharacterShape::one_byte, true, {}, {}},
    {"latin7", "ISO-8859-13", CharacterShape::one_byte, true, {}, {}},
    {"macce", "macce", CharacterShape::one_byte, true, {}, {}},
    {"macroman", "macintosh", CharacterShape::one_byte, true, {}, {}},
    {"sjis", "ibm-943", CharacterShape::shift_jis, false, sjis_instead, sjis_refused},
    {"swe7", "US-ASCII", CharacterShape::one_byte, true, swe7_instead, swe7_refused},
    {"tis620", "ISO-8859-11", CharacterShape::one_byte, true, tis620_instead, {}},
    {"ujis", "ibm-954", CharacterShape::euc_jp, true, ujis_instead, ujis_refused},
};
static_assert(std::ranges::is_sorted(rules, {}, &CharsetRules::charset));

}  // namespace

const CharsetRules* rules_of(std::string_view charset) {
  const auto* found = std::ranges::lower_bound(rules, charset, {}, &CharsetRules::charset);
  return found != std::end(rules) && found->charset == charset ? found : nullptr;
}

}  // namespace tidelog::mysql
