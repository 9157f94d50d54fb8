// The addon's entry: makes the environment's host and exports its functions, as
// lib/native/binding.ts describes them. Called once in each environment.
#include "binding/call.h"
#include "binding/errno_table.h"
#include "poller/poller.h"

namespace millrace {
namespace {

bool ExportCalls(napi_env env, napi_value exports, Host* host, const Export* calls) {
  for (; calls->name != nullptr; ++calls) {
    napi_value function;
    if (napi_create_function(env, calls->name, NAPI_AUTO_LENGTH, calls->call, host, &function) !=
            napi_ok ||
        napi_set_named_property(env, exports, calls->name, function) != napi_ok) {
      return false;
    }
  }
  return true;
}

bool ExportConstants(napi_env env, napi_value exports) {
  napi_value table, poller;
  if (napi_create_object(env, &table) != napi_ok) return false;
  for (const ErrnoName& entry : kErrnoNames) {
    SetNumber(env, table, entry.name, static_cast<size_t>(entry.value));
  }
  return napi_set_named_property(env, exports, "errno", table) == napi_ok &&
         napi_create_string_latin1(env, Poller::Name(), NAPI_AUTO_LENGTH, &poller) == napi_ok &&
         napi_set_named_property(env, exports, "poller", poller) == napi_ok;
}

}  // namespace
}  // namespace millrace

NAPI_MODULE_INIT() {
  using namespace millrace;
  Host* host = Host::Create(env);
  const bool ok = host != nullptr && ExportConstants(env, exports) &&
                  ExportCalls(env, exports, host, kHostCalls) &&
                  ExportCalls(env, exports, host, kHotCalls) &&
                  ExportCalls(env, exports, host, kStreamCalls) &&
                  ExportCalls(env, exports, host, kSocketCalls) &&
                  ExportCalls(env, exports, host, kMessageCalls) &&
                  ExportCalls(env, exports, host, kRelayCalls);
  if (!ok) return ThrowError(env, "cannot set up the addon");
  return exports;
}
