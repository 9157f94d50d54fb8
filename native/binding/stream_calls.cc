// Streams and listeners but for moving bytes, which is in hot_calls.cc.
#include <cerrno>

#include "binding/call.h"
#include "net/socket.h"

namespace millrace {
namespace {

// listener, max
napi_value Accept(napi_env env, napi_callback_info info) {
  int32_t n[2];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  if (!host->opened()) return Number(env, -EBADF);
  const ArenaLayout& layout = host->arena().layout();
  const int room = static_cast<int>(layout.table_capacity);
  return Number(env, Accept(host->loop(), n[0], host->arena().At<Handle>(layout.table),
                            n[1] < room ? n[1] : room));
}

// handle
napi_value Close(napi_env env, napi_callback_info info) {
  int32_t n[1];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  host->relays().OnClose(n[0]);
  return Number(env, host->loop().Close(n[0]));
}

// handle
napi_value Shutdown(napi_env env, napi_callback_info info) {
  int32_t n[1];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  return Number(env, Shutdown(host->loop(), n[0]));
}

// handle, flags
napi_value MarkReady(napi_env env, napi_callback_info info) {
  int32_t n[2];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  constexpr uint32_t kAll = kRead | kWrite | kEof | kError;
  return Number(env, host->loop().MarkReady(n[0], static_cast<uint32_t>(n[1]) & kAll));
}

// id
napi_value TimerArm(napi_env env, napi_callback_info info) {
  int32_t n[1];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  return Number(env, host->loop().timers().Arm(n[0]));
}

}  // namespace

const Export kStreamCalls[] = {
    {"accept", Accept},       {"close", Close},       {"shutdown", Shutdown},
    {"markReady", MarkReady}, {"timerArm", TimerArm}, {nullptr, nullptr},
};

}  // namespace millrace
