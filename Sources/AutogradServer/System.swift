import AutogradBase

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

func secondsSince1970() -> Int {
  var now = timespec()
  // INVARIANT: the call writes one structure of this type, which lives during the call.
  unsafe clock_gettime(CLOCK_REALTIME, &now)
  return Int(now.tv_sec)
}

/// Bytes of this process that are in memory; nil where the system does not tell.
func residentBytes() -> Int? {
  guard let bytes = try? POSIXFileSystem().read("/proc/self/statm", byteLimit: 4096) else { return nil }
  let fields = String(decoding: bytes, as: UTF8.self).split(separator: " ")
  guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
  return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
}
