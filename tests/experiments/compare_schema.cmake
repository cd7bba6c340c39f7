# Fails when `ringworld info --schema` and the committed page differ.
execute_process(COMMAND ${PROGRAM} info --schema OUTPUT_VARIABLE printed RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${PROGRAM} info --schema ended with ${failed}")
endif()
file(READ ${PAGE} committed)
if(NOT printed STREQUAL committed)
  message(FATAL_ERROR "${PAGE} is out of date: ringworld info --schema > results/SCHEMA.md")
endif()
