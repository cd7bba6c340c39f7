# `cmake --install build/release --prefix DIR`: the program, its configurations and documents, and the modules as libraries
# that `find_package(Ringworld)` brings to other projects as `ringworld::<module>`. The prefix may be moved.
include(CMakePackageConfigHelpers)
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)  # of libraries outside of the system's folders, as Spack's are

if(RINGWORLD_EMULATE_CUDA)  # for tests alone
  return()
endif()

foreach(folder src kernels)
  string(REPLACE "src" "." below "${folder}")
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder}/ DESTINATION ${RINGWORLD_INSTALL_INCLUDEDIR}/${below}
    FILES_MATCHING PATTERN "*.hpp" PATTERN "bench" EXCLUDE)
endforeach()

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/RingworldConfig.cmake.in
  ${PROJECT_BINARY_DIR}/RingworldConfig.cmake INSTALL_DESTINATION ${RINGWORLD_INSTALL_CMAKEDIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/RingworldConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/RingworldConfig.cmake ${PROJECT_BINARY_DIR}/RingworldConfigVersion.cmake
  ${CMAKE_CURRENT_LIST_DIR}/RingworldDependencies.cmake DESTINATION ${RINGWORLD_INSTALL_CMAKEDIR})
install(EXPORT RingworldTargets NAMESPACE ringworld:: DESTINATION ${RINGWORLD_INSTALL_CMAKEDIR})

install(FILES LICENSE CITATION.cff README.md CHANGELOG.md results/SCHEMA.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
foreach(verb attention evaluate needle train)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/experiments/${verb}/config/
    DESTINATION ${CMAKE_INSTALL_DATADIR}/ringworld/config/${verb} OPTIONAL FILES_MATCHING PATTERN "*.toml")
endforeach()
# The program looks for these beside `bin`.
foreach(file kjv.txt digits.csv)
  install(FILES ${PROJECT_BINARY_DIR}/share/ringworld/${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/ringworld OPTIONAL)
endforeach()
