import AutogradBase

/// Says in which way bytes are not a safetensors file, or why one cannot be read or written as asked.
public enum SafetensorsError: Error, Equatable, Sendable {
  // The frame.
  case fileTooShort(byteCount: Int)
  case headerEmpty
  case headerTooLarge(byteCount: UInt64)
  case headerBeyondFile(headerByteCount: UInt64, fileByteCount: Int)
  case headerNotObject(firstByte: UInt8)
  case headerNotJSON(JSONError)
  // What the header says.
  case duplicateName(String)
  case metadataNotStrings(key: String?)
  case invalidField(name: String, field: String)
  case unknownDType(name: String, dtype: String)
  case rankTooLarge(name: String, rank: Int)
  case invalidDimension(name: String, axis: Int)
  case shapeOverflow(name: String, shape: [Int])
  case invalidOffsets(name: String)
  case reversedOffsets(name: String, begin: Int, end: Int)
  case offsetsBeyondFile(name: String, end: Int, dataByteCount: Int)
  case sizeMismatch(name: String, expected: Int, got: Int)
  case overlap(name: String, other: String)
  case hole(before: String, byteCount: Int)
  case trailingBytes(count: Int)
  // What was asked.
  case file(FileError)
  case noSuchTensor(name: String)
  case wrongDType(name: String, dtype: TensorDType, wanted: String)
  // What was to be written.
  case reservedName(String)
  case wrongByteCount(name: String, expected: Int, got: Int)
}

extension SafetensorsError: CustomStringConvertible {
  public var description: String {
    if case .file(let error) = self { return "\(error)" }
    return "safetensors: " + sentence
  }

  private func tensor(_ name: String) -> String { "tensor \(name.quotedForMessage)" }

  private var sentence: String {
    switch self {
    case .file(let error): "\(error)"
    case .fileTooShort(let byteCount):
      "the file has \(byteCount) bytes, but 8 say how long its header is; get it again"
    case .headerEmpty:
      "the header has length 0; this is no safetensors file"
    case .headerTooLarge(let byteCount):
      "the header claims \(byteCount) bytes, more than the 100000000 allowed; this is no safetensors file"
    case .headerBeyondFile(let headerByteCount, let fileByteCount):
      "the header claims \(headerByteCount) bytes, but the file has \(fileByteCount); get it again"
    case .headerNotObject(let firstByte):
      "the header starts with byte \(firstByte) instead of '{'; this is no safetensors file"
    case .headerNotJSON(let error):
      "the header cannot be read: \(error)"
    case .duplicateName(let name):
      "the name \(name.quotedForMessage) stands twice; names must differ"
    case .metadataNotStrings(let key):
      "__metadata__ must hold strings only"
        + (key.map { ", \($0.quotedForMessage) is none" } ?? " and be an object") + "; write them as strings"
    case .invalidField(let name, let field):
      "\(tensor(name)) has no valid \(field.quotedForMessage); write the file again"
    case .unknownDType(let name, let dtype):
      "\(tensor(name)) has the unknown type \(dtype.quotedForMessage); convert it to F32 or BF16"
    case .rankTooLarge(let name, let rank):
      "\(tensor(name)) has \(rank) axes, more than the 16 allowed; reshape it"
    case .invalidDimension(let name, let axis):
      "\(tensor(name)): axis \(axis) of its shape is no integer of 0 or more; write the file again"
    case .shapeOverflow(let name, let shape):
      "\(tensor(name)) of shape \(shape) has more bytes than can be counted; correct the shape"
    case .invalidOffsets(let name):
      "\(tensor(name)): data_offsets must be two integers of 0 or more; write the file again"
    case .reversedOffsets(let name, let begin, let end):
      "\(tensor(name)) begins at \(begin) and ends before that, at \(end); write the file again"
    case .offsetsBeyondFile(let name, let end, let dataByteCount):
      "\(tensor(name)) ends at \(end), but the data has \(dataByteCount) bytes; get the file again"
    case .sizeMismatch(let name, let expected, let got):
      "\(tensor(name)) needs \(expected) bytes by type and shape, but has \(got); write the file again"
    case .overlap(let name, let other):
      "tensors \(other.quotedForMessage) and \(name.quotedForMessage) share bytes; write the file again"
    case .hole(let before, let byteCount):
      "\(byteCount) bytes before tensor \(before.quotedForMessage) belong to none; write the file again"
    case .trailingBytes(let count):
      "\(count) bytes after the last tensor belong to none; remove them or get the file again"
    case .noSuchTensor(let name):
      "there is no \(tensor(name)); look at the names"
    case .wrongDType(let name, let dtype, let wanted):
      "\(tensor(name)) is \(dtype.name), but \(wanted) is needed; convert it"
    case .reservedName(let name):
      "the name \(name.quotedForMessage) is reserved; choose another"
    case .wrongByteCount(let name, let expected, let got):
      "\(tensor(name)) needs \(expected) bytes by type and shape, but \(got) were provided"
        + "; provide as many as its type and shape need"
    }
  }
}
