import AutogradBase

extension StoredModel {
  /// The SHA-256 of the files that hold the weights, in order: what an adapter knows its base by.
  ///
  /// - Throws: `file`.
  /// - Complexity: reads the files once, a megabyte at a time: 1 to 2 GB/s on a CPU with instructions for it.
  public func weightsDigest(
    fileSystem: any FileSystem = POSIXFileSystem()
  ) throws(LanguageModelError) -> String {
    var hash = SHA256()
    for path in try weightFiles() {
      do throws(FileError) {
        try hash.update(try fileSystem.openForReading(path))
      } catch {
        throw .file(error)
      }
    }
    return hexadecimal(hash.finalize())
  }
}
