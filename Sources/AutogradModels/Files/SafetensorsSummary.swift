public import AutogradBase
public import AutogradFormats

/// Names, shapes and sizes of the tensors in a file, read without the tensors.
public struct SafetensorsSummary: Sendable {
  public let entries: [SafetensorsHeader.Entry]
  public let metadata: [(key: String, value: String)]

  /// - Complexity: reads the header only.
  public init(path: String, fileSystem: some FileSystem) throws(LanguageModelError) {
    let file: any RandomAccessFile
    do throws(FileError) {
      file = try fileSystem.openForReading(path)
    } catch {
      throw .file(error)
    }
    do throws(SafetensorsError) {
      let header = try SafetensorsFile(file).header
      entries = header.entries
      metadata = header.metadata
    } catch {
      throw .safetensors(path: path, error)
    }
  }
}
