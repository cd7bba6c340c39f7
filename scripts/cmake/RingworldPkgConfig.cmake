# ringworld.pc, for projects that are not built by CMake: the ring and the kernels, which is `ringworld::sequence`. The
# modules are static libraries, so what they link is named too, as it was found here.

# Adds a library and all that it links to the global properties RINGWORLD_PC_MODULES and RINGWORLD_PC_LIBRARIES.
function(ringworld_pc_collect item)
  string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" item "${item}")
  if(item MATCHES "^(::@|\\$<BUILD_INTERFACE:)")  # a mark of CMake's, and flags of this build
    return()
  endif()
  if(NOT TARGET "${item}")
    if(NOT item MATCHES "^([-/]|\\$<)")
      set(item "-l${item}")
    endif()
    set_property(GLOBAL APPEND PROPERTY RINGWORLD_PC_LIBRARIES "${item}")
    return()
  endif()
  get_target_property(aliased ${item} ALIASED_TARGET)
  if(aliased)
    set(item ${aliased})
  endif()
  get_property(seen GLOBAL PROPERTY RINGWORLD_PC_SEEN)
  if(item IN_LIST seen)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY RINGWORLD_PC_SEEN ${item})
  get_target_property(type ${item} TYPE)
  get_target_property(is_imported ${item} IMPORTED)
  if(NOT is_imported AND type STREQUAL "STATIC_LIBRARY")
    set_property(GLOBAL APPEND PROPERTY RINGWORLD_PC_MODULES "-l${item}")
  elseif(NOT type STREQUAL "INTERFACE_LIBRARY")
    set_property(GLOBAL APPEND PROPERTY RINGWORLD_PC_LIBRARIES "$<TARGET_LINKER_FILE:${item}>")
  endif()
  get_target_property(linked ${item} INTERFACE_LINK_LIBRARIES)
  if(linked)
    foreach(more IN LISTS linked)
      ringworld_pc_collect("${more}")
    endforeach()
  endif()
endfunction()

# Called when every module is known.
function(ringworld_write_pc)
  ringworld_pc_collect(ringworld_sequence)
  get_property(modules GLOBAL PROPERTY RINGWORLD_PC_MODULES)
  get_property(libraries GLOBAL PROPERTY RINGWORLD_PC_LIBRARIES)
  list(REMOVE_DUPLICATES libraries)
  list(JOIN modules " " modules)
  list(JOIN libraries " " libraries)
  # From where the file lies, so that the prefix may be moved.
  file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" up "${up}")
  set(includes "$<TARGET_PROPERTY:ringworld_sequence,INTERFACE_INCLUDE_DIRECTORIES>")
  set(includes "$<FILTER:$<REMOVE_DUPLICATES:${includes}>,EXCLUDE,^(${PROJECT_SOURCE_DIR}(/src)?|/usr/include)$>")
  set(definitions $<TARGET_PROPERTY:ringworld_sequence,INTERFACE_COMPILE_DEFINITIONS>)
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/ringworld.pc CONTENT "prefix=\${pcfiledir}/${up}
libdir=\${prefix}/${CMAKE_INSTALL_LIBDIR}
includedir=\${prefix}/${RINGWORLD_INSTALL_INCLUDEDIR}

Name: Ringworld
Description: Ring attention over MPI ranks, and its kernels; C++20
Version: ${PROJECT_VERSION}
Cflags: -I\${includedir} $<$<BOOL:${includes}>:-I$<JOIN:${includes}, -I>> $<$<BOOL:${definitions}>:-D$<JOIN:${definitions}, -D>>
Libs: -L\${libdir} -Wl,--start-group ${modules} -Wl,--end-group ${libraries}
")
  install(FILES ${PROJECT_BINARY_DIR}/ringworld.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
