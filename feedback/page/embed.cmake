# Writes OUTPUT, a C++ file that holds the files of PAGE_DIR as constants.
# Run with `cmake -DPAGE_DIR=… -DOUTPUT=… -P embed.cmake`.
set(code "namespace rlhf {\n")

function(embed constant file)
  file(READ "${PAGE_DIR}/${file}" contents)
  set(code "${code}extern const char ${constant}[];\n\
const char ${constant}[] = R\"PAGE(${contents})PAGE\";\n" PARENT_SCOPE)
endfunction()

embed(kIndexHtml index.html)
embed(kPageCss page.css)
embed(kPageJs page.js)
embed(kIconSvg icon.svg)
embed(kLoginHtml login.html)
embed(kLoginJs login.js)
file(WRITE "${OUTPUT}" "${code}}  // namespace rlhf\n")
