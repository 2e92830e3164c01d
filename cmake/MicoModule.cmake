# mico_module(NAME [DEPENDS modules...] [LIBS libraries...])
#
# src/NAME/*.c as the static library mico_NAME. Depends on exactly the named modules, so an
# include that the layer table forbids usually fails to link too.

set(MICO_CFLAGS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
    -Wformat=2 -Wvla -Wundef -ffp-contract=off -fvisibility=hidden)
if(MICO_WERROR)
    list(APPEND MICO_CFLAGS -Werror)
endif()
add_compile_definitions(_GNU_SOURCE)
set(MICO_GENERATED ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${MICO_GENERATED})

function(mico_module name)
    cmake_parse_arguments(arg "" "" "DEPENDS;LIBS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.c)
    if(NOT sources)
        message(FATAL_ERROR "src/${name} has no sources")

    endif()
    add_library(mico_${name} STATIC ${sources})
    target_include_directories(mico_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_compile_options(mico_${name} PRIVATE ${MICO_CFLAGS})
    list(TRANSFORM arg_DEPENDS PREPEND mico_)
    target_link_libraries(mico_${name} PUBLIC ${arg_DEPENDS} ${arg_LIBS} m)
endfunction()

# The official ONNX schema, turned into C by protobuf-c at build time.
find_program(PROTOC_C protoc-c REQUIRED)
find_file(ONNX_PROTO onnx/onnx.proto PATHS /usr/include REQUIRED NO_DEFAULT_PATH)
cmake_path(GET ONNX_PROTO PARENT_PATH onnx_dir)
add_custom_command(
    OUTPUT ${MICO_GENERATED}/onnx.pb-c.c ${MICO_GENERATED}/onnx.pb-c.h
    COMMAND ${PROTOC_C} --c_out=${MICO_GENERATED} -I${onnx_dir} ${ONNX_PROTO}
    DEPENDS ${ONNX_PROTO})
add_library(onnx_schema STATIC ${MICO_GENERATED}/onnx.pb-c.c ${MICO_GENERATED}/onnx.pb-c.h)
target_include_directories(onnx_schema SYSTEM PUBLIC ${MICO_GENERATED})
target_link_libraries(onnx_schema PUBLIC PkgConfig::PROTOBUF_C)
