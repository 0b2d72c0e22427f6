import AutogradBase
import AutogradFormats
import Testing

/// A file with this header text and so many bytes of data.
private func file(_ header: String, dataByteCount: Int = 0) -> [UInt8] {
  frame(UInt64(header.utf8.count)) + Array(header.utf8) + [UInt8](repeating: 0, count: dataByteCount)
}

private func frame(_ length: UInt64) -> [UInt8] {
  (0..<8).map { UInt8(truncatingIfNeeded: length >> UInt64(8 * $0)) }
}

/// The text of one header entry.
private func tensor(
  _ name: String, _ dtype: String = "F32", _ shape: String = "[1]", _ offsets: String = "[0,4]"
) -> String {
  "\"\(name)\":{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
}

@Suite("Safetensors reading")
struct SafetensorsReadingTests {
  @Test("a file of the Python package gives its numbers")
  func pythonFile() throws {
    let padding = String(
      repeating: " ", count: PythonFixture.headerByteCount - PythonFixture.header.utf8.count)
    let read = try SafetensorsFile(bytes: file(PythonFixture.header + padding) + PythonFixture.data)
    #expect(read.names == ["steps", "wide", "empty", "weight", "brain", "half", "größe"])
    #expect(read.header.metadata("format") == "pt")
    #expect(read.entry("weight")?.shape == [2, 3])
    #expect(read.entry("weight")?.elementCount == 6)
    #expect(try read.floats("weight") == [1.5, -2.25, 3e-8, 0.1, .infinity, -0.0])
    #expect(try read.floats("weight")[5].sign == .minus)
    #expect(try read.doubles("weight")[3] == Double(0.1 as Float))
    #expect(try read.floats("half") == [1.5, -65504, 0x1p-24, 0.33300781])
    #expect(try read.floats("brain") == [1, -123.5])
    #expect(try read.doubles("wide") == [0.1])
    #expect(try read.floats("wide") == [0.1])
    #expect(try read.int64s("steps") == [-1, 1 << 40])
    #expect(try read.floats("empty") == [])
    #expect(try read.int64s("größe") == [-128, 127])
    #expect(throws: SafetensorsError.noSuchTensor(name: "gröBe")) { try read.floats("gröBe") }
    #expect(throws: SafetensorsError.wrongDType(name: "steps", dtype: .i64, wanted: "F64, F32, F16 or BF16"))
    {
      try read.floats("steps")
    }
    #expect(throws: SafetensorsError.self) { try read.int64s("wide") }
  }

