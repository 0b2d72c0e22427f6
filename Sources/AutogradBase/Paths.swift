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

/// The paths that a pattern with `*`, `?` and `[…]` matches, ordered by their bytes; names that begin with a dot only where
/// the pattern has it. None where nothing matches.
public func pathsMatching(_ pattern: String) -> [String] {
  if pattern.isEmpty || pattern.utf8.contains(0) || !pattern.contains(where: { "*?[".contains($0) }) { return [] }
  var found = unsafe glob_t()
  // INVARIANT: the structure is initialised, freed exactly once after its paths were copied, and the string ends with a
  // zero byte; each path is a terminated string.
  defer { unsafe globfree(&found) }
  guard unsafe glob(pattern, 0, nil, &found) == 0 else { return [] }
  var paths: [String] = []
  for index in 0..<Int(unsafe found.gl_pathc) {
    if let path = unsafe found.gl_pathv[index] { unsafe paths.append(String(cString: path)) }
  }
  return paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}

/// Where files go that nobody is to keep: what `TMPDIR` names, or else `/tmp`.
package func temporaryFolder() -> String {
  // INVARIANT: getenv yields null or a terminated string, copied before anything could change it.
  let named = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? ""
  return named.isEmpty ? "/tmp" : named
}

/// The number of this process.
package func processNumber() -> Int { Int(getpid()) }
