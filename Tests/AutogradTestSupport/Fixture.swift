public import AutogradEngine
import AutogradBase
public import AutogradFormats

/// The tensors of a file in Tests/Fixtures.
public struct Fixture: Sendable {
  public let file: SafetensorsFile

  public var names: [String] { file.names }

  /// A tensor of real numbers.
  public func tensor(_ name: String) throws -> Tensor<Double> {
    Tensor(shape: file.entry(name)?.shape ?? [], try file.doubles(name))
  }

  /// A tensor of token ids and its shape; nil where the file has none of that name.
  public func tokens(_ name: String) throws -> (ids: [Int32], shape: [Int])? {
    guard let entry = file.entry(name), entry.dtype == .i64 else { return nil }
    return (try file.int64s(name).map { Int32($0) }, entry.shape)
  }
}

/// Reads `Tests/Fixtures/<name>.safetensors`.
public func fixture(_ name: String) throws -> Fixture {
  let here = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(
    separator: "/")
  let bytes = try POSIXFileSystem().read("\(here)/Fixtures/\(name).safetensors", byteLimit: 64 << 20)
  return Fixture(file: try SafetensorsFile(bytes: bytes))
}
