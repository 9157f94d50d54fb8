// Relays: few calls for each long body, none for its pieces.
#include <cerrno>

#include "binding/call.h"

namespace millrace {
namespace {

// source, target, length, sourceWrites, sourceTimer, sourceTimeoutMs, targetTimer,
// targetTimeoutMs
napi_value RelayStart(napi_env env, napi_callback_info info) {
  napi_value values[8];
  Host* host = Arguments(env, info, values);
  RelaySide source{}, target{};
  double length = 0;
  int32_t source_writes = 0;
  const bool valid = napi_get_value_int32(env, values[0], &source.handle) == napi_ok &&
                     napi_get_value_int32(env, values[1], &target.handle) == napi_ok &&
                     napi_get_value_double(env, values[2], &length) == napi_ok &&
                     napi_get_value_int32(env, values[3], &source_writes) == napi_ok &&
                     napi_get_value_int32(env, values[4], &source.timer) == napi_ok &&
                     napi_get_value_double(env, values[5], &source.timeout_ms) == napi_ok &&
                     napi_get_value_int32(env, values[6], &target.timer) == napi_ok &&
                     napi_get_value_double(env, values[7], &target.timeout_ms) == napi_ok;
  if (!valid) return ThrowTypeError(env, "expected numbers");
  if (!host->opened()) return Number(env, -EBADF);
  // The largest safe integer of JavaScript; beyond it (Infinity) there is no length.
  constexpr double kLongest = 9007199254740991;
  if (!(length >= 1)) return Number(env, -EINVAL);
  const int64_t bytes = length <= kLongest ? static_cast<int64_t>(length) : Relays::kUntilEnd;
  return Number(env, host->relays().Start(source, target, bytes, source_writes != 0));
}

const Relay* RelayOf(napi_env env, napi_callback_info info) {
  int32_t n[1];
  Host* host = Integers(env, info, n);
  return host == nullptr || !host->opened() ? nullptr : host->relays().Find(n[0]);
}

napi_value Double(napi_env env, int64_t value) {
  napi_value result;
  napi_create_double(env, static_cast<double>(value), &result);
  return result;
}

// relay
napi_value RelayStateCall(napi_env env, napi_callback_info info) {
  const Relay* relay = RelayOf(env, info);
  return Number(env, relay == nullptr ? -EBADF : static_cast<int32_t>(relay->state));
}

// relay
napi_value RelayError(napi_env env, napi_callback_info info) {
  const Relay* relay = RelayOf(env, info);
  return Number(env, relay == nullptr ? -EBADF : relay->error);
}

// relay
napi_value RelayReceived(napi_env env, napi_callback_info info) {
  const Relay* relay = RelayOf(env, info);
  return Double(env, relay == nullptr ? 0 : relay->received);
}

// relay
napi_value RelaySent(napi_env env, napi_callback_info info) {
  const Relay* relay = RelayOf(env, info);
  return Double(env, relay == nullptr ? 0 : relay->sent);
}

// relay
napi_value RelayEnd(napi_env env, napi_callback_info info) {
  int32_t n[1];
  Host* host = Integers(env, info, n);
  if (host != nullptr && host->opened()) host->relays().End(n[0]);
  return Undefined();
}

}  // namespace

const Export kRelayCalls[] = {
    {"relayStart", RelayStart}, {"relayState", RelayStateCall},
    {"relayError", RelayError}, {"relayReceived", RelayReceived},
    {"relaySent", RelaySent},   {"relayEnd", RelayEnd},
    {nullptr, nullptr},
};

}  // namespace millrace
