// The functions of the hot path. Reading arguments and making results through Node-API
// costs more than everything else that these functions do besides their system call, so
// they take their arguments from the registers of the arena (Int32, layout.registers)
// and leave their result in the first of them. lib/native/hot.ts wraps each in a
// function of the usual form. An offset outside of the arena is -EFAULT.
#include <cerrno>
#include <cstring>

#include "binding/call.h"
#include "net/socket.h"
#include "scan/compose_head.h"
#include "scan/compose_line.h"
#include "scan/scan_fields.h"

namespace millrace {
namespace {

// Where the report of a scan begins, and in front of it the range it was made of.
constexpr int kScannedOffset = 14, kScannedLength = 15, kReport = 16;
// From here on slots of compose, two entries each.
constexpr int kSlots = 64;

static_assert(kReport + static_cast<int>(sizeof(ScanReport) / sizeof(int32_t)) <= kSlots);

// Runs `call` with the host and the registers, unless nothing is open.
template <typename Call>
inline napi_value WithRegisters(napi_env env, napi_callback_info info, Call call) {
  Host* host = HostOf(env, info);
  if (host->opened()) [[likely]] {
    int32_t* r = host->arena().At<int32_t>(host->arena().layout().registers);
    r[0] = call(*host, r);
  }
  return Undefined();
}

// Scans a start line and the fields behind it: records to the table, the report to the
// registers. Remembers which bytes it was, so that it is not done twice.
void Scan(Host& host, int32_t* r, int32_t offset, int32_t length, int32_t from) {
  const ArenaLayout& layout = host.arena().layout();
  ScanFields(host.At(offset), length, from, layout.size - static_cast<size_t>(offset), host.names(),
             host.arena().At<FieldRecord>(layout.table),
             static_cast<int32_t>(layout.record_capacity),
             reinterpret_cast<ScanReport*>(r + kReport));
  r[kScannedOffset] = offset;
  r[kScannedLength] = length;
}

// handle, offset, length
napi_value ReceiveCall(napi_env env, napi_callback_info info) {
  return WithRegisters(env, info, [](Host& host, int32_t* r) {
    if (!host.Contains(r[1], r[2])) return -EFAULT;
    r[kScannedLength] = 0;
    return Receive(host.loop(), r[0], host.At(r[1]), static_cast<size_t>(r[2]));
  });
}

// handle, offset, length
napi_value ReceiveFieldsCall(napi_env env, napi_callback_info info) {
  return WithRegisters(env, info, [](Host& host, int32_t* r) {
    if (!host.Contains(r[1], r[2])) return -EFAULT;
    const int32_t offset = r[1];
    const int count = Receive(host.loop(), r[0], host.At(offset), static_cast<size_t>(r[2]));
    if (count > 0) {
      Scan(host, r, offset, count, 0);
    } else {
      r[kScannedLength] = 0;
    }
    return count;
  });
}

// offset, length, from
napi_value ScanFieldsCall(napi_env env, napi_callback_info info) {
  return WithRegisters(env, info, [](Host& host, int32_t* r) {
    if (!host.Contains(r[0], r[1]) || r[2] < 0 || r[2] > r[1]) return -EFAULT;
    Scan(host, r, r[0], r[1], r[2]);
    return 0;
  });
}

// handle, offset, length
napi_value SendCall(napi_env env, napi_callback_info info) {
  return WithRegisters(env, info, [](Host& host, int32_t* r) {
    if (!host.Contains(r[1], r[2])) return -EFAULT;
    return Send(host.loop(), r[0], host.At(r[1]), static_cast<size_t>(r[2]));
  });
}

// handle, pairs, count
napi_value GatherCall(napi_env env, napi_callback_info info) {
  return WithRegisters(env, info, [](Host& host, int32_t* r) {
    const int32_t count = r[2];
    if (count < 0 || count > Gather::kMaxRanges) return -EINVAL;
    if (r[1] % 4 != 0 || !host.Contains(r[1], count * 8)) return -EFAULT;
    const int32_t* pairs = host.arena().At<int32_t>(static_cast<size_t>(r[1]));
    Gather gather;
    for (int i = 0; i < count; ++i) {
      const int32_t offset = pairs[i * 2], length = pairs[i * 2 + 1];
      if (!host.Contains(offset, length)) return -EFAULT;
      gather.Add(host.At(offset), static_cast<size_t>(length));
    }
    return gather.Send(host.loop(), r[0]);
  });
}

// to, offset1, length1, offset2, length2
napi_value JoinCall(napi_env env, napi_callback_info info) {
  return WithRegisters(env, info, [](Host& host, int32_t* r) {
    if (!host.Contains(r[1], r[2]) || !host.Contains(r[3], r[4]) || !host.Contains(r[0], r[2]) ||
        !host.Contains(r[0] + r[2], r[4])) {
      return -EFAULT;
    }
    const auto first = static_cast<size_t>(r[2]), second = static_cast<size_t>(r[4]);
    std::memmove(host.At(r[0]), host.At(r[1]), first);
    std::memmove(host.At(r[0] + r[2]), host.At(r[3]), second);
    return 0;
  });
}

ComposeMemory MemoryOf(const Arena& arena, const int32_t* r) {
  return {arena.base(), arena.layout().size, reinterpret_cast<const ComposeSlot*>(r + kSlots),
          (static_cast<int>(ArenaLayout::kRegisters) - kSlots) / 2};
}

// steps, stepCount, to, capacity, records, recordCount, base, dropFlags, drop, handle; and the
// slots. With a handle (>= 0) what was written is sent; the second register then says how much.
napi_value ComposeCall(napi_env env, napi_callback_info info) {
  return WithRegisters(env, info, [](Host& host, int32_t* r) {
    constexpr int32_t kStep = sizeof(ComposeStep), kRecord = sizeof(FieldRecord);
    const Arena& arena = host.arena();
    if (r[1] < 0 || r[1] > INT32_MAX / kStep || r[5] < 0 || r[5] > INT32_MAX / kRecord) {
      return -EINVAL;
    }
    if (r[0] % 4 != 0 || r[4] % 4 != 0 || !host.Contains(r[0], r[1] * kStep) ||
        !host.Contains(r[2], r[3]) || !host.Contains(r[4], r[5] * kRecord) ||
        !host.Contains(r[8], NameTable::kMaxNames)) {
      return -EFAULT;
    }
    const ComposeMemory memory = MemoryOf(arena, r);
    const ComposeSource source{arena.At<FieldRecord>(static_cast<size_t>(r[4])), r[5], r[6], r[7],
                               host.At(r[8])};
    const int length = ComposeHead(memory, arena.At<ComposeStep>(static_cast<size_t>(r[0])), r[1],
                                   source, r[2], r[3]);
    if (length >= 0) {
      if (r[9] >= 0) {
        r[1] = Send(host.loop(), r[9], host.At(r[2]), static_cast<size_t>(length));
      }
      return length;
    }
    return length == kComposeTooLong ? -ENOBUFS : -EFAULT;
  });
}

// steps, count, to, capacity, escape, records, recordCount, base, seen; and the slots
napi_value ComposeLineCall(napi_env env, napi_callback_info info) {
  return WithRegisters(env, info, [](Host& host, int32_t* r) {
    constexpr int32_t kStep = sizeof(LineStep), kRecord = sizeof(FieldRecord);
    const Arena& arena = host.arena();
    if (r[1] < 0 || r[1] > INT32_MAX / kStep || r[6] < 0 || r[6] > INT32_MAX / kRecord) {
      return -EINVAL;
    }
    if (r[0] % 4 != 0 || r[5] % 4 != 0 || !host.Contains(r[0], r[1] * kStep) ||
        !host.Contains(r[2], r[3]) || !host.Contains(r[5], r[6] * kRecord)) {
      return -EFAULT;
    }
    const LineSource source{arena.At<FieldRecord>(static_cast<size_t>(r[5])), r[6], r[7],
                            static_cast<uint32_t>(r[8])};
    const int length =
        ComposeLine(MemoryOf(arena, r), arena.At<LineStep>(static_cast<size_t>(r[0])), r[1], source,
                    static_cast<LineEscape>(r[4]), r[2], r[3]);
    if (length >= 0) return length;
    return length == kComposeTooLong ? -ENOBUFS : -EFAULT;
  });
}

// names, special, marked
napi_value SetNames(napi_env env, napi_callback_info info) {
  napi_value values[3];
  Host* host = Arguments(env, info, values);
  char text[NameTable::kMaxNames * 16];
  size_t length = 0;
  int32_t special;
  uint32_t marked;
  if (napi_get_value_string_latin1(env, values[0], text, sizeof text, &length) != napi_ok ||
      napi_get_value_int32(env, values[1], &special) != napi_ok ||
      napi_get_value_uint32(env, values[2], &marked) != napi_ok) {
    return ThrowTypeError(env, "setNames expects a string and two integers");
  }
  return Number(env, host->names().Set(text, length, special, marked) ? 0 : -EINVAL);
}

}  // namespace

const Export kHotCalls[] = {
    {"receive", ReceiveCall}, {"receiveFields", ReceiveFieldsCall},
    {"send", SendCall},       {"gather", GatherCall},
    {"join", JoinCall},       {"scanFields", ScanFieldsCall},
    {"compose", ComposeCall}, {"composeLine", ComposeLineCall},
    {"setNames", SetNames},   {nullptr, nullptr},
};

}  // namespace millrace
