# `cmake --install build` puts the library, its public headers, the attune command and the package files that
# find_package(attune) and pkg-config read under the prefix. The Python module is a component of its own that only a wheel installs.
include(CMakePackageConfigHelpers)
set(ATTUNE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/attune)

install(TARGETS attune EXPORT attune
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/attune DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
  FILES_MATCHING PATTERN "*.h")
install(EXPORT attune NAMESPACE attune:: FILE attuneTargets.cmake DESTINATION ${ATTUNE_CMAKE_DIR} COMPONENT development)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/attuneConfig.cmake.in ${PROJECT_BINARY_DIR}/attuneConfig.cmake
  INSTALL_DESTINATION ${ATTUNE_CMAKE_DIR} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may break its callers.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/attuneConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/attuneConfig.cmake ${PROJECT_BINARY_DIR}/attuneConfigVersion.cmake
  DESTINATION ${ATTUNE_CMAKE_DIR} COMPONENT development)

# A static library leaves its own dependencies to who links it: they are no private matter then, and a caller need not
# know to ask for --static. The prefix is found from where the file is, so that an installation can be moved.
get_target_property(ATTUNE_TYPE attune TYPE)
if(ATTUNE_TYPE STREQUAL "STATIC_LIBRARY")
  set(ATTUNE_PC_REQUIRES "Requires: fmt, libhwy, re2, libutf8proc")
  set(ATTUNE_PC_THREADS " -pthread")
endif()
file(RELATIVE_PATH ATTUNE_PREFIX_FROM_PC /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(${CMAKE_CURRENT_LIST_DIR}/attune.pc.in ${PROJECT_BINARY_DIR}/attune.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/attune.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
