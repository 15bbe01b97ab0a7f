# Writes OUTPUT, a C++ file that holds the files named in PAGE_FILES (one list,
# separated by ","), of PAGE_DIR. Run with
# `cmake -DPAGE_DIR=… -DPAGE_FILES=… -DOUTPUT=… -P embed.cmake`.
set(rows "")
string(REPLACE "," ";" names "${PAGE_FILES}")
foreach(name IN LISTS names)
  file(READ "${PAGE_DIR}/${name}" contents)
  string(APPEND rows "    {\"${name}\", R\"PAGE(${contents})PAGE\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "#include \"feedback/page_files.h\"\n
namespace rlhf {\n
const EmbeddedFile kEmbeddedFiles[] = {
${rows}    {nullptr, nullptr},
};\n
}  // namespace rlhf\n")
