# Man pages, made by the program that was installed: include this after the rule that installs it.
find_program(RINGWORLD_HELP2MAN help2man DOC "Makes the man pages when Ringworld is installed")
if(NOT RINGWORLD_HELP2MAN)
  message(STATUS "Ringworld: no help2man, so `cmake --install` makes no man pages")
endif()
if(RINGWORLD_HELP2MAN AND NOT RINGWORLD_ENABLE_SIMGRID)
  install(CODE "
    set(PROGRAM \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/ringworld\")
    set(MAN_DIR \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_MANDIR}/man1\")
    set(HELP2MAN \"${RINGWORLD_HELP2MAN}\")
    set(VERSION \"${PROJECT_VERSION}\")
    include(\"${CMAKE_CURRENT_LIST_DIR}/install_man_pages.cmake\")")
endif()
