#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// The path from the root, with symbolic links followed; nil where nothing is there.
public func absolutePath(_ path: String) -> String? {
  if path.isEmpty || path.utf8.contains(0) { return nil }
  // INVARIANT: the result is a terminated string of its own, freed exactly once after it was copied.
  guard let resolved = unsafe realpath(path, nil) else { return nil }
  defer { unsafe free(resolved) }
  return unsafe String(cString: resolved)
}
