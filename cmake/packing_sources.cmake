# Writes OUTPUT, a header with a digest of the sources that decide how packed weights look, so that a side file packed by
# other sources is known to be of no use. Arguments: -DOUTPUT=... -DLIST=file with one source a line.
file(STRINGS ${LIST} sources)
set(digests "")
foreach(source IN LISTS sources)
  file(SHA256 ${source} digest)
  string(APPEND digests ${digest})
endforeach()
string(SHA256 digest "${digests}")
string(SUBSTRING ${digest} 0 12 digest)
set(text "// Made by cmake/packing_sources.cmake.\n#pragma once\n\nnamespace attune {\n\
/// Of the sources of kernels and operators.\nconstexpr const char* kPackingSources = \"${digest}\";\n}  // namespace attune\n")
file(WRITE ${OUTPUT} "${text}")
