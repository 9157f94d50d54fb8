// The functions of the hot path: each is one Node-API call to read the arguments, one
// system call, one to make the result. An offset outside of the arena is -EFAULT.
#include <cerrno>

#include "binding/call.h"
#include "net/socket.h"
#include "scan/scan_lines.h"

namespace millrace {
namespace {

// handle, offset, length
napi_value Recv(napi_env env, napi_callback_info info) {
  int32_t n[3];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  if (!host->Contains(n[1], n[2])) return Number(env, -EFAULT);
  return Number(env, Receive(host->loop(), n[0], host->At(n[1]), static_cast<size_t>(n[2])));
}

// handle, offset, length
napi_value Send(napi_env env, napi_callback_info info) {
  int32_t n[3];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  if (!host->Contains(n[1], n[2])) return Number(env, -EFAULT);
  return Number(env, Send(host->loop(), n[0], host->At(n[1]), static_cast<size_t>(n[2])));
}

// handle, offset1, length1, offset2, length2
napi_value Send2(napi_env env, napi_callback_info info) {
  int32_t n[5];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  if (!host->Contains(n[1], n[2]) || !host->Contains(n[3], n[4])) return Number(env, -EFAULT);
  const auto first = static_cast<size_t>(n[2]), second = static_cast<size_t>(n[4]);
  if (second == 0) return Number(env, Send(host->loop(), n[0], host->At(n[1]), first));
  if (first == 0) return Number(env, Send(host->loop(), n[0], host->At(n[3]), second));
  Gather gather;
  gather.Add(host->At(n[1]), first);
  gather.Add(host->At(n[3]), second);
  return Number(env, gather.Send(host->loop(), n[0]));
}

// handle, pairs, count
napi_value Sendv(napi_env env, napi_callback_info info) {
  int32_t n[3];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  if (n[2] < 0 || n[2] > Gather::kMaxRanges) return Number(env, -EINVAL);
  if (n[1] % 4 != 0 || !host->Contains(n[1], n[2] * 8)) return Number(env, -EFAULT);
  const int32_t* pairs = host->arena().At<int32_t>(static_cast<size_t>(n[1]));
  Gather gather;
  for (int i = 0; i < n[2]; ++i) {
    const int32_t offset = pairs[i * 2], length = pairs[i * 2 + 1];
    if (!host->Contains(offset, length)) return Number(env, -EFAULT);
    if (length > 0) gather.Add(host->At(offset), static_cast<size_t>(length));
  }
  return Number(env, gather.Send(host->loop(), n[0]));
}

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

// offset, length, from, tableOffset, capacity
napi_value ScanLinesCall(napi_env env, napi_callback_info info) {
  int32_t n[5];
  Host* host = Integers(env, info, n);
  if (host == nullptr) return nullptr;
  constexpr int32_t kEntry = sizeof(Line);
  if (!host->Contains(n[0], n[1]) || n[2] < 0 || n[2] > n[1] || n[3] % 4 != 0 || n[4] < 0 ||
      n[4] > INT32_MAX / kEntry || !host->Contains(n[3], n[4] * kEntry)) {
    return Number(env, -EFAULT);
  }
  Line* lines = host->arena().At<Line>(static_cast<size_t>(n[3]));
  return Number(env, ScanLines(host->At(n[0]), n[1], n[2], lines, n[4]));
}

}  // namespace

const Export kStreamCalls[] = {
    {"recv", Recv},         {"send", Send},
    {"send2", Send2},       {"sendv", Sendv},
    {"accept", Accept},     {"close", Close},
    {"shutdown", Shutdown}, {"markReady", MarkReady},
    {"timerArm", TimerArm}, {"scanLines", ScanLinesCall},
    {nullptr, nullptr},
};

}  // namespace millrace
