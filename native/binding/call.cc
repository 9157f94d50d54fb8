// See call.h.
#include "binding/call.h"

namespace millrace {

napi_value ThrowTypeError(napi_env env, const char* message) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return nullptr;
}

napi_value ThrowError(napi_env env, const char* message) {
  napi_throw_error(env, "ERR_MILLRACE_HOST", message);
  return nullptr;
}

void SetNumber(napi_env env, napi_value object, const char* name, size_t value) {
  napi_value number;
  napi_create_double(env, static_cast<double>(value), &number);
  napi_set_named_property(env, object, name, number);
}

bool Text::Read(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_latin1(env, value, bytes, sizeof bytes, &length) == napi_ok) {
    return true;
  }
  ThrowTypeError(env, "expected a string");
  return false;
}

}  // namespace millrace
