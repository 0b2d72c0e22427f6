import AutogradBase

/// Says in which way bytes are not a GGUF file that this version reads, or why one cannot be read or written as asked.
public enum GGUFError: Error, Equatable, Sendable {
  // The frame.
  case fileTooShort(byteCount: Int)
  case notGGUF(start: [UInt8])
  case olderFormat(name: String)
  case bigEndian
  case unknownVersion(UInt32)
  case tooManyKeys(UInt64)
  case tooManyTensors(UInt64)
  case headerTooLarge(byteLimit: Int)
  case endsInside(what: String, at: Int)
  // Keys and values.
  case keyEmpty(index: Int)
  case keyTooLong(index: Int, byteCount: UInt64)
  case keyNotUTF8(index: Int)
  case duplicateKey(String)
  case unknownValueType(key: String, type: UInt32)
  case invalidBool(key: String, byte: UInt8)
  case stringTooLong(key: String, byteCount: UInt64)
  case stringNotUTF8(key: String)
  case arrayTooLong(key: String, count: UInt64)
  case arraysTooDeep(key: String)
  case invalidAlignment(String)
  case split(count: Int)
  case notModel(type: String)
  // Tensors.
  case tensorNameEmpty(index: Int)
  case tensorNameTooLong(index: Int, byteCount: UInt64)
  case tensorNameNotUTF8(index: Int)
  case duplicateTensor(String)
  case invalidRank(name: String, rank: UInt32)
  case invalidDimension(name: String, axis: Int, length: UInt64)
  case shapeOverflow(name: String, shape: [Int])
  case unknownType(name: String, type: UInt32)
  case unsupportedType(name: String, type: String)
  case brokenRow(name: String, width: Int, type: String, blockLength: Int)
  case misaligned(name: String, offset: UInt64, alignment: Int)
  case overlap(name: String, other: String)
  case hole(before: String, byteCount: Int)
  case beyondFile(name: String, end: Int, dataByteCount: Int)
  case trailingBytes(count: Int)
  // What was asked.
  case file(FileError)
  case noSuchTensor(name: String)
  case wrongType(name: String, type: String)
  // What was to be written.
  case unwritableType(name: String, type: String)
  case wrongByteCount(name: String, expected: Int, got: Int)
}

extension GGUFError: CustomStringConvertible {
  public var description: String {
    if case .file(let error) = self { return "\(error)" }
    return "GGUF: " + (frameSentence ?? keySentence ?? tensorSentence)
  }

  private var frameSentence: String? {
    switch self {
    case .fileTooShort(let byteCount):
      "the file has \(byteCount) bytes, but 24 say what is in it; get it again"
    case .notGGUF(let start):
      "the file begins with \(start.map { hexadecimal($0) }.joined(separator: " ")) instead of \"GGUF\"; this is no GGUF file"
    case .olderFormat(let name):
      "the file is of the older format \(name); convert the model again, with a llama.cpp of today"
    case .bigEndian:
      "the file was written for machines with the other order of bytes; convert it with gguf_convert_endian"
    case .unknownVersion(let version):
      "the file is of version \(version), and this version reads 2 and 3; convert the model again"
    case .tooManyKeys(let count):
      "the file claims \(count) keys, more than the \(GGUFHeader.keyLimit) allowed; get it again"
    case .tooManyTensors(let count):
      "the file claims \(count) tensors, more than the \(GGUFHeader.tensorLimit) allowed; get it again"
    case .headerTooLarge(let byteLimit):
      "keys and tensors' names take more than the \(byteLimit) bytes allowed; this is no model"
    case .endsInside(let what, let position):
      "the file ends inside \(what), which begins at byte \(position); get it again"
    case .split(let count):
      "the file is one of \(count) of a model; join them with llama-gguf-split --merge"
    case .notModel(let type):
      "the file holds the type \(type.quotedForMessage), not a model; name the model's own file"
    default: nil
    }
  }

  private func hexadecimal(_ byte: UInt8) -> String {
    let text = String(byte, radix: 16, uppercase: true)
    return text.count == 1 ? "0" + text : text
  }

