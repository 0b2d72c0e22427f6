public import Base
public import ModelFormats

/// Names, shapes and sizes of the tensors in a file, read without the tensors.
public struct SafetensorsSummary: Sendable {
  public let entries: [SafetensorsHeader.Entry]
  public let metadata: [(key: String, value: String)]

  /// - Complexity: reads the whole file once, since file systems here read whole files; keeps the header.
  public init(path: String, fileSystem: some FileSystem) throws(LanguageModelError) {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try fileSystem.read(path, byteLimit: 1 << 40)
    } catch {
      throw .file(error)
    }
    do throws(SafetensorsError) {
      let header = try SafetensorsFile(bytes: bytes).header
      entries = header.entries
      metadata = header.metadata
    } catch {
      throw .safetensors(path: path, error)
    }
  }
}
