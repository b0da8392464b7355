# `cmake --install` gives programs, libraries, headers and the package that find_package(layerkit) reads.
include(CMakePackageConfigHelpers)

get_property(install_targets GLOBAL PROPERTY LAYERKIT_INSTALL_TARGETS)
get_property(install_programs GLOBAL PROPERTY LAYERKIT_INSTALL_PROGRAMS)

install(TARGETS ${install_targets} EXPORT layerkitTargets FILE_SET HEADERS)
if(install_programs)
  install(TARGETS ${install_programs})
endif()

set(layerkit_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/layerkit")
install(EXPORT layerkitTargets NAMESPACE layerkit:: DESTINATION "${layerkit_package_dir}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/layerkitConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/layerkitConfig.cmake"
                              INSTALL_DESTINATION "${layerkit_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/layerkitConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/layerkitConfig.cmake"
              "${PROJECT_BINARY_DIR}/layerkitConfigVersion.cmake"
        DESTINATION "${layerkit_package_dir}")
