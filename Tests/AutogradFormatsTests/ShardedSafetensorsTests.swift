import AutogradBase
import AutogradFormats
import Testing

/// An index over files, and files that are not what it says.
@Suite("Safetensors in shards") struct ShardedSafetensorsTests {
  private func shard(_ tensors: [(name: String, values: [Float])]) throws -> [UInt8] {
    var writer = SafetensorsWriter()
    for (name, values) in tensors { try writer.add(name, shape: [values.count], floats: values) }
    return try writer.serialized()
  }

  private func open(_ index: String, _ files: [String: [UInt8]]) throws -> ShardedSafetensors {
    let parsed = try SafetensorsIndex(parsing: Array(index.utf8))
    return try ShardedSafetensors(parsed) { name throws(FileError) in
      guard let bytes = files[name] else { throw .notFound(.read, path: name) }
      return FileInMemory(path: name, bytes: bytes)
    }
  }

  private func index(_ map: String, total: String? = nil) -> String {
    "{\"metadata\":{" + (total.map { "\"total_size\":" + $0 } ?? "") + "},\"weight_map\":{" + map + "}}"
  }

  private func files() throws -> [String: [UInt8]] {
    ["a.safetensors": try shard([("x", [1, 2]), ("y", [3])]), "b.safetensors": try shard([("z", [4, 5, 6])])]
  }

  private let good = #""x":"a.safetensors","z":"b.safetensors","y":"a.safetensors""#

  @Test("tensors of several files are read as those of one")
  func reading() throws {
    let shards = try open(index(good, total: "24"), try files())
    #expect(shards.tensors.map(\.name) == ["x", "y", "z"] && shards.tensor("z")?.shape == [3])
    #expect(try shards.readFloats("x", 0..<2) == [1, 2] && shards.readDoubles("z", 1..<3) == [5, 6])
    #expect(shards.tensor("w") == nil)
    #expect(throws: TensorFileError.safetensors(.noSuchTensor(name: "w"))) { try shards.readFloats("w", 0..<1) }
    #expect(shards.metadata.map(\.key) == ["format"])
    // Without a size, with one that a merged model brought along, and with what new versions add.
    _ = try open(index(good), try files())
    _ = try open(index(good, total: "25"), try files())
    _ = try open(#"{"metadata":{"total_size":24,"total_parameters":6},"weight_map":{"# + good + "}}", try files())
  }

  @Test("each way in which index and files do not fit has its sentence")
  func misfits() throws {
    func sentence(_ map: String, total: String? = nil, _ change: (inout [String: [UInt8]]) throws -> Void = { _ in }) throws -> String {
      var files = try files()
      try change(&files)
      let text = index(map, total: total), all = files
      let error = #expect(throws: (any Error).self) { try open(text, all) }
      return error.map { "\($0)" } ?? ""
    }
    #expect(try sentence(good) { $0["b.safetensors"] = nil }.contains("the shard \"b.safetensors\" does not exist"))
    #expect(
      try sentence(good.replacing("\"z\":\"b", with: "\"z\":\"a"))
        .contains("tensor \"z\" is listed in \"a.safetensors\", but is not there"))
    #expect(
      try sentence(#""x":"b.safetensors","z":"b.safetensors","y":"a.safetensors""#)
        .contains("tensor \"x\" is listed in \"b.safetensors\", but lies in \"a.safetensors\""))
    #expect(
      try sentence(good + #","w":"b.safetensors""#).contains("tensor \"w\" is listed in \"b.safetensors\", but is not there"))
    #expect(
      try sentence(#""x":"a.safetensors","z":"b.safetensors""#)
        .contains("tensor \"y\" lies in \"a.safetensors\", but is not listed"))
    #expect(
      try sentence(good) { $0["b.safetensors"] = try shard([("z", [4, 5, 6]), ("x", [1, 2])]) }
        .contains("tensor \"x\" lies in \"a.safetensors\" and in \"b.safetensors\""))
    #expect(
      try sentence(good) { $0["a.safetensors"]?.removeLast() }.contains("the shard \"a.safetensors\": safetensors: tensor"))
    #expect(try sentence(good + #","x":"b.safetensors""#).contains("\"x\" is listed twice"))
    for name in ["../a.safetensors", "/etc/passwd", "sub/a", "..", ".", "", #"a\\b"#, #"a\u0000"#] {
      #expect(try sentence("\"x\":\"\(name)\"").contains("is no name of a file in this folder"), "\(name)")
    }
    #expect(try sentence(#""x":7"#).contains("tensor \"x\" has no file's name"))
    for total in ["-1", "1.5", "\"24\"", "[]"] {
      #expect(try sentence(good, total: total).contains("\"total_size\" must be a whole number"), "\(total)")
    }
  }

  @Test("an index without a map, and one that names too many files")
  func frame() {
    for text in ["[]", "{}", #"{"weight_map":[]}"#, #"{"weight_map":null}"#] {
      #expect(throws: SafetensorsIndexError.noWeightMap) { try SafetensorsIndex(parsing: Array(text.utf8)) }
    }
    let many = (0...SafetensorsIndex.shardLimit).map { "\"t\($0)\":\"s\($0)\"" }.joined(separator: ",")
    #expect(throws: SafetensorsIndexError.tooManyShards(limit: SafetensorsIndex.shardLimit)) {
      try SafetensorsIndex(parsing: Array(index(many).utf8))
    }
    let error = #expect(throws: SafetensorsIndexError.self) { try SafetensorsIndex(parsing: Array("{".utf8)) }
    #expect(error.map { "\($0)" }?.contains("it cannot be read: JSON ends") == true)
  }

  @Test("bfloat16 is the nearest, halfway to the even one; NaN and infinity stay what they are")
  func rounding() throws {
    let values: [Float] = [
      1, 1.0039062, 1.0039064, 1.01171875, -1.0039062, 0, -0.0, .infinity, -.infinity, .leastNonzeroMagnitude, 3.0e38, 0.1,
    ]
    var writer = SafetensorsWriter()
    try writer.addBFloat16("x", shape: [values.count]) { values }
    try writer.addBFloat16("n", shape: [2]) { [.nan, Float(bitPattern: 0x7F80_0001)] }
    let file = try SafetensorsFile(bytes: try writer.serialized()), read = try file.floats("x")
    #expect(file.entry("x")?.dtype == .bf16)
    #expect(read == [1, 1, 1.0078125, 1.015625, -1, 0, -0.0, .infinity, -.infinity, 0, 3.0040553e38, 0.100097656])
    for (a, b) in zip(read, values) where b.isFinite { #expect(abs(a - b) <= abs(b) / 256 || b < 1e-38) }
    #expect(try file.floats("n").allSatisfy(\.isNaN))
    // What was read is written as it is.
    var again = SafetensorsWriter()
    try again.addBFloat16("x", shape: [read.count]) { read }
    #expect(try SafetensorsFile(bytes: try again.serialized()).floats("x") == read)
  }
}
