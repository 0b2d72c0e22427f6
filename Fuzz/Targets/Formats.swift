import AutogradBase
import AutogradFormats

extension FuzzTarget {
  /// What parses is found under its keys and reads back from its own text.
  static let json = FuzzTarget("json") { bytes throws(BrokenProperty) in
    guard let json = try accepted({ () throws(JSONError) in try JSON(parsing: bytes) }) else { return false }
    for pretty in [false, true] {
      let text = json.serialized(pretty: pretty)
      let again = try accepted { () throws(JSONError) in try JSON(parsing: text) }
      try require(again == json, "\(json) reads back as \(String(describing: again))")
    }
    for member in json.objectValue ?? [] {
      try require(json[member.key] == member.value, "\(member.key.quotedForMessage) gives another key's value")
    }
    return true
  }

  /// Tensors fill the data without gap or overlap, can be read, and mean the same in a file that is written of them.
  static let safetensors = FuzzTarget("safetensors") { bytes throws(BrokenProperty) in
    guard let file = try accepted({ () throws(SafetensorsError) in try SafetensorsFile(bytes: bytes) }) else {
      return false
    }
    let entries = file.header.entries
    var position = file.header.dataOffset
    for entry in entries {
      try require(entry.byteRange.lowerBound == position, "\(entry.name.quotedForMessage) is not where it should be")
      position = entry.byteRange.upperBound
      let count = entry.shape.reduce(1, *)
      try require(entry.elementCount == count, "shape \(entry.shape) has not \(entry.elementCount) elements")
      try require(file.entry(entry.name) == entry, "\(entry.name.quotedForMessage) gives another tensor")
      let numbers = try accepted { () throws(SafetensorsError) in try file.doubles(entry.name).count }
      let expected = entry.dtype.isReal ? count : nil
      try require(numbers == expected, "\(entry.dtype.name): \(numbers ?? -1) numbers of \(count)")
      _ = try accepted { () throws(SafetensorsError) in try file.int64s(entry.name) }
    }
    try require(position == bytes.count, "the tensors end at \(position) of \(bytes.count) bytes")
    try requireSameWhenWritten(file, bytes)
    return true
  }
}

private func requireSameWhenWritten(_ file: SafetensorsFile, _ bytes: [UInt8]) throws(BrokenProperty) {
  let again = try accepted { () throws(SafetensorsError) in
    var writer = SafetensorsWriter()
    for entry in file.header.entries {
      try writer.add(entry.name, dtype: entry.dtype, shape: entry.shape) { $0 += bytes[entry.byteRange] }
    }
    return try SafetensorsFile(bytes: writer.serialized())
  }
  try require(again != nil, "what was read cannot be written")
  // Empty tensors may trade places with each other.
  for entry in file.header.entries {
    let copy = again?.entry(entry.name)
    try require(
      copy?.dtype == entry.dtype && copy?.shape == entry.shape, "\(entry.name.quotedForMessage) changed when written")
  }
}

extension FuzzTarget {
  /// Tensors follow each other, can be read, and mean the same in a file that is written of them and of the metadata.
  /// What says that it is one of our models is read as one.
  static let gguf = FuzzTarget("gguf") { bytes throws(BrokenProperty) in
    guard let file = try accepted({ () throws(GGUFError) in try GGUFFile(bytes: bytes) }) else { return false }
    var position = file.header.dataOffset
    for entry in file.header.entries {
      let gap = entry.byteRange.lowerBound - position
      try require(0..<file.header.alignment ~= gap, "\(entry.name.quotedForMessage) is not where it should be")
      position = entry.byteRange.upperBound
      try require(position <= bytes.count, "\(entry.name.quotedForMessage) ends behind the file")
      try require(file.header.entry(entry.name) == entry, "\(entry.name.quotedForMessage) gives another tensor")
      let count = entry.shape.reduce(1, *)
      let numbers = try accepted { () throws(TensorFileError) in try file.readDoubles(entry.name, 0..<count).count }
      try require(numbers == (entry.type.encoding.isReal ? count : nil), "\(entry.type.name): \(numbers ?? -1) of \(count)")
    }
    try requireSameWhenWritten(file)
    return try isModel(file)
  }
}

private func requireSameWhenWritten(_ file: GGUFFile) throws(BrokenProperty) {
  let real = file.header.entries.filter(\.type.encoding.isReal)
  let again = try accepted { () throws(GGUFError) in
    var writer = GGUFWriter(file.metadata)
    writer.metadata["general.alignment"] = nil
    for entry in real where entry.name.utf8.count < 64 {
      try writer.add(entry.name, shape: entry.shape, as: .f32) { (try? file.readFloats(entry.name, $0)) ?? [] }
    }
    return try GGUFFile(bytes: writer.serialized())
  }
  guard let again else { throw BrokenProperty(description: "what was read cannot be written") }
  var metadata = file.metadata
  metadata["general.alignment"] = nil
  try require(again.metadata.hasSameBits(as: metadata), "the metadata changed when written")
  for entry in real where entry.name.utf8.count < 64 {
    let count = entry.elementCount
    let own = try accepted { () throws(TensorFileError) in try file.readFloats(entry.name, 0..<count).map(\.bitPattern) }
    let copy = try accepted { () throws(TensorFileError) in try again.readFloats(entry.name, 0..<count).map(\.bitPattern) }
    try require(own == copy, "\(entry.name.quotedForMessage) changed when written")
  }
}

extension GGUFMetadata {
  /// As `==`, but that NaN is NaN: written out, the same.
  fileprivate func hasSameBits(as other: GGUFMetadata) -> Bool {
    GGUFWriter(self).serialized() == GGUFWriter(other).serialized()
  }
}
