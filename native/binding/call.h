// Reading arguments and making results, with as few Node-API calls as there can be.
// Integer arguments are read in one go; a wrong type is a bug of the caller and throws.
#ifndef MILLRACE_BINDING_CALL_H_
#define MILLRACE_BINDING_CALL_H_

#include <cstddef>
#include <cstdint>

#include "binding/host.h"

namespace millrace {

napi_value ThrowTypeError(napi_env env, const char* message);
napi_value ThrowError(napi_env env, const char* message);
void SetNumber(napi_env env, napi_value object, const char* name, size_t value);

// A latin1 string argument (one character, one byte), cut at the end of the buffer.
struct Text {
  char bytes[512];
  bool Read(napi_env env, napi_value value);
};

// Arguments of any type; missing ones are undefined.
template <size_t N>
inline Host* Arguments(napi_env env, napi_callback_info info, napi_value (&values)[N]) {
  size_t count = N;
  void* host = nullptr;
  napi_get_cb_info(env, info, &count, values, nullptr, &host);
  return static_cast<Host*>(host);
}

inline Host* HostOf(napi_env env, napi_callback_info info) {
  if (Host* first = Host::First(env)) [[likely]]
    return first;
  void* host = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &host);
  return static_cast<Host*>(host);
}

// Arguments that are all integers. Result: nullptr after throwing a TypeError.
template <size_t N>
inline Host* Integers(napi_env env, napi_callback_info info, int32_t (&numbers)[N]) {
  napi_value values[N];
  Host* host = Arguments(env, info, values);
  unsigned status = 0;
  for (size_t i = 0; i < N; ++i) {
    status |= static_cast<unsigned>(napi_get_value_int32(env, values[i], &numbers[i]));
  }
  if (status != 0) [[unlikely]] {
    ThrowTypeError(env, "expected integers");
    return nullptr;
  }
  return host;
}

inline napi_value Number(napi_env env, int32_t value) {
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

inline napi_value Undefined() { return nullptr; }

// A function of the addon under its JavaScript name.
struct Export {
  const char* name;
  napi_callback call;
};

// The lists end with an entry without a name.
extern const Export kHostCalls[];
extern const Export kHotCalls[];
extern const Export kStreamCalls[];
extern const Export kSocketCalls[];
extern const Export kMessageCalls[];
extern const Export kRelayCalls[];

}  // namespace millrace

#endif  // MILLRACE_BINDING_CALL_H_
