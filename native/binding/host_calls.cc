// The host itself, blocks of memory, and timers but for arming them.
#include <cerrno>

#include "binding/call.h"

namespace millrace {
namespace {

napi_value Open(napi_env env, napi_callback_info info) {
  napi_value values[1];
  Host* host = Arguments(env, info, values);
  return host->Open(values[0]);
}

napi_value Ref(napi_env env, napi_callback_info info) {
  HostOf(env, info)->Ref();
  return Undefined();
}

napi_value Unref(napi_env env, napi_callback_info info) {
  HostOf(env, info)->Unref();
  return Undefined();
}

napi_value Wake(napi_env env, napi_callback_info info) {
  HostOf(env, info)->Wake();
  return Undefined();
}

napi_value ReportException(napi_env env, napi_callback_info info) {
  napi_value values[1];
  Host* host = Arguments(env, info, values);
  host->ReportException(values[0]);
  return Undefined();
}

napi_value UpdateClock(napi_env env, napi_callback_info info) {
  Host* host = HostOf(env, info);
  napi_value result;
  napi_create_double(env, host->opened() ? host->loop().UpdateClock() : 0, &result);
  return result;
}

napi_value Counters(napi_env env, napi_callback_info info) {
  Host* host = HostOf(env, info);
  napi_value result;
  napi_create_object(env, &result);
  const bool opened = host->opened();
  BlockAllocator* blocks = opened ? &host->arena().blocks() : nullptr;
  SetNumber(env, result, "slots", opened ? host->loop().descriptor_count() : 0);
  SetNumber(env, result, "timers", opened ? host->loop().timers().size() : 0);
  SetNumber(env, result, "blocks", opened ? blocks->blocks() : 0);
  SetNumber(env, result, "blockBytes", opened ? blocks->block_bytes() : 0);
  SetNumber(env, result, "relays", opened ? host->relays().size() : 0);
  SetNumber(env, result, "pipes", opened ? static_cast<size_t>(host->relays().pipe_count()) : 0);
  SetNumber(env, result, "turns", host->turns());
  SetNumber(env, result, "polls", opened ? host->loop().polls() : 0);
  return result;
}

// size
napi_value AcquireBlock(napi_env env, napi_callback_info info) {
  int32_t n[1];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  if (!host->opened()) return Number(env, -ENOMEM);
  if (n[0] <= 0) return Number(env, -EINVAL);
  return Number(env,
                static_cast<int32_t>(host->arena().blocks().Acquire(static_cast<size_t>(n[0]))));
}

// offset, size
napi_value ReleaseBlock(napi_env env, napi_callback_info info) {
  int32_t n[2];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  if (!host->opened() || n[0] < 0 || n[1] <= 0) return ThrowError(env, "not a block");
  const int status =
      host->arena().blocks().Release(static_cast<size_t>(n[0]), static_cast<size_t>(n[1]));
  // A block given back twice would soon belong to two owners.
  if (status < 0) return ThrowError(env, "not a block in use, or not of this size");
  return Undefined();
}

napi_value TimerAdd(napi_env env, napi_callback_info info) {
  Host* host = HostOf(env, info);
  return Number(env, host->opened() ? host->loop().timers().Add() : -ENOMEM);
}

// id
napi_value TimerRemove(napi_env env, napi_callback_info info) {
  int32_t n[1];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  return Number(env, host->loop().timers().Remove(n[0]));
}

}  // namespace

const Export kHostCalls[] = {
    {"open", Open},
    {"ref", Ref},
    {"unref", Unref},
    {"wake", Wake},
    {"reportException", ReportException},
    {"updateClock", UpdateClock},
    {"counters", Counters},
    {"acquireBlock", AcquireBlock},
    {"releaseBlock", ReleaseBlock},
    {"timerAdd", TimerAdd},
    {"timerRemove", TimerRemove},
    {nullptr, nullptr},
};

}  // namespace millrace