  @Test(
    "a file may lie in many ways, and each has its error",
    arguments: [
      ([], .fileTooShort(byteCount: 0)),
      (Array(frame(2).prefix(7)), .fileTooShort(byteCount: 7)),
      (frame(0), .headerEmpty),
      (frame(100_000_001), .headerTooLarge(byteCount: 100_000_001)),
      (frame(.max), .headerTooLarge(byteCount: .max)),
      (frame(1 << 63), .headerTooLarge(byteCount: 1 << 63)),
      (frame(3) + Array("{}".utf8), .headerBeyondFile(headerByteCount: 3, fileByteCount: 10)),
      (file(" {}"), .headerNotObject(firstByte: 0x20)),
      (file("[]"), .headerNotObject(firstByte: 0x5B)),
      (file("{"), .headerNotJSON(.unexpectedEnd(offset: 1))),
      (file("{}x"), .headerNotJSON(.trailingBytes(offset: 2))),
      (file("{}\0"), .headerNotJSON(.trailingBytes(offset: 2))),
      (
        file("{\"a\":" + String(repeating: "[", count: 100_000)),
        .headerNotJSON(.tooDeep(limit: 8, offset: 12))
      ),
      (file("{\(tensor("a")),\(tensor("a"))}", dataByteCount: 4), .duplicateName("a")),
      (file(#"{"a":{"dtype":"F32","dtype":"F32"}}"#), .duplicateName("dtype")),
      (file(#"{"__metadata__":{},"__metadata__":{}}"#), .duplicateName("__metadata__")),
      (file(#"{"__metadata__":{"a":"b","step":1}}"#), .metadataNotStrings(key: "step")),
      (file(#"{"__metadata__":["a"]}"#), .metadataNotStrings(key: nil)),
      (file(#"{"a":7}"#), .invalidField(name: "a", field: "dtype")),
      (file(#"{"a":{"dtype":32}}"#), .invalidField(name: "a", field: "dtype")),
      (file(#"{"a":{"dtype":"F32"}}"#), .invalidField(name: "a", field: "shape")),
      (file(#"{"a":{"dtype":"F32","shape":[]}}"#), .invalidField(name: "a", field: "data_offsets")),
      (file("{\(tensor("a", "F31"))}", dataByteCount: 4), .unknownDType(name: "a", dtype: "F31")),
      (file("{\(tensor("a", "f32"))}", dataByteCount: 4), .unknownDType(name: "a", dtype: "f32")),
      (
        file("{\(tensor("a", "F32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"))}", dataByteCount: 4),
        .rankTooLarge(name: "a", rank: 17)
      ),
      (file("{\(tensor("a", "F32", "[1,-1]"))}", dataByteCount: 4), .invalidDimension(name: "a", axis: 1)),
      (file("{\(tensor("a", "F32", "[1.0]"))}", dataByteCount: 4), .invalidDimension(name: "a", axis: 0)),
      (file("{\(tensor("a", "F32", "[\"1\"]"))}", dataByteCount: 4), .invalidDimension(name: "a", axis: 0)),
      (
        file("{\(tensor("a", "F32", "[9223372036854775808]"))}", dataByteCount: 4),
        .invalidDimension(name: "a", axis: 0)
      ),
      (
        file("{\(tensor("a", "F32", "[4611686018427387904]"))}", dataByteCount: 4),
        .shapeOverflow(name: "a", shape: [1 << 62])
      ),
      (
        file("{\(tensor("a", "U8", "[4294967296,4294967296]", "[0,0]"))}"),
        .shapeOverflow(name: "a", shape: [1 << 32, 1 << 32])
      ),
      (
        file("{\(tensor("a", "U8", "[4294967296,4294967296,0]", "[0,0]"))}"),
        .shapeOverflow(name: "a", shape: [1 << 32, 1 << 32, 0])
      ),
      (
        file("{\(tensor("a", "U8", "[0,4294967296,4294967296]", "[0,0]"))}"),
        .shapeOverflow(name: "a", shape: [0, 1 << 32, 1 << 32])
      ),
      (file("{\(tensor("a", "F32", "[1]", "[0]"))}", dataByteCount: 4), .invalidOffsets(name: "a")),
      (file("{\(tensor("a", "F32", "[1]", "[0,4,8]"))}", dataByteCount: 4), .invalidOffsets(name: "a")),
      (file("{\(tensor("a", "F32", "[1]", "[-4,0]"))}", dataByteCount: 4), .invalidOffsets(name: "a")),
      (file("{\(tensor("a", "F32", "[1]", "[0,4.0]"))}", dataByteCount: 4), .invalidOffsets(name: "a")),
      (
        file("{\(tensor("a", "F32", "[1]", "[0,18446744073709551615]"))}", dataByteCount: 4),
        .invalidOffsets(name: "a")
      ),
      (
        file("{\(tensor("a", "F32", "[1]", "[4,0]"))}", dataByteCount: 4),
        .reversedOffsets(name: "a", begin: 4, end: 0)
      ),
      (
        file("{\(tensor("a", "F32", "[2]", "[0,8]"))}", dataByteCount: 4),
        .offsetsBeyondFile(name: "a", end: 8, dataByteCount: 4)
      ),
      (
        file("{\(tensor("a", "F32", "[1]", "[9223372036854775803,9223372036854775807]"))}", dataByteCount: 4),
        .offsetsBeyondFile(name: "a", end: .max, dataByteCount: 4)
      ),
      (
        file("{\(tensor("a", "F32", "[1]", "[0,8]"))}", dataByteCount: 8),
        .sizeMismatch(name: "a", expected: 4, got: 8)
      ),
      (
        file("{\(tensor("a", "F32", "[]", "[0,0]"))}"),
        .sizeMismatch(name: "a", expected: 4, got: 0)
      ),
      (
        file(
          "{\(tensor("a", "F32", "[2]", "[0,8]")),\(tensor("b", "F32", "[1]", "[4,8]"))}", dataByteCount: 8),
        .overlap(name: "b", other: "a")
      ),
      (file("{\(tensor("a")),\(tensor("b"))}", dataByteCount: 4), .overlap(name: "b", other: "a")),
      (
        file("{\(tensor("b", "F32", "[1]", "[8,12]")),\(tensor("a"))}", dataByteCount: 12),
        .hole(before: "b", byteCount: 4)
      ),
      (file("{\(tensor("a", "F32", "[1]", "[4,8]"))}", dataByteCount: 8), .hole(before: "a", byteCount: 4)),
      (file("{\(tensor("a"))}", dataByteCount: 5), .trailingBytes(count: 1)),
      (file("{}", dataByteCount: 1), .trailingBytes(count: 1)),
    ] as [([UInt8], SafetensorsError)])
  func lies(bytes: [UInt8], error: SafetensorsError) {
    #expect(throws: error) { try SafetensorsFile(bytes: bytes) }
    #expect(error.description.hasPrefix("safetensors: "))
  }

  @Test("unusual but honest files are read")
  func honest() throws {
    #expect(try SafetensorsFile(bytes: file("{}   ")).names == [])
    #expect(try SafetensorsFile(bytes: file(#"{"__metadata__":{}}"#)).names == [])
    let reordered = "{\(tensor("b", "F32", "[1]", "[4,8]")),\(tensor("a"))}"
    #expect(try SafetensorsFile(bytes: file(reordered, dataByteCount: 8)).names == ["a", "b"])
    let empties =
      "{\(tensor("a")),\(tensor("e", "F32", "[0]", "[4,4]")),\(tensor("z", "F32", "[3,0]", "[0,0]"))}"
    #expect(try SafetensorsFile(bytes: file(empties, dataByteCount: 4)).names == ["z", "a", "e"])
    let accents = "{\(tensor("\u{E9}")),\(tensor("e\u{301}", "F32", "[1]", "[4,8]"))}"
    let read = try SafetensorsFile(bytes: file(accents, dataByteCount: 8))
    #expect(read.entry("e\u{301}")?.byteRange.lowerBound == read.header.dataOffset + 4)
  }

  @Test("a header can be read without its data")
  func headerOnly() throws {
    let bytes = file("{\(tensor("a", "F32", "[1000]", "[0,4000]"))}")
    let size = bytes.count + 4000
    #expect(try SafetensorsHeader.prefixByteCount(Array(bytes.prefix(8)), fileByteCount: size) == bytes.count)
    #expect(try SafetensorsHeader(parsing: bytes, fileByteCount: size).entry("a")?.elementCount == 1000)
    #expect(throws: SafetensorsError.fileTooShort(byteCount: 20)) {
      try SafetensorsHeader(parsing: Array(bytes.prefix(20)), fileByteCount: size)
    }
  }

  @Test("a header of very many tensors is read in good time", .timeLimit(.minutes(1)))
  func manyTensors() throws {
    let count = 20_000
    let entries = (0..<count).map { tensor("t\($0)", "U8", "[1]", "[\($0),\($0 + 1)]") }
    let read = try SafetensorsFile(
      bytes: file("{\(entries.reversed().joined(separator: ","))}", dataByteCount: count))
    #expect(read.names.count == count)
    #expect(try read.int64s("t\(count - 1)") == [0])
  }

  @Test("every half-precision number is exact")
  func halves() throws {
    #if !(os(macOS) && arch(x86_64))
      var writer = SafetensorsWriter()
      try writer.add("h", dtype: .f16, shape: [65536]) { bytes in
        for bits in 0...UInt16.max { bytes += [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)] }
      }
      let floats = try SafetensorsFile(bytes: writer.serialized()).floats("h")
      for bits in 0...UInt16.max {
        let expected = Float(Float16(bitPattern: bits))
        let got = floats[Int(bits)]
        if !(got.bitPattern == expected.bitPattern || (got.isNaN && expected.isNaN)) {
          Issue.record("\(bits): \(got) instead of \(expected)")
        }
      }
    #endif
  }

  @Test("no bytes stop the process")
  func hostile() throws {
    let seeds = [
      file("{\(tensor("a")),\(tensor("b", "BF16", "[2,0]", "[4,4]"))}", dataByteCount: 4),
      file(
        #"{"__metadata__":{"format":"pt"},"x":{"dtype":"F64","shape":[2,1],"data_offsets":[0,16]}}"#,
        dataByteCount: 16),
    ]
    var random = RandomStream(seed: 17, purpose: .evaluation)
    var accepted = 0
    for round in 0..<20_000 {
      var bytes = seeds[round % 2]
      for _ in 0...random.integer(below: 2) {
        let place = random.integer(below: bytes.count)
        switch random.integer(below: 4) {
        case 0: bytes[place] = UInt8(random.integer(below: 256))
        case 1: bytes[place] = UInt8(ascii: "0") + UInt8(random.integer(below: 10))
        case 2: bytes.removeLast(random.integer(below: 3))
        default: bytes.insert(UInt8(ascii: "9"), at: place)
        }
      }
      guard let read = try? SafetensorsFile(bytes: bytes) else { continue }
      accepted += 1
      for name in read.names { _ = try? read.doubles(name) }
    }
    #expect(accepted > 100, "the mutations must not all be refused")
  }
}

@Suite("Safetensors writing")
struct SafetensorsWritingTests {
  @Test("what is written is read back, in order, aligned, the same each time")
  func roundTrip() throws {
    var writer = SafetensorsWriter()
    try writer.setMetadata("step", "12")
    try writer.add("z", shape: [2, 2], floats: [1, -2, 0.1, .nan])
    try writer.add("a", shape: [], doubles: [0.1])
    try writer.add("\u{E9}\n", shape: [0, 5], floats: [])
    try writer.add("e\u{301}\n", shape: [3], int64s: [.min, 0, .max])
    try writer.add("raw", dtype: .bool, shape: [3]) { $0 += [1, 0, 1] }
    let bytes = try writer.serialized()
    #expect(try writer.serialized() == bytes)
    let read = try SafetensorsFile(bytes: bytes)
    #expect(
      read.names.map { Array($0.utf8) } == ["z", "a", "\u{E9}\n", "e\u{301}\n", "raw"].map { Array($0.utf8) })
    #expect(read.header.dataOffset % 64 == 0)
    #expect(read.header.metadata("format") == "pt")
    #expect(read.header.metadata("step") == "12")
    #expect(try read.floats("z").map(\.bitPattern) == [1, -2, 0.1, .nan].map { ($0 as Float).bitPattern })
    #expect(try read.doubles("a") == [0.1])
    #expect(try read.int64s("e\u{301}\n") == [.min, 0, .max])
    #expect(read.entry("raw")?.dtype == .bool)
  }

  @Test("data starts at a multiple of 64 bytes for every header length")
  func alignment() throws {
    for length in 0..<130 {
      var writer = SafetensorsWriter()
      try writer.add(String(repeating: "n", count: length), shape: [1], floats: [1])
      let bytes = try writer.serialized()
      #expect((bytes.count - 4) % 64 == 0)
      let padding = bytes.dropLast(4).reversed().prefix { $0 == UInt8(ascii: " ") }.count
      #expect(padding < 64)
      #expect(try SafetensorsFile(bytes: bytes).header.dataOffset == bytes.count - 4)
    }
  }

  @Test("an empty file still says that it is for PyTorch")
  func empty() throws {
    let bytes = try SafetensorsWriter().serialized()
    #expect(String(decoding: bytes[8...], as: UTF8.self).hasPrefix(#"{"__metadata__":{"format":"pt"}}"#))
    #expect(bytes.count == 64)
  }

  @Test("mistakes of the caller are errors")
  func mistakes() throws {
    var writer = SafetensorsWriter()
    try writer.add("a", shape: [1], floats: [1])
    #expect(throws: SafetensorsError.duplicateName("a")) { try writer.add("a", shape: [1], floats: [1]) }
    #expect(throws: SafetensorsError.duplicateName("format")) { try writer.setMetadata("format", "np") }
    #expect(throws: SafetensorsError.reservedName("__metadata__")) {
      try writer.add("__metadata__", shape: [], floats: [1])
    }
    #expect(throws: SafetensorsError.invalidDimension(name: "b", axis: 1)) {
      try writer.add("b", shape: [2, -1], floats: [])
    }
    #expect(throws: SafetensorsError.shapeOverflow(name: "b", shape: [.max, 2])) {
      try writer.add("b", shape: [.max, 2], floats: [])
    }
    #expect(throws: SafetensorsError.shapeOverflow(name: "b", shape: [.max])) {
      try writer.add("b", dtype: .u8, shape: [.max]) { _ in }
    }
    #expect(throws: SafetensorsError.rankTooLarge(name: "b", rank: 17)) {
      try writer.add("b", shape: [Int](repeating: 1, count: 17), floats: [1])
    }
    try writer.add("b", shape: [2], floats: [1])
    #expect(throws: SafetensorsError.wrongByteCount(name: "b", expected: 8, got: 4)) {
      try writer.serialized()
    }
  }

  @Test("types have the sizes of the format")
  func sizes() {
    #expect(TensorDType(rawValue: "BF16")?.byteCount == 2)
    #expect(TensorDType(rawValue: "BOOL")?.byteCount == 1)
    let eightBytes = TensorDType.allCases.filter { $0.byteCount == 8 }.map { $0.name }
    #expect(eightBytes == ["F64", "I64", "U64", "C64"])
    #expect(TensorDType.f64.name == "F64")
  }
}