  private var keySentence: String? {
    switch self {
    case .keyEmpty(let index): "key \(index) has no name; write the file again"
    case .keyTooLong(let index, let byteCount):
      "the name of key \(index) claims \(byteCount) bytes, more than the \(GGUFHeader.keyByteLimit) allowed; get the file again"
    case .keyNotUTF8(let index): "the name of key \(index) is no UTF-8; write the file again"
    case .duplicateKey(let key): "the key \(key.quotedForMessage) stands twice; remove one"
    case .unknownValueType(let key, let type):
      "\(quoted(key)) has a value of the unknown type \(type); there are 0 to 12"
    case .invalidBool(let key, let byte): "\(quoted(key)) is a truth value of \(byte); there are 0 and 1"
    case .stringTooLong(let key, let byteCount):
      "\(quoted(key)) claims a string of \(byteCount) bytes, more than the file has left; get it again"
    case .stringNotUTF8(let key): "\(quoted(key)) is no UTF-8; write it again"
    case .arrayTooLong(let key, let count):
      "\(quoted(key)) claims \(count) elements, more than the file has bytes for; get it again"
    case .arraysTooDeep(let key):
      "\(quoted(key)) has arrays in arrays beyond a depth of \(GGUFHeader.arrayDepthLimit); flatten them"
    case .invalidAlignment(let value):
      "general.alignment is \(value); it must be a power of two from 8 to \(GGUFHeader.alignmentLimit), as U32"
    default: nil
    }
  }

  private func quoted(_ key: String) -> String { "the key \(key.quotedForMessage)" }

  private var tensorSentence: String {
    func tensor(_ name: String) -> String { "tensor \(name.quotedForMessage)" }
    return switch self {
    case .tensorNameEmpty(let index): "tensor \(index) has no name; write the file again"
    case .tensorNameTooLong(let index, let byteCount):
      "the name of tensor \(index) claims \(byteCount) bytes, more than the \(GGUFHeader.nameByteLimit) allowed; get the file "
        + "again"
    case .tensorNameNotUTF8(let index): "the name of tensor \(index) is no UTF-8; write the file again"
    case .duplicateTensor(let name): "the name \(name.quotedForMessage) stands twice; names must differ"
    case .invalidRank(let name, let rank): "\(tensor(name)) has \(rank) axes; there are 1 to \(GGUFHeader.rankLimit)"
    case .invalidDimension(let name, let axis, let length):
      "\(tensor(name)): axis \(axis) has the length \(length); it must lie between 1 and 2⁶³ − 1"
    case .shapeOverflow(let name, let shape):
      "\(tensor(name)) of shape \(shape) has more bytes than can be counted; correct the shape"
    case .unknownType(let name, let type):
      "\(tensor(name)) has the unknown type \(type); this version reads \(GGUFError.readable)"
    case .unsupportedType(let name, let type):
      "\(tensor(name)) is \(type), and this version reads \(GGUFError.readable); get or make the file in one of these"
    case .brokenRow(let name, let width, let type, let blockLength):
      "\(tensor(name)) has rows of \(width) numbers, which \(type) cannot hold: its blocks have \(blockLength); get it again"
    case .misaligned(let name, let offset, let alignment):
      "\(tensor(name)) begins at \(offset), which is no multiple of the alignment \(alignment); write the file again"
    case .overlap(let name, let other):
      "tensors \(other.quotedForMessage) and \(name.quotedForMessage) share bytes; write the file again"
    case .hole(let before, let byteCount):
      "\(byteCount) bytes before \(tensor(before)) belong to none; write the file again"
    case .beyondFile(let name, let end, let dataByteCount):
      "\(tensor(name)) ends at \(end), but the data has \(dataByteCount) bytes; get the file again"
    case .trailingBytes(let count):
      "\(count) bytes after the last tensor belong to none; remove them or get the file again"
    case .noSuchTensor(let name): "there is no \(tensor(name)); look at the names"
    case .wrongType(let name, let type): "\(tensor(name)) is \(type), but real numbers are needed; convert it"
    case .unwritableType(let name, let type):
      "\(tensor(name)) cannot be written as \(type); choose one of "
        + GGUFNumberType.allCases.map { $0.type.name }.joined(separator: ", ")
    case .wrongByteCount(let name, let expected, let got):
      "\(tensor(name)) needs \(expected) bytes by type and shape, but \(got) were provided; provide as many as it needs"
    default: "the file cannot be read"
    }
  }

  private static var readable: String { GGUFTensorType.all.map(\.name).joined(separator: ", ") }
}
